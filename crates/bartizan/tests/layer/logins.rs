//! Logins of handlers that check a password: how often one may fail.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use bartizan::{AxumBodies, BartizanLayer, Scheme, SessionError, Sessions};
use bartizan_store::{MemoryLimits, MemoryStore};
use futures_util::future::join_all;

use crate::server::{self, Mount, Server, engine};

const POLICY: &str = "
[proxy]
trusted = ['127.0.0.1']
forwarded = { for = 'x-forwarded-for' }
[session]
[default]
require = 'nothing'
";

/// The handler of the documentation; the password of everybody is `right`.
async fn login(
    sessions: Sessions,
    Path((name, password)): Path<(String, String)>,
) -> Result<Response, SessionError> {
    sessions.before_login(Some(&name)).await?;
    if password != "right" {
        sessions.login_failed(&name).await?;
        return Ok((StatusCode::UNAUTHORIZED, "wrong").into_response());
    }
    // The application calls people something else than they call themselves.
    sessions.login(&format!("id of {name}"), ["read"]).await?;
    Ok("in".into_response())
}

/// A handler that has words of its own.
async fn login_in_its_own_words(sessions: Sessions, Path(name): Path<String>) -> (StatusCode, String) {
    match sessions.login_failed(&name).await {
        Ok(()) => (StatusCode::UNAUTHORIZED, "no".into()),
        Err(SessionError::Limited { retry_after }) => {
            (StatusCode::TOO_MANY_REQUESTS, format!("{} s", retry_after.as_secs()))
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

fn router() -> Router {
    Router::new()
        .route("/login/{name}/{password}", post(login))
        .route("/own/{name}", post(login_in_its_own_words))
}

fn layer(policy: &str) -> BartizanLayer<AxumBodies> {
    let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
    BartizanLayer::new(engine(policy)).scheme(Scheme::Https).store(store)
}

async fn attempt(server: &Server, name: &str, password: &str, from: &str) -> server::Response {
    server
        .request(&format!(
            "POST /login/{name}/{password}\nSec-Fetch-Site: same-origin\nContent-Length: 0\nX-Forwarded-For: {from}"
        ))
        .await
}

fn assert_limited(response: &server::Response, at_most: u32) {
    assert_eq!((response.status, response.code().as_deref()), (429, Some("rate.limited")), "{response:?}");
    let seconds: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds <= at_most && seconds + 20 > at_most, "{seconds}, at most {at_most}");
    assert_eq!(response.header("set-cookie"), None, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{response:?}");
    assert!(response.is_hardened(), "{response:?}");
}

#[tokio::test]
async fn who_guesses_is_refused_and_then_with_the_right_password_too() {
    for mount in [Mount::Around, Mount::Inside, Mount::Hyper] {
        let server = Server::mount(mount, POLICY, layer(POLICY), router()).await;
        for _ in 0..5 {
            let response = attempt(&server, "alice", "guess", "203.0.113.1").await;
            assert_eq!((response.status, &*response.body), (401, "wrong"), "{mount:?}");
        }
        assert_limited(&attempt(&server, "alice", "guess", "203.0.113.1").await, 180);
        assert_limited(&attempt(&server, "alice", "right", "203.0.113.1").await, 180);
        let elsewhere = attempt(&server, "alice", "right", "203.0.113.2").await;
        assert!(elsewhere.header("set-cookie").unwrap().starts_with("__Host-session="), "{elsewhere:?}");
        let other = attempt(&server, "bob", "right", "203.0.113.1").await;
        assert!(other.header("set-cookie").is_some(), "{other:?}");
    }
}

#[tokio::test]
async fn of_fifty_guesses_at_once_five_are_told_that_they_were_wrong() {
    let server = Server::start(layer(POLICY), router()).await;
    let guesses = (0..50).map(|_| attempt(&server, "alice", "guess", "203.0.113.1"));
    let mut told = 0;
    for response in join_all(guesses).await {
        if response.status == 401 {
            told += 1;
        } else {
            assert_limited(&response, 180);
        }
    }
    assert_eq!(told, 5);
    assert_limited(&attempt(&server, "alice", "right", "203.0.113.1").await, 180);
}

#[tokio::test]
async fn failures_count_for_the_address_whatever_the_accounts() {
    let server = Server::start(layer(POLICY), router()).await;
    for number in 0..20 {
        let response = attempt(&server, &format!("user{number}"), "guess", "203.0.113.1").await;
        assert_eq!(response.status, 401, "{number}");
    }
    assert_limited(&attempt(&server, "alice", "right", "203.0.113.1").await, 45);
    assert_eq!(attempt(&server, "alice", "right", "203.0.113.2").await.status, 200);
}

#[tokio::test]
async fn a_person_gets_a_page() {
    let server = Server::start(layer(POLICY), router()).await;
    for _ in 0..5 {
        attempt(&server, "alice", "guess", "203.0.113.1").await;
    }
    let response = server
        .request(
            "POST /login/alice/guess\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate\nAccept: text/html\n\
             Content-Length: 0\nX-Forwarded-For: 203.0.113.1",
        )
        .await;
    assert_eq!((response.status, response.header("content-type")), (429, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn a_handler_may_answer_in_its_own_words() {
    let server = Server::start(layer(POLICY), router()).await;
    let own = "POST /own/alice\nSec-Fetch-Site: same-origin\nContent-Length: 0";
    for _ in 0..5 {
        assert_eq!(server.request(own).await.status, 401);
    }
    let response = server.request(own).await;
    assert_eq!(response.status, 429);
    assert!(matches!(&*response.body, "179 s" | "180 s"), "{response:?}");
}

#[tokio::test]
async fn many_failures_from_elsewhere_only_put_the_answer_off() {
    let server = Server::start(layer(POLICY), router()).await;
    for number in 0..5 {
        attempt(&server, "alice", "guess", &format!("203.0.113.{number}")).await;
    }
    let start = Instant::now();
    assert_eq!(attempt(&server, "alice", "guess", "198.51.100.1").await.status, 401);
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(attempt(&server, "alice", "right", "198.51.100.2").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
}

#[tokio::test]
async fn mode_report_refuses_nobody_and_off_counts_nothing() {
    for mode in ["report", "off"] {
        let policy = POLICY.replace("[session]", &format!("[session]\nlogin_protection.mode = '{mode}'"));
        let server = Server::start(layer(&policy), router()).await;
        for _ in 0..30 {
            assert_eq!(attempt(&server, "alice", "guess", "203.0.113.1").await.status, 401, "{mode}");
        }
        assert_eq!(attempt(&server, "alice", "right", "203.0.113.1").await.status, 200, "{mode}");
    }
}
