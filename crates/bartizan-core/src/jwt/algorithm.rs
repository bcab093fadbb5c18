//! The algorithms that tokens may be signed with (JWA, RFC 7518 §3.1; RFC 8037 §3.1).

use core::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The algorithm of a signing key.
// A key has one, for good: it is never chosen by what a token says (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "JwtAlgorithm")]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5, at least 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256, at least 32 bytes.
    #[serde(rename = "HS256")]
    Hs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// As `alg` says it: `EdDSA`, `ES256`, `RS256` or `HS256`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// The one that `alg` names. Names are case-sensitive (RFC 7515 §4.1.1).
    ///
    /// ```
    /// use bartizan_core::jwt::Algorithm;
    /// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
    /// assert_eq!(Algorithm::from_name("es256"), None);
    /// assert_eq!(Algorithm::from_name("none"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether whoever can verify can sign as well: such a key is never published.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256)
    }

    /// How many bytes a signature has; `None` where that depends on the key.
    ///
    /// An ES256 signature is two numbers of 32 bytes (RFC 7518 §3.4), not the DER that certificates have.
    pub(super) const fn signature_bytes(self) -> Option<usize> {
        match self {
            Self::EdDsa | Self::Es256 => Some(64),
            Self::Hs256 => Some(32),
            Self::Rs256 => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};

    #[test]
    fn a_name_is_written_and_read_one_way() {
        for (algorithm, name) in [
            (Algorithm::EdDsa, "EdDSA"),
            (Algorithm::Es256, "ES256"),
            (Algorithm::Rs256, "RS256"),
            (Algorithm::Hs256, "HS256"),
        ] {
            assert_eq!(algorithm.to_string(), name);
            assert_eq!(Algorithm::from_name(name), Some(algorithm));
            let json = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&algorithm).unwrap(), json);
            assert_eq!(serde_json::from_str::<Algorithm>(&json).unwrap(), algorithm);
        }
        for name in ["", "none", "hs256", "HS256 ", "HS512", "PS256", "ES256K", "Ed25519"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
