//! The gateway beside nginx: the same upstream, the same response headers, one worker each, no access log.

use std::net::{Ipv4Addr, SocketAddr};

use super::{
    figure::{Figure, median},
    load::Load,
    measure::{self, CONNECTIONS},
    server,
};
use crate::failure::Failure;

/// Requests per round of the CPU measurement: about a second of it.
const ROUND: usize = 30_000;

/// Measures both, for a small body and for one of 10 KB.
pub(super) fn nginx(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::io("a temporary folder"))?;
    let folder = folder.path();
    let upstream = server::upstream(folder, free())?;
    let _upstream = upstream.start(&[], &folder.join("upstream.out"))?;
    let gateway = server::gateway(folder, free(), upstream.address)?;
    let headers = added_headers(&gateway, &upstream, folder)?;
    eprintln!("both add {} headers: {}", headers.len(), names(&headers));
    let nginx = server::proxy(folder, free(), upstream.address, &headers)?;

    let mut figures = Vec::new();
    for (path, body) in [("/small", "small body"), ("/large", "10 KB body")] {
        eprintln!("==> {body}: instructions and system calls");
        let ours = measure::instructions(&gateway, path, folder)?;
        let theirs = measure::instructions(&nginx, path, folder)?;
        figures.push(Figure::reported(
            format!("gateway, {body}: user instructions per request"),
            ours,
            0,
            theirs,
        ));
        figures.push(Figure::reference(format!("nginx, {body}: user instructions per request"), theirs, 0));
        let ours = measure::system_calls(&gateway, path, folder)?;
        let theirs = measure::system_calls(&nginx, path, folder)?;
        figures.push(Figure::reported(format!("gateway, {body}: system calls per request"), ours, 2, theirs));
        figures.push(Figure::reference(format!("nginx, {body}: system calls per request"), theirs, 2));
        eprintln!("==> {body}: CPU time, {rounds} rounds");
        figures.extend(cpu(&gateway, &nginx, path, body, rounds, folder)?);
    }
    Ok(figures)
}

/// CPU time, taking turns, so that whatever else the machine does falls on both.
fn cpu(
    gateway: &server::Start,
    nginx: &server::Start,
    path: &str,
    body: &str,
    rounds: usize,
    folder: &std::path::Path,
) -> Result<Vec<Figure>, Failure> {
    let gateway = gateway.start(&[], &folder.join("gateway.out"))?;
    let nginx = nginx.start(&[], &folder.join("nginx.out"))?;
    let open = |address| Load::open(address, path, CONNECTIONS).map_err(Failure::io("connecting"));
    let (mut to_gateway, mut to_nginx) = (open(gateway.address)?, open(nginx.address)?);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // One round more, whose figures are left out: caches and connections to the upstream are cold in it.
    for round in 0..=rounds {
        let our = measure::cpu_seconds(&gateway, &mut to_gateway, ROUND)?;
        let their = measure::cpu_seconds(&nginx, &mut to_nginx, ROUND)?;
        if round > 0 && their > 0.0 {
            ours.push(our);
            theirs.push(their);
            ratios.push(our / their);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_ten_thousand = 10_000.0 / ROUND as f64;
    let middle =
        |values: &mut Vec<f64>| median(values).ok_or_else(|| Failure::Unmet("there were no rounds".into()));
    Ok(vec![
        Figure::reference(
            format!("gateway, {body}: CPU seconds per 10 000 requests"),
            middle(&mut ours)? * per_ten_thousand,
            3,
        ),
        Figure::reference(
            format!("nginx, {body}: CPU seconds per 10 000 requests"),
            middle(&mut theirs)? * per_ten_thousand,
            3,
        ),
        Figure::reported(
            format!("{body}: CPU time, gateway ÷ nginx, median of {rounds} rounds"),
            middle(&mut ratios)?,
            2,
            1.05,
        ),
    ])
}

/// The headers that the gateway adds to what the upstream sends; nginx is told to add the same.
fn added_headers(
    gateway: &server::Start,
    upstream: &server::Start,
    folder: &std::path::Path,
) -> Result<Vec<(String, String)>, Failure> {
    let gateway = gateway.start(&[], &folder.join("gateway.out"))?;
    let head = |address| Load::open(address, "/small", 1)?.head();
    let through = head(gateway.address).map_err(Failure::io("a request through the gateway"))?;
    let direct = head(upstream.address).map_err(Failure::io("a request to the upstream"))?;
    let sent = parse(&direct);
    Ok(parse(&through).into_iter().filter(|(name, _)| sent.iter().all(|(known, _)| known != name)).collect())
}

/// The headers of a response's head, names in lower case.
fn parse(head: &str) -> Vec<(String, String)> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect()
}

fn names(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A port of the loopback address that nobody uses now.
pub(super) fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, bartizan_peers::free_port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_from_a_head() {
        let head = "HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\ncontent-length: 5";
        let expected = [("x-frame-options", "DENY"), ("content-length", "5")];
        assert_eq!(parse(head), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(names(&parse(head)), "x-frame-options, content-length");
    }
}
