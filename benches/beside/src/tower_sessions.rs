//! `tower-sessions` with its own store in memory, and nothing else: what it does for each request of somebody who is
//! signed in.

use std::sync::Arc;

use axum::{Json, Router, routing::any};
use bartizan_benches::{
    apps::App,
    at_once, requests,
    signed_in::{Ready, SUBJECT},
    warm,
};
use tower::Layer as _;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time};

/// The application, whose handler reads from the session who is signed in, and a GET.
///
/// # Panics
///
/// If its store does not keep a session.
pub fn tower_sessions() -> Ready<impl App> {
    let store = MemoryStore::default();
    let expiry = Expiry::OnInactivity(time::Duration::minutes(30));
    let session = Session::new(None, Arc::new(store.clone()), Some(expiry));
    at_once(session.insert("user", SUBJECT)).expect("a JSON value");
    at_once(session.save()).expect("the store in memory");
    let cookie = format!("session={}", session.id().expect("the id of a session that was saved"));
    let router = Router::new().route("/me", any(me)).with_state(());
    let layer = SessionManagerLayer::new(store).with_name("session").with_expiry(expiry);
    warm(layer.layer(router), || requests::signed_in(&cookie))
}

async fn me(session: Session) -> Json<String> {
    let user = session.get("user").await.expect("the store in memory");
    Json(user.expect("somebody is signed in"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use bartizan_benches::serve_once;
    use http::Request;

    #[test]
    fn it_knows_who_is_signed_in_by_the_cookie() {
        let (mut app, request) = tower_sessions();
        assert_eq!(serve_once(&mut app, request).status(), 200);
        let stranger = Request::get("/me").body(Body::empty()).expect("a request");
        let refused =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve_once(&mut app, stranger)));
        assert!(refused.is_err(), "it has no session for a stranger");
    }
}
