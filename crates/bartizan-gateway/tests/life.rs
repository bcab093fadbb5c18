//! Starting and stopping.

mod support;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bartizan_core::policy::{PolicyInput, load};
use bartizan_gateway::{Gateway, GatewayConfig, GatewayError};
use support::{Client, Served, Upstream, config, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_port_that_is_taken() {
    for threads in [1, 2] {
        let extra = format!("threads = {threads}\n---");
        let first = Gateway::bind(config(&extra, Upstream::nobody())).unwrap();
        let taken = first.local_addr();
        let text = format!(
            "version = 1\n[server]\nlisten = \"{taken}\"\nupstream = \"http://127.0.0.1:1\"\nthreads = {threads}"
        );
        let error = Gateway::bind(read(&text).unwrap()).unwrap_err();
        assert!(matches!(error, GatewayError::AddressInUse(address) if address == taken), "{error}");
        assert!(error.to_string().contains("--listen"), "it says what to do: {error}");
        // Free again when the first is gone.
        drop(first);
        Gateway::bind(read(&text).unwrap()).unwrap();
    }
}

fn read(text: &str) -> Result<GatewayConfig, GatewayError> {
    let policy = load(&PolicyInput { text, ..PolicyInput::new("test.toml") }).unwrap().policy;
    let deployment = bartizan_core::Deployment { listen: "127.0.0.1:0".parse().ok(), ..Default::default() };
    GatewayConfig::new(&policy, bartizan_core::Engine::build(&policy, &deployment).unwrap())
}

#[test]
fn configurations_that_cannot_work() {
    for (server, message) in [
        ("listen = \"localhost\"", "write one with a port"),
        ("listen = \"127.0.0.1:99999\"", "write one with a port"),
        ("upstream = \"https://127.0.0.1\"", "cannot speak TLS to an upstream yet"),
        ("upstream = \"http://127.0.0.1/api\"", "without a path"),
        ("upstream = \"127.0.0.1:8000\"", "http://host:port"),
        ("", "no upstream is named"),
        (
            "upstream = \"http://127.0.0.1:1\"\ntls = { certificate = \"file:///c\", key = \"file:///k\" }",
            "cannot serve TLS yet",
        ),
    ] {
        let upstream = if server.contains("upstream") || server.is_empty() {
            ""
        } else {
            "upstream = \"http://127.0.0.1:1\"\n"
        };
        let error = read(&format!("version = 1\n[server]\n{upstream}{server}")).unwrap_err();
        assert!(error.to_string().contains(message), "{server}: {error}");
    }
    let token = read("version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"")
        .unwrap()
        .upstream_token("a\nb".into());
    assert!(matches!(Gateway::bind(token), Err(GatewayError::UpstreamTokenInvalid)));
    let elsewhere =
        read("version = 1\n[server]\nlisten = \"192.0.2.1:80\"\nupstream = \"http://127.0.0.1:1\"").unwrap();
    assert!(matches!(Gateway::bind(elsewhere), Err(GatewayError::AddressNotAvailable(_))));
}

#[test]
fn what_is_under_way_is_finished() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |_, mut client| {
        client.request().unwrap();
        gone.lock().unwrap().recv().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let mut gateway = Served::start("", upstream.address);
    let port = gateway.port;
    let mut idle = gateway.client();
    let mut busy = gateway.client();
    busy.send(GET);
    until("the request to arrive", || upstream.connections() == 1);
    let mut beginning = gateway.client();
    beginning.send("GET / HTTP/1.1\r\nHost: elsew");
    thread::sleep(Duration::from_millis(50));

    gateway.begin_stop();
    assert!(idle.is_closed(), "an idle connection ends at once");
    until("the listener to close", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    beginning.send("here.example\r\n\r\n");
    let answer = beginning.answer();
    answer.assert_denied(421, "host.unknown");
    assert_eq!(answer.get("connection"), Some("close"));

    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!((answer.text().as_str(), answer.get("connection")), ("ok", Some("close")));
    assert!(busy.is_closed());
    assert_eq!(gateway.stopped().cut, 0);
}

#[test]
fn what_does_not_finish_is_cut() {
    let upstream = Upstream::start(|_, mut client| {
        client.request().unwrap();
        client.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        let _ = client.rest();
    });
    let gateway = Served::start("drain_timeout = \"300ms\"\n---", upstream.address);
    let mut client: Client = gateway.client();
    client.send(GET);
    client.head().unwrap();
    let start = Instant::now();
    assert_eq!(gateway.stopped().cut, 1);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "took {took:?}");
    assert!(!client.rest().unwrap_or_default().ends_with(b"0\r\n\r\n"));
}
