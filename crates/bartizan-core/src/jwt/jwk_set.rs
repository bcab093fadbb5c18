//! An issuer's public keys: a JWK Set (RFC 7517 §5).

use alloc::{boxed::Box, vec::Vec};

use serde::Serialize;

use super::{
    Jwk, JwkFault,
    json::{self, JsonFault, Value},
};

/// The most bytes that a set may have: 256 KiB.
const LONGEST: usize = 256 * 1024;

/// The most keys that a set may have.
const MOST: usize = 100;

/// The public keys of an issuer, as its `jwks_uri` has them. As JSON it is a JWK Set again.
///
/// ```
/// use bartizan_core::jwt::{Algorithm, JwkFault, JwkSet};
/// let set = JwkSet::parse(br#"{"keys": [
///     {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"},
///     {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "b"}
/// ]}"#)?;
/// assert_eq!(set.keys[0].kid.as_deref(), Some("a"));
/// assert_eq!(set.keys[0].key.algorithm(), Algorithm::EdDsa);
/// assert_eq!(set.skipped, [JwkFault::KeyType]);
/// # Ok::<(), bartizan_core::jwt::JwkSetFault>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// Those that we can verify with, in the order of the set. Nothing keeps two from having the same `kid`; then they
    /// are told apart by what they are for (RFC 7517 §4.5).
    pub keys: Vec<Jwk>,
    /// Why each of the others is none of them (RFC 7517 §5 asks to ignore these), for the log.
    #[serde(skip)]
    pub skipped: Vec<JwkFault>,
}

/// Why something is no set of public keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetFault {
    /// More than 256 KiB.
    #[error("the set has {0} bytes, and {LONGEST} are read at most")]
    Long(usize),
    /// Not one JSON object.
    #[error("the set {0}")]
    Json(JsonFault),
    /// It has no `keys`, or they are no list of objects.
    #[error(
        "the set has no `keys`, a list of objects (RFC 7517 §5): see whether the address is that of a JWK set"
    )]
    Keys,
    /// More than 100 keys.
    #[error("the set has {0} keys, and {MOST} are read at most")]
    Many(usize),
    /// It gives away a private key, or a secret. None of its keys is trusted: its issuer publishes the wrong file.
    #[error(
        "the set has a private or secret key{}: whoever published it must take it back, and make new keys",
        .0.as_ref().map(|kid| alloc::format!(", `{kid}`")).unwrap_or_default()
    )]
    Private(Option<Box<str>>),
}

impl JwkSet {
    /// Reads a set. Keys that we cannot verify with are left out.
    ///
    /// # Errors
    ///
    /// Says why none of its keys can be used.
    pub fn parse(text: &[u8]) -> Result<Self, JwkSetFault> {
        if text.len() > LONGEST {
            return Err(JwkSetFault::Long(text.len()));
        }
        // A list of objects, each with a list (`key_ops`) at most.
        let members = json::object(text, 3).map_err(JwkSetFault::Json)?;
        let keys = members.into_iter().find(|(name, _)| name == "keys").map(|(_, value)| value);
        let Some(Value::List(keys)) = keys else { return Err(JwkSetFault::Keys) };
        if keys.len() > MOST {
            return Err(JwkSetFault::Many(keys.len()));
        }
        let mut set = Self::default();
        for key in keys {
            let Value::Object(members) = key else { return Err(JwkSetFault::Keys) };
            match Jwk::from_members(&members) {
                Ok(key) => set.keys.push(key),
                Err(JwkFault::Private) => {
                    let kid = members.into_iter().find(|(name, _)| name == "kid");
                    return Err(JwkSetFault::Private(kid.and_then(|(_, kid)| super::jws::read_kid(kid))));
                }
                Err(fault) => set.skipped.push(fault),
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        format,
        string::{String, ToString as _},
        vec,
    };

    const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn parse(text: &str) -> Result<JwkSet, JwkSetFault> {
        JwkSet::parse(text.as_bytes())
    }

    #[test]
    fn the_published_set_is_read() {
        // RFC 7517 A.1: a key for encryption, which is none of ours, and one for signatures.
        let text = r#"{"keys":
            [
              {"kty":"EC",
               "crv":"P-256",
               "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
               "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
               "use":"enc",
               "kid":"1"},
              {"kty":"RSA",
               "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
               "e":"AQAB",
               "alg":"RS256",
               "kid":"2011-04-29"}
            ]
          }"#;
        let set = parse(text).unwrap();
        assert_eq!(set.skipped, [JwkFault::Use]);
        assert_eq!(set.keys.len(), 1);
        assert_eq!(set.keys[0].kid.as_deref(), Some("2011-04-29"));
        assert_eq!(set.keys[0].key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let written = serde_json::to_string(&set).unwrap();
        assert!(written.starts_with(r#"{"keys":[{"kty":"RSA","n":"0vx7"#), "{written}");
        assert_eq!(parse(&written), Ok(JwkSet { skipped: vec![], ..set }));
    }

    #[test]
    fn what_is_no_set_is_refused_whole() {
        let many = |count| format!("{{\"keys\":[{}]}}", vec![OKP; count].join(","));
        for (text, expected) in [
            (String::from("[]"), JwkSetFault::Json(JsonFault::Syntax)),
            ("<html>".into(), JwkSetFault::Json(JsonFault::Syntax)),
            (format!("{{\"keys\":[{OKP}],\"keys\":[]}}"), JwkSetFault::Json(JsonFault::Duplicate)),
            (r#"{"keys":[{"kty":"a","kty":"b"}]}"#.into(), JwkSetFault::Json(JsonFault::Duplicate)),
            (
                r#"{"keys":[{"kty":"a","x":{"y":{"z":1,"z":1}}}]}"#.into(),
                JwkSetFault::Json(JsonFault::Duplicate),
            ),
            ("{}".into(), JwkSetFault::Keys),
            (OKP.into(), JwkSetFault::Keys),
            (r#"{"keys":{}}"#.into(), JwkSetFault::Keys),
            (r#"{"keys":[1]}"#.into(), JwkSetFault::Keys),
            (format!("{{\"keys\":[[{OKP}]]}}"), JwkSetFault::Keys),
            (many(101), JwkSetFault::Many(101)),
            (" ".repeat(256 * 1024 + 1), JwkSetFault::Long(256 * 1024 + 1)),
            (
                format!(
                    r#"{{"keys":[{OKP},{{"kty":"oct","kid":"our secret","k":"AyM1SysPpbyDfgZld3umj1qz"}}]}}"#
                ),
                JwkSetFault::Private(Some("our secret".into())),
            ),
            (format!(r#"{{"keys":[{{"d":"x"}},{OKP}]}}"#), JwkSetFault::Private(None)),
        ] {
            assert_eq!(parse(&text), Err(expected), "{}", &text[..text.len().min(100)]);
        }
        assert_eq!(parse(&many(100)).unwrap().keys.len(), 100);
        assert_eq!(parse(r#"{"keys":[]}"#), Ok(JwkSet::default()));
        let padded = format!("{}{}", many(1), " ".repeat(256 * 1024 - many(1).len()));
        assert_eq!(parse(&padded).unwrap().keys.len(), 1);
    }

    #[test]
    fn one_key_that_is_of_no_use_does_not_lock_the_others_out() {
        let text = format!(
            r#"{{"keys":[{{}},{{"kty":"oct"}},{{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}},
                {{"kty":"RSA","n":"gAE","e":"AQAB"}},{OKP},{{"kty":"OKP","crv":"Ed25519","x":"AA"}}]}}"#
        );
        let set = parse(&text).unwrap();
        assert_eq!(set.keys, [Jwk::parse(OKP.as_bytes()).unwrap()]);
        assert_eq!(
            set.skipped,
            [
                JwkFault::Missing("kty"),
                JwkFault::KeyType,
                JwkFault::KeyType,
                JwkFault::Bits(16),
                JwkFault::Number("x"),
            ]
        );
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        assert_eq!(
            JwkSetFault::Private(Some("a".into())).to_string(),
            "the set has a private or secret key, `a`: whoever published it must take it back, and make new keys"
        );
        assert_eq!(
            JwkSetFault::Private(None).to_string(),
            "the set has a private or secret key: whoever published it must take it back, and make new keys"
        );
        assert_eq!(JwkSetFault::Many(101).to_string(), "the set has 101 keys, and 100 are read at most");
    }
}
