//! Who asks, told to the upstream whatever the credential was, and by nobody but the gateway.

mod support;

use std::{sync::Arc, time::Duration};

use bartizan::{Answers, BoxFuture, OsClock, OsEntropy};
use bartizan_core::{
    Answer, Clock as _, Deployment, Query,
    api_key::{ApiKeyRecord, Grantor, NewKey},
    jwt::{Algorithm, VerifySignature, VerifyingKey},
    keys::Keys,
    policy::{PolicyInput, load_and_build},
    session::SessionRecord,
};
use bartizan_gateway::{GatewayConfig, assertion_keys};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use support::{Echo, Served, Upstream};

const POLICY: &str = r#"
[session]
[api_keys]
[jwt]
issuer = "https://api.example.com"
audience = "api"
[[jwt.trusted_issuer]]
issuer = "https://one.example.net"
audience = "api"
[[jwt.trusted_issuer]]
issuer = "https://two.example.net"
audience = "api"
[default]
require = { any = ["session", "jwt", "api-key"] }
[[route]]
match = "* /open"
require = "nothing"
"#;

/// In place of a signature.
const GENUINE: [u8; 64] = [7; 64];

/// In place of an issuer's key.
struct Genuine;

impl VerifySignature for Genuine {
    fn verify(&self, _: &[u8], signature: &[u8]) -> bool {
        signature == GENUINE
    }
}

/// Knows Alice by all that she has.
struct People {
    api_key: ApiKeyRecord,
    /// How long a session may be idle.
    idle: Duration,
}

impl Answers for People {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        let absolute = Duration::from_hours(1);
        Box::pin(std::future::ready(match query {
            Query::Session { now, .. } => {
                Answer::Session(SessionRecord::new("alice", vec!["all".into()], now, self.idle, absolute))
            }
            Query::ApiKey { .. } => Answer::ApiKey(Box::new(self.api_key.clone())),
            Query::TokenKey { algorithm, .. } => {
                Answer::TokenKey(VerifyingKey::new(algorithm, Arc::new(Genuine)))
            }
            Query::Revocation { .. } => Answer::Revoked(false),
            _ => Answer::Unavailable,
        }))
    }
}

/// A gateway, and an API key of Alice's; that and her session are good for so many seconds.
fn start(life: u64) -> (Served, String) {
    let upstream = Upstream::echo();
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    let text = format!(
        "version = 1\n[origin]\npublic = [\"http://localhost\"]\n[server]\nlisten = \"127.0.0.1:0\"\n\
         upstream = \"http://{}\"\nthreads = 1\n{POLICY}",
        upstream.address
    );
    let deployment = Deployment {
        listen: "127.0.0.1:0".parse().ok(),
        public_keys: assertion_keys(&keys, OsClock.now()),
        keys: Some(keys.clone()),
        ..Deployment::default()
    };
    let input = PolicyInput { text: &text, ..PolicyInput::new("test.toml") };
    let (engine, document) = load_and_build(&input, |_| Ok(deployment)).expect("a valid policy");
    let (now, idle) = (OsClock.now(), Duration::from_secs(life));
    let new = NewKey {
        owner: "alice".into(),
        name: "n".into(),
        scopes: vec!["orders:read".into()],
        expires: Some(now.after(idle)),
    };
    let issued = engine.api_keys().unwrap().issue(new, Grantor::Operator, now, &mut OsEntropy).unwrap();
    let config = GatewayConfig::new(&document.policy, engine).expect("a valid configuration");
    let config =
        config.store(Arc::new(People { api_key: issued.record, idle })).assertions(keys, "http://localhost");
    (Served::run(config), issued.key.expose().to_owned())
}

/// A token of `issuer`, good for so many seconds.
fn token(issuer: &str, life: i64) -> String {
    let header = json!({ "alg": Algorithm::EdDsa.as_str(), "typ": "at+jwt", "kid": "k" });
    let exp = (OsClock.now().0 / 1000).saturating_add_signed(life);
    let claims = json!({ "iss": issuer, "aud": "api", "sub": "alice", "scope": "a b", "exp": exp });
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(GENUINE))
}

fn echo(gateway: &Served, path: &str, headers: &str) -> Echo {
    Echo::of(&gateway.ask(&format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n{headers}\r\n"
    )))
}

/// The claims of the one assertion that the upstream saw, but for the times; and for how long it is good.
fn told(echo: &Echo) -> (Value, u64) {
    let assertion = echo.get("bartizan-assertion").expect("an assertion");
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let mut claims: Value = serde_json::from_slice(&claims).unwrap();
    let mut time = |name| claims.as_object_mut().unwrap().remove(name).unwrap().as_u64().unwrap();
    let (issued, expires) = (time("iat"), time("exp"));
    (claims, expires - issued)
}

#[test]
fn whoever_was_verified_is_named_by_credential_and_issuer() {
    let (gateway, key) = start(3600);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let of_another = |issuer| json!({ "format": "iss_sub", "iss": issuer, "sub": "alice" });
    let forged = "Bartizan_Assertion: a.b.c\r\nBartizan-Assertion: d.e.f\r\n";
    for (credential, who) in [
        (
            "Cookie: __Host-session=a\r\n".to_owned(),
            json!({ "credential": "session", "sub": "alice", "scope": "all" }),
        ),
        (bearer(&key), json!({ "credential": "api-key", "sub": "alice", "scope": "orders:read" })),
        (
            format!("X-API-Key: {key}\r\n"),
            json!({ "credential": "api-key", "sub": "alice", "scope": "orders:read" }),
        ),
        (
            bearer(&token("https://api.example.com", 3600)),
            json!({ "credential": "jwt", "sub": "alice", "scope": "a b" }),
        ),
        (
            bearer(&token("https://one.example.net", 3600)),
            json!({ "credential": "jwt", "sub_id": of_another("https://one.example.net"), "scope": "a b" }),
        ),
        (
            bearer(&token("https://two.example.net", 3600)),
            json!({ "credential": "jwt", "sub_id": of_another("https://two.example.net"), "scope": "a b" }),
        ),
    ] {
        let mut expected = json!({ "iss": "http://localhost", "aud": "bartizan-upstream" });
        expected.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        // Whatever stands there already, and in which order.
        for headers in [credential.clone(), format!("{forged}{credential}"), format!("{credential}{forged}")]
        {
            let echo = echo(&gateway, "/", &headers);
            assert_eq!(told(&echo), (expected.clone(), 60), "{headers}");
            let gone = ["bartizan_assertion", "authorization", "x-api-key", "cookie"];
            assert_eq!(gone.map(|name| echo.get(name)), [None; 4], "{headers}");
        }
    }
    // Where nobody is asked who they are, what came in is gone all the same.
    let echo = echo(&gateway, "/open", forged);
    assert_eq!(["bartizan-assertion", "bartizan_assertion"].map(|name| echo.get(name)), [None; 2]);
}

#[test]
fn an_assertion_ends_no_later_than_its_credential() {
    let (gateway, key) = start(20);
    let bearer = |credential: &str| format!("Authorization: Bearer {credential}\r\n");
    for (credential, longest) in [
        ("Cookie: __Host-session=a\r\n".to_owned(), 20),
        (bearer(&key), 20),
        // A token is good for its leeway longer, so this one is for half a minute.
        (bearer(&token("https://api.example.com", -30)), 30),
    ] {
        let (_, life) = told(&echo(&gateway, "/", &credential));
        assert!((longest - 15..=longest).contains(&life), "{credential}: {life}");
    }
}
