//! An HTTP client against the careless FastAPI example, bare and behind `bartizan serve`: what an attacker no longer
//! gets, and what other machines go on getting.

use std::{
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use bartizan_peers::{FastApi, Gateway, HttpRequest, HttpResponse, LogOnFailure};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};

static APP: LazyLock<Option<FastApi>> = LazyLock::new(FastApi::start);

/// `bartizan serve --upstream URL` and nothing else.
static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    Gateway::start_without_policy(&APP.as_ref().expect("only asked for where there is an app").url(""))
});

/// The application, the gateway, and guards that show what they wrote if the test fails.
fn enter() -> Option<(&'static FastApi, &'static Gateway, [LogOnFailure; 2])> {
    let app = APP.as_ref()?;
    Some((app, &GATEWAY, [app.log_on_failure(), GATEWAY.log_on_failure()]))
}

async fn sign_in(base: &str) -> HttpResponse {
    let response = HttpRequest::post(&format!("{base}/login"))
        .form(&[("username", "alice"), ("password", "wonderland")])
        .send()
        .await;
    assert_eq!(response.status, 303, "{response:?}");
    response
}

#[tokio::test]
async fn cookies_leave_hardened() {
    let Some((app, gateway, _guards)) = enter() else { return };
    let attributes = |response: &HttpResponse, name: &str| {
        let cookies = response.headers_named("set-cookie");
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(name)).expect(name).to_ascii_lowercase();
        ["httponly", "secure", "samesite=lax"].map(|wanted| cookie.split("; ").any(|part| part == wanted))
    };
    let bare = sign_in(&app.url("")).await;
    assert_eq!(attributes(&bare, "session="), [false, false, false]);
    let guarded = sign_in(&gateway.url("")).await;
    assert_eq!(attributes(&guarded, "session="), [true, true, true], "{guarded:?}");
    // The front end reads this one.
    assert_eq!(attributes(&guarded, "csrftoken="), [false, true, true], "{guarded:?}");
}

#[tokio::test]
async fn every_kind_of_response_gets_its_headers() {
    let Some((app, gateway, _guards)) = enter() else { return };
    for (path, kind, expected, absent) in [
        (
            "/api/balances",
            "api",
            &[
                (
                    "content-security-policy",
                    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
                ),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", "no-store"),
            ][..],
            &["server", "strict-transport-security"][..],
        ),
        (
            "/comments",
            "page",
            &[
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
                ("cross-origin-opener-policy", "same-origin-allow-popups"),
                ("origin-agent-cluster", "?1"),
                ("x-permitted-cross-domain-policies", "none"),
            ],
            &["server"],
        ),
        (
            "/static/site.js",
            "asset",
            &[("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "same-origin")],
            &["server", "content-security-policy", "cache-control"],
        ),
        (
            "/nowhere",
            "api",
            &[
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("cache-control", "no-store"),
            ],
            &["server"],
        ),
    ] {
        let bare = HttpRequest::get(&app.url(path)).send().await;
        let guarded = HttpRequest::get(&gateway.url(path)).send().await;
        assert_eq!(bare.body, guarded.body, "{path}");
        assert_eq!(bare.status, guarded.status, "{path}");
        assert_eq!(bare.header("server"), "uvicorn", "{path}");
        for (name, value) in expected {
            assert_eq!(bare.headers_named(name), [""; 0], "{path} {name}");
            assert_eq!(guarded.headers_named(name), [*value], "{path}, a response of kind {kind}: {name}");
        }
        for name in absent {
            assert_eq!(guarded.headers_named(name), [""; 0], "{path}, a response of kind {kind}: {name}");
        }
    }
    // A fresh nonce for each page that is navigated to.
    let page = || HttpRequest::get(&gateway.url("/comments")).header("accept", "text/html").send();
    let [first, second] =
        [page().await, page().await].map(|page| page.header("content-security-policy").to_owned());
    assert!(first.contains("script-src 'self' 'nonce-"), "{first}");
    assert_ne!(first, second);
}

#[tokio::test]
async fn another_origin_is_not_invited() {
    let Some((app, gateway, _guards)) = enter() else { return };
    for (base, guarded) in [(app.url(""), false), (gateway.url(""), true)] {
        let read = HttpRequest::get(&format!("{base}/api/balances"))
            .header("origin", "https://evil.example")
            .header("cookie", "session=alice")
            .send()
            .await;
        let preflight = HttpRequest::new(http::Method::OPTIONS, &format!("{base}/api/notes"))
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "DELETE")
            .send()
            .await;
        for response in [&read, &preflight] {
            let expected = if guarded { "" } else { "https://evil.example" };
            assert_eq!(response.header("access-control-allow-origin"), expected, "{response:?}");
        }
        assert_eq!(preflight.status, if guarded { 403 } else { 200 });
        assert_eq!(preflight.denial(), if guarded { "cors.origin" } else { "" });
    }
}

#[tokio::test]
async fn an_unhandled_error_keeps_its_secrets() {
    let Some((app, gateway, _guards)) = enter() else { return };
    let bare = HttpRequest::get(&app.url("/crash")).send().await;
    assert_eq!(bare.status, 500);
    assert!(bare.text().contains("ZeroDivisionError"), "{}", bare.text());
    let guarded = HttpRequest::get(&gateway.url("/crash")).send().await;
    assert_eq!(guarded.status, 500);
    assert_eq!(guarded.header("content-type"), "application/problem+json");
    assert_eq!(guarded.denial(), "upstream.error");
    for secret in ["ZeroDivisionError", "Traceback", "app.py", "api_key"] {
        assert!(!guarded.text().contains(secret), "{secret}: {}", guarded.text());
    }
}

#[tokio::test]
async fn other_machines_need_no_origin() {
    let Some((_, gateway, _guards)) = enter() else { return };
    let webhook =
        HttpRequest::post(&gateway.url("/webhooks/payment")).json(&json!({ "paid": 12 })).send().await;
    assert_eq!(webhook.status, 200, "{webhook:?}");
    assert!(webhook.json()["received"].as_u64() >= Some(1), "{webhook:?}");
    // The same from a page of somebody else's.
    let forged = HttpRequest::post(&gateway.url("/webhooks/payment"))
        .header("origin", "https://evil.example")
        .json(&json!({}))
        .send()
        .await;
    assert_eq!((forged.status, forged.denial().as_str()), (403, "csrf.origin"));
}

/// A body of zeros, made as it is sent.
struct Zeros {
    left: u64,
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        static CHUNK: [u8; 1 << 16] = [0; 1 << 16];
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK.len());
        self.left -= size as u64;
        Poll::Ready((size > 0).then(|| Ok(Frame::data(Bytes::from_static(&CHUNK[..size])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

const UPLOAD: u64 = 100 << 20;

#[tokio::test]
async fn a_large_upload_passes_in_constant_memory() {
    let Some((app, gateway, _guards)) = enter() else { return };
    let upload = |url: String| HttpRequest::post(&url).body(Zeros { left: UPLOAD }).send();

    // More than a route is said to take is refused by its length, before a byte of it is sent on.
    let refused = announce_upload(&gateway.url("/upload"));
    assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("\"body.too-large\""), "{refused}");

    let roomy = Gateway::start(
        "version = 1\n[[route]]\nmatch = \"POST /upload\"\nmax_body = \"200MiB\"\n",
        &app.url(""),
    );
    // The first request of all pays for the buffers.
    assert_eq!(HttpRequest::get(&roomy.url("/api/balances")).send().await.status, 200);
    let before = roomy.peak_memory();
    let through = upload(roomy.url("/upload")).await;
    let grown = roomy.peak_memory() - before;
    assert_eq!(through.status, 200, "{through:?}");
    assert_eq!(through.json()["bytes"], UPLOAD);
    assert_eq!(through.json(), upload(app.url("/upload")).await.json(), "byte for byte what the client sent");
    assert!(grown < 16 << 20, "100 MiB through the gateway made it grow by {grown} bytes");
}

/// Sends the head of an upload, and returns the whole answer. The body is held back: a client that goes on writing
/// into a connection that was answered and closed may never get to read the answer.
fn announce_upload(url: &str) -> String {
    use std::io::{Read as _, Write as _};
    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an http URL");
    let mut connection = std::net::TcpStream::connect(address).expect("the gateway listens");
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout above zero");
    let head = format!("POST /upload HTTP/1.1\r\nHost: {address}\r\nContent-Length: {UPLOAD}\r\n\r\n");
    connection.write_all(head.as_bytes()).expect("the head is taken");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("the whole answer, then the end");
    answer
}

/// Reads a stream until `wanted` has come, and returns all that came.
async fn read_until(stream: &mut Incoming, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let frame = tokio::time::timeout(Duration::from_secs(20), stream.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("{wanted} does not come, after {text:?}"));
        let data = frame.expect("the stream goes on").unwrap().into_data().expect("data");
        text.push_str(&String::from_utf8_lossy(&data));
    }
    text
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let Some((_, gateway, _guards)) = enter() else { return };
    let response = HttpRequest::get(&gateway.url("/api/events")).stream().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let mut stream = response.into_body();
    read_until(&mut stream, "event: hello").await;
    // Each comment is only posted when the one before it has arrived: a buffer on the way would wait forever.
    for number in 0..5 {
        let text = format!("event-{number}");
        HttpRequest::post(&gateway.url("/comments")).form(&[("text", &text)]).send().await;
        read_until(&mut stream, &text).await;
    }
}

#[tokio::test]
async fn websockets_pass_for_clients_and_own_origins_only() {
    let Some((app, gateway, _guards)) = enter() else { return };
    let connect = async |base: String, origin: Option<String>| {
        let mut request = format!("{}/ws", base.replace("http://", "ws://")).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await
    };
    for (base, origin) in [
        (app.url(""), Some("https://evil.example".to_owned())),
        (gateway.url(""), None),
        (gateway.url(""), Some(gateway.url(""))),
    ] {
        let (mut socket, _) = connect(base, origin.clone()).await.unwrap();
        let texts = talk(&mut socket).await;
        assert_eq!(texts, ["welcome stranger", "you said: 0", "you said: 1", "you said: 2"], "{origin:?}");
    }
    match connect(gateway.url(""), Some("https://evil.example".to_owned())).await {
        Err(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 403);
            let body = String::from_utf8(response.into_body().unwrap_or_default()).unwrap();
            assert!(body.contains("websocket.origin"), "{body}");
        }
        other => panic!("a foreign handshake is refused: {other:?}"),
    }
}

/// Hears the greeting, then says three things and hears the answers, and closes.
async fn talk<S>(socket: &mut tokio_tungstenite::WebSocketStream<S>) -> Vec<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    use futures_util::{SinkExt as _, StreamExt as _};
    let mut heard = Vec::new();
    for number in 0..4 {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("an answer");
        heard.push(message.expect("an open socket").unwrap().into_text().unwrap().to_string());
        if number < 3 {
            socket.send(Message::text(number.to_string())).await.unwrap();
        }
    }
    socket.close(None).await.unwrap();
    heard
}
