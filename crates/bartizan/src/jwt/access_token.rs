//! Access tokens of ours (RFC 9068): what is written into them, and how they are made.

use std::{fmt, time::Duration};

use bartizan_core::{Entropy as _, Timestamp, jwt::ACCESS_TOKEN};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{KeyRing, KeyRingError};
use crate::OsEntropy;

/// The claims that are ours to write.
const REGISTERED: [&str; 8] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "scope"];

/// What a token is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Who issues it: the policy's `jwt.issuer`.
    pub issuer: Box<str>,
    /// Whom it is for: the policy's `jwt.audience`.
    pub audience: Box<str>,
    /// Whom it speaks for.
    pub subject: Box<str>,
    /// What it may be used for.
    pub scopes: Vec<Box<str>>,
    /// How long it lives, in whole seconds; at most the policy's `jwt.token_lifetime`.
    pub lifetime: Duration,
    /// What else the application wants to find in it. Of the names that are ours (`iss`, `exp`, …) none counts.
    pub claims: Map<String, Value>,
}

/// A token that was made. Its text is the credential itself, so it is not shown with the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token, for `Authorization: Bearer`.
    pub token: String,
    /// Its name, by which it can be revoked.
    pub jti: Box<str>,
    /// When its time ends.
    pub expires: Timestamp,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("jti", &self.jti)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Makes a token that is good from `now`.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::NotSigning`] where this node may not sign now, or not for so long: answer with 503.
    pub fn issue(&self, token: &AccessToken, now: Timestamp) -> Result<IssuedToken, KeyRingError> {
        let (kid, key) = self.signer(token.lifetime, now)?;
        // Rounded down, so that no token outlives its key.
        let issued = now.0 / 1000;
        let expires = now.after(token.lifetime).0 / 1000;
        let mut name = [0; 16];
        OsEntropy.fill(&mut name);
        let jti = URL_SAFE_NO_PAD.encode(name);
        let mut claims = json!({
            "iss": token.issuer, "aud": token.audience, "sub": token.subject, "iat": issued, "exp": expires, "jti": jti,
        });
        if !token.scopes.is_empty() {
            claims["scope"] = token.scopes.join(" ").into();
        }
        if let Some(claims) = claims.as_object_mut() {
            let own = |name: &str| REGISTERED.contains(&name);
            claims.extend(
                token
                    .claims
                    .iter()
                    .filter(|(name, _)| !own(name))
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        let header = json!({ "alg": key.algorithm().as_str(), "typ": ACCESS_TOKEN, "kid": kid });
        let mut text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = key.sign(text.as_bytes())?;
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(IssuedToken { token: text, jti: jti.into(), expires: Timestamp(expires * 1000) })
    }
}
