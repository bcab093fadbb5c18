//! A signed text in the compact form: `header.payload.signature`, each in base64url (JWS, RFC 7515).

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Algorithm, Malformed, Part, TokenError, VerifyingKey,
    json::{self, Value},
};

/// The most bytes that a token may have: 8 KiB. Servers take no longer header anyway.
pub const LONGEST: usize = 8 * 1024;

/// The longest name of a key.
const LONGEST_KID: usize = 128;

/// A signed text, not verified yet: its payload is to be had from [`verify`](Self::verify) alone. It has no way to be
/// shown, for whoever has it can use it.
pub struct Jws<'t> {
    signing_input: &'t [u8],
    header: Header,
    payload: Box<[u8]>,
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Reads the compact form (RFC 7515 §7.1), of which there is one spelling: no white space, no padding, no bits that
    /// mean nothing. The header must name one of our algorithms, and may ask for nothing that we do not understand.
    ///
    /// `jku`, `jwk`, `x5u` and `x5c` are not read: whoever makes a token does not choose what it is verified with
    /// (RFC 8725 §3.10).
    pub fn parse(text: &'t [u8]) -> Result<Self, TokenError> {
        if text.len() > LONGEST {
            return Err(Malformed::Long.into());
        }
        let [header, payload, signature] = parts(text)?;
        // The two parts before the last dot, and the dot between them (RFC 7515 §5.2).
        let signing_input = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        Ok(Self {
            signing_input,
            header: Header::read(&decode(header, Part::Header)?)?,
            payload: decode(payload, Part::Payload)?.into(),
            signature: decode(signature, Part::Signature)?,
        })
    }

    /// The header's `alg`. Anybody may have written it.
    pub const fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// The header's `kid`: 1 to 128 printable ASCII characters. Anybody may have written it, so it is looked up to the
    /// letter, and is no part of a path or a query.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The header's `typ`. Anybody may have written it.
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The payload, if `key` signed it with its own algorithm.
    ///
    /// # Errors
    ///
    /// [`TokenError::Algorithm`] or [`TokenError::Signature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<&[u8], TokenError> {
        self.signer(key).map(|_| &*self.payload)
    }

    /// The key that signed it: `key`, or one of those that it stands for.
    pub(super) fn signer<'k>(&self, key: &'k VerifyingKey) -> Result<&'k VerifyingKey, TokenError> {
        // The key says what it is for; a token that says otherwise is not even tried (RFC 8725 §3.1).
        if self.algorithm() != key.algorithm() {
            return Err(TokenError::Algorithm);
        }
        key.signer(self.signing_input, &self.signature).ok_or(TokenError::Signature)
    }

    /// The payload, which anybody may have written.
    pub(super) const fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn into_payload(self) -> Box<[u8]> {
        self.payload
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

fn parts(text: &[u8]) -> Result<[&[u8]; 3], Malformed> {
    let mut parts = text.split(|&byte| byte == b'.');
    let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Malformed::Form);
    };
    match parts.count() {
        0 => Ok([header, payload, signature]),
        // RFC 7516 §9.
        2 => Err(Malformed::Encrypted),
        _ => Err(Malformed::Form),
    }
}

/// Strict: two spellings of one token would be two tokens to whoever remembers tokens (RFC 4648 §3.5).
fn decode(part: &[u8], which: Part) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Base64(which))
}

/// What is read of the header.
struct Header {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl Header {
    fn read(text: &[u8]) -> Result<Self, TokenError> {
        let members = json::object(text, 0).map_err(|fault| Malformed::Json(Part::Header, fault))?;
        let (mut algorithm, mut kid, mut typ) = (None, None, None);
        for (name, value) in members {
            match &*name {
                "alg" => algorithm = value.into_text().and_then(|name| Algorithm::from_name(&name)),
                "kid" => kid = Some(read_kid(value).ok_or(Malformed::Kid)?),
                "typ" => typ = Some(value.into_text().ok_or(Malformed::NotText("typ"))?.into()),
                "cty" => {
                    let cty = value.into_text().ok_or(Malformed::NotText("cty"))?;
                    // RFC 7519 §5.2.
                    if is_media_type(&cty, "JWT") {
                        return Err(Malformed::Nested.into());
                    }
                }
                "crit" => return Err(Malformed::Critical.into()),
                "b64" => return Err(Malformed::Unencoded.into()),
                // What makes a header that of a JWE (RFC 7516 §9).
                "enc" => return Err(Malformed::Encrypted.into()),
                _ => {}
            }
        }
        Ok(Self { algorithm: algorithm.ok_or(TokenError::Algorithm)?, kid, typ })
    }
}

/// A name of a key, as far as one may be written.
pub(super) fn read_kid(value: Value<'_>) -> Option<Box<str>> {
    let kid = value.into_text()?;
    let printable = kid.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    ((1..=LONGEST_KID).contains(&kid.len()) && printable).then(|| kid.into())
}

/// Whether two media types are one: case does not matter, and `application/` goes without saying (RFC 7515 §4.1.9).
pub(super) fn is_media_type(written: &str, other: &str) -> bool {
    bare_media_type(written).eq_ignore_ascii_case(bare_media_type(other))
}

fn bare_media_type(name: &str) -> &str {
    const PREFIX: &str = "application/";
    match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => name,
    }
}
