//! The tokens that the lab's attacks begin with: one that works, and one whose time is over.

use std::time::Duration;

use bartizan::{
    OsClock,
    jwt::{AccessToken, KeyRing, KeyRingError},
    policy::Policy,
};
use bartizan_core::Clock as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, json};

/// How long a token of the lab is good.
const LIFETIME: Duration = Duration::from_mins(5);

/// How long the time of the expired one is over.
const AGE: Duration = Duration::from_hours(1);

/// Issues the tokens.
pub(super) struct Tokens {
    ring: KeyRing,
    issuer: String,
    audience: String,
}

impl Tokens {
    pub(super) fn new(ring: KeyRing, policy: &Policy) -> Self {
        let jwt = policy.jwt.as_ref();
        Self {
            ring,
            issuer: jwt.map(|jwt| jwt.issuer.clone()).unwrap_or_default(),
            audience: jwt.map(|jwt| jwt.audience.clone()).unwrap_or_default(),
        }
    }

    /// A token that works.
    pub(super) fn good(&self, subject: &str) -> Result<String, KeyRingError> {
        let token = AccessToken {
            issuer: self.issuer.as_str().into(),
            audience: self.audience.as_str().into(),
            subject: subject.into(),
            scopes: Vec::new(),
            lifetime: LIFETIME,
            claims: Map::new(),
        };
        Ok(self.ring.issue(&token, OsClock.now())?.token)
    }

    /// A token that the same key has signed, and whose time is over.
    pub(super) fn expired(&self, subject: &str) -> Result<String, KeyRingError> {
        let now = OsClock.now();
        let (kid, key) = self.ring.signer(LIFETIME, now)?;
        let header = json!({ "alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": kid });
        let expired = now.0.saturating_sub(u64::try_from(AGE.as_millis()).unwrap_or_default()) / 1000;
        let claims = json!({
            "iss": self.issuer, "aud": self.audience, "sub": subject, "jti": "from-an-old-log",
            "iat": expired.saturating_sub(LIFETIME.as_secs()), "exp": expired,
        });
        let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let (_, signature) = self.ring.sign(text.as_bytes(), LIFETIME, now)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
