//! Another issuer, on this machine, that rotates while its tokens come in.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bartizan::{OsClock, jwt::SigningKey};
use bartizan_core::{
    Clock as _,
    jwt::{Algorithm, Jwk, JwkSet},
};
use bartizan_peers::until_async;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{Place, Service, good, told};

/// A token of ten minutes.
pub(crate) fn sign(key: &SigningKey, kid: &str, issuer: &str, subject: &str) -> String {
    let now = OsClock.now().0 / 1000;
    let header = json!({ "alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": kid });
    let claims = json!({ "iss": issuer, "aud": "api", "sub": subject, "iat": now, "exp": now + 600 });
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What it publishes, and how often it was asked.
#[derive(Default)]
struct State {
    set: Mutex<String>,
    asked: AtomicUsize,
}

struct Issuer {
    url: String,
    state: Arc<State>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let (shared, own) = (Arc::clone(&state), url.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let target = lines.next().unwrap_or_default();
                let _ = lines.take_while(|line| !line.is_empty()).count();
                let body = if target.contains("/.well-known/openid-configuration ") {
                    json!({ "issuer": own, "jwks_uri": format!("{own}/keys") }).to_string()
                } else {
                    shared.asked.fetch_add(1, Ordering::Relaxed);
                    shared.set.lock().unwrap().clone()
                };
                let length = body.len();
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { url, state }
    }

    fn publish(&self, keys: &[&Signer]) {
        let jwk = |signer: &&Signer| Jwk { key: signer.key.public().unwrap(), kid: Some(signer.kid.into()) };
        let set = JwkSet { keys: keys.iter().map(jwk).collect(), skipped: Vec::new() };
        *self.state.set.lock().unwrap() = serde_json::to_string(&set).unwrap();
    }
}

struct Signer {
    kid: &'static str,
    key: SigningKey,
}

impl Signer {
    fn new(kid: &'static str, algorithm: Algorithm) -> Self {
        Self { kid, key: SigningKey::generate(algorithm).unwrap() }
    }

    fn token(&self, issuer: &Issuer) -> String {
        sign(&self.key, self.kid, &issuer.url, "carol")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_rotates_while_requests_run() {
    let issuer = Issuer::start();
    let (first, second) = (Signer::new("1", Algorithm::EdDsa), Signer::new("2", Algorithm::Es256));
    let third = Signer::new("3", Algorithm::Rs256);
    issuer.publish(&[&first, &second]);
    let more = format!("[[jwt.trusted_issuer]]\nissuer = \"{}\"\naudience = \"api\"", issuer.url);
    let service = Service::new(&Place::Sqlite, &more);
    let node = Arc::new(service.node());
    assert_eq!(issuer.state.asked.load(Ordering::Relaxed), 0, "not before a token comes");

    // Many clients at once, whose tokens come from one key and then from the next.
    let current = Arc::new(Mutex::new(first.token(&issuer)));
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (node, current, is_over) = (Arc::clone(&node), Arc::clone(&current), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut requests = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let token = current.lock().unwrap().clone();
                    assert_eq!(told(&node, &token).await, good());
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    for signer in [&second, &first, &second] {
        // Others see the old one fifty times before the next comes.
        for _ in 0..50 {
            assert_eq!(told(&node, &first.token(&issuer)).await, good());
        }
        *current.lock().unwrap() = signer.token(&issuer);
    }
    is_over.store(true, Ordering::Relaxed);
    let mut requests = 0;
    for client in clients {
        requests += client.await.unwrap();
    }
    assert_eq!(issuer.state.asked.load(Ordering::Relaxed), 1, "one fetch for all who wait");

    // One that signs with what it has not announced: refused for a cooldown at the most, and one fetch in it.
    issuer.publish(&[&second, &third]);
    let (began, token) = (Instant::now(), third.token(&issuer));
    let mut refused = 0;
    until_async("a key that was not announced to be known", Duration::from_secs(40), async || {
        let told = told(&node, &token).await;
        if told == good() {
            return Some(());
        }
        assert_eq!(told, (401, "jwt.key-unknown".into()));
        refused += 1;
        None
    })
    .await;
    let took = began.elapsed();
    println!(
        "{requests} requests over 3 rotations, none refused; {refused} of an unannounced key in {took:?}"
    );
    assert_eq!(issuer.state.asked.load(Ordering::Relaxed), 2);
    // What the issuer took back is gone with that.
    assert_eq!(told(&node, &first.token(&issuer)).await, (401, "jwt.key-unknown".into()));
    assert_eq!(told(&node, &second.token(&issuer)).await, good());
    // It signs for nobody but itself.
    let forged = sign(&second.key, "2", crate::ISSUER, "alice");
    assert_eq!(told(&node, &forged).await, (401, "jwt.key-unknown".into()));
}
