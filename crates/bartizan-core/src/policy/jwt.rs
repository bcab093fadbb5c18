//! `[jwt]`: our own tokens, and the issuers besides us whose tokens are accepted.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use super::{Duration, JwtAlgorithm, SecretRef};

/// `[jwt]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// The `iss` of our tokens: `https://api.example.com`.
    pub issuer: String,
    /// The `aud` of our tokens: `api`.
    pub audience: String,
    /// The algorithm of new keys; `EdDSA`.
    #[serde(default)]
    pub algorithm: Option<JwtAlgorithm>,
    /// How long a key signs; 30 days.
    #[serde(default)]
    pub rotate_every: Option<Duration>,
    /// The longest that a token of ours is valid; 15 min.
    #[serde(default)]
    pub token_lifetime: Option<Duration>,
    /// How far the clock of an issuer and ours may be apart; 60 s.
    #[serde(default)]
    pub leeway: Option<Duration>,
    /// How much the clock of a node may be off; 60 s.
    #[serde(default)]
    pub skew: Option<Duration>,
    /// How long others may keep our JWK set; 5 min.
    #[serde(default)]
    pub jwks_max_age: Option<Duration>,
    /// The issuers besides us whose tokens are accepted.
    #[serde(default)]
    pub trusted_issuer: Vec<TrustedIssuerConfig>,
}

/// `[[jwt.trusted_issuer]]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuerConfig {
    /// The `iss` of its tokens, to the letter: `https://login.example.com/tenant`.
    pub issuer: String,
    /// Of these one must be in a token's `aud`: what this API is called there.
    pub audience: Audiences,
    /// Where its JWK set is: `https://login.example.com/keys`. Found by its metadata where nothing is written.
    #[serde(default)]
    pub jwks: Option<String>,
    /// The certificates (PEM) of who vouches for its servers, such as `"file:///etc/ssl/own-ca.pem"`, and nobody else does;
    /// Mozilla's authorities where nothing is written.
    #[serde(default)]
    pub ca: Option<SecretRef>,
    /// What it may sign with; `EdDSA`, ES256, RS256.
    #[serde(default)]
    pub algorithms: Option<Vec<JwtAlgorithm>>,
    /// What the `typ` of its tokens may be; `at+jwt`.
    #[serde(default)]
    pub types: Option<Vec<String>>,
}

/// One audience, or several.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Audiences {
    /// `"api"`
    One(String),
    /// `["api", "https://api.example.com"]`
    Any(Vec<String>),
}

impl Audiences {
    /// Each of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(audience) => core::slice::from_ref(audience),
            Self::Any(audiences) => audiences,
        }
    }
}

/// By hand, so that a fault is told where it stands.
impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Audiences;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an audience such as \"api\", or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Audiences, E> {
                Ok(Audiences::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Audiences, A::Error> {
                let mut audiences = Vec::new();
                while let Some(audience) = list.next_element()? {
                    audiences.push(audience);
                }
                Ok(Audiences::Any(audiences))
            }
        }
        deserializer.deserialize_any(Written)
    }
}
