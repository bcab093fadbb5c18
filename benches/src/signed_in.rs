//! The application for whoever is signed in: bare, behind header-only controls, behind sessions and CSRF tokens.

use std::sync::Arc;

use axum::{Json, Router, body::Body, routing::any};
use bartizan::{
    Answer, Answers, BartizanLayer, Deployment, Engine, OsClock, OsEntropy, Scheme, Session,
    policy::{CredentialKind, CsrfChoice, Policy, RequireConfig, SessionConfig},
};
use bartizan_core::{
    Clock as _, Query,
    csrf_token::{self, Binding},
    keys::Keys,
};
use bartizan_store::{MemoryLimits, MemoryStore};
use http::Request;
use tower::Layer as _;

use crate::{
    apps::{self, App},
    at_once, requests, warm,
};

/// Who is signed in.
pub const SUBJECT: &str = "alice";

/// An application, warm, and the request to measure.
pub type Ready<A> = (A, Request<Body>);

/// Which credentials a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// `require = "session"`; the handler takes the session too.
    pub session: bool,
    /// `csrf = "token"`.
    pub token: bool,
}

/// The application alone, with a GET.
pub fn bare() -> Ready<impl App> {
    let session = Begun::of(&engine(Asks { session: true, token: false }));
    warm(strangers(), || requests::signed_in(&session.cookie))
}

/// Behind header-only controls, with a GET, or with a POST. The requests are the same as where the policy has sessions
/// and tokens: their cookies and tokens are the application's own here.
pub fn header_only(post: bool) -> Ready<impl App> {
    let session = Begun::of(&engine(Asks { session: true, token: true }));
    let app = BartizanLayer::new(apps::engine()).scheme(Scheme::Https).layer(strangers());
    warm(app, || session.request(post))
}

/// Behind a policy with sessions and keys, on a route that `asks` for these.
pub fn asking(asks: Asks, post: bool) -> Ready<impl App> {
    let engine = engine(asks);
    let session = Begun::of(&engine);
    let router = if asks.session { known() } else { strangers() };
    warm(behind(engine, Arc::clone(&session.store), router), || session.request(post))
}

/// Behind a policy with sessions that `store` keeps, each request needing one.
pub fn behind_sessions(engine: Engine, store: impl Answers) -> impl App + 'static {
    behind(engine, store, known())
}

/// The engine of that policy.
///
/// # Panics
///
/// If the policy is refused.
pub fn engine(asks: Asks) -> Engine {
    let mut policy: Policy = apps::policy();
    policy.session = Some(SessionConfig::default());
    let kind = if asks.session { CredentialKind::Session } else { CredentialKind::Nothing };
    policy.default.require = Some(RequireConfig::One(kind));
    policy.default.csrf = asks.token.then_some(CsrfChoice::Token);
    let deployment = Deployment { tls: true, keys: Some(keys()), ..Deployment::default() };
    Engine::build(&policy, &deployment).expect("the policy is right")
}

fn behind(engine: Engine, store: impl Answers, router: Router) -> impl App + 'static {
    BartizanLayer::new(engine).scheme(Scheme::Https).store(store).layer(router)
}

/// The router that says who is signed in.
fn known() -> Router {
    Router::new().route("/me", any(me)).with_state(())
}

/// The router that answers everybody the same.
fn strangers() -> Router {
    Router::new().route("/me", any(async || Json(SUBJECT.to_owned()))).with_state(())
}

async fn me(session: Session) -> Json<String> {
    Json(session.subject().to_owned())
}

fn keys() -> Keys {
    Keys::new(&[b"0123456789abcdef0123456789abcdef"]).expect("it is long enough")
}

/// A session that began: in the store, and with its client.
struct Begun {
    store: Arc<MemoryStore>,
    /// `__Host-session=…`
    cookie: String,
    token: String,
}

impl Begun {
    fn of(engine: &Engine) -> Self {
        let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
        let begun = engine.begin_session(SUBJECT, vec!["read".into()], None, OsClock, OsEntropy);
        let begun = begun.expect("the policy has sessions");
        let Query::Begin(new) = &begun.query else { unreachable!("a session begins") };
        let binding = Binding::Session(new.key);
        assert_eq!(at_once(store.answer(begun.query)), Answer::Done);
        let token = csrf_token::mint(&keys(), &binding, OsClock.now(), &mut OsEntropy);
        Self {
            store,
            cookie: begun.cookie.split(';').next().unwrap_or_default().to_owned(),
            token: token.expect("there are keys"),
        }
    }

    fn request(&self, post: bool) -> Request<Body> {
        if post { requests::change(&self.cookie, &self.token) } else { requests::signed_in(&self.cookie) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve_once;

    fn status<A: App>((mut app, request): Ready<A>) -> u16 {
        serve_once(&mut app, request).status().as_u16()
    }

    #[test]
    fn what_is_measured_is_let_through_and_would_not_be_without_its_credentials() {
        assert_eq!(status(bare()), 200);
        for post in [false, true] {
            assert_eq!(status(header_only(post)), 200);
            for (session, token) in [(true, false), (false, true), (true, true)] {
                let (mut app, request) = asking(Asks { session, token }, post);
                let (parts, body) = request.into_parts();
                let mut without = Request::from_parts(parts.clone(), Body::empty());
                assert_eq!(
                    serve_once(&mut app, Request::from_parts(parts, body)).status(),
                    200,
                    "{session} {token} {post}"
                );
                without.headers_mut().remove("cookie");
                let refused = serve_once(&mut app, without).status().as_u16();
                // The token is asked for before what the route requires.
                let expected = match (token && post, session) {
                    (true, _) => 403,
                    (false, true) => 401,
                    (false, false) => 200,
                };
                assert_eq!(refused, expected, "{session} {token} {post}");
            }
        }
    }
}
