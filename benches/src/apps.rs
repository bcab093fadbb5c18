//! The application that is measured, bare and behind each kind of layer.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    response::Html,
    routing::{any, get},
};
use bartizan::{BartizanLayer, Deployment, Engine, Scheme, policy::Policy};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use tower::{Layer, Service, ServiceBuilder, layer::util::Identity};
use tower_http::{cors::CorsLayer, csrf::CsrfLayer, set_header::SetResponseHeaderLayer};

/// A service that is measured.
pub trait App:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send
{
}

impl<S> App for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send
{
}

/// The application alone. Its handlers are made services once, as axum does it for a router that it serves itself.
pub fn bare() -> Router {
    Router::new()
        .route("/items/{id}", any(async |Path(id): Path<u32>| Json(id)))
        .route("/page", get(async || Html("<!doctype html><title>Items</title>")))
        .with_state(())
}

/// The policy that is measured: all header-only controls.
pub fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.origin.public = vec!["https://api.example.com".into()];
    policy.origin.trusted = vec!["https://app.example.com".into()];
    policy
}

/// The engine of that policy.
///
/// # Panics
///
/// If the engine refuses it.
pub fn engine() -> Engine {
    let deployment = Deployment { tls: true, ..Deployment::default() };
    Engine::build(&policy(), &deployment).expect("the policy is right")
}

/// The layer around the router, as its documentation advises.
pub fn around() -> impl App {
    layer().layer(bare())
}

/// The layer through `Router::layer`.
pub fn inside() -> impl App {
    bare().layer(layer())
}

/// `Router::layer` with a layer that does nothing: what axum itself takes for it.
pub fn inside_empty() -> impl App {
    bare().layer(Identity::new())
}

fn layer() -> BartizanLayer<bartizan::AxumBodies> {
    BartizanLayer::new(engine()).scheme(Scheme::Https)
}

/// What tower-http offers for the same: CORS, CSRF by `Sec-Fetch-Site` and `Origin`, and eight headers.
///
/// # Panics
///
/// If tower-http refuses the origins.
pub fn tower_http() -> impl App {
    let origin = "https://app.example.com";
    let cors = CorsLayer::new()
        .allow_origin([HeaderValue::from_static(origin)])
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    let csrf = CsrfLayer::new().add_trusted_origin(origin).expect("an origin");
    let set = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    ServiceBuilder::new()
        .layer(set(
            "content-security-policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
        ))
        .layer(set("x-content-type-options", "nosniff"))
        .layer(set("x-frame-options", "DENY"))
        .layer(set("referrer-policy", "no-referrer"))
        .layer(set("cross-origin-resource-policy", "same-origin"))
        .layer(set("cache-control", "no-store"))
        .layer(set("strict-transport-security", "max-age=63072000; includeSubDomains"))
        .layer(set("permissions-policy", "camera=()"))
        .layer(cors)
        .layer(csrf)
        .service(bare())
}
