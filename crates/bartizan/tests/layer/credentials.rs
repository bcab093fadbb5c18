//! A store that answers, and what the handler learns of it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Extension, Router, routing::get};
use bartizan::{
    Answer, Answers, BartizanLayer, BoxFuture, Principal, Query, Scheme,
    policy::CredentialKind,
    session::{SessionKey, SessionRecord},
};

use crate::server::{Mount, Server, engine};

const POLICY: &str = "[session]\n[default]\nrequire = 'session'\n\
    [[route]]\nmatch = 'GET /open'\nrequire = 'nothing'\n\
    [[route]]\nmatch = 'GET /admin'\nrequire = { any = ['session'], scope = 'admin' }";

/// Knows two people, counts who asks, and takes its time.
#[derive(Default)]
struct People {
    asked: &'static Counter,
    asked_at_once: &'static Counter,
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Default for &'static Counter {
    fn default() -> Self {
        Box::leak(Box::default())
    }
}

impl Answers for People {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        self.asked.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::task::yield_now().await;
            let Query::Session { key, now } = query else { return Answer::Unavailable };
            let is = |id: &[u8]| key == SessionKey::of(id);
            let (subject, scopes) = if is(b"alice") {
                ("alice", vec!["admin".into()])
            } else if is(b"bob") {
                ("bob", vec![])
            } else if is(b"down") {
                return Answer::Unavailable;
            } else {
                return Answer::Unknown;
            };
            let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
            Answer::Session(SessionRecord::new(subject, scopes, now, idle, absolute))
        })
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        self.asked_at_once.0.fetch_add(1, Ordering::Relaxed);
        Err(query)
    }
}

async fn whoami(principal: Option<Extension<Principal>>) -> String {
    principal.map_or("nobody".into(), |Extension(principal)| {
        assert_eq!(principal.kind, CredentialKind::Session);
        principal.subject.into()
    })
}

fn router() -> Router {
    Router::new().route("/", get(whoami)).route("/open", get(whoami)).route("/admin", get(whoami))
}

#[tokio::test]
async fn the_store_is_asked_where_the_route_needs_it() {
    let people = People::default();
    let counters = [people.asked, people.asked_at_once];
    let layer = BartizanLayer::new(engine(POLICY)).scheme(Scheme::Https).store(people);
    let server = Server::mount(Mount::Around, POLICY, layer, router()).await;
    for (request, status, body, questions) in [
        ("GET /\nCookie: __Host-session=alice", 200, Ok("alice"), 1),
        ("GET /\nCookie: __Host-session=bob", 200, Ok("bob"), 1),
        ("GET /\nCookie: __Host-session=eve", 401, Err("auth.invalid"), 1),
        ("GET /\nCookie: __Host-session=down", 503, Err("store.unavailable"), 1),
        ("GET /", 401, Err("auth.required"), 0),
        ("GET /open", 200, Ok("nobody"), 0),
        ("GET /admin\nCookie: __Host-session=alice", 200, Ok("alice"), 1),
        ("GET /admin\nCookie: __Host-session=bob", 403, Err("auth.scope"), 1),
    ] {
        let response = server.request(request).await;
        assert_eq!(response.status, status, "{request} {response:?}");
        match body {
            Ok(body) => assert_eq!(response.body, body, "{request}"),
            Err(code) => assert_eq!(response.code().as_deref(), Some(code), "{request}"),
        }
        assert!(response.is_hardened(), "{request} {response:?}");
        // Once each way.
        assert_eq!(counters.map(|asked| asked.0.swap(0, Ordering::Relaxed)), [questions; 2], "{request}");
    }
}

#[tokio::test]
async fn without_a_store_what_needs_a_credential_stays_closed() {
    let layer = BartizanLayer::new(engine(POLICY)).scheme(Scheme::Https);
    let server = Server::start(layer, router()).await;
    let response = server.request("GET /\nCookie: __Host-session=alice").await;
    assert_eq!((response.status, response.code().as_deref()), (503, Some("store.unavailable")));
}
