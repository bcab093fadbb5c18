//! Runs the corpus against the gateway: a real one on a loopback socket, between a raw client and a raw upstream.

mod log;
mod upstream;
mod wire;

use std::{
    collections::HashMap,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bartizan::{Answers, BoxFuture, OsClock};
use bartizan_core::{
    Answer, Clock as _, Deployment, Entropy, Principal, Query, Timestamp,
    csrf_token::{self, Binding},
    keys::{Keys, PERIOD},
    limit::Taken,
    policy::{CredentialKind, PolicyInput, load_and_build},
    session::{SessionKey, SessionRecord},
};
use bartizan_corpus::{
    Case, Corpus, Fault, Handled, Head, KeyAge, MASTER_KEY, Observed, Owner, Request, StoreAnswer, Surface,
    Token, problem_code,
};
use bartizan_gateway::{Gateway, GatewayConfig};

use crate::{upstream::Upstream, wire::Message};

#[test]
fn the_gateway_agrees() {
    let corpus = Corpus::load().unwrap();
    let mut bench = Bench::new();
    let mint = |token: Token<'_>| mint(token, OsClock.now());
    match corpus.check(Surface::Gateway, mint, |case| bench.send(case)) {
        Ok(count) => println!("{count} cases, {} gateways", bench.gateways.len()),
        Err(report) => panic!("{report}"),
    }
}

/// One upstream, and a gateway for every policy.
struct Bench {
    log: log::Reports,
    upstream: Upstream,
    /// An address where nobody listens.
    nowhere: SocketAddr,
    store: Arc<CaseStore>,
    gateways: HashMap<(String, Option<String>, bool, bool), SocketAddr>,
}

impl Bench {
    fn new() -> Self {
        // Taken and given back: free, and refused by the kernel at once.
        let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self {
            log: log::Reports::install(),
            upstream: Upstream::start(),
            nowhere,
            store: Arc::default(),
            gateways: HashMap::new(),
        }
    }

    fn send(&mut self, case: &Case) -> Result<Observed, String> {
        let gateway = self.gateway(case)?;
        *self.store.0.lock().unwrap() = Some(Current { case: case.clone(), turns: 0 });
        self.log.take();
        self.upstream.answer_with(&case.response);

        let mut socket = TcpStream::connect(gateway).map_err(|error| format!("connect: {error}"))?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (bytes, bodiless) = match &case.request {
            Request::Head(head) => (wire_form(head), head.method == "HEAD"),
            Request::Bytes(bytes) => (bytes.clone(), false),
        };
        // A gateway that has refused may close before everything is written.
        let written = socket.write_all(&bytes);
        let response = wire::read_response(&mut socket, bodiless)
            .map_err(|error| format!("no response: {error} (sending: {written:?})"))?;
        drop(socket);

        Ok(Observed {
            status: response.status()?,
            code: problem_code(response.header("content-type"), &response.body),
            headers: response.headers,
            body: response.body,
            handled: self.upstream.seen().map(handled),
            reports: Some(self.log.take()),
        })
    }

    fn gateway(&mut self, case: &Case) -> Result<SocketAddr, String> {
        let unreachable = case.response.fault == Some(Fault::Unreachable);
        let key = (case.policy.clone(), case.profile.clone(), case.has_keys, unreachable);
        if let Some(&address) = self.gateways.get(&key) {
            return Ok(address);
        }
        let upstream = if unreachable { self.nowhere } else { self.upstream.address };
        let address = start(case, upstream, Arc::clone(&self.store))?;
        self.gateways.insert(key, address);
        Ok(address)
    }
}

/// Starts a gateway with the case's policy on a port of its own. It ends with the test.
fn start(case: &Case, upstream: SocketAddr, store: Arc<CaseStore>) -> Result<SocketAddr, String> {
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let profile = case.profile.as_deref();
    let input = PolicyInput { text: &case.policy, profile, ..PolicyInput::new("bartizan.toml") };
    let deployment = Deployment {
        listen: Some(listen),
        development: profile == Some("development"),
        keys: case.has_keys.then(keys),
        ..Deployment::default()
    };
    let (engine, document) = load_and_build(&input, |_| Ok(deployment)).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the policy is not accepted: {}", errors.join("; "))
    })?;
    let mut policy = document.policy.clone();
    policy.server.listen = Some(listen.to_string());
    policy.server.upstream = Some(format!("http://{upstream}"));
    policy.server.threads = Some(1);
    let config = GatewayConfig::new(&policy, engine).map_err(|error| error.to_string())?.store(store);
    let gateway = Gateway::bind(config).map_err(|error| error.to_string())?;
    let address = gateway.local_addr();
    thread::spawn(move || gateway.run(std::future::pending()));
    Ok(address)
}

/// The tokens that a case names, by the keys that its deployment has.
fn mint(token: Token<'_>, now: Timestamp) -> String {
    let binding = match token.owner {
        Owner::Session(cookie) => Binding::Session(SessionKey::of(cookie.as_bytes())),
        Owner::PreSession(cookie) => Binding::pre_session(cookie.as_bytes()).expect("a pre-session's id"),
    };
    let period = u64::try_from(PERIOD.as_millis()).unwrap();
    let made = match token.key {
        KeyAge::Current => now.0,
        KeyAge::Previous => now.0 - period,
        KeyAge::Expired => now.0 - 2 * period,
        // More than the clock of another node can be ahead.
        KeyAge::Future => now.0 + 2 * period,
    };
    csrf_token::mint(&keys(), &binding, Timestamp(made), &mut Fixed).unwrap()
}

fn keys() -> Keys {
    Keys::new(&[MASTER_KEY]).unwrap()
}

/// A token that is named twice in a case is one.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn wire_form(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(head.method.as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(&head.target);
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    if !head.body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", head.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&head.body);
    bytes
}

/// What the upstream got, in the corpus's terms.
fn handled(request: Message) -> Handled {
    // The gateway tells its upstream who the client is in this one header.
    let client = request.header("x-forwarded-for").and_then(|value| std::str::from_utf8(value).ok());
    Handled {
        target: request
            .first_line
            .split(|byte| *byte == b' ')
            .nth(1)
            .map(|target| target.iter().copied().map(char::from).collect()),
        client_ip: Some(client.and_then(|client| client.parse().ok())),
        // Neither the route nor the principal is for the upstream to know.
        route: None,
        principal: None,
        nonce: request
            .header("bartizan-csp-nonce")
            .map(|nonce| nonce.iter().copied().map(char::from).collect()),
        headers: request.headers,
        body: Some(request.body),
    }
}

/// Answers what the current case says.
#[derive(Default)]
struct CaseStore(Mutex<Option<Current>>);

struct Current {
    case: Case,
    /// How often somebody took from a bucket.
    turns: usize,
}

impl Answers for CaseStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        let mut current = self.0.lock().unwrap();
        let answer = match (query, current.as_ref().map(|current| &current.case.answer)) {
            (Query::Take { .. }, _) => taken(current.as_mut().and_then(Current::take)),
            (Query::Principal(credential), Some(StoreAnswer::Principal { subject, scopes, kind })) => {
                if kind.as_deref().is_some_and(|kind| kind != word(credential.kind())) {
                    Answer::Unknown
                } else {
                    Answer::Principal(Principal {
                        subject: subject.as_str().into(),
                        kind: credential.kind(),
                        scopes: scopes.iter().map(|scope| scope.as_str().into()).collect(),
                    })
                }
            }
            (Query::Session { now, .. }, Some(StoreAnswer::Principal { subject, scopes, kind })) => {
                if kind.as_deref().is_some_and(|kind| kind != "session") {
                    Answer::Unknown
                } else {
                    let scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
                    let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
                    Answer::Session(SessionRecord::new(subject.as_str(), scopes, now, idle, absolute))
                }
            }
            (Query::Begin(_) | Query::End(_), Some(StoreAnswer::Principal { .. } | StoreAnswer::Unknown)) => {
                Answer::Done
            }
            (Query::Consume { .. }, _) => {
                let fresh = current.as_ref().and_then(|current| current.case.fresh);
                fresh.map_or(Answer::Unavailable, Answer::Fresh)
            }
            (_, Some(StoreAnswer::Unknown)) => Answer::Unknown,
            _ => Answer::Unavailable,
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Current {
    fn take(&mut self) -> Option<bartizan_corpus::Taken> {
        self.turns += 1;
        self.case.taken(self.turns - 1)
    }
}

/// What the case says came of taking from a bucket.
fn taken(taken: Option<bartizan_corpus::Taken>) -> Answer {
    taken.map_or(Answer::Unavailable, |taken| {
        Answer::Taken(Taken {
            allowed: taken.allowed,
            remaining: taken.remaining,
            retry_after: taken.retry_after,
            reset_after: taken.reset_after,
        })
    })
}

fn word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Nothing => "nothing",
        CredentialKind::Session => "session",
        CredentialKind::Jwt => "jwt",
        CredentialKind::ApiKey => "api-key",
    }
}
