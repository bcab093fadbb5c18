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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::{
        Sealed,
        fixture::{at, key, ring},
    };
    use alloc::string::String;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn a_ring_is_written_so() {
        let mut ring = ring([key("a", 100, 97, 217), key("b", 100, 97, 217)]);
        ring.keys[1] = RingKey {
            algorithm: Algorithm::Hs256,
            key_use: KeyUse::Verifies { until: at(500) },
            revoked: Some(at(101)),
            legacy: true,
            public: None,
            ..ring.keys[1].clone()
        };
        let json = ring.to_json();
        assert_eq!(
            core::str::from_utf8(&json).unwrap(),
            concat!(
                r#"{"version":1,"longest_token":900000,"keys":["#,
                r#"{"kid":"a","algorithm":"EdDSA","created":1700006000000,"#,
                r#""signs":{"from":1700005820000,"until":1700013020000},"public":"{}","sealed":"c2VhbGVk"},"#,
                r#"{"kid":"b","algorithm":"HS256","created":1700006000000,"verifies_until":1700030000000,"#,
                r#""revoked":1700006060000,"legacy":true,"sealed":"c2VhbGVk"}]}"#,
            )
        );
        assert_eq!(Ring::from_json(&json), Ok(ring));
    }

    #[test]
    fn what_is_no_ring_is_refused() {
        let key = r#"{"kid":"a","algorithm":"EdDSA","created":1,"signs":{"from":1,"until":2},"public":"{}","sealed":"AA"}"#;
        let document = |keys: &str| format!(r#"{{"version":1,"longest_token":1,"keys":[{keys}]}}"#);
        let read = |json: String| Ring::from_json(json.as_bytes()).map(|ring| ring.keys.len());
        assert_eq!(read(document(key)), Ok(1));
        assert_eq!(read(r#"{"version":2}"#.into()), Err(DocumentError::Version(2)));
        assert_eq!(read(r#"{"version":0,"keys":[]}"#.into()), Err(DocumentError::Version(0)));
        assert_eq!(read(String::new()), Err(DocumentError::Json { line: 1, column: 0 }));
        assert_eq!(read(r#"{"version":"1"}"#.into()), Err(DocumentError::Json { line: 1, column: 14 }));
        for unreadable in [
            r#"{"version":1,"longest_token":1,"keys":[],"more":1}"#.into(),
            r#"{"version":1,"longest_token":-1,"keys":[]}"#.into(),
            r#"{"version":1,"keys":[]}"#.into(),
            document(&key.replace(r#""created":1"#, r#""created":1,"more":1"#)),
            document(&key.replace("EdDSA", "none")),
            document(&key.replace("EdDSA", "eddsa")),
        ] {
            let error = read(unreadable.clone());
            assert!(matches!(error, Err(DocumentError::Json { .. })), "{unreadable}: {error:?}");
        }
        let invalid = |why| Err(DocumentError::Ring(RingError::InvalidKey { kid: "a".into(), why }));
        let signs = r#""signs":{"from":1,"until":2}"#;
        assert_eq!(
            read(document(&key.replace(signs, r#""legacy":false"#))),
            invalid("it must either sign or only verify")
        );
        assert_eq!(
            read(document(&key.replace(signs, &format!(r#"{signs},"verifies_until":3"#)))),
            invalid("it must either sign or only verify")
        );
        assert_eq!(
            read(document(&key.replace(r#""until":2"#, r#""until":1"#))),
            invalid("its window ends before it begins")
        );
        assert_eq!(
            read(document(&format!("{key},{key}"))),
            Err(DocumentError::Ring(RingError::DuplicateKid("a".into())))
        );
        // Padding, other letters, and bits that are not zero (RFC 4648 §3.5).
        for sealed in ["AA==", "+/+/", "AB"] {
            let changed = key.replace(r#""AA""#, &format!(r#""{sealed}""#));
            assert_eq!(read(document(&changed)), Err(DocumentError::Sealed("a".into())), "{sealed}");
        }
    }

    fn any_key() -> impl Strategy<Value = RingKey> {
        let algorithm = prop_oneof![
            Just(Algorithm::EdDsa),
            Just(Algorithm::Es256),
            Just(Algorithm::Rs256),
            Just(Algorithm::Hs256)
        ];
        let key_use = prop_oneof![
            (any::<u64>(), 1..u64::MAX).prop_map(|(from, span)| {
                let from = from.min(u64::MAX - span);
                KeyUse::Signs(Window { from: Timestamp(from), until: Timestamp(from + span) })
            }),
            any::<u64>().prop_map(|until| KeyUse::Verifies { until: Timestamp(until) }),
        ];
        (
            "[ -~]{1,128}",
            algorithm,
            any::<u64>(),
            key_use,
            proptest::option::of(any::<u64>()),
            any::<bool>(),
            any::<String>(),
            any::<Vec<u8>>(),
        )
            .prop_map(|(kid, algorithm, created, key_use, revoked, legacy, public, sealed)| {
                RingKey {
                    kid: kid.into(),
                    algorithm,
                    created: Timestamp(created),
                    key_use,
                    revoked: revoked.map(Timestamp),
                    legacy,
                    public: (algorithm != Algorithm::Hs256).then(|| public.into()),
                    sealed: Some(Sealed::from(sealed)),
                }
            })
    }

    proptest! {
        #[test]
        fn a_ring_is_read_as_it_was_written(
            keys in proptest::collection::vec(any_key(), 0..8),
            longest in any::<u64>(),
        ) {
            let mut ring = Ring { keys: Vec::new(), longest_token: Duration::from_millis(longest) };
            for key in keys {
                // Of two with one name, the first.
                let _ = ring.add(key);
            }
            prop_assert_eq!(Ring::from_json(&ring.to_json()), Ok(ring));
        }

        #[test]
        fn no_bytes_make_it_panic(json in any::<Vec<u8>>()) {
            let _ = Ring::from_json(&json);
        }
    }
}
