//! An issuer on this machine: a socket that answers as it is told, and keys that sign.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bartizan_core::jwt::{Algorithm, Jwk, JwkSet};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::jwt::SigningKey;

/// What a path answers: bytes, as they go to the socket.
#[derive(Clone)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    /// Then the socket stays open, and nothing comes.
    hangs: bool,
}

impl Answer {
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), hangs: false }
    }

    pub(super) fn status(status: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    }

    pub(super) fn document(body: &str) -> Self {
        Self::with_headers("", body)
    }

    /// With lines that each end in CR LF. The type is one that nobody should send: it does not matter.
    pub(super) fn with_headers(headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub(super) fn then_hang(self) -> Self {
        Self { hangs: true, ..self }
    }
}

/// What it answers, and what it was asked.
#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    asked: Vec<String>,
}

/// The socket, until it is dropped.
pub(super) struct Issuer {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), None)
    }

    /// At the address of one that is gone.
    pub(super) async fn start_at(address: SocketAddr) -> Self {
        Self::listen(TcpListener::bind(address).await.unwrap(), None)
    }

    pub(super) async fn start_with_tls(tls: TlsAcceptor) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(tls))
    }

    fn listen(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(Mutex::new(State::default()));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(socket, &state).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, &state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, scheme, state, _tasks: tasks }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(path.into(), answer);
    }

    /// Publishes these at `/keys`.
    pub(super) fn publish(&self, keys: &[&Signer]) {
        self.answer("/keys", Answer::document(&set(keys)));
    }

    /// The paths that were asked for since the last time.
    pub(super) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

async fn serve(mut socket: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap();
    let answer = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.to_owned());
        state.answers.get(path).cloned().unwrap_or_else(|| Answer::status("404 Not Found"))
    };
    // Whoever has heard enough may be gone.
    let _ = socket.write_all(&answer.bytes).await;
    if answer.hangs {
        std::future::pending::<()>().await;
    }
    let _ = socket.shutdown().await;
}

/// A key of the issuer.
pub(super) struct Signer {
    kid: String,
    key: SigningKey,
}

impl Signer {
    pub(super) fn new(kid: &str) -> Self {
        Self { kid: kid.into(), key: SigningKey::generate(Algorithm::EdDsa).unwrap() }
    }

    /// A token that is good for ever.
    pub(super) fn token(&self) -> String {
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, self.kid);
        let claims = r#"{"iss":"i","aud":"a","sub":"alice","exp":4000000000}"#;
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of public keys, as it is published.
pub(super) fn set(keys: &[&Signer]) -> String {
    let jwk =
        |signer: &&Signer| Jwk { key: signer.key.public().unwrap(), kid: Some(signer.kid.as_str().into()) };
    let set = JwkSet { keys: keys.iter().map(jwk).collect(), skipped: Vec::new() };
    serde_json::to_string(&set).unwrap()
}
