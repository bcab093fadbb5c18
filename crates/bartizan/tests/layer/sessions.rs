//! Sessions of handlers: signing in, being known, signing out; on routes that require a session and on others.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use bartizan::{
    BartizanLayer, OptionalSession, OsClock, Scheme, Session, SessionError, Sessions, Store,
    session::{Ending, Renewal, SessionKey},
};
use bartizan_core::Clock as _;
use bartizan_store::{MemoryLimits, MemoryStore};

use crate::server::{Response, Server, engine};

const POLICY: &str = "
[session]
max_per_subject = 2
[default]
require = 'session'
[[route]]
match = 'POST /open/foreign'
require = 'nothing'
cross_site = 'anonymous'
[[route]]
match = '* /open/**'
require = 'nothing'
";

async fn login(sessions: Sessions, Path(name): Path<String>) -> Result<&'static str, SessionError> {
    sessions.login(&name, ["read"]).await.map(|()| "in")
}

async fn logout(sessions: Sessions, Path(which): Path<String>) -> Result<&'static str, SessionError> {
    match &*which {
        "here" => sessions.logout().await,
        "others" => sessions.logout_others().await,
        "everywhere" => sessions.logout_everywhere().await,
        "twice" => match sessions.logout().await {
            Ok(()) => sessions.rotate().await,
            error => error,
        },
        _ => sessions.rotate().await,
    }
    .map(|()| "done")
}

async fn profile(session: Session) -> String {
    assert!(session.has_scope("read") && !session.has_scope("write"));
    session.subject().to_owned()
}

async fn greeting(OptionalSession(session): OptionalSession) -> String {
    session.map_or("stranger".into(), |session| session.subject().to_owned())
}

/// Signs somebody else in, and says who is known then, after a rotation too.
async fn switch(sessions: Sessions, Path(name): Path<String>) -> Result<String, SessionError> {
    sessions.login(&name, ["read"]).await?;
    let known = sessions.current().await?.map(|session| session.subject().to_owned());
    sessions.rotate().await?;
    Ok(known.unwrap_or_default())
}

/// Renews a session that was alive when the request came, and is not any more.
async fn meanwhile(
    sessions: Sessions,
    session: Session,
    Extension(store): Extension<Arc<MemoryStore>>,
    Path(how): Path<String>,
) -> Result<(), SessionError> {
    let now = OsClock.now();
    let [listed] = &store.sessions(None, None, 10, now).await.unwrap().sessions[..] else { panic!() };
    if how == "revoked" {
        let everywhere = Ending::AllOf { subject: session.subject().into(), except: None };
        assert_eq!(store.end(everywhere).await.unwrap(), 1);
    } else {
        let key = SessionKey::of(b"another request's");
        let renewal = Renewal { old: listed.key, key, record: listed.record.clone() };
        assert!(store.renew(renewal).await.unwrap());
    }
    let rotated = sessions.rotate().await;
    assert_eq!(rotated, Err(SessionError::Ended));
    assert_eq!(sessions.current().await, Ok(None));
    rotated
}

/// Does what it is asked for, and fails then.
async fn fail(sessions: Sessions, Path(how): Path<String>) -> Result<StatusCode, SessionError> {
    match &*how {
        "login" => sessions.login("bob", ["read"]).await?,
        _ => sessions.logout().await?,
    }
    assert_ne!(how, "panic", "as it should");
    Ok(StatusCode::INTERNAL_SERVER_ERROR)
}

fn router() -> Router {
    Router::new()
        .route("/switch/{name}", post(switch))
        .route("/fail/{how}", post(fail))
        .route("/meanwhile/{how}", post(meanwhile))
        .route("/open/foreign", post(greeting))
        .route("/open/login/{name}", post(login))
        .route("/open/logout/{which}", post(logout))
        .route("/logout/{which}", post(logout))
        .route("/open/profile", get(profile))
        .route("/open/greeting", get(greeting))
        .route("/profile", get(profile))
}

pub(crate) async fn server() -> (Server, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
    let layer = BartizanLayer::new(engine(POLICY)).scheme(Scheme::Https).store(Arc::clone(&store));
    (Server::start(layer, router().layer(Extension(Arc::clone(&store)))).await, store)
}

/// The cookie that a login sets, as a client sends it back.
pub(crate) fn cookie(response: &Response) -> String {
    let header = response.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {response:?}"));
    let (pair, attributes) = header.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(pair.strip_prefix("__Host-session=").map(str::len), Some(43), "{pair}");
    format!("Cookie: {pair}")
}

pub(crate) async fn get_with(server: &Server, path: &str, cookie: &str) -> (u16, String) {
    let response = server.request(&format!("GET {path}\n{cookie}")).await;
    (response.status, response.code().unwrap_or(response.body))
}

#[tokio::test]
async fn who_signs_in_is_known_until_they_sign_out() {
    let (server, _) = server().await;
    let known = |name: &str| (200, name.to_owned());
    let refused = |code: &str| (401, code.to_owned());

    let response = server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await;
    assert_eq!((response.status, &*response.body), (200, "in"));
    assert!(response.is_hardened());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let alice = cookie(&response);
    assert_eq!(get_with(&server, "/profile", &alice).await, known("alice"));
    assert_eq!(get_with(&server, "/open/profile", &alice).await, known("alice"));
    assert_eq!(get_with(&server, "/open/greeting", &alice).await, known("alice"));

    let nobody = "Accept: */*";
    assert_eq!(get_with(&server, "/profile", nobody).await, refused("auth.required"));
    assert_eq!(get_with(&server, "/open/profile", nobody).await, refused("auth.required"));
    assert_eq!(get_with(&server, "/open/greeting", nobody).await, known("stranger"));
    let stale = "Cookie: __Host-session=stale";
    assert_eq!(get_with(&server, "/profile", stale).await, refused("auth.invalid"));
    assert_eq!(get_with(&server, "/open/greeting", stale).await, known("stranger"));

    let response =
        server.request(&format!("POST /open/logout/here\nSec-Fetch-Site: same-origin\n{alice}")).await;
    assert_eq!(response.body, "done");
    assert_eq!(
        response.header("set-cookie"),
        Some("__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
    assert_eq!(response.header("clear-site-data"), Some("\"storage\""));
    assert_eq!(get_with(&server, "/profile", &alice).await, refused("auth.invalid"));
}

#[tokio::test]
async fn a_session_that_has_ended_meanwhile_is_not_renewed() {
    let (server, store) = server().await;
    for (how, left) in [("revoked", 0), ("renewed", 1)] {
        let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
        let response =
            server.request(&format!("POST /meanwhile/{how}\nSec-Fetch-Site: same-origin\n{alice}")).await;
        assert_eq!((response.status, response.code().as_deref()), (401, Some("auth.invalid")), "{how}");
        assert!(response.is_hardened(), "{how}: {response:?}");
        // The client may have the cookie of the request that came first by now.
        assert_eq!((response.header("set-cookie"), response.header("retry-after")), (None, None), "{how}");
        assert_eq!(
            store.sessions(None, None, 10, OsClock.now()).await.unwrap().sessions.len(),
            left,
            "{how}"
        );
        assert_eq!(get_with(&server, "/profile", &alice).await, (401, "auth.invalid".into()), "{how}");
    }
    // Whoever signs in does, whatever the client had.
    let login = "POST /open/login/bob\nSec-Fetch-Site: same-origin\nCookie: __Host-session=dead";
    let bob = cookie(&server.request(login).await);
    assert_eq!(get_with(&server, "/profile", &bob).await, (200, "bob".into()));
}

#[tokio::test]
async fn a_login_ends_the_session_that_the_client_came_with() {
    let (server, _) = server().await;
    let mallory = cookie(&server.request("POST /open/login/mallory\nSec-Fetch-Site: same-origin").await);
    // The victim's browser was given mallory's session, and signs in with it.
    let login = format!("POST /open/login/alice\nSec-Fetch-Site: same-origin\n{mallory}");
    let alice = cookie(&server.request(&login).await);
    assert_ne!(alice, mallory);
    assert_eq!(get_with(&server, "/profile", &mallory).await.0, 401);
    assert_eq!(get_with(&server, "/profile", &alice).await, (200, "alice".into()));

    let rotate = format!("POST /open/logout/rotate\nSec-Fetch-Site: same-origin\n{alice}");
    let rotated = cookie(&server.request(&rotate).await);
    assert_eq!(get_with(&server, "/profile", &alice).await.0, 401);
    assert_eq!(get_with(&server, "/profile", &rotated).await, (200, "alice".into()));
}

#[tokio::test]
async fn who_is_signed_in_is_whom_the_handler_signed_in_last() {
    let (server, store) = server().await;
    let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
    let response = server.request(&format!("POST /switch/bob\nSec-Fetch-Site: same-origin\n{alice}")).await;
    assert_eq!((response.status, &*response.body), (200, "bob"));
    let bob = cookie(&response);
    assert_eq!(get_with(&server, "/profile", &bob).await, (200, "bob".into()));
    assert_eq!(get_with(&server, "/profile", &alice).await.0, 401);

    // Nobody is signed in after a logout, so that there is nothing to rotate.
    let twice = format!("POST /logout/twice\nSec-Fetch-Site: same-origin\n{bob}");
    assert!(server.request(&twice).await.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(store.sessions(None, None, 10, OsClock.now()).await.unwrap().sessions, []);
}

#[tokio::test]
async fn the_cookie_goes_with_whatever_is_answered() {
    let (server, _) = server().await;
    for (how, code) in [("login", "upstream.error"), ("logout", "upstream.error"), ("panic", "handler.panic")]
    {
        let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
        let response =
            server.request(&format!("POST /fail/{how}\nSec-Fetch-Site: same-origin\n{alice}")).await;
        assert_eq!((response.status, response.code().as_deref()), (500, Some(code)), "{how}");
        if how == "login" {
            assert_eq!(get_with(&server, "/profile", &cookie(&response)).await, (200, "bob".into()));
        } else {
            assert!(response.header("set-cookie").unwrap().contains("Max-Age=0"), "{how}");
        }
        assert_eq!(get_with(&server, "/profile", &alice).await.0, 401, "{how}");
    }
}

/// A form on a sibling host, whose request brings `SameSite=Lax` cookies along.
#[tokio::test]
async fn who_comes_in_without_identity_has_no_session() {
    let (server, _) = server().await;
    let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
    for (site, expected) in [("same-origin", "alice"), ("same-site", "stranger"), ("cross-site", "stranger")]
    {
        let response = server.request(&format!("POST /open/foreign\nSec-Fetch-Site: {site}\n{alice}")).await;
        assert_eq!((response.status, &*response.body), (200, expected), "{site}");
    }
}

#[tokio::test]
async fn sessions_end_elsewhere_and_above_the_most() {
    let (server, store) = server().await;
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await));
    }
    let bob = cookie(&server.request("POST /open/login/bob\nSec-Fetch-Site: same-origin").await);
    let statuses = async || {
        let mut statuses = Vec::new();
        for cookie in cookies.iter().chain([&bob]) {
            statuses.push(get_with(&server, "/profile", cookie).await.0);
        }
        statuses
    };
    // Of two that began in one millisecond either is the oldest; the newest never is.
    let mut found = statuses().await;
    found[..2].sort_unstable();
    assert_eq!(found, [200, 401, 200, 200]);
    let others = format!("POST /open/logout/others\nSec-Fetch-Site: same-origin\n{}", cookies[2]);
    assert_eq!(server.request(&others).await.header("set-cookie"), None);
    assert_eq!(statuses().await, [401, 401, 200, 200]);
    // The application's administration ends one too.
    store.end(Ending::AllOf { subject: "alice".into(), except: None }).await.unwrap();
    assert_eq!(statuses().await, [401, 401, 401, 200]);
    let everywhere = format!("POST /open/logout/everywhere\nSec-Fetch-Site: same-origin\n{bob}");
    assert!(server.request(&everywhere).await.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(statuses().await, [401, 401, 401, 401]);
}

#[tokio::test]
async fn two_cookies_of_our_name_are_refused_and_none_is_passed_on() {
    let (server, _) = server().await;
    let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
    let tossed = format!("{alice}; __Host-session=planted");
    assert_eq!(get_with(&server, "/open/greeting", &tossed).await, (400, "cookie.duplicate".into()));
}

#[tokio::test]
async fn without_a_store_nobody_signs_in_and_the_reason_is_kept_from_the_client() {
    let layer = BartizanLayer::new(engine(POLICY)).scheme(Scheme::Https);
    let server = Server::start(layer, router()).await;
    let response = server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await;
    assert_eq!((response.status, response.header("set-cookie")), (503, None));
    assert_eq!(
        (response.code().as_deref(), response.header("retry-after")),
        (Some("store.unavailable"), Some("5"))
    );
    let some = "Cookie: __Host-session=some";
    assert_eq!(get_with(&server, "/profile", some).await, (503, "store.unavailable".into()));
    assert_eq!(get_with(&server, "/open/profile", some).await, (503, "store.unavailable".into()));
}
