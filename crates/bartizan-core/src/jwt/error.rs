//! Why a token is refused.

use core::{fmt, time::Duration};

use super::{json::JsonFault, jws::LONGEST};

/// Why a token is refused: one for each denial code.
///
/// ```
/// use bartizan_core::jwt::{Malformed, Token, TokenError};
/// let refused = Token::parse(b"not.a-token").unwrap_err();
/// assert_eq!(refused, TokenError::Malformed(Malformed::Form));
/// assert_eq!(refused.code(), "jwt.malformed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token in the form that we read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its `alg` is none of ours, not its key's, or not one that its issuer signs with.
    #[error(
        "its `alg` must be EdDSA, ES256, RS256 or HS256, its key's own, and one that its issuer is to sign with"
    )]
    Algorithm,
    /// Its `iss` is not the one whose rules it is judged by.
    #[error("its `iss` is not the issuer that is expected here, to the letter")]
    Issuer,
    /// No key that is in use has its `kid`.
    #[error("its `kid` is lacking, or names no key that its issuer has in use; a new token is to be had")]
    KeyUnknown,
    /// It was not signed with its key, or was changed since.
    #[error("its signature is not its key's over what it says")]
    Signature,
    /// Its `typ` is another one: an identity token, say, or one of a service in between.
    #[error(
        "its `typ` is not one that is accepted from its issuer; an access token has `at+jwt` (RFC 9068 §2.1)"
    )]
    Type,
    /// It is meant for somebody else.
    #[error("none of its `aud` is an audience that is accepted here")]
    Audience,
    /// Its time is over.
    #[error("it expired {} s ago; a new token is to be had", .0.as_secs())]
    Expired(Duration),
    /// Its time has not come, by `nbf` or `iat`.
    #[error("it is not valid for another {} s: see whether the issuer's clock and ours are right", .0.as_secs_f32())]
    NotYetValid(Duration),
    /// A claim is lacking, or is not what it must be.
    #[error(transparent)]
    Claims(#[from] ClaimFault),
    /// It was revoked, or all that its subject had.
    #[error("it was revoked; a new token is to be had")]
    Revoked,
}

impl TokenError {
    /// The denial code: `jwt.expired`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "jwt.malformed",
            Self::Algorithm => "jwt.algorithm",
            Self::Issuer => "jwt.issuer",
            Self::KeyUnknown => "jwt.key-unknown",
            Self::Signature => "jwt.signature",
            Self::Type => "jwt.type",
            Self::Audience => "jwt.audience",
            Self::Expired(_) => "jwt.expired",
            Self::NotYetValid(_) => "jwt.not-yet-valid",
            Self::Claims(_) => "jwt.claims",
            Self::Revoked => "jwt.revoked",
        }
    }
}

/// How a text is no signed token in the compact form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than 8 KiB.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    /// Not the compact form: the JSON forms (RFC 7515 §7.2) are not read.
    #[error("it is not three parts with dots between them (RFC 7515 §7.1)")]
    Form,
    /// A JWE (RFC 7516).
    #[error("it is encrypted; only tokens that are signed and nothing more are accepted")]
    Encrypted,
    /// A part is not base64url: padding, white space, the other alphabet, or bits that mean nothing are not ignored.
    #[error("its {0} is not base64url in its one spelling, without padding (RFC 7515 §2)")]
    Base64(Part),
    /// A part is not one JSON object.
    #[error("its {0} {1}")]
    Json(Part, JsonFault),
    /// An extension that must be understood; we understand none.
    #[error("its header has `crit`, and no extension is understood (RFC 7515 §4.1.11)")]
    Critical,
    /// A payload that is not encoded (RFC 7797).
    #[error("its header has `b64`, and payloads are always encoded (RFC 7797 §6)")]
    Unencoded,
    /// A token in a token.
    #[error("its `cty` says that another token is in it; tokens are not nested")]
    Nested,
    /// A name of a key that no key of ours, and no reasonable issuer's, has.
    #[error("its `kid` is not 1 to 128 printable ASCII characters")]
    Kid,
    /// A member of the header that must be a text.
    #[error("its header's `{0}` is not a text")]
    NotText(&'static str),
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What stands before the first dot.
    Header,
    /// The claims.
    Payload,
    /// What stands after the last dot.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// What is wrong with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// It is lacking.
    #[error("it has no `{0}`, and must have one")]
    Missing(&'static str),
    /// `exp`, `nbf` or `iat` is no point in time.
    #[error(
        "its `{0}` is not a number of seconds since 1970, from 0 to the end of the year 9999 (RFC 7519 §2)"
    )]
    Time(&'static str),
    /// `iss`, `sub` or `jti` is no name.
    #[error("its `{0}` is not a text of 1 to 256 bytes without control characters")]
    Text(&'static str),
    /// `aud` is neither a text nor a list of texts.
    #[error("its `aud` is not a text or a list of texts (RFC 7519 §4.1.3)")]
    Audience,
    /// `scope` or `scp` is no list of scopes.
    #[error("its `{0}` is not a list of scopes: printable ASCII without `\"` and `\\` (RFC 6749 §3.3)")]
    Scope(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::BTreeSet, string::ToString as _};

    #[test]
    fn every_refusal_has_a_code_and_a_sentence() {
        let table = [
            (
                Malformed::Form.into(),
                "jwt.malformed",
                "it is not three parts with dots between them (RFC 7515 §7.1)",
            ),
            (Malformed::Long.into(), "jwt.malformed", "it is longer than 8192 bytes"),
            (
                Malformed::Json(Part::Payload, JsonFault::Duplicate).into(),
                "jwt.malformed",
                "its payload has a member twice",
            ),
            (
                Malformed::Base64(Part::Header).into(),
                "jwt.malformed",
                "its header is not base64url in its one spelling, without padding (RFC 7515 §2)",
            ),
            (
                TokenError::Algorithm,
                "jwt.algorithm",
                "its `alg` must be EdDSA, ES256, RS256 or HS256, its key's own, and one that its issuer is to sign with",
            ),
            (
                TokenError::Issuer,
                "jwt.issuer",
                "its `iss` is not the issuer that is expected here, to the letter",
            ),
            (
                TokenError::KeyUnknown,
                "jwt.key-unknown",
                "its `kid` is lacking, or names no key that its issuer has in use; a new token is to be had",
            ),
            (TokenError::Signature, "jwt.signature", "its signature is not its key's over what it says"),
            (
                TokenError::Type,
                "jwt.type",
                "its `typ` is not one that is accepted from its issuer; an access token has `at+jwt` (RFC 9068 §2.1)",
            ),
            (TokenError::Audience, "jwt.audience", "none of its `aud` is an audience that is accepted here"),
            (
                TokenError::Expired(Duration::from_millis(61_999)),
                "jwt.expired",
                "it expired 61 s ago; a new token is to be had",
            ),
            (
                TokenError::NotYetValid(Duration::from_millis(1500)),
                "jwt.not-yet-valid",
                "it is not valid for another 1.5 s: see whether the issuer's clock and ours are right",
            ),
            (ClaimFault::Missing("sub").into(), "jwt.claims", "it has no `sub`, and must have one"),
            (TokenError::Revoked, "jwt.revoked", "it was revoked; a new token is to be had"),
        ];
        for (refusal, code, sentence) in &table {
            assert_eq!(refusal.code(), *code);
            assert_eq!(refusal.to_string(), *sentence);
        }
        assert_eq!(table.iter().map(|(_, code, _)| code).collect::<BTreeSet<_>>().len(), 11);
    }
}
