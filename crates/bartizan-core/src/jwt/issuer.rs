//! Whose tokens are accepted: ours, and those of the issuers that the policy trusts (RFC 8725 §3.8).

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{Rules, TokenError};
use crate::{key_ring, policy::SecretRef};

/// An issuer of one policy, by its place: ours, or one of `[[jwt.trusted_issuer]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(u16);

impl IssuerId {
    /// Whose keys our key ring has.
    pub const OURS: Self = Self(0);

    /// Which of `[[jwt.trusted_issuer]]`, in written order from 0.
    pub const fn trusted(place: u16) -> Option<Self> {
        match place.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its place in [`Issuers::trusted`]; `None` for ours.
    pub fn place(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

/// All issuers whose tokens are accepted, and what their tokens must be like.
///
/// Whoever answers [`Query::TokenKey`](crate::Query::TokenKey) reads here which keys to have at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuers {
    pub(crate) ours: Rules,
    pub(crate) ring: key_ring::Settings,
    pub(crate) trusted: Vec<TrustedIssuer>,
}

impl Issuers {
    /// What our own tokens are like. They are issued with this `iss`, this `aud` and this `typ`.
    pub const fn ours(&self) -> &Rules {
        &self.ours
    }

    /// What the ring of our own keys turns by.
    pub const fn ring(&self) -> &key_ring::Settings {
        &self.ring
    }

    /// The others; each one's id is its place ([`IssuerId::trusted`]).
    pub fn trusted(&self) -> &[TrustedIssuer] {
        &self.trusted
    }

    /// The rules of one.
    pub fn rules(&self, issuer: IssuerId) -> Option<&Rules> {
        match issuer.place() {
            None => Some(&self.ours),
            Some(place) => self.trusted.get(place).map(|issuer| &issuer.rules),
        }
    }

    /// Whose rules a token is judged by, by its `iss`, which anybody may have written. One that has none can only be of
    /// a key of ours that was imported.
    pub(crate) fn of(&self, iss: Option<&str>) -> Result<(IssuerId, &Rules), TokenError> {
        let Some(iss) = iss.filter(|iss| **iss != *self.ours.issuer) else {
            return Ok((IssuerId::OURS, &self.ours));
        };
        let place = self.trusted.iter().position(|issuer| *issuer.rules.issuer == *iss);
        let id = place.and_then(|place| IssuerId::trusted(u16::try_from(place).ok()?));
        id.and_then(|id| Some((id, self.rules(id)?))).ok_or(TokenError::Issuer)
    }
}

/// An issuer besides us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    pub(crate) rules: Rules,
    pub(crate) keys: KeySource,
    pub(crate) ca: Option<SecretRef>,
}

impl TrustedIssuer {
    /// What its tokens must be like.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where its public keys are.
    pub const fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Where the certificates of the authorities are that alone vouch for its servers; `None` for those that browsers
    /// trust.
    pub const fn ca(&self) -> Option<&SecretRef> {
        self.ca.as_ref()
    }
}

/// Where the public keys of an issuer are. URLs of https, or of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set (RFC 7517 §5).
    JwkSet(Box<str>),
    /// Where its metadata says, as `jwks_uri` (RFC 8414 §3, `OpenID` Connect Discovery 1.0 §4): what has to be found is
    /// the metadata of the issuer of this name.
    Metadata(Box<str>),
}

/// Why an issuer cannot be trusted as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// What no claim can be.
    #[error("not a name that a token can have: 1 to 256 bytes without control characters")]
    NoName,
    /// Not a URL of a web server.
    #[error("not a URL such as `https://login.example.com/keys`, without user and fragment")]
    NoUrl,
    /// An issuer's name with a query: no metadata could be found by it.
    #[error("an issuer's name has no query (RFC 8414 §2)")]
    Query,
    /// Plain http.
    #[error("keys that come by plain http can be anybody's; write `https://`")]
    Insecure,
    /// An issuer that there is already.
    #[error("this issuer is there already: as `jwt.issuer`, or further up")]
    Twice,
    /// A list with nothing in it.
    #[error("with none of these no token is accepted; leave the key out, or name one")]
    Nothing,
    /// An authority where nothing is shown by a certificate.
    #[error("keys that come by plain http come with no certificate; write `https://`, or take `ca` out")]
    UnusedAuthority,
    /// A secret.
    #[error("HS256 is no algorithm of others: whoever verifies with the secret could sign with it too")]
    SharedSecret,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JwkSet(url) => f.write_str(url),
            Self::Metadata(issuer) => write!(f, "the metadata of {issuer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::{KeyRingConfig, Settings};

    #[test]
    fn a_token_is_judged_by_the_rules_of_its_issuer() {
        let other = |issuer: &str| TrustedIssuer {
            ca: None,
            rules: Rules::new(issuer, "api"),
            keys: KeySource::Metadata(issuer.into()),
        };
        let issuers = Issuers {
            ours: Rules::new("https://api.example.com", "api"),
            ring: Settings::new(&KeyRingConfig::default()).unwrap(),
            trusted: [other("https://a.example.com"), other("https://b.example.com")].into(),
        };
        for (iss, expected) in [
            (None, Ok(IssuerId::OURS)),
            (Some("https://api.example.com"), Ok(IssuerId::OURS)),
            (Some("https://a.example.com"), Ok(IssuerId(1))),
            (Some("https://b.example.com"), Ok(IssuerId(2))),
            (Some("https://a.example.com/"), Err(TokenError::Issuer)),
            (Some("https://A.example.com"), Err(TokenError::Issuer)),
            (Some(""), Err(TokenError::Issuer)),
        ] {
            assert_eq!(issuers.of(iss).map(|(id, _)| id), expected, "{iss:?}");
            if let Ok((id, rules)) = issuers.of(iss) {
                assert!(iss.is_none_or(|iss| *rules.issuer == *iss) && issuers.rules(id) == Some(rules));
            }
        }
        assert_eq!((IssuerId::OURS.place(), IssuerId(2).place()), (None, Some(1)));
        assert_eq!((IssuerId::trusted(0), IssuerId::trusted(u16::MAX)), (Some(IssuerId(1)), None));
        assert_eq!(issuers.rules(IssuerId(3)), None);
    }
}
