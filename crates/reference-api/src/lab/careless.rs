//! The bank that the lab attacks: handlers that do what quick tutorials do, so that only Bartizan stands between.
//!
//! Do not copy from here. The login is the user's name in a cookie without `HttpOnly`; CORS reflects any origin, with
//! credentials; money moves for whoever's cookie comes along; what people typed stands in the page as it is; uploads
//! are served without a type.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

/// The login: whose it is, in plain text.
pub(crate) const COOKIE: &str = "lab_login";

/// The victim.
const VICTIM: &str = "alice";

/// What she has.
const BALANCE: i64 = 100;

/// A longer upload or comment is refused.
const LONGEST: usize = 8 * 1024;

/// The bank's whole database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    balance: i64,
    /// The last one.
    comment: String,
    upload: Bytes,
    /// What scripts have carried off.
    loot: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { balance: BALANCE, comment: String::new(), upload: Bytes::new(), loot: 0 }
    }
}

/// What the bank holds, for the page and for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// What the victim has; 100 at first.
    pub balance: i64,
    /// How often a script that should not have run has carried something off.
    pub loot: usize,
}

impl Bank {
    pub(crate) fn holdings(&self) -> Holdings {
        let ledger = self.ledger();
        Holdings { balance: ledger.balance, loot: ledger.loot }
    }

    /// Everything as it was at first.
    pub(crate) fn reset(&self) {
        *self.ledger() = Ledger::default();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its routes, below `/lab/careless`.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/login", post(login))
            .route("/account", get(account))
            .route("/bank", get(bank))
            .route("/transfer", post(transfer))
            .route("/comments", get(comments).post(comment))
            .route("/search", get(search))
            .route("/upload", get(upload).post(store_upload))
            .route("/loot", post(carry_off))
            .layer(DefaultBodyLimit::max(LONGEST))
            .with_state(self.clone())
    }
}

async fn login() -> impl IntoResponse {
    // As advice goes where "the cookie does not come" from a front end on another site.
    let cookie = format!("{COOKIE}={VICTIM}; Path=/; SameSite=None; Secure");
    ([(header::SET_COOKIE, cookie)], "Welcome back, alice.")
}

/// Whose login came along.
fn signed_in(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    cookies.flat_map(|line| line.split("; ")).any(|pair| pair.split_once('=') == Some((COOKIE, VICTIM)))
}

fn not_signed_in() -> Response {
    (StatusCode::UNAUTHORIZED, "Not signed in").into_response()
}

async fn account(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    if !signed_in(&headers) {
        return not_signed_in();
    }
    let account = serde_json::json!({ "name": VICTIM, "balance": bank.ledger().balance });
    let mut response = Json(account).into_response();
    // "Allow every origin, with credentials": the origin is reflected, as `*` would not do.
    if let Some(origin) = headers.get(header::ORIGIN) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let allowed = HeaderValue::from_static("true");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
    }
    response
}

async fn bank(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    if !signed_in(&headers) {
        return not_signed_in();
    }
    let balance = bank.ledger().balance;
    // The empty frame is how a page that may not look inside can tell whether it is shown: it counts the frames in it.
    page(&format!(
        "<p>You have <b>{balance}</b> pebbles.</p>\
         <form action=\"/lab/careless/transfer\" method=\"post\"><button>Send 25 to mallory</button></form>\
         <iframe title=\"Today’s rates\" hidden></iframe>"
    ))
    .into_response()
}

async fn transfer(State(bank): State<Bank>, headers: HeaderMap) -> Response {
    if !signed_in(&headers) {
        return not_signed_in();
    }
    let balance = {
        let mut ledger = bank.ledger();
        ledger.balance -= 25;
        ledger.balance
    };
    page(&format!("<p>Sent 25 pebbles to mallory. You have <b>{balance}</b> left.</p>")).into_response()
}

async fn comment(State(bank): State<Bank>, text: String) -> StatusCode {
    bank.ledger().comment = text;
    StatusCode::CREATED
}

async fn comments(State(bank): State<Bank>) -> Html<String> {
    let ledger = bank.ledger();
    page(&format!("<h2>Comments</h2><ul><li>First!</li><li>{}</li></ul>", ledger.comment))
}

#[derive(Deserialize)]
struct Search {
    q: String,
}

async fn search(Query(Search { q }): Query<Search>) -> Html<String> {
    page(&format!("<h2>Search</h2><p>Nothing was found for {q}</p>"))
}

async fn store_upload(State(bank): State<Bank>, content: Bytes) -> StatusCode {
    bank.ledger().upload = content;
    StatusCode::CREATED
}

async fn upload(State(bank): State<Bank>) -> Response {
    // No type: "the browser will know".
    Response::new(Body::from(bank.ledger().upload.clone()))
}

async fn carry_off(State(bank): State<Bank>) -> StatusCode {
    bank.ledger().loot += 1;
    StatusCode::NO_CONTENT
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Pebble Bank</title>\n\
         <link rel=\"stylesheet\" href=\"/lab/assets/bank.css\">\n<h1>Pebble Bank</h1>\n{body}\n</html>\n"
    ))
}
