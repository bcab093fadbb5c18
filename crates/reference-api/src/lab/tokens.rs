//! A token whose time is over, and which is right otherwise: the API itself never makes one.

use std::time::Duration;

use bartizan::{
    OsClock,
    jwt::{KeyRing, KeyRingError},
};
use bartizan_core::{Clock as _, jwt::ACCESS_TOKEN};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::ReferenceApi;

/// How long it was good.
const LIFETIME: Duration = Duration::from_mins(5);

/// How long its time is over.
const AGE: Duration = Duration::from_hours(1);

/// Issues it.
pub(super) struct Tokens {
    ring: KeyRing,
    issuer: Box<str>,
    audience: Box<str>,
}

impl Tokens {
    pub(super) fn of(api: &ReferenceApi) -> Self {
        let facts = api.facts();
        Self { ring: api.ring().clone(), issuer: facts.issuer.clone(), audience: facts.audience.clone() }
    }

    /// A token for an account, by its number.
    pub(super) fn expired(&self, subject: &str) -> Result<String, KeyRingError> {
        let now = OsClock.now();
        let (kid, key) = self.ring.signer(LIFETIME, now)?;
        let header = json!({ "alg": key.algorithm().as_str(), "typ": ACCESS_TOKEN, "kid": kid });
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
