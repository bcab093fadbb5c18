//! The lab's page, what its script asks, and the switches.

use std::{sync::Arc, time::Instant};

use askama::Template;
use axum::{
    Json, Router,
    extract::{Path, Request, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use bartizan::{Sessions, jwt::KeyRingError};
use serde::Deserialize;
use serde_json::json;

use super::{
    Addresses, LONGEST_OFF, State, Switch,
    cards::{GROUPS, Group},
    rules::{self, RulePage},
    switches::Off,
};
use crate::problem::{Problem, Refused};

/// Its script, which is written in four files.
const SCRIPT: &str = concat!(
    include_str!("../../assets/elements.js"),
    include_str!("../../assets/runs.js"),
    include_str!("../../assets/attacks.js"),
    include_str!("../../assets/lab.js"),
);

/// The demo account that the lab signs in.
const VICTIM: &str = "alice";

#[derive(Template)]
#[template(path = "lab.html")]
struct Page<'p> {
    addresses: &'p Addresses,
    groups: &'p [Group],
    count: usize,
    off: Off,
}

impl Page<'_> {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template gives references")]
    fn is_off(&self, switch: &Switch) -> bool {
        self.off.contains(*switch)
    }

    /// What is off, for the banner.
    fn names(&self) -> String {
        self.off.iter().map(Switch::title).collect::<Vec<_>>().join(", ")
    }
}

/// Everything below `/lab`, and `/`.
pub(super) fn routes(state: &Arc<State>) -> Router {
    let changing = Router::new()
        .route("/switches/{name}", post(switch))
        .route("/restore", post(restore))
        .route("/sign-in", post(sign_in))
        .route("/expired-token", post(expired_token))
        .route_layer(middleware::from_fn(own_page_only));
    let lab = Router::new()
        .route("/assets/{name}", get(asset))
        .route("/holdings", get(holdings))
        .route("/switches", get(switches))
        .route("/rules/{code}", get(rule))
        .route("/runs/{run}", get(run))
        .merge(changing)
        .with_state(Arc::clone(state))
        .nest("/careless", state.bank.routes());
    Router::new().route("/", get(front)).with_state(Arc::clone(state)).nest("/lab", lab)
}

async fn front(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    // By another name it would be of the attacker's site, or its frames would not be among those that the page may have.
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let own = state.addresses.api.split_once("://").map(|(_, host)| host.as_bytes());
    if host != own {
        return Redirect::temporary(&state.addresses.api).into_response();
    }
    let page = Page {
        addresses: &state.addresses,
        groups: GROUPS,
        count: GROUPS.iter().map(|group| group.cards.len()).sum(),
        off: state.off(),
    };
    render(&page)
}

fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!("a page of the lab: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content) = match &*name {
        "lab.css" => ("text/css; charset=utf-8", include_str!("../../assets/lab.css")),
        "bank.css" => ("text/css; charset=utf-8", include_str!("../../assets/bank.css")),
        "lab.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "mark.svg" => ("image/svg+xml", include_str!("../../assets/mark.svg")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // They change with the binary, which a browser cannot know.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}

async fn rule(Path(code): Path<String>) -> Response {
    match rules::find(&code) {
        Some(rule) => render(&RulePage::of(rule)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn run(Shared(state): Shared<Arc<State>>, Path(run): Path<String>) -> impl IntoResponse {
    Json(state.runs.exchanges(&run))
}

/// What is off, for a page that was loaded before somebody else switched.
async fn switches(Shared(state): Shared<Arc<State>>) -> Response {
    told(state.off())
}

fn told(off: Off) -> Response {
    let names: Vec<_> = off.iter().map(Switch::name).collect();
    Json(json!({ "off": names })).into_response()
}

async fn holdings(Shared(state): Shared<Arc<State>>) -> impl IntoResponse {
    Json(state.bank.holdings())
}

/// What switches controls must not fall with the control that it switches: these handlers look for themselves whether the
/// lab's own page asks.
async fn own_page_only(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let told = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    // A browser that tells nothing tells the origin of a POST; what tells neither is no browser.
    let foreign = match told {
        Some(site) => site != b"same-origin",
        None => headers.get(header::ORIGIN).is_some_and(|origin| !is_own(origin, headers, request.uri())),
    };
    if foreign { StatusCode::FORBIDDEN.into_response() } else { next.run(request).await }
}

fn is_own(origin: &HeaderValue, headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    host.is_some_and(|host| origin.as_bytes() == format!("http://{host}").as_bytes())
}

#[derive(Deserialize)]
struct Change {
    off: bool,
}

async fn switch(
    Shared(state): Shared<Arc<State>>,
    Path(name): Path<String>,
    Json(Change { off }): Json<Change>,
) -> Response {
    match Switch::from_name(&name) {
        Some(switch) => change(&state, |switches| switches.set(switch, off)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Everything on, and the bank as it was.
async fn restore(Shared(state): Shared<Arc<State>>) -> Response {
    state.bank.reset();
    change(&state, |switches| *switches = Off::default())
}

fn change(state: &State, change: impl FnOnce(&mut Off)) -> Response {
    let Some(live) = state.live() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match live.switch(change, Instant::now() + LONGEST_OFF) {
        Ok(off) => {
            let names: Vec<_> = off.iter().map(Switch::name).collect();
            tracing::warn!(off = names.join(" "), "the lab has switched controls of this instance");
            told(off)
        }
        Err(error) => {
            tracing::error!("a switch of the lab: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn sign_in(Shared(state): Shared<Arc<State>>, sessions: Sessions) -> Result<StatusCode, Refused> {
    let victim = state.api.database().account(VICTIM).await?.ok_or_else(no_victim)?;
    sessions.login(&victim.id.to_string(), victim.scopes).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn expired_token(Shared(state): Shared<Arc<State>>) -> Result<Response, Problem> {
    let victim = state.api.database().account(VICTIM).await?.ok_or_else(no_victim)?;
    Ok(issued(state.tokens.expired(&victim.id.to_string())))
}

fn no_victim() -> Problem {
    Problem::not_found("The demo account has gone; begin with a new folder.")
}

fn issued(token: Result<String, KeyRingError>) -> Response {
    match token {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(error) => {
            tracing::error!("a token of the lab: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
