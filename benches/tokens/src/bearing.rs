//! The application for whoever brings a token or an API key: behind header-only controls, and behind a policy that asks
//! for it.

use std::sync::Arc;

use axum::{Extension, Json, Router, body::Body, routing::any};
use bartizan::{
    BartizanLayer, Claims, OsClock, OsEntropy, Principal, Scheme,
    api_key::{Grantor, NewKey},
    jwt::Algorithm,
    policy::CredentialKind,
};
use bartizan_benches::{
    apps::{self, App},
    at_once, requests,
    signed_in::{Ready, SUBJECT},
    warm,
};
use bartizan_core::Clock as _;
use bartizan_store::{MemoryLimits, MemoryStore, Store};
use http::{HeaderName, HeaderValue, Request, Uri, header};
use serde::Deserialize;
use tower::Layer as _;

use crate::node::Node;

/// What a request comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token of our own ring.
    Token(Algorithm),
    /// An API key in the memory store.
    ApiKey,
}

/// What a handler reads of a token.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    /// Whose it is.
    pub sub: String,
    /// A claim of the application's own.
    pub tenant: String,
}

/// Behind header-only controls: the credential is the application's own.
pub fn header_only(credential: Credential) -> Ready<impl App> {
    let bearer = Bearer::of(credential);
    let router = Router::new().route("/me", any(async || Json(SUBJECT.to_owned()))).with_state(());
    warm(BartizanLayer::new(apps::engine()).scheme(Scheme::Https).layer(router), || bearer.request())
}

/// Behind a policy that requires it; the handler says whose it is.
pub fn required(credential: Credential) -> Ready<impl App> {
    let bearer = Bearer::of(credential);
    let router = Router::new().route("/me", any(me)).with_state(());
    warm(bearer.layer().layer(router), || bearer.request())
}

/// The same, and the handler takes the claims.
pub fn claimed(algorithm: Algorithm) -> Ready<impl App> {
    let bearer = Bearer::of(Credential::Token(algorithm));
    let router = Router::new().route("/me", any(member)).with_state(());
    warm(bearer.layer().layer(router), || bearer.request())
}

/// A token, and [what it is verified with](Node::verifies_with).
pub fn token_and_key(algorithm: Algorithm) -> (String, Vec<u8>) {
    let node = node(Arc::new(MemoryStore::new(MemoryLimits::default())), algorithm, CredentialKind::Jwt);
    let now = OsClock.now();
    (node.issue(now).token, node.verifies_with(now))
}

async fn me(Extension(principal): Extension<Principal>) -> Json<String> {
    Json(principal.subject.into())
}

async fn member(Claims(member): Claims<Member>) -> Json<String> {
    Json(member.sub)
}

/// Somebody with a credential, and the node that knows it.
struct Bearer {
    node: Node,
    header: HeaderName,
    value: String,
}

impl Bearer {
    fn of(credential: Credential) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
        match credential {
            Credential::Token(algorithm) => {
                let node = node(store, algorithm, CredentialKind::Jwt);
                let value = format!("Bearer {}", node.issue(OsClock.now()).token);
                Self { node, header: header::AUTHORIZATION, value }
            }
            Credential::ApiKey => {
                let node = node(Arc::clone(&store), Algorithm::EdDsa, CredentialKind::ApiKey);
                let new = NewKey {
                    owner: SUBJECT.into(),
                    name: "nightly".into(),
                    scopes: vec!["read".into()],
                    expires: None,
                };
                let keys = node.engine.api_keys().expect("the policy has API keys");
                let issued = keys.issue(new, Grantor::Operator, OsClock.now(), &mut OsEntropy);
                let issued = issued.expect("the key is right");
                assert!(at_once(store.create_api_key(issued.record)).is_ok_and(|is_new| is_new));
                let value = issued.key.expose().to_owned();
                Self { node, header: HeaderName::from_static("x-api-key"), value }
            }
        }
    }

    fn layer(&self) -> BartizanLayer<bartizan::AxumBodies> {
        let answers = Arc::clone(&self.node.answers);
        BartizanLayer::new(self.node.engine.clone()).scheme(Scheme::Https).store(answers)
    }

    fn request(&self) -> Request<Body> {
        let mut request = requests::json();
        *request.uri_mut() = Uri::from_static("/me");
        let value = HeaderValue::try_from(&self.value).expect("visible ASCII");
        request.headers_mut().insert(self.header.clone(), value);
        request
    }
}

fn node(store: Arc<dyn Store>, algorithm: Algorithm, takes: CredentialKind) -> Node {
    // The keys of a new ring are made on a thread for such work, and a store may be waited for.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(Node::open(store, algorithm, takes, OsClock.now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALGORITHMS;
    use bartizan_benches::serve_once;

    fn credentials() -> impl Iterator<Item = Credential> {
        ALGORITHMS.map(Credential::Token).into_iter().chain([Credential::ApiKey])
    }

    #[test]
    fn what_is_measured_is_let_through_and_would_not_be_without_its_credential() {
        for credential in credentials() {
            let (mut app, request) = header_only(credential);
            assert_eq!(serve_once(&mut app, request).status(), 200, "{credential:?}");
            let (mut app, request) = required(credential);
            let mut without = requests::json();
            *without.uri_mut() = Uri::from_static("/me");
            assert_eq!(serve_once(&mut app, request).status(), 200, "{credential:?}");
            assert_eq!(serve_once(&mut app, without).status(), 401, "{credential:?}");
        }
        let (mut app, request) = claimed(Algorithm::EdDsa);
        assert_eq!(serve_once(&mut app, request).status(), 200);
    }
}
