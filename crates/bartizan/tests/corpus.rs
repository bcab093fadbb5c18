//! Runs the corpus against the tower layer, around a service that answers what the case says.

use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bartizan::session::{SessionKey, SessionRecord};
use bartizan::{
    Answer, Answers, BartizanLayer, BoxFuture, ClientIp, CspNonce, DENIAL_TARGET, Deployment, Engine,
    OsClock, PeerAddr, Principal, Query, RequestBody, Scheme,
    limit::Taken,
    policy::{CredentialKind, PolicyInput, load_and_build},
};
use bartizan_core::{
    Clock as _, Entropy, Timestamp,
    csrf_token::{self, Binding},
    keys::{Keys, PERIOD},
};
use bartizan_corpus::{
    Case, Corpus, Fault, Handled, KeyAge, MASTER_KEY, Observed, Owner, Request, StoreAnswer, Surface, Token,
    problem_code,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use tower_layer::Layer as _;
use tower_service::Service;
use tracing::{Event, Metadata, Subscriber, field, span};

#[test]
fn the_tower_layer_agrees() {
    let corpus = Corpus::load().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mint = |token: Token<'_>| mint(token, OsClock.now());
    let checked = corpus.check(Surface::Tower, mint, |case| {
        let log = Log::default();
        let mut observed = tracing::subscriber::with_default(log.clone(), || runtime.block_on(send(case)))?;
        observed.reports = Some(std::mem::take(&mut log.0.lock().unwrap()));
        Ok(observed)
    });
    match checked {
        Ok(count) => println!("{count} cases"),
        Err(report) => panic!("{report}"),
    }
}

async fn send(case: &Case) -> Result<Observed, String> {
    let Request::Head(head) = &case.request else { return Err("bytes are for a socket".into()) };
    let layer = BartizanLayer::for_any_body(build(case)?)
        .store(CaseStore { case: case.clone(), turns: AtomicUsize::new(0) })
        .scheme(match case.scheme {
            bartizan_corpus::Scheme::Http => Scheme::Http,
            bartizan_corpus::Scheme::Https => Scheme::Https,
        });
    let handler = Handler { case: case.clone(), seen: Arc::default() };
    let seen = Arc::clone(&handler.seen);

    let mut request = http::Request::new(Full::new(Bytes::from(head.body.clone())));
    *request.method_mut() = head.method.parse().map_err(|error| format!("{}: {error}", head.method))?;
    *request.uri_mut() = head.target[..].try_into().map_err(|error| format!("target: {error}"))?;
    *request.headers_mut() = header_map(&head.headers)?;
    request.extensions_mut().insert(PeerAddr(SocketAddr::new(case.peer, 40_000)));

    let response = match layer.layer(handler).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("the response's body: {error}"))?.to_bytes();
    let content_type = parts.headers.get("content-type").map(HeaderValue::as_bytes);
    let outcome = seen.lock().unwrap().take();
    Ok(Observed {
        status: parts.status.as_u16(),
        code: problem_code(content_type, &body),
        headers: pairs(&parts.headers),
        body: body.to_vec(),
        handled: outcome,
        reports: None,
    })
}

fn build(case: &Case) -> Result<Engine, String> {
    let profile = case.profile.as_deref();
    let input = PolicyInput { text: &case.policy, profile, ..PolicyInput::new("bartizan.toml") };
    let deployment = Deployment {
        development: profile == Some("development"),
        keys: case.has_keys.then(keys),
        ..Deployment::default()
    };
    load_and_build(&input, |_| Ok(deployment)).map(|(engine, _)| engine).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the policy is not accepted: {}", errors.join("; "))
    })
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

fn header_map(headers: &[(String, Vec<u8>)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::try_from(name).map_err(|error| format!("{name}: {error}"))?,
            HeaderValue::from_bytes(value).map_err(|error| format!("{name}: {error}"))?,
        );
    }
    Ok(map)
}

fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// Answers what the case says, and keeps what it was given.
#[derive(Clone)]
struct Handler {
    case: Case,
    seen: Arc<Mutex<Option<Handled>>>,
}

impl Service<http::Request<RequestBody<Full<Bytes>>>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<RequestBody<Full<Bytes>>>) -> Self::Future {
        let Self { case, seen } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let peer = parts.extensions.get().map(|&PeerAddr(peer)| peer.ip().to_canonical());
            let told = parts.extensions.get().map(|&ClientIp(client)| client);
            *seen.lock().unwrap() = Some(Handled {
                target: Some(parts.uri.to_string()),
                headers: pairs(&parts.headers),
                body: body.collect().await.ok().map(|body| body.to_bytes().to_vec()),
                client_ip: Some(told.or(peer)),
                // The layer does not tell its handler the route's pattern.
                route: None,
                principal: Some(
                    parts.extensions.get::<Principal>().map(|principal| principal.subject.to_string()),
                ),
                nonce: parts.extensions.get::<CspNonce>().map(ToString::to_string),
            });
            assert_ne!(case.response.fault, Some(Fault::Panic), "the case wants a panic");
            let mut response = Response::new(Full::new(Bytes::from(case.response.body)));
            *response.status_mut() = case.response.status.try_into().unwrap();
            *response.headers_mut() = header_map(&case.response.headers).unwrap();
            Ok(response)
        })
    }
}

/// Answers what the case says.
struct CaseStore {
    case: Case,
    /// How often somebody took from a bucket.
    turns: AtomicUsize,
}

impl Answers for CaseStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::ready(match (query, &self.case.answer) {
            (Query::Take { .. }, _) => taken(self.case.taken(self.turns.fetch_add(1, Ordering::Relaxed))),
            (Query::Principal(credential), StoreAnswer::Principal { subject, scopes, kind }) => {
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
            (Query::Session { now, .. }, StoreAnswer::Principal { subject, scopes, kind }) => {
                if kind.as_deref().is_some_and(|kind| kind != "session") {
                    Answer::Unknown
                } else {
                    let scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
                    let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
                    Answer::Session(SessionRecord::new(subject.as_str(), scopes, now, idle, absolute))
                }
            }
            (Query::Consume { .. }, _) => self.case.fresh.map_or(Answer::Unavailable, Answer::Fresh),
            (_, StoreAnswer::Unknown) => Answer::Unknown,
            _ => Answer::Unavailable,
        }))
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

/// The codes that the denial log has with `mode = "report"`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == DENIAL_TARGET
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.mode == "report" {
            self.0.lock().unwrap().push(fields.code);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    code: String,
    mode: String,
}

impl field::Visit for Fields {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        match field.name() {
            "code" => value.clone_into(&mut self.code),
            "mode" => value.clone_into(&mut self.mode),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &field::Field, _: &dyn fmt::Debug) {}
}
