//! What goes wrong in the application leaves with the policy's headers and without its secrets.

use std::time::Duration;

use axum::{Router, body::Body, http::StatusCode, routing::get};
use bartizan::{Answer, Answers, BartizanLayer, BoxFuture, Query, Scheme};
use tower::Layer as _;
use tower_http::timeout::TimeoutLayer;

use crate::server::{Mount, Server, engine, layer};

async fn panics() -> &'static str {
    panic!("the password is hunter2")
}

#[tokio::test]
async fn a_panic_becomes_a_problem_document() {
    let router = Router::new().route("/", get(panics)).route("/calm", get(async || "calm"));
    for mount in Mount::ALL {
        let server = Server::mount(mount, "", layer(""), router.clone()).await;
        let response = server.request("GET /\nOrigin: https://app.example.com").await;
        assert_eq!(response.status, 500, "{mount:?}");
        assert_eq!(response.code().as_deref(), Some("handler.panic"), "{mount:?}");
        assert!(response.is_hardened(), "{mount:?} {response:?}");
        // Its page's script may read the problem.
        assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example.com"));
        assert!(!response.body.contains("hunter2"));
        assert_eq!(server.request("GET /calm").await.status, 200, "{mount:?}");
    }
}

#[tokio::test]
async fn a_panic_in_call_is_caught_too() {
    let service = tower::service_fn(
        |_: http::Request<Body>| -> std::future::Ready<Result<_, std::convert::Infallible>> {
            assert!(std::hint::black_box(false), "before there is a future");
            std::future::ready(Ok(http::Response::new(Body::empty())))
        },
    );
    let mut service = layer("").layer(service);
    let mut request = http::Request::new(Body::empty());
    request.headers_mut().insert("host", http::HeaderValue::from_static("api.example.com"));
    let response = tower::Service::call(&mut service, request).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn a_timeout_inside_keeps_its_status() {
    let router = Router::new()
        .route("/", get(async || std::future::pending::<()>().await))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(10)));
    let server = Server::start(layer(""), router).await;
    let response = server.request("GET /").await;
    assert_eq!(response.status, 408);
    assert!(response.is_hardened(), "{response:?}");
}

enum Panics {
    AtOnce,
    Later,
}

impl Answers for Panics {
    fn answer(&self, _: Query) -> BoxFuture<'_, Answer> {
        Box::pin(async { panic!("the store's driver has a bug") })
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        match self {
            Self::AtOnce => panic!("the store has a bug"),
            Self::Later => Err(query),
        }
    }
}

#[tokio::test]
async fn a_store_that_panics_closes_the_door() {
    for store in [Panics::AtOnce, Panics::Later] {
        let engine = engine("[session]\n[default]\nrequire = 'session'");
        let layer = BartizanLayer::new(engine).scheme(Scheme::Https).store(store);
        let server = Server::start(layer, Router::new().route("/", get(async || "in"))).await;
        let response = server.request("GET /\nCookie: __Host-session=abc").await;
        assert_eq!((response.status, response.code().as_deref()), (503, Some("store.unavailable")));
        assert!(response.is_hardened(), "{response:?}");
    }
}
