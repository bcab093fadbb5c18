//! The ring as one JSON document, which stores keep and replace by compare-and-set.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{Algorithm, KeyUse, Ring, RingError, RingKey, Window};
use crate::Timestamp;

/// The version of the document that is written, and the only one that is read.
pub const SCHEMA_VERSION: u32 = 1;

/// Why a document is no ring. What it says is not repeated: sealed keys are in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It was written by another version.
    #[error(
        "the key ring is of version {0}, and this version reads {SCHEMA_VERSION}; run the version that wrote it, or a \
         later one"
    )]
    Version(u64),
    /// It is no such JSON.
    #[error(
        "the key ring cannot be read: not the JSON that it should be, at line {line}, column {column}; restore it from \
         a backup, or delete it to begin with new keys, which ends all tokens"
    )]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// A sealed key is not what sealed keys are written as.
    #[error("the key ring cannot be read: the sealed part of the key {0:?} is not base64url")]
    Sealed(Box<str>),
    /// Its keys cannot be.
    #[error("the key ring cannot be used: {0}")]
    Ring(#[from] RingError),
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    longest_token: u64,
    keys: Vec<Key>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kid: Box<str>,
    algorithm: AlgorithmName,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verifies_until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<u64>,
    #[serde(default, skip_serializing_if = "is_false")]
    legacy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: u64,
    until: u64,
}

/// As in a token's header (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Serialize, Deserialize)]
enum AlgorithmName {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "HS256")]
    Hs256,
}

impl Ring {
    /// The document: `{"version":1,"longest_token":900000,"keys":[…]}`.
    pub fn to_json(&self) -> Box<[u8]> {
        let document = Document {
            version: SCHEMA_VERSION,
            longest_token: u64::try_from(self.longest_token.as_millis()).unwrap_or(u64::MAX),
            keys: self.keys.iter().map(Key::from).collect(),
        };
        // It has no map with other keys than strings, the one thing that can fail here.
        serde_json::to_vec(&document).unwrap_or_default().into()
    }

    /// Reads a document.
    ///
    /// ```
    /// use bartizan_core::key_ring::{DocumentError, Ring};
    /// let ring = Ring::default();
    /// assert_eq!(Ring::from_json(&ring.to_json()), Ok(ring));
    /// assert_eq!(Ring::from_json(br#"{"version":2,"turns":"left"}"#), Err(DocumentError::Version(2)));
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Self, DocumentError> {
        let invalid =
            |error: serde_json::Error| DocumentError::Json { line: error.line(), column: error.column() };
        // First the version alone: of another one, nothing else need be as expected.
        let Version { version } = serde_json::from_slice(json).map_err(invalid)?;
        if version != u64::from(SCHEMA_VERSION) {
            return Err(DocumentError::Version(version));
        }
        let document: Document = serde_json::from_slice(json).map_err(invalid)?;
        let mut ring =
            Self { keys: Vec::new(), longest_token: Duration::from_millis(document.longest_token) };
        for key in document.keys {
            ring.add(key.try_into()?)?;
        }
        Ok(ring)
    }
}

impl From<&RingKey> for Key {
    fn from(key: &RingKey) -> Self {
        let (signs, verifies_until) = match key.key_use {
            KeyUse::Signs(Window { from, until }) => (Some(Span { from: from.0, until: until.0 }), None),
            KeyUse::Verifies { until } => (None, Some(until.0)),
        };
        Self {
            kid: key.kid.clone(),
            algorithm: match key.algorithm {
                Algorithm::EdDsa => AlgorithmName::EdDsa,
                Algorithm::Es256 => AlgorithmName::Es256,
                Algorithm::Rs256 => AlgorithmName::Rs256,
                Algorithm::Hs256 => AlgorithmName::Hs256,
            },
            created: key.created.0,
            signs,
            verifies_until,
            revoked: key.revoked.map(|at| at.0),
            legacy: key.legacy,
            public: key.public.clone(),
            sealed: key.sealed.as_ref().map(|sealed| URL_SAFE_NO_PAD.encode(sealed.as_bytes()).into()),
        }
    }
}

impl TryFrom<Key> for RingKey {
    type Error = DocumentError;

    fn try_from(key: Key) -> Result<Self, DocumentError> {
        let key_use = match (key.signs, key.verifies_until) {
            (Some(Span { from, until }), None) => {
                KeyUse::Signs(Window { from: Timestamp(from), until: Timestamp(until) })
            }
            (None, Some(until)) => KeyUse::Verifies { until: Timestamp(until) },
            _ => {
                let why = "it must either sign or only verify";
                return Err(RingError::InvalidKey { kid: key.kid, why }.into());
            }
        };
        let sealed = match key.sealed.map(|text| URL_SAFE_NO_PAD.decode(text.as_bytes())).transpose() {
            Ok(sealed) => sealed.map(Into::into),
            Err(_) => return Err(DocumentError::Sealed(key.kid)),
        };
        Ok(Self {
            kid: key.kid,
            algorithm: match key.algorithm {
                AlgorithmName::EdDsa => Algorithm::EdDsa,
                AlgorithmName::Es256 => Algorithm::Es256,
                AlgorithmName::Rs256 => Algorithm::Rs256,
                AlgorithmName::Hs256 => Algorithm::Hs256,
            },
            created: Timestamp(key.created),
            key_use,
            revoked: key.revoked.map(Timestamp),
            legacy: key.legacy,
            public: key.public,
            sealed,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(legacy: &bool) -> bool {
    !*legacy
}
