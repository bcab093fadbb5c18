//! The attacker's site. It runs on `127.0.0.1`, which is another site to a browser than `localhost`; a page for each attack
//! that begins there, which the lab shows in a frame.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};

use super::Addresses;

const SCRIPT: &str = include_str!("../../assets/attacker.js");
const STYLE: &str = include_str!("../../assets/attacker.css");

/// The attacks that begin here, and what the victim is promised.
const PAGES: [(&str, &str); 4] = [
    ("foreign-fetch", "Which cat are you?"),
    ("foreign-form", "A free sample, this way"),
    ("reflected-xss", "One moment"),
    ("framing", "You have won"),
];

#[derive(Template)]
#[template(path = "lab_attacker.html")]
struct Page<'p> {
    attack: &'p str,
    title: &'p str,
    target: &'p str,
}

/// Its routes.
pub(super) fn router(addresses: &Addresses) -> Router {
    let script = || async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT) };
    let style = || async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) };
    Router::new()
        .route("/", get(front))
        .route("/attacker.js", get(script))
        .route("/attacker.css", get(style))
        .route("/{attack}", get(page))
        .with_state(addresses.clone())
}

async fn front(State(addresses): State<Addresses>) -> Response {
    render(&Page { attack: "", title: "The attacker’s site", target: &addresses.api })
}

async fn page(State(addresses): State<Addresses>, Path(attack): Path<String>) -> Response {
    match PAGES.into_iter().find(|(known, _)| *known == attack) {
        Some((attack, title)) => render(&Page { attack, title, target: &addresses.api }),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn render(page: &Page<'_>) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!("the attacker's page: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
