//! Runs the corpus against the tower layer, around a service that answers what the case says.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bartizan::{
    Answer, Answers, BartizanLayer, BoxFuture, ClientIp, CspNonce, DENIAL_TARGET, Deployment, OsClock,
    PeerAddr, Principal, Query, RequestBody,
};
use bartizan_corpus::{
    Case, CaseStore, Corpus, Fault, Handled, Observed, Reports, Request, Surface, problem_code,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use tower_layer::Layer as _;
use tower_service::Service;

#[test]
fn the_tower_layer_agrees() {
    // Nothing at once, everything, and some of it in each order.
    for at_once in [0, u32::MAX, 0x5555_5555, 0xaaaa_aaaa, 0x9249_2492, 0x6666_6666] {
        let corpus = Corpus::load().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let checked = corpus.check(Surface::Tower, OsClock, |case| {
            let log = Reports::of(DENIAL_TARGET);
            let sent = || runtime.block_on(send(case, at_once));
            let mut observed = tracing::subscriber::with_default(log.clone(), sent)?;
            observed.reports = Some(log.take());
            Ok(observed)
        });
        match checked {
            Ok(count) => println!("{count} cases"),
            Err(report) => panic!("answered at once {at_once:b}: {report}"),
        }
    }
}

async fn send(case: &Case, at_once: u32) -> Result<Observed, String> {
    let Request::Head(head) = &case.request else { return Err("bytes are for a socket".into()) };
    let (engine, _) = case.build(Deployment::default())?;
    let store = Store { case: Mutex::new(case.store()), at_once: AtomicU32::new(at_once) };
    let layer = BartizanLayer::for_any_body(engine).store(store).scheme(case.scheme);
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

struct Store {
    case: Mutex<CaseStore>,
    /// Whether the next question is answered at once, and the one after it, bit by bit.
    at_once: AtomicU32,
}

impl Answers for Store {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::ready(self.case.lock().unwrap().answer(&query)))
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        let turns = self.at_once.load(Relaxed);
        self.at_once.store(turns.rotate_right(1), Relaxed);
        if turns & 1 == 1 { Ok(self.case.lock().unwrap().answer(&query)) } else { Err(query) }
    }
}
