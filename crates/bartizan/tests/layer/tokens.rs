//! Tokens: what a handler learns of them, beside sessions and API keys.

use std::sync::Arc;

use axum::{Router, routing::get};
use bartizan::{
    Answer, Answers, Authenticated, BartizanLayer, BoxFuture, Claims, Engine, NoClaims, Query, Scheme,
    api_key::{ApiKeyRecord, Grantor, NewKey},
    jwt::{Algorithm, HmacKey, IssuerId, VerifySignature, VerifyingKey},
    policy::CredentialKind,
    session::SessionRecord,
};
use bartizan_core::{Clock as _, Entropy};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::server::{Mount, Server, engine_with_keys};

const POLICY: &str = "[session]\n[api_keys]\nprefix = 'acme'\n\
    [jwt]\nissuer = 'https://api.example.com'\naudience = 'api'\n\
    [[jwt.trusted_issuer]]\nissuer = 'https://login.example.net'\naudience = ['api']\ntypes = ['JWT']\n\
    [default]\nrequire = { any = ['session', 'jwt', 'api-key'] }\n\
    [[route]]\nmatch = 'GET /open'\nrequire = 'nothing'";

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn secret() -> HmacKey {
    HmacKey::new(&[7; 32]).unwrap()
}

/// In place of Ed25519: 64 bytes of the same secret.
struct Twice;

impl VerifySignature for Twice {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature == [secret().sign(message); 2].concat()
    }
}

/// A token: of ours by HS256, of the others by what stands in for `EdDSA`.
fn token(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = secret().sign(signed.as_bytes());
    let signature = if header.contains("EdDSA") { [mac; 2].concat() } else { mac.into() };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ours(claims: &str) -> String {
    let claims = format!(r#"{{"iss":"https://api.example.com","aud":"api","exp":9999999999,{claims}}}"#);
    token(r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#, &claims)
}

fn theirs(claims: &str) -> String {
    let claims = format!(r#"{{"iss":"https://login.example.net","aud":"api","exp":9999999999,{claims}}}"#);
    token(r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#, &claims)
}

/// Knows Alice by all that she has.
struct People(ApiKeyRecord);

impl Answers for People {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        let hours = std::time::Duration::from_hours(1);
        Box::pin(std::future::ready(match query {
            Query::Session { now, .. } => {
                Answer::Session(SessionRecord::new("alice", Vec::new(), now, hours, hours))
            }
            Query::ApiKey { .. } => Answer::ApiKey(Box::new(self.0.clone())),
            Query::TokenKey { issuer: IssuerId::OURS, .. } => {
                Answer::TokenKey(VerifyingKey::new(Algorithm::Hs256, Arc::new(secret())))
            }
            Query::TokenKey { .. } => Answer::TokenKey(VerifyingKey::new(Algorithm::EdDsa, Arc::new(Twice))),
            Query::Revocation { subject, .. } => Answer::Revoked(&*subject == "mallory"),
            _ => Answer::Unavailable,
        }))
    }
}

/// A server, and an API key of Alice's.
async fn start(router: Router) -> (Server, String) {
    let engine: Engine = engine_with_keys(POLICY);
    let new = NewKey { owner: "alice".into(), name: "n".into(), scopes: Vec::new(), expires: None };
    let now = bartizan::OsClock.now();
    let issued = engine.api_keys().unwrap().issue(new, Grantor::Operator, now, &mut Fixed).unwrap();
    let layer = BartizanLayer::new(engine).scheme(Scheme::Https).store(People(issued.record));
    (Server::mount(Mount::Around, POLICY, layer, router).await, issued.key.expose().to_owned())
}

#[tokio::test]
async fn who_asks_is_told_alike_whatever_the_credential() {
    async fn whoami(Authenticated(principal): Authenticated) -> String {
        let kind = match principal.kind {
            CredentialKind::Session => "session",
            CredentialKind::Jwt => "token",
            _ => "key",
        };
        let issuer = principal.issuer.as_deref().unwrap_or("us");
        format!("{} by {kind} of {issuer}: {}", principal.subject, principal.scopes.join(","))
    }
    let router = Router::new().route("/", get(whoami)).route("/open", get(whoami));
    let (server, key) = start(router).await;
    let bearer = |token: String| format!("GET /\nAuthorization: Bearer {token}");
    for (request, status, expected) in [
        ("GET /\nCookie: __Host-session=a".to_owned(), 200, "alice by session of us: "),
        (bearer(key), 200, "alice by key of us: "),
        (bearer(ours(r#""sub":"alice","scope":"a b""#)), 200, "alice by token of us: a,b"),
        (
            bearer(theirs(r#""sub":"alice","scp":["a"]"#)),
            200,
            "alice by token of https://login.example.net: a",
        ),
        (bearer(ours(r#""sub":"mallory""#)), 401, "jwt.revoked"),
        (bearer(theirs(r#""sub":"mallory""#)), 200, "mallory by token of https://login.example.net: "),
        ("GET /".to_owned(), 401, "auth.required"),
        ("GET /open".to_owned(), 401, ""),
    ] {
        let response = server.request(&request).await;
        let told = response.code().unwrap_or_else(|| response.body.clone());
        assert_eq!((response.status, &*told), (status, expected), "{request}");
        assert!(response.is_hardened(), "{request}");
    }
}

#[tokio::test]
async fn claims_are_the_tokens_and_of_the_handlers_type() {
    #[derive(Deserialize)]
    struct Member {
        tenant: String,
        seats: Option<u8>,
    }
    async fn tenant(claims: Result<Claims<Member>, NoClaims>) -> Result<String, NoClaims> {
        claims.map(|Claims(member)| format!("{} {:?}", member.tenant, member.seats))
    }
    let router = Router::new().route("/", get(tenant)).route("/open", get(tenant));
    let (server, key) = start(router).await;
    let bearer = |token: &str| format!("GET /\nAuthorization: Bearer {token}");
    for (request, expected) in [
        (bearer(&ours(r#""sub":"alice","tenant":"acme""#)), Ok("acme None")),
        (bearer(&theirs(r#""sub":"bob","tenant":"b\u00e9","seats":5"#)), Ok("bé Some(5)")),
        (bearer(&ours(r#""sub":"alice""#)), Err((Some("jwt.claims"), "Bearer error=\"invalid_token\""))),
        (
            bearer(&ours(r#""sub":"alice","tenant":"hunter2","seats":256"#)),
            Err((Some("jwt.claims"), "Bearer error=\"invalid_token\"")),
        ),
        (bearer(&key), Err((None, "Bearer"))),
        ("GET /\nCookie: __Host-session=a".to_owned(), Err((None, "Bearer"))),
        ("GET /open".to_owned(), Err((None, "Bearer"))),
    ] {
        let response = server.request(&request).await;
        match expected {
            Ok(body) => assert_eq!((response.status, &*response.body), (200, body), "{request}"),
            Err((code, challenge)) => {
                let told = (response.status, response.code(), response.header("www-authenticate"));
                assert_eq!(told, (401, code.map(Into::into), Some(challenge)), "{request}");
                assert!(!response.body.contains("hunter2"));
            }
        }
        assert!(response.is_hardened(), "{request}");
    }
}
