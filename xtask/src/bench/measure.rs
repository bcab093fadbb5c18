//! What a server spends on requests: instructions, system calls, CPU time.

use std::{fs, io::ErrorKind, path::Path};

use super::{
    load::Load,
    server::{Server, Start},
};
use crate::failure::Failure;

/// Connections that requests come over.
pub(super) const CONNECTIONS: usize = 16;

/// The two numbers of requests whose difference is measured: what happens once, at start, cancels out.
const FEW: usize = 1_000;
const MANY: usize = 3_000;

/// User instructions per request, by callgrind.
pub(super) fn instructions(start: &Start, path: &str, folder: &Path) -> Result<f64, Failure> {
    let load =
        |server: &Server| Load::open(server.address, path, CONNECTIONS).map_err(Failure::io("connecting"));
    instructions_of(start, folder, load)
}

/// The same, for the requests of the load that `open` opens to a server that was started.
pub(super) fn instructions_of(
    start: &Start,
    folder: &Path,
    open: impl Fn(&Server) -> Result<Load, Failure>,
) -> Result<f64, Failure> {
    let wrapper =
        ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}/callgrind", folder.display())]
            .map(str::to_owned);
    difference(|requests| {
        let output = folder.join("valgrind.log");
        let server = start.start(&wrapper, &output)?;
        open(&server)?.send(requests).map_err(Failure::io("sending requests"))?;
        let process = server.id();
        server.stop(process)?;
        let said = fs::read_to_string(&output).map_err(Failure::file(&output))?;
        collected(&said)
            .ok_or_else(|| Failure::Unmet(format!("valgrind counted nothing for {}: {said}", start.name)))
    })
}

/// The count in callgrind's last words: `==123== Collected : 456`.
fn collected(said: &str) -> Option<f64> {
    let line = said.lines().rev().find_map(|line| line.split_once("Collected :"))?.1;
    line.split_whitespace().next()?.parse().ok()
}

/// System calls per request, by strace.
pub(super) fn system_calls(start: &Start, path: &str, folder: &Path) -> Result<f64, Failure> {
    let summary = folder.join("strace");
    let wrapper = ["strace", "-f", "-c", "-o", &summary.display().to_string()].map(str::to_owned);
    difference(|requests| {
        let server = start.start(&wrapper, &folder.join("strace.log"))?;
        send(&server, path, requests)?;
        let traced = child(server.id())?;
        server.stop(traced)?;
        let said = fs::read_to_string(&summary).map_err(Failure::file(&summary))?;
        calls(&said)
            .ok_or_else(|| Failure::Unmet(format!("strace counted nothing for {}: {said}", start.name)))
    })
}

/// The sum in strace's last line: `100.00  0.01  0  29  1 total`, where the errors may be left out.
fn calls(said: &str) -> Option<f64> {
    let line = said.lines().rev().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// The first child of `process`.
fn child(process: u32) -> Result<u32, Failure> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(&path).map_err(Failure::file(Path::new(&path)))?;
    let first = children.split_whitespace().next().and_then(|first| first.parse().ok());
    first.ok_or_else(|| Failure::Unmet(format!("process {process} has no child")))
}

/// CPU seconds, user and system, that `server` spends on `requests`.
pub(super) fn cpu_seconds(server: &Server, load: &mut Load, requests: usize) -> Result<f64, Failure> {
    let before = cpu_so_far(server)?;
    load.send(requests).map_err(Failure::io("sending requests"))?;
    Ok(cpu_so_far(server)? - before)
}

/// CPU seconds, user and system, that the threads of `server` have spent. In nanoseconds where proc(5)'s `stat` tells
/// hundredths of a second; a thread that has ended takes its own with it.
pub(super) fn cpu_so_far(server: &Server) -> Result<f64, Failure> {
    let tasks = format!("/proc/{}/task", server.id());
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(&tasks).map_err(Failure::file(Path::new(&tasks)))? {
        let path = task.map_err(Failure::file(Path::new(&tasks)))?.path().join("schedstat");
        let said = match fs::read_to_string(&path) {
            Ok(said) => said,
            // It has ended just now.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::file(&path)(error)),
        };
        nanoseconds += on_cpu(&said)
            .ok_or_else(|| Failure::Unmet(format!("{} cannot be read: {said}", path.display())))?;
    }
    Ok(nanoseconds / 1e9)
}

/// The first of three numbers.
fn on_cpu(schedstat: &str) -> Option<f64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn send(server: &Server, path: &str, requests: usize) -> Result<(), Failure> {
    let mut load = Load::open(server.address, path, CONNECTIONS).map_err(Failure::io("connecting"))?;
    load.send(requests).map_err(Failure::io("sending requests"))
}

/// What one request costs: the difference between many and few.
fn difference(mut measure: impl FnMut(usize) -> Result<f64, Failure>) -> Result<f64, Failure> {
    let few = measure(FEW)?;
    let many = measure(MANY)?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let requests = (MANY - FEW) as f64;
    Ok((many - few) / requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_say_is_read() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 123456\n==7==\n"), Some(123_456.0));
        assert_eq!(collected("==7== no events\n"), None);
        assert_eq!(
            calls(
                " 50.00 0.1 0 20 write\n------\n100.00    0.000000           0        29         1 total\n"
            ),
            Some(29.0)
        );
        assert_eq!(calls("100.00    0.000000           0        29           total\n"), Some(29.0));
        assert_eq!(calls(""), None);
        assert_eq!((on_cpu("991653884 179357 43\n"), on_cpu("")), (Some(991_653_884.0), None));
    }

    #[test]
    fn what_happens_once_cancels_out() {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let cost = difference(|requests| Ok(1_000_000.0 + 7.0 * requests as f64)).unwrap();
        assert!((cost - 7.0).abs() < 1e-9);
    }
}
