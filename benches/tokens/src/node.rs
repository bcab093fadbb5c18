//! One node of a service that issues tokens and takes them.

use std::{sync::Arc, time::Duration};

use bartizan::{
    Answers as _, Decision, Deployment, Engine, OsEntropy, Scheme,
    jwt::{AccessToken, Algorithm, FetchDocument, HttpsFetch, IssuedToken, Jwk, KeyRing, WithTokenKeys},
    policy::{ApiKeysConfig, CredentialKind, JwtConfig, Policy, RequireConfig},
};
use bartizan_benches::{apps, signed_in::SUBJECT};
use bartizan_core::{RequestHead, Step, Timestamp, keys::Keys};
use bartizan_store::Store;
use serde_json::json;

/// The `iss` of its tokens.
pub const ISSUER: &str = "https://api.example.com";
/// The `aud` of its tokens.
pub const AUDIENCE: &str = "api";
/// What the policy's `jwt.token_lifetime` is by itself.
const LIFETIME: Duration = Duration::from_mins(15);

/// A node: the policy's engine, its ring of keys, and who answers for them.
pub struct Node {
    /// Takes tokens or API keys, whichever was asked for.
    pub engine: Engine,
    /// Where its keys turn.
    pub ring: KeyRing,
    /// Its ring and its store, as the engine asks them.
    pub answers: Arc<WithTokenKeys<Arc<dyn Store>>>,
}

impl Node {
    /// A node whose ring is kept in `store`; where there is none yet, new keys are made for `algorithm`.
    ///
    /// # Panics
    ///
    /// If the policy is refused, or the ring cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        algorithm: Algorithm,
        takes: CredentialKind,
        now: Timestamp,
    ) -> Self {
        let mut policy: Policy = apps::policy();
        policy.jwt = Some(JwtConfig {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            algorithm: Some(algorithm),
            ..JwtConfig::default()
        });
        policy.api_keys = Some(ApiKeysConfig::default());
        policy.default.require = Some(RequireConfig::One(takes));
        let deployment = Deployment { tls: true, keys: Some(keys()), ..Deployment::default() };
        let engine = Engine::build(&policy, &deployment).expect("the policy is right");
        let issuers = engine.issuers().expect("the policy has tokens");
        let ring = KeyRing::open(Arc::clone(&store), keys(), issuers.ring().clone(), now).await;
        let ring = ring.expect("the ring can be read");
        let fetch: Arc<dyn FetchDocument> = Arc::new(HttpsFetch::new().expect("roots that are built in"));
        let answers = WithTokenKeys::new(store, ring.clone(), issuers, &fetch).expect("no other issuers");
        Self { engine, ring, answers: Arc::new(answers) }
    }

    /// A token for somebody, with one scope and one claim of the application's.
    ///
    /// # Panics
    ///
    /// If the ring does not sign.
    pub fn issue(&self, now: Timestamp) -> IssuedToken {
        self.ring.issue(&access_token(), now).expect("the ring signs")
    }

    /// What the tokens that it issues now are verified with: a JWK (RFC 7517), of HS256 the secret itself.
    ///
    /// # Panics
    ///
    /// If the ring does not sign.
    pub fn verifies_with(&self, now: Timestamp) -> Vec<u8> {
        let (kid, key) = self.ring.signer(LIFETIME, now).expect("the ring signs");
        match key.public() {
            Some(public) => serde_json::to_vec(&Jwk { key: public, kid: Some(kid) }).expect("it is JSON"),
            None => key.to_bytes().expect("a secret").to_vec(),
        }
    }

    /// Whether a request that comes with `token` is let through.
    pub async fn admits(&self, token: &str, now: Timestamp) -> bool {
        let authorization = format!("Bearer {token}");
        let headers = [("host", "api.example.com"), ("authorization", &*authorization)];
        let head = RequestHead {
            method: b"GET",
            path: b"/me",
            query: None,
            authority: None,
            scheme: Scheme::Https,
            peer: None,
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let mut evaluation = self.engine.evaluate(&head, now, OsEntropy);
        loop {
            match evaluation.step() {
                Step::Need(query) => evaluation.supply(self.answers.answer(query).await),
                Step::Done(Decision::Allow(_)) => return true,
                _ => return false,
            }
        }
    }
}

/// What its tokens say.
pub fn access_token() -> AccessToken {
    let mut claims = serde_json::Map::new();
    claims.insert("tenant".into(), json!("acme"));
    AccessToken {
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        subject: SUBJECT.into(),
        scopes: vec!["read".into()],
        lifetime: LIFETIME,
        claims,
    }
}

fn keys() -> Keys {
    Keys::new(&[b"0123456789abcdef0123456789abcdef"]).expect("it is long enough")
}
