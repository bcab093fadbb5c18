//! Upstreams that hang, break off, or speak something else: the client always gets an answer, or sees that it is not
//! whole.

mod support;

use std::{
    io::Write as _,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use support::{Client, Echo, PATIENCE, Served, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn nobody_listens() {
    let gateway = Served::start("", Upstream::nobody());
    let mut client = gateway.client();
    for _ in 0..3 {
        client.send(GET);
        client.answer().assert_denied(502, "upstream.unreachable");
    }
}

#[test]
fn a_name_that_does_not_resolve() {
    // A label has 63 octets at most (RFC 1035, section 2.3.4), so no server is asked for this one.
    let gateway = Served::run(support::config_of(&format!(
        "version = 1\n[server]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}:80\"\n",
        "a".repeat(64)
    )));
    gateway.ask(GET).assert_denied(502, "upstream.unreachable");
}

#[test]
fn an_upstream_that_never_answers() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        let _ = client.rest();
    });
    let gateway = Served::start("response_timeout = \"300ms\"\n---", upstream.address);
    let start = Instant::now();
    let mut client = gateway.client();
    client.send(GET);
    client.answer().assert_denied(504, "upstream.timeout");
    assert!(start.elapsed() >= Duration::from_millis(300), "not before the time");
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    // The client's connection goes on.
    client.send(GET);
    client.answer().assert_denied(504, "upstream.timeout");
}

#[test]
fn answers_that_are_no_http() {
    for (name, response) in [
        ("nothing", String::new()),
        ("garbage", "SSH-2.0-OpenSSH_9.9\r\n\r\n".into()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le".into()),
        ("another version", "HTTP/3.0 200 OK\r\n\r\n".into()),
        ("a folded header", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n".into()),
        ("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".into()),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into()),
        ("two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na".into()),
        (
            "a length and a coding",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        ),
        ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into()),
        ("an upgrade that nobody wants", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n".into()),
        ("200 headers", format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200))),
        ("a header of 1 MB", format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))),
    ] {
        let upstream = Upstream::start(move |_, mut client| {
            client.head().unwrap();
            // The gateway may have had enough before it has read everything.
            let _ = client.stream.write_all(response.as_bytes());
        });
        let gateway = Served::start("", upstream.address);
        let answer = gateway.ask(GET);
        assert_eq!(answer.code().as_deref(), Some("upstream.invalid"), "{name}: {answer:?}");
        answer.assert_denied(502, "upstream.invalid");
    }
}

#[test]
fn endless_headers_are_cut() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        client.send("HTTP/1.1 200 OK\r\n");
        while client.stream.write_all("x: ".repeat(1000).as_bytes()).is_ok() {}
    });
    let gateway = Served::start("", upstream.address);
    gateway.ask(GET).assert_denied(502, "upstream.invalid");
}

#[test]
fn endless_interim_responses_are_cut() {
    for (name, interim) in [
        ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
        ("103", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"),
    ] {
        let (tell, told) = mpsc::channel();
        let upstream = Upstream::start(move |number, mut client| {
            if number == 0 {
                // A connection that is kept, so that a repetition would be possible.
                client.request().unwrap();
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
            client.request().unwrap();
            let mut sent = 0;
            while let Ok(count) = client.stream.write(&interim.repeat(100).into_bytes()) {
                sent += count;
            }
            tell.send(sent).unwrap();
        });
        let gateway = Served::start("threads = 1\n---", upstream.address);
        assert_eq!(gateway.ask(GET).text(), "ok");
        let mut client = gateway.client();
        client.send(GET);
        // Others of the same thread are served meanwhile.
        gateway.ask("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").assert_denied(421, "host.unknown");
        client.answer().assert_denied(502, "upstream.invalid");
        let sent = told.recv_timeout(PATIENCE).expect("its connection is closed");
        assert!(sent < 32 << 20, "{name}: {sent} bytes were taken from it, more than the kernel holds");
        assert_eq!(upstream.connections(), 1, "{name}: nobody asks such an upstream again");
    }
}

#[test]
fn interim_responses_do_not_extend_the_time() {
    let upstream = Upstream::start(|_, mut client| {
        client.request().unwrap();
        while client.stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let gateway = Served::start("response_timeout = \"300ms\"\n---", upstream.address);
    let start = Instant::now();
    gateway.ask(GET).assert_denied(504, "upstream.timeout");
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}

#[test]
fn many_interim_responses_may_come_before_a_long_body() {
    let upstream = Upstream::start(|_, mut client| {
        for _ in 0..2 {
            client.request().unwrap();
            client.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(1000));
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            client.send(vec![b'x'; 1_000_000]);
        }
    });
    let gateway = Served::start("threads = 1\n---", upstream.address);
    for _ in 0..2 {
        assert_eq!(gateway.ask(GET).body.len(), 1_000_000);
    }
    assert_eq!(upstream.connections(), 1, "each request has its own allowance");
}

#[test]
fn a_body_that_breaks_off_does_not_look_whole() {
    for (name, response) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        ("chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf"),
        ("bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"),
    ] {
        let upstream = Upstream::start(move |_, mut client| {
            client.head().unwrap();
            client.send(response);
        });
        let gateway = Served::start("", upstream.address);
        for version in ["1.1", "1.0"] {
            let mut client = gateway.client();
            client.send(format!("GET / HTTP/{version}\r\nHost: localhost\r\n\r\n"));
            if version == "1.1" || name == "length" {
                // Length and coding tell the client by themselves; and the connection ends.
                client.head().unwrap();
                let rest = client.rest().unwrap_or_default();
                assert!(!rest.ends_with(b"0\r\n\r\n"), "{name}: {rest:?}");
                assert!(rest.len() < 10, "{name}: {rest:?}");
            } else {
                // Without either, only a reset says that it is not the end.
                let error = client.head().and_then(|_| client.rest()).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{name}");
            }
        }
    }
}

#[test]
fn a_response_that_falls_silent_is_cut() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = client.rest();
    });
    let gateway = Served::start("idle_timeout = \"300ms\"\n---", upstream.address);
    let mut client = gateway.client();
    client.send(GET);
    client.head().unwrap();
    let start = Instant::now();
    let _ = client.rest();
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
}

#[test]
fn a_slow_stream_is_not_cut() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(150));
            client.send("x");
        }
    });
    // Longer in all than any one silence may be.
    let gateway =
        Served::start("idle_timeout = \"500ms\"\nresponse_timeout = \"500ms\"\n---", upstream.address);
    assert_eq!(gateway.ask(GET).text(), "xxxxxxxx");
}

#[test]
fn a_stale_connection_is_noticed_once() {
    // Every connection answers once, and breaks off at the second request, as if it had timed out just then.
    let upstream = Upstream::start(|_, mut client: Client| {
        client.request().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let _ = client.request();
    });
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        // It may have done something already.
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 502),
        ("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab", 502),
    ] {
        let gateway = Served::start("threads = 1\n---", upstream.address);
        gateway.ask(GET);
        let before = upstream.connections();
        let mut client = gateway.client();
        client.send(request);
        let head = client.head().unwrap();
        assert_eq!(head.status(), expected, "{request}");
        assert_eq!(upstream.connections() - before, usize::from(expected == 200), "{request}");
    }
}

#[test]
fn a_request_that_is_sent_again_is_the_same() {
    let upstream = Upstream::start(|number, mut client: Client| {
        let first = client.request().unwrap();
        if number == 0 {
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            client.request().unwrap();
            return;
        }
        client.send(first.echo());
    });
    let gateway = Served::start("threads = 1\n---", upstream.address);
    gateway.ask(GET);
    let answer = gateway.ask(
        "GET /again?x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Own: 1\r\n\r\n",
    );
    let echo = Echo::of(&answer);
    assert_eq!(echo.line, "GET /again?x HTTP/1.1");
    assert_eq!(echo.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(
        (echo.get("x-hop"), echo.get("x-own"), echo.get("host")),
        (None, Some("1"), Some("localhost"))
    );
}

#[test]
fn upstream_errors_are_kept_from_the_client() {
    let upstream = Upstream::fixed(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 33\r\n\r\nTraceback (most recent call last)",
    );
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    for _ in 0..2 {
        client.send(GET);
        let answer = client.answer();
        answer.assert_denied(500, "upstream.error");
        assert!(!answer.text().contains("Traceback"), "{answer:?}");
    }
}

#[test]
fn a_reset_before_the_head() {
    let upstream = Upstream::start(|_, client: Client| {
        // Closing with unread bytes resets the connection.
        support::until("the request", || client.stream.peek(&mut [0]).is_ok_and(|count| count > 0));
        drop(client);
    });
    let gateway = Served::start("", upstream.address);
    gateway.ask(GET).assert_denied(502, "upstream.invalid");
    assert!(PATIENCE > Duration::from_secs(1));
}
