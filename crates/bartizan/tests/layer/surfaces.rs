//! However the layer is mounted, it answers the same.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{any, get},
};

use crate::server::{Mount, Server, layer};

/// The names of the headers that the handler saw.
async fn names(headers: HeaderMap) -> Json<Vec<String>> {
    Json(headers.keys().map(ToString::to_string).collect())
}

fn router(handled: &Arc<AtomicUsize>) -> Router {
    let count = Arc::clone(handled);
    Router::new()
        .route("/names", any(names))
        .route("/stack", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "Traceback: secret")))
        .route(
            "/cookie",
            get(async || [("set-cookie", "sid=1; Path=/"), ("server", "careless")].into_response()),
        )
        .layer(axum::middleware::map_request(move |request: axum::extract::Request| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(request)
        }))
}

#[tokio::test]
async fn requests_get_the_same_answers_however_the_layer_is_mounted() {
    for mount in Mount::ALL {
        let handled = Arc::new(AtomicUsize::new(0));
        let server = Server::mount(mount, "", layer(""), router(&handled)).await;
        for (head, status, code, handler) in [
            ("GET /names", 200, None, true),
            ("GET /absent", 404, None, true),
            ("PUT /stack", 405, None, true),
            ("GET /stack", 500, Some("upstream.error"), true),
            ("GET /names/..", 400, Some("path.dot-segment"), false),
            ("GET /names\nHost: evil.example", 421, Some("host.unknown"), false),
            ("TRACE /names", 405, Some("request.method"), false),
            (
                "POST /names\nSec-Fetch-Site: cross-site\nOrigin: https://evil.example",
                403,
                Some("csrf.cross-site"),
                false,
            ),
            ("POST /names\nSec-Fetch-Site: same-site\nOrigin: https://app.example.com", 200, None, true),
        ] {
            handled.store(0, Ordering::Relaxed);
            let response = server.request(head).await;
            assert_eq!((response.status, response.code().as_deref()), (status, code), "{mount:?} {head}");
            assert!(response.is_hardened(), "{mount:?} {head} {response:?}");
            assert!(!response.body.contains("secret"), "{mount:?} {head}");
            assert_eq!(handled.load(Ordering::Relaxed), usize::from(handler), "{mount:?} {head}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_the_router() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, "", layer(""), router(&Arc::default())).await;
        let preflight =
            "OPTIONS /names\nOrigin: https://app.example.com\nAccess-Control-Request-Method: POST";
        let response = server.request(preflight).await;
        assert_eq!(response.status, 204, "{mount:?} {response:?}");
        assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example.com"));
        assert_eq!(response.header("content-length"), None, "RFC 9110 §8.6");
        assert_eq!(response.body, "");
    }
}

#[tokio::test]
async fn the_handler_sees_only_what_it_may_believe() {
    let server = Server::start(layer(""), router(&Arc::default())).await;
    let response = server
        .request(
            "GET /names\nAccept: */*\nX-Forwarded-For: 10.0.0.1\nBartizan-User: admin\nBartizan_User: admin\n\
             X-HTTP-Method-Override: DELETE\nX-Kept: yes",
        )
        .await;
    let mut seen: Vec<String> = serde_json::from_str(&response.body).unwrap();
    seen.sort();
    assert_eq!(seen, ["accept", "connection", "host", "x-kept"]);
}

#[tokio::test]
async fn the_clients_response_is_hardened_in_place() {
    let server = Server::start(layer(""), router(&Arc::default())).await;
    let response = server.request("GET /cookie").await;
    assert_eq!(response.header("server"), None);
    let cookie = response.header("set-cookie").unwrap();
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, "", layer(""), router(&Arc::default())).await;
        let refused = "/names//x\nAccept: application/json";
        let get = server.request(&format!("GET {refused}")).await;
        let head = server.request(&format!("HEAD {refused}")).await;
        assert_eq!((get.status, head.status), (400, 400), "{mount:?}");
        assert_eq!(head.body, "", "{mount:?}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "RFC 9110 §9.3.2");
    }
}

#[tokio::test]
async fn a_nested_router_is_judged_by_the_whole_path() {
    let inner = Router::new().route("/users", get(async || "all of them")).layer(layer(
        "[session]\n[default]\nrequire = 'nothing'\n[[route]]\nmatch = '* /admin/**'\nrequire = 'session'",
    ));
    let router = Router::new().nest("/admin", inner);
    let server = Server::start(layer(""), router).await;
    let response = server.request("GET /admin/users").await;
    assert_eq!(response.status, 401, "{response:?}");
}
