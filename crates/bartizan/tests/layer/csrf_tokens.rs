//! CSRF tokens of handlers: into the form, back with it, and gone with the session.

use axum::{
    Router,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
    routing::{get, post},
};
use bartizan::{BartizanLayer, CsrfToken, Scheme, SessionError, Sessions};
use bartizan_store::{MemoryLimits, MemoryStore};

use crate::server::{Mount, Response, Server, engine_with_keys, layer, request};

const POLICY: &str = "
[session]
[default]
require = 'nothing'
[[route]]
match = 'POST /pay'
csrf = 'token'
";

/// A page that its handler lets everybody keep.
async fn form(token: CsrfToken) -> impl IntoResponse {
    assert_eq!(format!("{token:?}"), "CsrfToken([redacted])");
    let html = format!("<form method=post><input type=hidden name=csrf_token value='{token}'></form>");
    ([(header::CACHE_CONTROL, "public, max-age=60")], Html(html))
}

async fn framed(token: Option<CsrfToken>) -> &'static str {
    if token.is_some() { "with a token" } else { "without" }
}

async fn twice(one: CsrfToken, other: Option<CsrfToken>) -> String {
    assert_eq!(Some(&one), other.as_ref());
    one.to_string()
}

async fn failing(_: CsrfToken) -> (StatusCode, &'static str) {
    (StatusCode::INTERNAL_SERVER_ERROR, "Traceback")
}

async fn login(sessions: Sessions, _: CsrfToken) -> Result<&'static str, SessionError> {
    sessions.login("alice", ["pay"]).await.map(|()| "in")
}

async fn logout(sessions: Sessions) -> Result<&'static str, SessionError> {
    sessions.logout().await.map(|()| "out")
}

fn router() -> Router {
    Router::new()
        .route("/pay", get(form).post(async || "paid"))
        .route("/plain", get(async || ([(header::CACHE_CONTROL, "public, max-age=60")], Html("<p>"))))
        .route("/framed", get(framed))
        .route("/twice", get(twice))
        .route("/failing", get(failing))
        .route("/login", post(login))
        .route("/logout", post(logout))
}

async fn server(mount: Mount) -> Server {
    let store = MemoryStore::new(MemoryLimits::default());
    let layer = BartizanLayer::new(engine_with_keys(POLICY)).scheme(Scheme::Https).store(store);
    Server::mount(mount, POLICY, layer, router()).await
}

/// What a browser keeps of a response's cookies, on top of those that it has.
fn keep(jar: &mut Vec<(String, String)>, response: &Response) {
    for (_, cookie) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
        let (pair, attributes) = cookie.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        jar.retain(|(known, _)| known != name);
        if !attributes.contains("Max-Age=0") {
            jar.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn names(jar: &[(String, String)]) -> Vec<&str> {
    jar.iter().map(|(name, _)| &**name).collect()
}

/// A visitor with a browser's cookies.
struct Visitor<'s> {
    server: &'s Server,
    jar: Vec<(String, String)>,
}

impl<'s> Visitor<'s> {
    fn of(server: &'s Server) -> Self {
        Self { server, jar: Vec::new() }
    }

    async fn send(&mut self, head: &str, body: &str) -> Response {
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = if pairs.is_empty() { String::new() } else { format!("\nCookie: {}", pairs.join("; ")) };
        let head = format!("{head}\nSec-Fetch-Site: same-origin{cookie}");
        let response = self.server.send(request(&head, body)).await;
        keep(&mut self.jar, &response);
        response
    }

    /// The token in the form.
    async fn form(&mut self) -> String {
        let page = self.send("GET /pay", "").await;
        assert_eq!(page.status, 200, "{page:?}");
        page.body.split('\'').nth(1).unwrap().to_owned()
    }

    /// Sends the form with `token`: the status and code of the answer.
    async fn pay(&mut self, token: Option<&str>) -> (u16, Option<String>) {
        let body = token.map_or("amount=7".into(), |token| format!("amount=7&csrf_token={token}"));
        let head = format!(
            "POST /pay\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {}",
            body.len()
        );
        let response = self.send(&head, &body).await;
        (response.status, response.code())
    }
}

fn refused(code: &str) -> (u16, Option<String>) {
    (403, Some(code.to_owned()))
}

#[tokio::test]
async fn a_form_comes_back_with_its_token_from_the_browser_that_got_it() {
    for mount in [Mount::Around, Mount::Inside, Mount::Hyper] {
        let server = server(mount).await;
        let mut visitor = Visitor::of(&server);
        let page = visitor.send("GET /pay", "").await;
        assert!(page.is_hardened(), "{page:?}");
        let (pair, attributes) = page.header("set-cookie").unwrap().split_once(';').unwrap();
        assert_eq!(pair.strip_prefix("__Host-presession=").map(str::len), Some(43), "{pair}");
        assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax");
        // What is for this client alone, no shared cache may keep.
        assert_eq!(page.header("cache-control"), Some("private, max-age=60"));

        let first = page.body.split('\'').nth(1).unwrap().to_owned();
        let again = visitor.send("GET /pay", "").await;
        assert_eq!(again.header("set-cookie"), None);
        assert_eq!(again.header("cache-control"), Some("private, max-age=60"));
        let second = again.body.split('\'').nth(1).unwrap().to_owned();
        assert_ne!(first, second);
        for token in [&first, &second] {
            assert_eq!(visitor.pay(Some(token)).await, (200, None), "{mount:?}");
        }
        assert_eq!(visitor.pay(None).await, refused("csrf.token-missing"));

        let mut other = Visitor::of(&server);
        assert_eq!(other.pay(Some(&first)).await, refused("csrf.token-invalid"));
        let others = other.form().await;
        assert_eq!(other.pay(Some(&first)).await, refused("csrf.token-invalid"));
        assert_eq!(visitor.pay(Some(&others)).await, refused("csrf.token-invalid"));
        assert_eq!(other.pay(Some(&others)).await, (200, None));
    }
}

#[tokio::test]
async fn tokens_change_with_login_and_logout() {
    let server = server(Mount::Around).await;
    let mut visitor = Visitor::of(&server);
    let before = visitor.form().await;
    assert_eq!(names(&visitor.jar), ["__Host-presession"]);
    let pre_session = visitor.jar.clone();

    visitor.send("POST /login", "").await;
    assert_eq!(names(&visitor.jar), ["__Host-session"]);
    assert_eq!(visitor.pay(Some(&before)).await, refused("csrf.token-invalid"));
    let within = visitor.form().await;
    assert_eq!(names(&visitor.jar), ["__Host-session"]);
    assert_eq!(visitor.pay(Some(&within)).await, (200, None));
    // Also where the pre-session was kept.
    let session = visitor.jar.clone();
    visitor.jar.extend(pre_session.clone());
    assert_eq!(visitor.pay(Some(&before)).await, refused("csrf.token-invalid"));

    visitor.jar = session;
    visitor.send("POST /logout", "").await;
    assert_eq!(names(&visitor.jar), [""; 0]);
    let after = visitor.form().await;
    assert_ne!(visitor.jar, pre_session);
    for (token, expected) in [
        (&within, refused("csrf.token-invalid")),
        (&before, refused("csrf.token-invalid")),
        (&after, (200, None)),
    ] {
        assert_eq!(visitor.pay(Some(token)).await, expected);
    }
}

#[tokio::test]
async fn a_logout_takes_the_pre_session_that_came() {
    let server = server(Mount::Around).await;
    let mut visitor = Visitor::of(&server);
    visitor.send("POST /login", "").await;
    let session = visitor.jar.clone();
    // Nothing is taken from whom nothing came.
    let out = visitor.send("POST /logout", "").await;
    assert_eq!(out.header("set-cookie").map(|cookie| cookie.starts_with("__Host-session=;")), Some(true));

    visitor.form().await;
    visitor.jar.extend(session);
    assert_eq!(names(&visitor.jar), ["__Host-presession", "__Host-session"]);
    let out = visitor.send("POST /logout", "").await;
    assert_eq!(names(&visitor.jar), [""; 0]);
    let expired: Vec<_> = out.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(expired.len(), 3, "{out:?}");
}

#[tokio::test]
async fn what_asks_for_no_token_is_left_alone() {
    let server = server(Mount::Around).await;
    let page = server.request("GET /plain\nSec-Fetch-Site: none").await;
    assert_eq!(page.header("set-cookie"), None);
    assert_eq!(page.header("cache-control"), Some("public, max-age=60"));
    let page = server.request("GET /twice").await;
    assert_eq!((page.status, page.body.split('.').count()), (200, 3), "{page:?}");
    // An error page that is replaced has no form, and no cookie.
    let page = server.request("GET /failing").await;
    assert_eq!((page.status, page.header("set-cookie")), (500, None));
    assert_eq!(page.code().as_deref(), Some("upstream.error"));
}

#[tokio::test]
async fn a_page_of_another_site_gets_no_token() {
    let server = server(Mount::Around).await;
    let framing = "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe";
    let page = server.request(&format!("GET /pay\n{framing}")).await;
    assert_eq!((page.status, page.code().as_deref()), (403, Some("csrf.token-unavailable")));
    assert_eq!(page.header("set-cookie"), None);
    assert!(page.is_hardened(), "{page:?}");
    let page = server.request(&format!("GET /framed\n{framing}")).await;
    assert_eq!((page.status, &*page.body, page.header("set-cookie")), (200, "without", None));
    let page = server.request("GET /framed\nSec-Fetch-Site: none").await;
    assert_eq!((page.status, &*page.body), (200, "with a token"));
}

#[tokio::test]
async fn without_keys_the_client_is_told_nothing_and_the_developer_what_to_write() {
    let server = Server::start(layer(POLICY), router()).await;
    for path in ["/pay", "/framed"] {
        let page = server.request(&format!("GET {path}")).await;
        assert_eq!((page.status, page.header("set-cookie")), (500, None), "{path}");
        assert_eq!(page.code().as_deref(), Some("upstream.error"), "{path}");
    }
    let advice = bartizan::NoCsrfToken::NoKeys.to_string();
    assert!(advice.contains("master_key = \"env://NAME\""), "{advice}");
}
