//! A server on a free port, and a client that sends what it is told to and nothing else.

use std::net::SocketAddr;

use axum::{Router, ServiceExt, extract::Request};
use bartizan::{
    AnyBodies, AxumBodies, BartizanLayer, Deployment, Engine, PeerAddr, Scheme, keys::Keys, policy::Policy,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tower::Layer as _;

/// A policy of its own text, on top of one public and one trusted origin.
pub(crate) fn policy(text: &str) -> Policy {
    let base = "version = 1\n[origin]\npublic = ['https://api.example.com']\ntrusted = ['https://app.example.com']\n";
    toml::from_str(&format!("{base}{text}")).unwrap()
}

pub(crate) fn engine(text: &str) -> Engine {
    let deployment = Deployment { tls: true, ..Deployment::default() };
    Engine::build(&policy(text), &deployment).unwrap()
}

/// The same for a deployment that makes CSRF tokens.
pub(crate) fn engine_with_keys(text: &str) -> Engine {
    let keys = Keys::new(&[b"the master key of these tests, no secret"]).ok();
    Engine::build(&policy(text), &Deployment { tls: true, keys, ..Deployment::default() }).unwrap()
}

pub(crate) fn layer(text: &str) -> BartizanLayer<AxumBodies> {
    BartizanLayer::new(engine(text)).scheme(Scheme::Https)
}

/// The ways to put the layer and a router together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Around the router, served by axum.
    Around,
    /// Through `Router::layer`, served by axum.
    Inside,
    /// Around the router, served by hyper's own server.
    Hyper,
    /// The same with a layer that knows nothing of axum.
    AnyBody,
}

impl Mount {
    pub(crate) const ALL: [Self; 4] = [Self::Around, Self::Inside, Self::Hyper, Self::AnyBody];
}

/// A server that lives as long as the test's runtime.
pub(crate) struct Server {
    address: SocketAddr,
}

impl Server {
    /// The layer around the router: as its documentation advises.
    pub(crate) async fn start(layer: BartizanLayer<AxumBodies>, router: Router) -> Self {
        Self::mount(Mount::Around, "", layer, router).await
    }

    /// One that was started otherwise.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(crate) async fn mount(
        mount: Mount,
        text: &str,
        layer: BartizanLayer<AxumBodies>,
        router: Router,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        match mount {
            Mount::Around => {
                let app = layer.layer(router);
                let make = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
                tokio::spawn(async { axum::serve(listener, make).await });
            }
            Mount::Inside => {
                let make = router.layer(layer).into_make_service_with_connect_info::<SocketAddr>();
                tokio::spawn(async { axum::serve(listener, make).await });
            }
            Mount::Hyper => {
                tokio::spawn(serve_by_hyper(listener, move |peer| {
                    let peer = axum::Extension(PeerAddr(peer));
                    peer.layer(layer.layer(router.clone()))
                }));
            }
            Mount::AnyBody => {
                let layer: BartizanLayer<AnyBodies> =
                    BartizanLayer::for_any_body(engine(text)).scheme(Scheme::Https);
                tokio::spawn(serve_by_hyper(listener, move |peer| {
                    let peer = axum::Extension(PeerAddr(peer));
                    peer.layer(layer.layer(router.clone()))
                }));
            }
        }
        Self { address }
    }

    /// Sends `bytes` and reads until the server closes.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut received = Vec::new();
        // A server that refuses a body may reset the connection once its answer is out.
        let _ = stream.read_to_end(&mut received).await;
        Response::parse(&received)
    }

    /// Sends a request without a body. `head` is the request line and further headers, by line.
    pub(crate) async fn request(&self, head: &str) -> Response {
        self.send(request(head, "")).await
    }
}

async fn serve_by_hyper<S, F, B>(listener: TcpListener, service: F)
where
    F: Fn(SocketAddr) -> S,
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    S::Error: Into<bartizan::BoxError>,
    B: http_body::Body<Data: Send, Error: Into<bartizan::BoxError>> + Send + 'static,
{
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service(peer));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A request: `head` is its first line and further headers, by line.
pub(crate) fn request(head: &str, body: &str) -> String {
    let mut lines: Vec<&str> = head.lines().collect();
    let host = lines.iter().any(|line| line.to_ascii_lowercase().starts_with("host:"));
    let first = format!("{} HTTP/1.1", lines[0]);
    lines[0] = &first;
    if !host {
        lines.push("Host: api.example.com");
    }
    lines.push("Connection: close");
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    /// The only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| &**value);
        assert_eq!(values.next(), None, "{name} came twice: {self:?}");
        value
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> Option<String> {
        if self.header("content-type") != Some("application/problem+json") {
            return None;
        }
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        Some(problem["code"].as_str().unwrap().to_owned())
    }

    /// Whether it has what every response has.
    pub(crate) fn is_hardened(&self) -> bool {
        self.header("x-content-type-options") == Some("nosniff")
            && self.header("strict-transport-security").is_some_and(|value| value.starts_with("max-age="))
            && self.header("content-security-policy").is_some_and(|value| value.contains("frame-ancestors"))
            && self.header("referrer-policy").is_some()
    }
}
