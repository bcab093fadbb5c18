//! Hand-off over sockets: an upstream signs people in and out, is told who asks, and cannot be made to do it for a
//! stranger.

mod support;

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bartizan::{Answers, BoxFuture, OsClock};
use bartizan_core::{
    Answer as StoreAnswer, Clock as _, Deployment, JWKS_PATH, Query,
    keys::Keys,
    policy::{PolicyInput, load_and_build},
};
use bartizan_gateway::{GatewayConfig, assertion_keys};
use bartizan_store::{MemoryLimits, MemoryStore};
use support::{Answer, Echo, Received, Served, Upstream, reports, until};

const POLICY: &str = r#"
[session]
handoff = { login = ["POST /login", "* /named/**"], logout = ["POST /logout", "* /named/**"] }
[default]
require = "session"
[[route]]
match = "POST /login"
require = "nothing"
[[route]]
match = "* /open/**"
require = "nothing"
[[route]]
match = "* /named/**"
require = "nothing"
"#;

/// The memory store, and how often it was asked to begin or end sessions.
struct Counting {
    store: MemoryStore,
    changes: AtomicU64,
}

impl Answers for Counting {
    fn answer(&self, query: Query) -> BoxFuture<'_, StoreAnswer> {
        if matches!(query, Query::Begin(_) | Query::End(_)) {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
        self.store.answer(query)
    }
}

struct House {
    gateway: Served,
    store: Arc<Counting>,
}

impl House {
    fn new() -> Self {
        let upstream = application();
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        let text = format!(
            "version = 1\n[origin]\npublic = [\"http://localhost\"]\n[server]\nlisten = \"127.0.0.1:0\"\n\
             upstream = \"http://{}\"\nthreads = 2\n{POLICY}",
            upstream.address
        );
        let deployment = Deployment {
            listen: "127.0.0.1:0".parse().ok(),
            public_keys: assertion_keys(&keys, OsClock.now()),
            ..Deployment::default()
        };
        let input = PolicyInput { text: &text, ..PolicyInput::new("test.toml") };
        let (engine, document) = load_and_build(&input, |_| Ok(deployment)).expect("a valid policy");
        let store = MemoryStore::new(MemoryLimits::default());
        let store = Arc::new(Counting { store, changes: AtomicU64::new(0) });
        let config = GatewayConfig::new(&document.policy, engine).expect("a valid configuration");
        let config =
            config.store(Arc::clone(&store) as Arc<dyn Answers>).assertions(keys, "http://localhost");
        Self { gateway: Served::run(config), store }
    }

    fn ask(&self, line: &str, headers: &str) -> Answer {
        let length = if line.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
        self.gateway.ask(&format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n{length}{headers}\r\n"
        ))
    }

    /// Signs `name` in, and gives back the cookie as a header line.
    fn login(&self, name: &str, headers: &str) -> String {
        let answer = self.ask(&format!("POST /login?{name}"), headers);
        assert_eq!((answer.status(), answer.get("location")), (303, Some("/")), "{answer:?}");
        assert_eq!(answer.get("bartizan-login"), None);
        let cookie = answer.get("set-cookie").expect("a cookie");
        let (pair, attributes) = cookie.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax");
        format!("Cookie: {pair}\r\n")
    }

    fn changes(&self) -> u64 {
        self.store.changes.load(Ordering::SeqCst)
    }
}

/// The application: `/login?NAME` and `/logout?WHICH` hand off; `/open/reflect?h=NAME&v=VALUE`, and the same under
/// `/named`, write a header of the client's choice, where `LAST` stands for the nonce of the last request before that had
/// one; all else is echoed.
fn application() -> Upstream {
    let last = Mutex::new(String::new());
    Upstream::start(move |_, mut client| {
        while let Ok(received) = client.request() {
            let nonce = received.head.get("bartizan-handoff").unwrap_or_default().to_owned();
            let before = match &mut *last.lock().unwrap() {
                last if nonce.is_empty() => last.clone(),
                last => mem::replace(last, nonce.clone()),
            };
            client.send(respond(&received, &nonce, &before));
        }
    })
}

fn respond(received: &Received, nonce: &str, last: &str) -> String {
    let target = received.head.line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/login" => format!(
            "HTTP/1.1 303 See Other\r\nLocation: /\r\nContent-Length: 0\r\nBartizan-Login: {nonce} {query}\r\n\r\n"
        ),
        "/logout" => format!(
            "HTTP/1.1 303 See Other\r\nLocation: /\r\nContent-Length: 0\r\nBartizan-Logout: {nonce} {query}\r\n\r\n"
        ),
        "/open/reflect" | "/named/reflect" => {
            let value = |key: &str| {
                query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
                    .unwrap_or_default()
            };
            let header =
                format!("{}: {}\r\n", value("h"), value("v").replace("LAST", last).replace('+', " "));
            match value("as") {
                "twice" => format!("HTTP/1.1 200 OK\r\n{header}{header}Content-Length: 2\r\n\r\nok"),
                "trailer" => format!(
                    "HTTP/1.1 200 OK\r\nTrailer: {}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{header}\r\n",
                    value("h")
                ),
                _ => format!("HTTP/1.1 200 OK\r\n{header}Content-Length: 2\r\n\r\nok"),
            }
        }
        _ => received.echo(),
    }
}

/// The claims of an assertion.
fn claims(assertion: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn the_upstream_signs_in_is_told_who_asks_and_signs_out() {
    let house = House::new();
    house.ask("GET /", "").assert_denied(401, "auth.required");
    let cookie = house.login("al%20ice", "");
    let echo = Echo::of(&house.ask("GET /", &format!("{cookie}Accept: */*\r\n")));
    assert_eq!(echo.get("cookie"), None, "no session id crosses");
    let said = claims(echo.get("bartizan-assertion").expect("an assertion"));
    assert_eq!((&said["sub"], &said["aud"]), (&"al ice".into(), &"bartizan-upstream".into()));
    assert_eq!(said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(), 60);
    assert_eq!(echo.get("bartizan-handoff"), None, "only on named routes");

    let answer = house.ask("POST /logout?current", &cookie);
    assert_eq!(answer.get("clear-site-data"), Some("\"storage\""));
    assert!(answer.get("set-cookie").unwrap().starts_with("__Host-session=; Max-Age=0;"));
    house.ask("GET /", &cookie).assert_denied(401, "auth.invalid");
}

#[test]
fn the_keys_are_public_and_may_be_kept() {
    let house = House::new();
    let answer = house.ask(&format!("GET {JWKS_PATH}"), "");
    assert_eq!(answer.get("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.get("cache-control"), Some("public, max-age=300"));
    let jwks: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key["kty"] == "OKP" && key.get("d").is_none()));
}

#[test]
fn what_comes_in_under_our_names_is_not_what_the_upstream_sees() {
    let house = House::new();
    let cookie = house.login("alice", "");
    let forged = "Bartizan_Assertion: a.b.c\r\nBartizan-Assertion: d.e.f\r\n\
                  Connection: bartizan-assertion, x-forwarded-for\r\n";
    let echo = Echo::of(&house.ask("GET /", &format!("{cookie}{forged}")));
    assert_eq!(claims(echo.get("bartizan-assertion").unwrap())["sub"], "alice");
    assert_eq!(echo.get("bartizan_assertion"), None);
    assert_eq!(echo.get("x-forwarded-for"), Some("127.0.0.1"));
    // And nobody gets one without a session, whether or not `Connection` names what was forged.
    for forged in [forged, forged.split_inclusive("\r\n").take(2).collect::<String>().as_str()] {
        let echo = Echo::of(&house.ask("GET /open/x", forged));
        assert_eq!(
            (echo.get("bartizan-assertion"), echo.get("bartizan_assertion")),
            (None, None),
            "{forged}"
        );
    }
}

#[test]
fn an_upstream_that_reflects_headers_signs_nobody_in() {
    let reports = reports::install();
    let house = House::new();
    // A nonce that was good for another request.
    house.login("alice", "");
    let before = house.changes();
    let mut refused = 0;
    // On a route that lets nobody in, and on one that lets the application itself do so.
    for (place, method) in [("open", "GET"), ("open", "POST"), ("named", "GET"), ("named", "POST")] {
        for header in ["Bartizan-Login", "bartizan-login", "Bartizan_Login", "Bartizan-Logout", "Set-Cookie"]
        {
            for value in
                ["admin", "LAST+admin", "LAST+all", "AAAAAAAAAAAAAAAAAAAAAA+admin", "__Host-session=planted"]
            {
                for shape in ["once", "twice", "trailer"] {
                    let line = format!("{method} /{place}/reflect?h={header}&v={value}&as={shape}");
                    let answer = house.ask(&line, "TE: trailers\r\n");
                    let seen = format!("{line}: {answer:?}");
                    assert_eq!(answer.status(), 200, "{seen}");
                    assert!(
                        !answer.head.headers.iter().any(|(name, _)| name.starts_with("bartizan")),
                        "{seen}"
                    );
                    let ours = |cookie: &&str| cookie.contains("__Host-session");
                    assert_eq!(
                        answer.head.all("set-cookie").iter().find(|cookie| ours(cookie)),
                        None,
                        "{seen}"
                    );
                    let leaked = |line: &String| line.to_lowercase().starts_with("bartizan");
                    assert_eq!(answer.trailers.iter().find(|line| leaked(line)), None, "{seen}");
                    // With `_` it is none of ours, and is taken out like everything of the kind.
                    refused += usize::from(header.to_lowercase().starts_with("bartizan-"));
                }
            }
        }
    }
    assert_eq!(house.changes(), before, "the store was not asked to begin or end anything");
    until("all to be logged", || reports.count() == refused);
    assert_eq!(reports.take(), vec!["handoff.refused"; refused]);
}

#[test]
fn a_session_that_a_stranger_planted_ends_at_login() {
    let house = House::new();
    let mallory = house.login("mallory", "");
    let alice = house.login("alice", &mallory);
    assert_ne!(alice, mallory);
    house.ask("GET /", &mallory).assert_denied(401, "auth.invalid");
    assert_eq!(house.ask("GET /", &alice).status(), 200);
    // Each byte of an id counts, and so does there being one only.
    let id = alice.trim_end().strip_prefix("Cookie: __Host-session=").unwrap();
    for at in 0..id.len() {
        let mut tampered = id.as_bytes().to_vec();
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        let cookie = format!("Cookie: __Host-session={}\r\n", String::from_utf8(tampered).unwrap());
        house.ask("GET /", &cookie).assert_denied(401, "auth.invalid");
    }
    house
        .ask("GET /", &format!("{}; __Host-session=x\r\n", alice.trim_end()))
        .assert_denied(400, "cookie.duplicate");
}
