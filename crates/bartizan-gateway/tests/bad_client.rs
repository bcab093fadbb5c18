//! Clients that are slow, ambiguous, endless, or too many: they get an answer, and nobody else notices.

mod support;

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bartizan::{Answer, Answers, BoxFuture};
use bartizan_core::Query;
use support::{Client, Echo, Served, Upstream, config, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// An upstream that counts the requests that reach it.
fn counting() -> (Upstream, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let upstream = Upstream::start(move |_, mut client| {
        while client.request().is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    (upstream, count)
}

#[test]
fn smuggled_requests_reach_nobody() {
    let (upstream, reached) = counting();
    let gateway = Served::start("", upstream.address);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (name, code, head) in [
        (
            "CL.TE",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE.CL",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        ),
        (
            "CL.CL",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        ),
        (
            "TE.TE",
            "framing.unsupported",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE x",
            "framing.unsupported",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE identity",
            "framing.unsupported",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n",
        ),
        (
            "TE 1.0",
            "framing.unsupported",
            "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE vertical tab",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE space before colon",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE folded",
            "framing.unsupported",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "bare LF",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nX: y\nContent-Length: 0\r\n\r\n",
        ),
        ("bare LF at the end", "framing.ambiguous", "POST / HTTP/1.1\r\nHost: localhost\n\n"),
        (
            "bare CR",
            "framing.ambiguous",
            "POST / HTTP/1.1\r\nHost: localhost\r\nX: y\rContent-Length: 0\r\n\r\n",
        ),
        ("NUL", "framing.ambiguous", "POST / HTTP/1.1\r\nHost: localhost\r\nX: y\0\r\n\r\n"),
        ("version", "framing.ambiguous", "POST / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
        ("TLS", "framing.ambiguous", "\x16\x03\x01\x02\n"),
        ("h2 preface", "framing.ambiguous", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("fragment", "path.malformed", "GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("CONNECT", "request.method", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n"),
    ] {
        let mut client = gateway.client();
        client.send(format!("{head}{smuggled}"));
        let answer = client.answer();
        assert_eq!(answer.code().as_deref(), Some(code), "{name}: {answer:?}");
        assert_eq!(answer.get("x-content-type-options"), Some("nosniff"), "{name}");
        if code != "request.method" {
            assert_eq!(answer.get("connection"), Some("close"), "{name}");
            assert!(client.is_closed(), "{name}: the connection ends with the refusal");
        }
    }
    assert!(reached.load(Ordering::SeqCst) <= 1, "only the request behind CONNECT stands for itself");
}

#[test]
fn broken_chunks_end_the_request() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        let _ = client.rest();
    });
    let gateway = Served::start("", upstream.address);
    for body in ["5\nhello\r\n", "5\r\nhello\n", "zz\r\n", "5;a\nb\r\n", "fffffffffffffffff\r\n"] {
        let mut client = gateway.client();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        client.answer().assert_denied(400, "framing.ambiguous");
        assert!(client.is_closed(), "{body:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let (upstream, reached) = counting();
    let gateway = Served::start("", upstream.address);
    let many = "a: b\r\n".repeat(101);
    gateway
        .ask(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"))
        .assert_denied(400, "headers.too-many");
    let long = "x".repeat(33 << 10);
    gateway
        .ask(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"))
        .assert_denied(400, "headers.too-large");
    // A head that never ends is not waited for.
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    client.stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    while client.stream.write_all(&[b'x'; 1000]).is_ok() && client.stream.peek(&mut [0]).is_err() {}
    client.stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    client.answer().assert_denied(400, "headers.too-large");
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[test]
fn a_policy_may_allow_more_headers() {
    let upstream = Upstream::echo();
    let gateway =
        Served::start("---\n[request]\nmax_headers = 300\nmax_header_bytes = \"128KiB\"", upstream.address);
    let many: Vec<_> = (0..250).map(|n| format!("x-{n}: {}\r\n", "y".repeat(400))).collect();
    let many = many.concat();
    let echo = Echo::of(&gateway.ask(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")));
    assert_eq!(echo.headers.keys().filter(|name| name.starts_with("x-")).count(), 250 + 3);
}

#[test]
fn a_head_that_does_not_come_in_time() {
    let (upstream, _) = counting();
    let gateway = Served::start("header_timeout = \"300ms\"\nkeep_alive = \"300ms\"\n---", upstream.address);
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: loc");
    let start = Instant::now();
    let answer = client.answer();
    answer.assert_denied(408, "request.timeout");
    assert_eq!(answer.get("connection"), Some("close"));
    assert!(client.is_closed());
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());

    let mut silent = gateway.client();
    assert!(silent.is_closed(), "who says nothing is told nothing");

    let mut kept = gateway.client();
    kept.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(kept.answer().text(), "ok");
    assert!(kept.is_closed(), "nor who comes back too late");
}

#[test]
fn five_hundred_slow_clients_do_not_stop_others() {
    let (upstream, _) = counting();
    let gateway = Served::start("header_timeout = \"3s\"\n---", upstream.address);
    let mut slow: Vec<Client> = (0..500).map(|_| gateway.client()).collect();
    let head = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut worst = Duration::ZERO;
    // A byte each, again and again, and somebody else in between.
    for byte in &head[..20] {
        for client in &mut slow {
            let _ = client.stream.write_all(&[*byte]);
        }
        let start = Instant::now();
        assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").text(), "ok");
        worst = worst.max(start.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(worst < Duration::from_secs(2), "somebody waited {worst:?}");
    for client in &mut slow {
        client.answer().assert_denied(408, "request.timeout");
    }
}

#[test]
fn a_body_that_is_too_long() {
    let (upstream, reached) = counting();
    let gateway = Served::start("---\n[default]\nmax_body = \"1KiB\"", upstream.address);
    let ask = |head: &str| gateway.ask(&format!("POST / HTTP/1.1\r\nHost: localhost\r\n{head}"));
    assert_eq!(ask(&format!("Content-Length: 1024\r\n\r\n{}", "x".repeat(1024))).status(), 200);
    let before = reached.load(Ordering::SeqCst);
    // Nothing of it has to be sent.
    ask("Content-Length: 1025\r\n\r\n").assert_denied(413, "body.too-large");
    ask("Content-Length: 99999999999\r\n\r\n").assert_denied(413, "body.too-large");
    // Or its length comes out while it streams.
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let answer = ask(&format!("Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}"));
    answer.assert_denied(413, "body.too-large");
    assert_eq!(answer.get("connection"), Some("close"));
    assert_eq!(reached.load(Ordering::SeqCst), before, "no whole request has reached the upstream");
}

#[test]
fn who_sends_it_all_before_reading_gets_its_answer() {
    const MEGABYTE: usize = 1 << 20;
    // A reset would break the sending off, and take the answer away.
    let upstream = Upstream::start(|_, mut client| {
        let Ok(head) = client.head() else { return };
        if head.line.contains("/early") {
            client.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nstop");
        }
        let _ = client.rest();
    });
    let gateway = Served::start(
        "---\n[default]\nmax_body = \"1MiB\"\n[[route]]\nmatch = \"POST /early\"\nmax_body = \"1GiB\"",
        upstream.address,
    );
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(MEGABYTE));
    let length = |megabytes| format!("Content-Length: {}\r\n\r\n", megabytes * MEGABYTE);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for (name, path, head, body, status) in [
        ("announced", "/", length(3), "x".repeat(3 * MEGABYTE), 413),
        ("announced, long", "/", length(20), "x".repeat(20 * MEGABYTE), 413),
        ("found too long", "/", chunked.into(), chunk.repeat(20), 413),
        ("broken", "/", chunked.into(), format!("zz\r\n{}", "x".repeat(20 * MEGABYTE)), 400),
        ("refused by its head", "//", length(20), "x".repeat(20 * MEGABYTE), 400),
        ("refused unparsed", "/ x", length(20), "x".repeat(20 * MEGABYTE), 400),
        ("answered early", "/early", length(20), "x".repeat(20 * MEGABYTE), 401),
    ] {
        let mut client = gateway.client();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}"));
        let sent = client.stream.write_all(body.as_bytes());
        assert!(sent.is_ok(), "{name}: {sent:?}");
        assert_eq!(client.answer().status(), status, "{name}");
        assert!(client.is_closed(), "{name}");
    }
}

#[test]
fn slow_uploads_that_were_refused_are_not_held_for_long() {
    let (upstream, _) = counting();
    let gateway = Served::start("---\n[default]\nmax_body = \"1KiB\"", upstream.address);
    let start = Instant::now();
    let mut slow: Vec<Client> = (0..500).map(|_| gateway.client()).collect();
    for client in &mut slow {
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n");
        client.answer().assert_denied(413, "body.too-large");
    }
    // A byte each, again and again, and somebody else in between, until the last has been cut.
    while !slow.is_empty() {
        slow.retain_mut(|client| client.stream.write_all(b"x").is_ok());
        assert_eq!(gateway.ask(GET).text(), "ok");
        assert!(start.elapsed() < Duration::from_secs(15), "{} are still held", slow.len());
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn who_was_refused_makes_room_for_others() {
    let (upstream, _) = counting();
    let gateway = Served::start(
        "max_connections = 8\nthreads = 1\n---\n[default]\nmax_body = \"1KiB\"",
        upstream.address,
    );
    let mut refused: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
    for client in &mut refused {
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n");
        client.answer().assert_denied(413, "body.too-large");
    }
    let start = Instant::now();
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            // They would be listened to for five seconds.
            while is_done.recv_timeout(Duration::from_millis(200)).is_err() {
                for client in &mut refused {
                    let _ = client.stream.write_all(b"x");
                }
            }
        });
        assert_eq!(gateway.ask(GET).text(), "ok");
        let _ = done.send(());
    });
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}

#[test]
fn an_upload_that_stops() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        let _ = client.rest();
    });
    let gateway =
        Served::start("idle_timeout = \"300ms\"\nresponse_timeout = \"10s\"\n---", upstream.address);
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    let start = Instant::now();
    client.answer().assert_denied(408, "request.timeout");
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}

#[test]
fn a_client_that_does_not_read() {
    let (cut, was_cut) = mpsc::channel();
    let upstream = Upstream::start(move |_, mut client| {
        client.head().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while client.stream.write_all(&vec![b'x'; 65_536]).is_ok() {}
        let _ = cut.send(());
    });
    let gateway = Served::start("idle_timeout = \"300ms\"\n---", upstream.address);
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Nothing is read before the upstream has been let go.
    was_cut.recv_timeout(Duration::from_secs(10)).expect("the gateway gives the client up");
    // The connection was cut: what can still be read ends, long before the gigabyte.
    let mut left = 0_usize;
    let some = |bytes: &[u8]| Some((bytes.len(), bytes.len())).filter(|(count, _)| *count > 0);
    while let Ok(count) = client.read_until(some) {
        left += count;
    }
    assert!(left < 100_000_000, "{left} bytes");
}

#[test]
fn too_many_clients_wait_and_idle_ones_make_room() {
    let (upstream, _) = counting();
    let gateway = Served::start("max_connections = 8\nthreads = 1\n---", upstream.address);
    let ask = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut idle: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
    for client in &mut idle {
        client.send(ask);
        assert_eq!(client.answer().text(), "ok");
    }
    // At the limit everybody stays; one more, and some must go.
    for client in &mut idle {
        client.send(ask);
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!(gateway.ask(ask).text(), "ok", "idle connections were closed for it");
}

#[test]
fn many_clients_at_once() {
    let (upstream, _) = counting();
    let gateway = Served::start("", upstream.address);
    let port = gateway.port;
    let threads: Vec<_> = (0..16)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..20 {
                    let mut client = Client::connect(port);
                    for _ in 0..5 {
                        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
                        assert_eq!(client.answer().text(), "ok");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A store that panics.
struct Broken;

impl Answers for Broken {
    fn answer(&self, _: Query) -> BoxFuture<'_, Answer> {
        panic!("the store of this test is broken")
    }
}

#[test]
fn a_panic_is_the_end_of_one_request_only() {
    let (upstream, _) = counting();
    let policy = "threads = 1\n---\n[session]\n[default]\nrequire = \"nothing\"\n[[route]]\nmatch = \"* /mine\"\nrequire = \"session\"";
    let gateway = Served::run(config(policy, upstream.address).store(Arc::new(Broken)));
    let mut other = gateway.client();
    other.send(GET);
    assert_eq!(other.answer().text(), "ok");
    for _ in 0..2 {
        let mut client = gateway.client();
        client.send("GET /mine HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-session=x\r\n\r\n");
        client.answer().assert_denied(500, "handler.panic");
        assert!(client.is_closed());
    }
    other.send(GET);
    assert_eq!(other.answer().text(), "ok");
}

/// A store that never answers.
struct Silent;

impl Answers for Silent {
    fn answer(&self, _: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_store_that_never_answers() {
    let (upstream, _) = counting();
    let policy = "response_timeout = \"300ms\"\n---\n[session]\n[default]\nrequire = \"session\"";
    let gateway = Served::run(config(policy, upstream.address).store(Arc::new(Silent)));
    gateway
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-session=x\r\n\r\n")
        .assert_denied(503, "store.unavailable");
}

#[test]
fn half_a_request_and_gone() {
    let (upstream, reached) = counting();
    let gateway = Served::start("", upstream.address);
    for part in
        ["", "G", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"]
    {
        let mut client = gateway.client();
        client.send(part);
    }
    assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").text(), "ok");
    until("the one request", || reached.load(Ordering::SeqCst) == 1);
}
