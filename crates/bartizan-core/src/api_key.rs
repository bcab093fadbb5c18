//! API keys: what a client holds, what a store keeps of it, and when it ends.
//!
//! A key is `PREFIX_live_<id>_<secret><checksum>` in base62: an id of 128 bits, a secret of 256 and a CRC-32 of all that
//! stands before it. The prefix says whose it is, to people and to secret scanners; the checksum lets both tell a key
//! from a text that only looks like one, and lets the engine refuse a mistyped one without a question to anybody.
//!
//! A store keeps the id, and of the secret an HMAC by a [pepper](Peppers), which is derived from the master key. A copy
//! of the store alone is of no use: neither is there a key in it, nor can one be put in.

mod base62;
mod issue;
mod pepper;
mod record;
#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned as _, boxed::Box, string::String};
use core::{fmt, str::FromStr};

use zeroize::Zeroizing;

use crate::Entropy;

pub use issue::{
    ApiKeys, Grantor, Issued, NewKey, NotIssued, NotOne, NotRotated, Rotated, Rotation, sole_active,
};
pub use pepper::{PepperId, Peppers};
pub use record::{ApiKeyError, ApiKeyRecord, Replaced, TOUCH_AFTER, UsedKey};

/// What stands between prefix and id. There are no keys for tests, which would be `_test_`.
const LIVE: &str = "_live_";

/// Digits of an id: 128 bits.
const ID_DIGITS: usize = 22;
/// Digits of a secret: 256 bits.
const SECRET_DIGITS: usize = 43;
/// Digits of the checksum: 32 bits.
const CHECKSUM_DIGITS: usize = 6;

/// What a secret scanner has to look for: a regular expression that fits every key, whatever its prefix.
///
/// It is written in what all dialects have (RE2, PCRE, Python, .NET). With the own prefix in the place of
/// `[a-z0-9]{2,16}` it finds the keys of one service.
///
/// ```
/// use bartizan_core::api_key::SCANNER_PATTERN;
/// assert_eq!(SCANNER_PATTERN, r"\b[a-z0-9]{2,16}_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b");
/// ```
pub const SCANNER_PATTERN: &str = r"\b[a-z0-9]{2,16}_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b";

/// What the keys of a service begin with: 2 to 16 lowercase letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Box<str>);

/// A text that is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a prefix of keys; write 2 to 16 lowercase letters and digits, such as the service's name"
)]
pub struct InvalidPrefix(pub String);

impl Prefix {
    /// Reads `acme`.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if is_plain && (2..=16).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPrefix(text.to_owned()))
        }
    }

    /// `acme`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows `acme_live_`, if `text` begins so.
    fn strip<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        text.strip_prefix(self.0.as_bytes())?.strip_prefix(LIVE.as_bytes())
    }
}

/// What a key is called: 128 random bits, written as 22 characters of base62. It is no secret; listings and logs show it.
///
/// ```
/// use bartizan_core::api_key::KeyId;
/// let id: KeyId = "0000000000000000000C4T".parse().unwrap();
/// assert_eq!(id, KeyId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb5, 0x45]));
/// assert_eq!(id.to_string(), "0000000000000000000C4T");
/// assert!("C4T".parse::<KeyId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

/// A text that is no key's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a key: write the {ID_DIGITS} letters and digits between `_live_` and the next `_`")]
pub struct InvalidKeyId;

impl KeyId {
    /// From what a store kept.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        if text.len() != ID_DIGITS {
            return Err(InvalidKeyId);
        }
        base62::decode(text.as_bytes()).map(Self).ok_or(InvalidKeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: [u8; ID_DIGITS] = base62::encode(&mut self.0.clone());
        f.write_str(core::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key, as its client holds it: whole, and with the right checksum. Whether anybody knows it is another question.
///
/// It has no way to be shown but [`expose`](Self::expose), and is wiped when it is dropped.
#[derive(Clone)]
pub struct ApiKey {
    id: KeyId,
    text: Zeroizing<String>,
}

/// A text that is no key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// It does not begin like one.
    #[error("it does not begin with this service's prefix and `_live_`")]
    Prefix,
    /// It is not as long as one, or has other characters.
    #[error("it is not as long as a key, or has characters that no key has")]
    Shape,
    /// It was mistyped, cut and padded, or made up.
    #[error("its checksum is wrong: it was mistyped or made up")]
    Checksum,
}

impl ApiKey {
    /// A fresh one.
    pub fn mint(prefix: &Prefix, entropy: &mut impl Entropy) -> Self {
        let (mut id, mut secret) = ([0; 16], Zeroizing::new([0; 32]));
        entropy.fill(&mut id);
        entropy.fill(secret.as_mut());
        let id = KeyId(id);
        let secret: Zeroizing<[u8; SECRET_DIGITS]> = Zeroizing::new(base62::encode(secret.as_mut()));
        let length = prefix.0.len() + LIVE.len() + ID_DIGITS + 1 + SECRET_DIGITS + CHECKSUM_DIGITS;
        // With room for all of it at once, or growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(length));
        let _ = fmt::Write::write_fmt(&mut *text, format_args!("{}{LIVE}{id}_", prefix.0));
        text.push_str(core::str::from_utf8(secret.as_ref()).unwrap_or_default());
        let checksum = checksum(text.as_bytes());
        text.push_str(core::str::from_utf8(&checksum).unwrap_or_default());
        Self { id, text }
    }

    /// Reads what a client sent. Whatever it is, nothing of it is copied but a key that is whole.
    pub fn parse(text: &[u8], prefix: &Prefix) -> Result<Self, MalformedKey> {
        let rest = prefix.strip(text).ok_or(MalformedKey::Prefix)?;
        let (id, rest) = rest.split_first_chunk::<ID_DIGITS>().ok_or(MalformedKey::Shape)?;
        let rest = rest.strip_prefix(b"_").ok_or(MalformedKey::Shape)?;
        let is_plain = rest.iter().all(u8::is_ascii_alphanumeric);
        if rest.len() != SECRET_DIGITS + CHECKSUM_DIGITS || !is_plain {
            return Err(MalformedKey::Shape);
        }
        let id = base62::decode(id).map(KeyId).ok_or(MalformedKey::Shape)?;
        let (before, digits) = text.split_last_chunk::<CHECKSUM_DIGITS>().ok_or(MalformedKey::Shape)?;
        if *digits != checksum(before) {
            return Err(MalformedKey::Checksum);
        }
        let text = core::str::from_utf8(text).map_err(|_| MalformedKey::Shape)?;
        Ok(Self { id, text: Zeroizing::new(text.to_owned()) })
    }

    /// What it is called.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The whole key, for the one time that its owner is shown it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The digits of its secret.
    fn secret(&self) -> &[u8] {
        // Both ends are there, or it would not be a key.
        let end = self.text.len().saturating_sub(CHECKSUM_DIGITS);
        self.text.as_bytes().get(end.saturating_sub(SECRET_DIGITS)..end).unwrap_or_default()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, [redacted])", self.id)
    }
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    base62::encode(&mut base62::crc32(text).to_be_bytes())
}
