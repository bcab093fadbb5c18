//! What an issuer says of itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2): where its keys are.

use alloc::{boxed::Box, string::String};

use super::json::{self, JsonFault};

/// The most bytes that such a document may have: 256 KiB.
const LONGEST: usize = 256 * 1024;

/// What an issuer's discovery document says that we have a use for.
///
/// ```
/// use bartizan_core::jwt::IssuerMetadata;
/// let document = br#"{
///     "issuer": "https://login.example.com",
///     "jwks_uri": "https://login.example.com/keys",
///     "response_types_supported": ["code"]
/// }"#;
/// let metadata = IssuerMetadata::parse(document, "https://login.example.com")?;
/// assert_eq!(&*metadata.jwks_uri, "https://login.example.com/keys");
///
/// let refused = IssuerMetadata::parse(document, "https://login.example.com/");
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     "the document is of the issuer `https://login.example.com`, and `https://login.example.com/` was asked for: \
///      the two must be the same to the letter"
/// );
/// # Ok::<(), bartizan_core::jwt::IssuerMetadataFault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerMetadata {
    /// `jwks_uri`, as it is written: where the keys are. Whether one may go there is for the caller to judge.
    pub jwks_uri: Box<str>,
}

/// Why a document does not say where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerMetadataFault {
    /// More than 256 KiB.
    #[error("the document has {0} bytes, and {LONGEST} are read at most")]
    Long(usize),
    /// Not one JSON object.
    #[error("the document {0}")]
    Json(JsonFault),
    /// A member is lacking, or not a text.
    #[error("the document has no `{0}`, a text: see whether it is an issuer's discovery document")]
    Missing(&'static str),
    /// It is another issuer's.
    #[error(
        "the document is of the issuer `{}`, and `{expected}` was asked for: the two must be the same to the letter",
        .found.escape_debug()
    )]
    Issuer {
        /// Whom it was asked of.
        expected: Box<str>,
        /// Whose it says it is; the first 256 characters.
        found: Box<str>,
    },
}

impl IssuerMetadata {
    /// Reads the document that `issuer` has published.
    ///
    /// # Errors
    ///
    /// Says why it is none, or not that issuer's.
    pub fn parse(text: &[u8], issuer: &str) -> Result<Self, IssuerMetadataFault> {
        if text.len() > LONGEST {
            return Err(IssuerMetadataFault::Long(text.len()));
        }
        let (mut found, mut jwks_uri) = (None, None);
        for (name, value) in json::object(text, 0).map_err(IssuerMetadataFault::Json)? {
            match &*name {
                "issuer" => found = value.into_text(),
                "jwks_uri" => jwks_uri = value.into_text(),
                _ => {}
            }
        }
        let found = found.ok_or(IssuerMetadataFault::Missing("issuer"))?;
        // Else one issuer could stand for another (OpenID Connect Discovery §4.3, RFC 8414 §3.3).
        if found != issuer {
            let found: String = found.chars().take(256).collect();
            return Err(IssuerMetadataFault::Issuer { expected: issuer.into(), found: found.into() });
        }
        let jwks_uri = jwks_uri.ok_or(IssuerMetadataFault::Missing("jwks_uri"))?;
        Ok(Self { jwks_uri: jwks_uri.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const ISSUER: &str = "https://login.example.com/tenant";

    fn parse(text: &str) -> Result<Box<str>, IssuerMetadataFault> {
        IssuerMetadata::parse(text.as_bytes(), ISSUER).map(|metadata| metadata.jwks_uri)
    }

    #[test]
    fn a_document_is_read_whatever_else_is_in_it() {
        let text = format!(
            r#"{{"jwks_uri":"https:\/\/keys.example.com","claims_supported":["sub",["a"]],"mtls":{{"a":{{}}}},
                "issuer":"{ISSUER}","request_uri_parameter_supported":true}}"#
        );
        assert_eq!(parse(&text), Ok("https://keys.example.com".into()));
    }

    #[test]
    fn what_is_not_the_issuers_own_is_refused() {
        let other =
            |found: &str| IssuerMetadataFault::Issuer { expected: ISSUER.into(), found: found.into() };
        let of = |issuer: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"https://k.example"}}"#);
        for (text, expected) in [
            (of("https://login.example.com/tenant/"), other("https://login.example.com/tenant/")),
            (of("https://login.example.com/Tenant"), other("https://login.example.com/Tenant")),
            (of("https://login.example.com"), other("https://login.example.com")),
            (of(""), other("")),
            (of(&"a".repeat(1000)), other(&"a".repeat(256))),
            ("{}".into(), IssuerMetadataFault::Missing("issuer")),
            (format!(r#"{{"issuer":["{ISSUER}"]}}"#), IssuerMetadataFault::Missing("issuer")),
            (format!(r#"{{"issuer":"{ISSUER}"}}"#), IssuerMetadataFault::Missing("jwks_uri")),
            (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":1}}"#), IssuerMetadataFault::Missing("jwks_uri")),
            (
                format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}","jwks_uri":""}}"#),
                IssuerMetadataFault::Json(JsonFault::Duplicate),
            ),
            ("<html>".into(), IssuerMetadataFault::Json(JsonFault::Syntax)),
            (" ".repeat(256 * 1024 + 1), IssuerMetadataFault::Long(256 * 1024 + 1)),
        ] {
            assert_eq!(parse(&text), Err(expected), "{}", &text[..text.len().min(100)]);
        }
    }
}
