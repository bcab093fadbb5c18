//! What the log says of a refusal.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, routing::get};
use bartizan::{
    BartizanLayer, DENIAL_TARGET, Deployment, Engine, PeerAddr, Scheme, SessionError, Sessions,
    policy::{Mode, Policy},
};
use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tracing::{Event, Level, field::Field};
use tracing_subscriber::{layer::Context, prelude::*};

type Line = (Level, BTreeMap<String, String>);

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == DENIAL_TARGET {
            let mut fields = BTreeMap::new();
            event.record(&mut |field: &Field, value: &dyn Debug| {
                fields.insert(field.name().to_owned(), format!("{value:?}"));
            });
            self.0.lock().unwrap().push((*event.metadata().level(), fields));
        }
    }
}

/// Sends `request` through the layer and returns its status and what was logged.
async fn logged(edit: impl Fn(&mut Policy), request: http::request::Builder) -> (u16, Vec<Line>) {
    let mut policy = Policy::default();
    policy.origin.public = vec!["https://api.example.com".into()];
    edit(&mut policy);
    let engine = Engine::build(&policy, &Deployment::default()).unwrap();
    let router = Router::new()
        .route("/transfer", axum::routing::any(async || "done"))
        .route("/reflect", get(async || [("bartizan-login", "admin")]))
        .route("/panic", get(async || if true { panic!("hunter2") } else { "" }));
    let app = BartizanLayer::new(engine).scheme(Scheme::Https).layer(router);
    let mut request: Request<Body> = request.header("host", "api.example.com").body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddr("203.0.113.9:4000".parse().unwrap()));
    let lines = Lines::default();
    let guard = tracing_subscriber::registry().with(lines.clone()).set_default();
    let response = app.oneshot(request).await.unwrap();
    drop(guard);
    let lines = lines.0.lock().unwrap().clone();
    (response.status().as_u16(), lines)
}

fn forged() -> http::request::Builder {
    Request::post("/transfer?token=hunter2")
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://evil.example")
}

#[tokio::test]
async fn a_refusal_is_one_line_with_what_would_allow_it() {
    let (status, lines) = logged(|_| {}, forged()).await;
    assert_eq!(status, 403);
    let [(Level::WARN, fields)] = &lines[..] else { panic!("{lines:?}") };
    for (name, value) in [
        ("code", "\"csrf.cross-site\""),
        ("control", "\"csrf\""),
        ("status", "403"),
        ("method", "POST"),
        ("path", "/transfer"),
        ("host", "api.example.com"),
        ("client_ip", "203.0.113.9"),
        ("value", "\"https://evil.example\""),
        ("allow", "\"[origin] trusted = [\\\"https://evil.example\\\"]\""),
        ("mode", "\"enforce\""),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(fields["request_id"].len(), 16);
    assert!(!fields.contains_key("route"), "no route matched");
    assert!(fields.values().all(|value| !value.contains("hunter2")), "{fields:?}");
}

#[tokio::test]
async fn mode_report_lets_the_request_pass_and_says_so() {
    let (status, lines) = logged(|policy| policy.mode = Some(Mode::Report), forged()).await;
    assert_eq!(status, 200);
    let [(Level::INFO, fields)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(fields["code"], "\"csrf.cross-site\"");
    assert_eq!(fields["mode"], "\"report\"");
    assert_eq!(fields["path"], "/transfer");
    assert!(!fields.contains_key("request_id"), "the client was told nothing");
}

#[tokio::test]
async fn a_header_that_would_sign_somebody_in_is_warned_of() {
    let (status, lines) = logged(|_| {}, Request::get("/reflect")).await;
    assert_eq!(status, 200);
    let [(Level::WARN, fields)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&*fields["code"], &*fields["mode"]), ("\"handoff.refused\"", "\"report\""));
    assert_eq!(fields["message"], "the hand-off was refused, and the rest of the response went on");
}

#[tokio::test]
async fn a_panic_is_logged_without_its_text() {
    let (status, lines) = logged(|_| {}, Request::get("/panic")).await;
    assert_eq!(status, 500);
    let [(Level::ERROR, fields)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&*fields["code"], &*fields["path"]), ("\"handler.panic\"", "/panic"));
    assert!(fields.values().all(|value| !value.contains("hunter2")), "{fields:?}");
}

#[tokio::test]
async fn what_passes_is_not_logged() {
    assert_eq!(logged(|_| {}, Request::get("/transfer")).await, (200, vec![]));
}

#[tokio::test]
async fn a_login_that_is_refused_is_a_line_with_the_limit_and_one_that_would_be_too() {
    for (mode, statuses, level) in
        [(Mode::Enforce, [401, 429, 429], Level::WARN), (Mode::Report, [401, 401, 401], Level::INFO)]
    {
        let mut policy = Policy::default();
        policy.origin.public = vec!["https://api.example.com".into()];
        policy.default.require =
            Some(bartizan::policy::RequireConfig::One(bartizan::policy::CredentialKind::Nothing));
        let session = policy.session.get_or_insert_default();
        session.login_protection.mode = Some(mode);
        session.login_protection.account = Some(bartizan::policy::LimitConfig {
            limit: 1,
            per: bartizan::policy::Duration(std::time::Duration::from_mins(1)),
            burst: None,
        });
        let engine = Engine::build(&policy, &Deployment::default()).unwrap();
        let passes_on = |sessions: Sessions| async move {
            sessions.login_failed("alice").await?;
            Ok::<_, SessionError>(http::StatusCode::UNAUTHORIZED)
        };
        let swallows = |sessions: Sessions| async move {
            match sessions.login_failed("alice").await {
                Ok(()) => http::StatusCode::UNAUTHORIZED,
                Err(_) => http::StatusCode::TOO_MANY_REQUESTS,
            }
        };
        let router = Router::new()
            .route("/login", axum::routing::post(passes_on))
            .route("/own", axum::routing::post(swallows));
        let app = BartizanLayer::new(engine).scheme(Scheme::Https).layer(router);
        let lines = Lines::default();
        let guard = tracing_subscriber::registry().with(lines.clone()).set_default();
        for (path, status) in ["/login", "/login", "/own"].into_iter().zip(statuses) {
            let mut request: Request<Body> =
                Request::post(path).header("host", "api.example.com").body(Body::empty()).unwrap();
            request.extensions_mut().insert(PeerAddr("203.0.113.9:4000".parse().unwrap()));
            assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status, "{mode:?} {path}");
        }
        drop(guard);
        let lines = lines.0.lock().unwrap().clone();
        assert_eq!(lines.len(), 2, "{mode:?}: {lines:?}");
        for ((found, fields), path) in lines.iter().zip(["/login", "/own"]) {
            assert_eq!((*found, &*fields["path"]), (level, path), "{mode:?}");
            assert_eq!(fields["code"], "\"rate.limited\"", "{mode:?}");
            assert_eq!(fields["value"], "\"session.login_protection.account\"", "{mode:?}");
        }
    }
}
