//! Bad company: slow clients, an upstream that dies, a service manager that wants the gateway gone.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bartizan_peers::{FastApi, Gateway, HttpRequest, raw, until};
use http_body_util::BodyExt as _;

/// How many clients send a byte a second.
const SLOW: usize = 500;

#[tokio::test]
async fn slow_clients_do_not_stop_others() {
    let Some(app) = FastApi::start() else { return };
    let gateway = Gateway::start("version = 1\n[server]\nheader_timeout = \"5s\"\n", &app.url(""));
    let sockets = (0..SLOW).map(|_| raw::connect(gateway.port()).unwrap()).collect();
    let dripping = thread::spawn(move || drip(sockets));

    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while !dripping.is_finished() {
        let began = Instant::now();
        let response = HttpRequest::get(&gateway.url("/api/balances")).send().await;
        assert_eq!(response.status, 200, "{response:?}");
        slowest = slowest.max(began.elapsed());
        asked += 1;
    }
    assert!(asked >= 50, "only {asked} others were served meanwhile");
    assert!(slowest < Duration::from_secs(2), "with {SLOW} slow clients another waited {slowest:?}");
    // The gateway's patience with them has ended.
    assert_eq!(dripping.join().unwrap(), SLOW, "how many of the slow clients were cut off");
}

/// Sends a request's head from every socket, a byte a second each, which never ends. Returns how many of them were
/// cut off within 30 seconds.
fn drip(mut sockets: Vec<TcpStream>) -> usize {
    let head = b"GET /api/balances HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let mut cut = vec![false; sockets.len()];
    let began = Instant::now();
    for second in 0..30 {
        let byte = head.get(second).copied().unwrap_or(b'a');
        for (socket, cut) in sockets.iter_mut().zip(&mut cut) {
            // On a connection that the other side has closed, one write more goes well.
            *cut = *cut || socket.write_all(&[byte]).is_err();
        }
        if cut.iter().all(|cut| *cut) {
            break;
        }
        let next = began + Duration::from_secs(second as u64 + 1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    cut.into_iter().filter(|cut| *cut).count()
}

#[tokio::test]
async fn an_upstream_that_dies_is_a_problem_and_no_hang() {
    let Some(mut app) = FastApi::start() else { return };
    let gateway = Gateway::start("version = 1\n", &app.url(""));
    assert_eq!(HttpRequest::get(&gateway.url("/api/balances")).send().await.status, 200);
    let mut stream = HttpRequest::get(&gateway.url("/api/events")).stream().await.into_body();
    let hello = stream.frame().await.unwrap().unwrap();
    assert!(hello.is_data());

    app.kill();
    // The stream that was under way ends, and not as if it were complete.
    let rest =
        tokio::time::timeout(Duration::from_secs(20), stream.collect()).await.expect("the stream ends");
    assert!(rest.is_err(), "a cut stream must not look complete");
    // New requests are answered, those too that find a dead connection in the pool.
    for _ in 0..5 {
        let response = HttpRequest::get(&gateway.url("/api/balances")).send().await;
        assert_eq!(
            (response.status, response.denial().as_str()),
            (502, "upstream.unreachable"),
            "{response:?}"
        );
        assert_eq!(response.header("content-type"), "application/problem+json");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn sigterm_lets_requests_end_and_takes_no_new_ones() {
    let Some(app) = FastApi::start() else { return };
    let mut gateway = Gateway::start("version = 1\n", &app.url(""));
    let mut idle = raw::connect(gateway.port()).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_until(&mut idle, "}");

    // `100 Continue` is the application's word that it has begun to read.
    let mut upload = raw::connect(gateway.port()).unwrap();
    let head =
        "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    upload.write_all(head.as_bytes()).unwrap();
    read_until(&mut upload, "\r\n\r\n");
    upload.write_all(b"hello").unwrap();
    gateway.terminate();
    until("new connections to be refused", Duration::from_secs(10), || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, gateway.port())).is_err().then_some(())
    });
    assert_eq!(gateway.exited(), None, "a request is still under way\n{}", gateway.log());

    assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0, "a connection without a request is closed");
    upload.write_all(b"world").unwrap();
    let mut answer = Vec::new();
    upload.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(raw::status(&answer), Some(200), "{text}");
    assert!(text.contains("\"bytes\":10"), "{text}");
    let status = until("the gateway to end", Duration::from_secs(10), || gateway.exited());
    assert!(status.success(), "{status}\n{}", gateway.log());
}

/// Reads until `wanted` has come.
fn read_until(stream: &mut TcpStream, wanted: &str) {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(wanted.as_bytes()) {
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("{wanted:?} does not come: {error}: {}", String::from_utf8_lossy(&text))
        });
        text.push(byte[0]);
    }
}
