//! What crosses the gateway, and how it looks on the other side.

mod support;

use std::{
    io::Write as _,
    net::Shutdown,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use support::{Client, Echo, Served, Upstream, config, config_of};

#[test]
fn a_request_and_its_response() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask("GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    let echo = Echo::of(&answer);
    assert_eq!(echo.line, "GET /a?b=c HTTP/1.1");
    assert_eq!(echo.get("host"), Some("localhost"));
    assert_eq!(echo.get("accept"), Some("*/*"));
    assert_eq!(echo.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(echo.get("x-forwarded-proto"), Some("http"));
    assert_eq!(echo.get("x-forwarded-host"), Some("localhost"));
    assert_eq!(answer.get("x-content-type-options"), Some("nosniff"));
    assert!(answer.get("content-security-policy").is_some());
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::echo();
    let gateway = Served::start("threads = 1\n---", upstream.address);
    let mut client = gateway.client();
    for n in 0..50 {
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(Echo::of(&client.answer()).line, format!("GET /{n} HTTP/1.1"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    let requests = (0..20).map(|n| {
        format!(
            "POST /{n} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc\
             POST /c{n} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
        )
    });
    client.send(requests.collect::<String>());
    for n in 0..20 {
        let echo = Echo::of(&client.answer());
        assert_eq!((echo.line, echo.body), (format!("POST /{n} HTTP/1.1"), "abc".into()));
        let echo = Echo::of(&client.answer());
        assert_eq!((echo.line, echo.body), (format!("POST /c{n} HTTP/1.1"), "de".into()));
    }
}

#[test]
fn a_pipelined_refusal_comes_in_its_turn() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /b HTTP/1.1\r\nbroken\r\n\r\n");
    assert_eq!(Echo::of(&client.answer()).line, "GET /a HTTP/1.1");
    client.answer().assert_denied(400, "framing.ambiguous");
    assert!(client.is_closed());
}

#[test]
fn connection_headers_stay_on_their_connection() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Secret, Host\r\nX-Secret: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\
         TE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Kept: 1\r\n\r\n",
    );
    let echo = Echo::of(&answer);
    for gone in
        ["connection", "x-secret", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"]
    {
        assert_eq!(echo.get(gone), None, "{gone}");
    }
    assert_eq!(echo.get("x-kept"), Some("1"));
    assert_eq!(echo.get("host"), Some("localhost"), "nobody disowns it by naming it in Connection");
}

#[test]
fn what_proxies_say_of_the_client_is_ours_to_say() {
    let upstream = Upstream::echo();
    let gateway = Served::run(config("", upstream.address).upstream_token("s3cret".into()));
    let answer = gateway.ask(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
         Bartizan_Upstream_Token: x\r\nBartizan-Upstream-Token: x\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
    );
    let echo = Echo::of(&answer);
    assert_eq!(echo.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(echo.get("x-forwarded-proto"), Some("http"));
    assert_eq!(echo.get("x-forwarded-host"), Some("localhost"));
    assert_eq!(echo.get("bartizan-upstream-token"), Some("s3cret"));
    for gone in ["forwarded", "x-real-ip", "bartizan_upstream_token", "x-http-method-override"] {
        assert_eq!(echo.get(gone), None, "{gone}");
    }
}

#[test]
fn the_way_of_a_request_is_written_down() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    for (version, before, expected) in [
        ("1.1", "", &["1.1 bartizan"][..]),
        ("1.0", "", &["1.0 bartizan"]),
        ("1.1", "Via: 1.0 fred, 1.1 p.example\r\n", &["1.0 fred, 1.1 p.example", "1.1 bartizan"]),
        ("1.1", "Via: 1.0 fred\r\nVia: 1.1 bartizan\r\n", &["1.0 fred", "1.1 bartizan", "1.1 bartizan"]),
        // What was said of the connection before is not ours to pass on.
        ("1.1", "Connection: Via\r\nVia: 1.0 fred\r\n", &["1.1 bartizan"]),
    ] {
        let answer = gateway.ask(&format!("GET / HTTP/{version}\r\nHost: localhost\r\n{before}\r\n"));
        assert_eq!(Echo::of(&answer).headers["via"], expected, "{before}");
        assert_eq!(answer.get("via"), None, "strangers need not know what stands here");
    }
}

#[test]
fn a_circle_is_noticed() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let ask = |via: &str| gateway.ask(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nVia: {via}\r\n\r\n"));
    let round = "1.1 bartizan (a comment), 1.1 bartizan.example, 1.1  bartizan,, ";
    assert_eq!(ask(&round.repeat(4)).status(), 200);
    ask(&(round.repeat(4) + "1.1 bartizan")).assert_denied(502, "upstream.invalid");

    // A gateway that is its own upstream.
    let address = Upstream::nobody();
    let text = format!(
        "version = 1\n[origin]\npublic = [\"http://localhost\"]\n\
         [server]\nlisten = \"{address}\"\nupstream = \"http://{address}\"\nthreads = 1\n"
    );
    let gateway = Served::run(config_of(&text));
    gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").assert_denied(502, "upstream.invalid");
}

#[test]
fn a_trusted_proxy_is_believed() {
    let upstream = Upstream::echo();
    let proxy = "[proxy]\ntrusted = [\"127.0.0.1\"]\nforwarded = { for = \"x-forwarded-for\", proto = \"x-forwarded-proto\" }";
    let gateway = Served::start(proxy, upstream.address);
    let answer = gateway.ask(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n",
    );
    let echo = Echo::of(&answer);
    assert_eq!(echo.get("x-forwarded-for"), Some("203.0.113.9"));
    assert_eq!(echo.get("x-forwarded-proto"), Some("https"));
}

#[test]
fn absolute_targets_become_origin_form() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    for (request, line) in [
        ("GET http://localhost/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /a?b HTTP/1.1"),
        ("GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1"),
        ("GET http://localhost?b HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /?b HTTP/1.1"),
        ("GET http://localhost/a HTTP/1.0\r\n\r\n", "GET /a HTTP/1.1"),
    ] {
        let echo = Echo::of(&gateway.ask(request));
        assert_eq!((echo.line.as_str(), echo.get("host")), (line, Some("localhost")), "{request}");
    }
    gateway
        .ask("GET http://other.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .assert_denied(400, "authority.mismatch");
}

#[test]
fn bodies_of_every_framing() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    for (method, head, body, length, coding) in [
        ("POST", "Content-Length: 5\r\n", "hello", Some("5"), None),
        ("POST", "Content-Length: 0\r\n", "", Some("0"), None),
        ("POST", "", "", None, None),
        ("POST", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", None, Some("chunked")),
        ("POST", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", None, Some("chunked")),
        // A body that hyper's client would leave out.
        ("GET", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", None, Some("chunked")),
        ("GET", "Content-Length: 5\r\n", "hello", Some("5"), None),
        ("DELETE", "Content-Length: 5\r\n", "hello", Some("5"), None),
    ] {
        let answer = gateway.ask(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{body}"));
        let echo = Echo::of(&answer);
        assert_eq!(echo.get("content-length"), length, "{method} {head}{body}");
        assert_eq!(echo.get("transfer-encoding"), coding, "{method} {head}{body}");
        assert_eq!(echo.body, if body.contains("hello") { "hello" } else { "" }, "{method} {head}{body}");
    }
}

#[test]
fn responses_without_a_body() {
    for (method, response, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", Some("1234")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", None),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some("0")),
    ] {
        let upstream = Upstream::fixed(response);
        let gateway = Served::start("", upstream.address);
        let mut client = gateway.client();
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            let head = client.head().unwrap();
            assert_eq!(head.status(), response[9..12].parse::<u16>().unwrap(), "{head:?}");
            assert_eq!(head.get("content-length"), length, "{method} {response}");
            assert_eq!(head.get("transfer-encoding"), None, "{method} {response}");
        }
        assert_eq!(upstream.connections(), 1, "the connection is kept after {response}");
    }
}

#[test]
fn response_headers_of_the_connection_stay_behind() {
    let upstream = Upstream::fixed(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Server: secretd\r\nBartizan-Login: x\r\nX-Own: 1\r\nSet-Cookie: a=b\r\nProxy-Authenticate: Basic\r\n\r\nok",
    );
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for gone in ["x-hop", "keep-alive", "connection", "server", "bartizan-login", "proxy-authenticate"] {
        assert_eq!(answer.get(gone), None, "{gone}");
    }
    assert_eq!(answer.get("x-own"), Some("1"));
    assert!(answer.get("set-cookie").unwrap().contains("HttpOnly"), "{answer:?}");
    assert_eq!(answer.text(), "ok");
}

#[test]
fn old_clients_and_old_upstreams() {
    let upstream = Upstream::start(|_, mut client| {
        client.request().unwrap();
        client.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
    });
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.get("transfer-encoding"), answer.text().as_str()), (Some("chunked"), "until the end"));

    let mut client = gateway.client();
    client.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.get("transfer-encoding"), answer.text().as_str()), (None, "until the end"));
    assert!(client.is_closed());
}

#[test]
fn trailers_cross_in_both_directions() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask(
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Sum, Host, Bartizan-Assertion, X-Forwarded-For, X_Real_IP\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 7\r\nHost: evil\r\nBartizan-Assertion: x\r\nbartizan_login: x\r\nX-Forwarded-For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX-Unannounced: 1\r\n\r\n",
    );
    let echo = Echo::of(&answer);
    assert_eq!(echo.get("trailer x-sum"), Some("7"));
    assert_eq!(echo.get("trailer"), Some("x-sum"));
    assert_eq!(echo.headers.keys().filter(|name| name.starts_with("trailer ")).count(), 1);

    let upstream = Upstream::fixed(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie, X-Frame-Options\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nX-Frame-Options: ALLOWALL\r\n\r\n",
    );
    let gateway = Served::start("", upstream.address);
    let answer = gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.trailers), ("hi", vec!["x-sum: 7".to_owned()]));
    let answer = gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.trailers), ("hi", vec![]), "not to clients that ask for none");
}

#[test]
fn a_trailer_cannot_be_what_a_header_may_not() {
    let upstream = Upstream::echo();
    // Nobody is believed, and the names are ours all the same.
    let proxy =
        "[proxy]\ntrusted = [\"192.0.2.1\"]\nforwarded = { for = \"x-my-client\", host = \"x-my-host\" }";
    let gateway = Served::start(proxy, upstream.address);
    for head in ["", "X-My-Client: 6.6.6.6\r\n", "Connection: X-Hop\r\n"] {
        let echo = Echo::of(&gateway.ask(&format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\n{head}Transfer-Encoding: chunked\r\n\
             Trailer: X-Sum, X-My-Client, X_My_Host, Authorization\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-My-Client: 6.6.6.6\r\nX_My_Host: evil\r\nAuthorization: x\r\n\r\n",
        )));
        assert_eq!((echo.get("trailer"), echo.get("trailer x-sum")), (Some("x-sum"), Some("7")), "{head}");
        assert_eq!(echo.headers.keys().filter(|name| name.starts_with("trailer ")).count(), 1, "{head}");
        assert_eq!(echo.get("x-my-client"), None, "{head}");
    }
}

#[test]
fn the_wish_for_trailers_reaches_the_upstream() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let answer =
        gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n");
    let echo = Echo::of(&answer);
    assert_eq!((echo.get("te"), echo.get("connection")), (Some("trailers"), Some("te")));
}

#[test]
fn a_stream_arrives_as_it_is_sent() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |_, mut client| {
        client.request().unwrap();
        client
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for n in 0..3 {
            client.send(format!("9\r\ndata: {n}\n\n\r\n"));
            gone.lock().unwrap().recv().unwrap();
        }
        client.send("0\r\n\r\n");
    });
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().unwrap().get("content-type"), Some("text/event-stream"));
    for n in 0..3 {
        // Each event is here before the upstream is allowed to send the next.
        assert_eq!(client.read(14).unwrap(), format!("9\r\ndata: {n}\n\n\r\n").as_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(client.read(5).unwrap(), b"0\r\n\r\n");
}

#[test]
fn large_bodies_stream_with_backpressure() {
    const SIZE: usize = 64 << 20;
    // An upload whose upstream reads nothing at first: the client must be held up, not the memory filled.
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |_, mut client| {
        let head = client.head().unwrap();
        assert_eq!(head.get("content-length"), Some(SIZE.to_string().as_str()));
        gone.lock().unwrap().recv().unwrap();
        let mut sum = 0_u64;
        for _ in 0..SIZE / 65_536 {
            sum += client.read(65_536).unwrap().iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }
        client.send(format!("HTTP/1.1 200 OK\r\nX-Sum: {sum}\r\nContent-Length: {SIZE}\r\n\r\n"));
        for _ in 0..SIZE / 65_536 {
            client.send(vec![2; 65_536]);
        }
    });
    let gateway = Served::start("---\n[default]\nmax_body = \"1GiB\"", upstream.address);
    let mut client = gateway.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n"));
    let mut uploading = client.stream.try_clone().unwrap();
    uploading.set_nonblocking(true).unwrap();
    let (mut sent, mut stuck_since) = (0, Instant::now());
    while sent < SIZE && stuck_since.elapsed() < Duration::from_millis(300) {
        if let Ok(count) = uploading.write(&vec![1; 65_536.min(SIZE - sent)]) {
            sent += count;
            stuck_since = Instant::now();
        }
    }
    assert!(sent < SIZE / 2, "{sent} bytes went somewhere while the upstream read none");
    uploading.set_nonblocking(false).unwrap();
    go.send(()).unwrap();
    let uploader = thread::spawn(move || {
        while sent < SIZE {
            sent += uploading.write(&vec![1; 65_536.min(SIZE - sent)]).unwrap();
        }
    });
    let head = client.head().unwrap();
    assert_eq!(head.get("x-sum"), Some(SIZE.to_string().as_str()));
    uploader.join().unwrap();
    for _ in 0..SIZE / 65_536 {
        assert!(client.read(65_536).unwrap().iter().all(|&byte| byte == 2));
    }
}

#[test]
fn the_client_waits_for_continue_until_the_engine_and_the_upstream_agree() {
    // The engine refuses: no 100 is sent.
    let upstream = Upstream::start(|_, mut client| {
        let head = client.head().unwrap();
        assert_eq!(head.get("expect"), Some("100-continue"));
        if head.line.contains("/refused") {
            client.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        if head.line.contains("/agreed") {
            client.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        assert_eq!(client.read(5).unwrap(), b"hello");
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    });
    let gateway = Served::start("", upstream.address);
    let head = |path, extra| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n{extra}\r\n"
        )
    };

    let mut client = gateway.client();
    client.send(head("/", "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n"));
    client.answer().assert_denied(403, "csrf.cross-site");
    assert!(client.is_closed());

    let mut client = gateway.client();
    client.send(head("/refused", ""));
    assert_eq!(client.answer().status(), 417, "the upstream's answer, and no 100 before it");

    let mut client = gateway.client();
    client.send(head("/agreed", ""));
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "ok");

    // An upstream that knows no 100: the client waits a moment.
    let mut client = gateway.client();
    client.send(head("/ignored", ""));
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "ok");
}

#[test]
fn health_needs_no_upstream() {
    let gateway = Served::start("health = \"/healthz\"\n---\n", Upstream::nobody());
    assert_eq!(gateway.ask("GET /healthz HTTP/1.1\r\nHost: anything.example\r\n\r\n").status(), 200);
    gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").assert_denied(502, "upstream.unreachable");
}

#[test]
fn websocket_bytes_go_both_ways() {
    let upstream = Upstream::start(|_, mut client| {
        let head = client.head().unwrap();
        assert_eq!(head.get("upgrade"), Some("websocket"));
        assert_eq!(head.get("connection"), Some("upgrade"));
        // The first bytes come with the response, in one packet.
        client.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello",
        );
        for _ in 0..3 {
            let got = client.read(4).unwrap();
            client.send(got);
        }
        assert_eq!(client.rest().unwrap(), b"last words", "the client's end arrives");
        client.send("goodbye");
    });
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    client.send(HANDSHAKE);
    let head = client.head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!(head.get("upgrade"), Some("websocket"));
    assert_eq!(head.get("connection"), Some("upgrade"));
    assert_eq!(head.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.get("sec-websocket-protocol"), Some("chat"));
    assert_eq!(client.read(5).unwrap(), b"hello");
    for word in ["GET ", "\r\n\r\n", "\0\x01\x02\x03"] {
        client.send(word);
        assert_eq!(client.read(4).unwrap(), word.as_bytes());
    }
    client.send("last words");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"goodbye");
}

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn a_tunnel_needs_a_complete_agreement() {
    for response in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        let upstream = Upstream::fixed(response);
        let gateway = Served::start("", upstream.address);
        let mut client = gateway.client();
        client.send(HANDSHAKE);
        client.answer().assert_denied(502, "upstream.invalid");
    }
    // Nobody asked for an upgrade, or for this one.
    let upstream = Upstream::fixed(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    let gateway = Served::start("", upstream.address);
    gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").assert_denied(502, "upstream.invalid");
    gateway
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        .assert_denied(502, "upstream.invalid");
}

#[test]
fn an_application_may_refuse_a_websocket() {
    let upstream = Upstream::fixed("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    for _ in 0..2 {
        client.send(HANDSHAKE);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.text().as_str()), (404, "no"));
    }
}

#[test]
fn informational_responses_do_not_end_the_exchange() {
    let upstream = Upstream::fixed(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = Served::start("", upstream.address);
    assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").text(), "ok");
}

#[test]
fn an_early_answer_ends_the_upload() {
    let upstream = Upstream::start(|_, mut client| {
        client.head().unwrap();
        client.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nstop");
        let _ = client.rest();
    });
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nsome");
    assert_eq!(client.answer().text(), "stop");
    // The rest is not waited for.
    assert!(client.is_closed());
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let (tell, told) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |_, mut client: Client| {
        client.head().unwrap();
        tell.lock().unwrap().send("it has come").unwrap();
        // Nothing is answered; the gateway closes.
        assert_eq!(client.rest().unwrap(), b"");
        tell.lock().unwrap().send("it has gone").unwrap();
    });
    let gateway = Served::start("", upstream.address);
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(told.recv_timeout(support::PATIENCE), Ok("it has come"));
    drop(client);
    assert_eq!(told.recv_timeout(support::PATIENCE), Ok("it has gone"));
}

#[test]
fn the_server_as_a_whole_can_be_asked() {
    let upstream = Upstream::echo();
    let gateway = Served::start("", upstream.address);
    let echo = Echo::of(&gateway.ask("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_eq!(echo.line, "OPTIONS * HTTP/1.1");
}

#[test]
fn a_page_and_its_upstream_get_the_same_nonce() {
    let upstream = Upstream::start(|_, mut client| {
        let request = client.request().unwrap();
        let nonce = request.head.get("bartizan-csp-nonce").unwrap_or_default().to_owned();
        client.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{nonce}",
            nonce.len()
        ));
    });
    let gateway = Served::start("", upstream.address);
    let answer = gateway
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nBartizan-CSP-Nonce: mine\r\n\r\n");
    let nonce = answer.text();
    assert_eq!(nonce.len(), 22);
    assert!(
        answer.get("content-security-policy").unwrap().contains(&format!("'nonce-{nonce}'")),
        "{answer:?}"
    );
}
