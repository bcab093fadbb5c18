//! A token: a signed set of claims (JWT, RFC 7519), and how it is judged (RFC 8725, RFC 9068 §4).

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{Algorithm, ClaimFault, Jws, Rules, TokenError, VerifyingKey, claims::Claims};
use crate::{Timestamp, TokenDigest};

/// A token that was read and not verified yet: what it says may be anybody's. It has no way to be shown, for whoever has
/// it can use it.
///
/// Its `iss` says whose keys and [`Rules`] it is judged by, its `kid` which of these keys. Both are looked up, and
/// decide nothing by themselves.
pub struct Token<'t> {
    jws: Jws<'t>,
    claims: Claims,
}

impl<'t> Token<'t> {
    /// Reads a token of at most 8 KiB. One that could be read in two ways, or asks for something that we do not
    /// understand, is refused here.
    ///
    /// # Errors
    ///
    /// [`TokenError::Malformed`], [`TokenError::Algorithm`] where `alg` is none of ours, and [`TokenError::Claims`]
    /// where a claim is not of its type.
    pub fn parse(text: &'t [u8]) -> Result<Self, TokenError> {
        let jws = Jws::parse(text)?;
        let claims = Claims::read(jws.unverified_payload())?;
        Ok(Self { jws, claims })
    }

    /// The `iss` that it says it has.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.issuer.as_deref()
    }

    /// The `kid` that it says it has: 1 to 128 printable ASCII characters, to be looked up to the letter.
    pub fn kid(&self) -> Option<&str> {
        self.jws.kid()
    }

    /// The `alg` that it says it has. It never chooses how it is verified: its key does.
    pub const fn algorithm(&self) -> Algorithm {
        self.jws.algorithm()
    }

    /// Whether `key` signed it, and it is good by `rules` at `now`.
    ///
    /// Asked in this order, so that a refusal says what is wrong first: algorithm, signature, `typ`, `iss`, `aud`,
    /// `exp`, `nbf`, `iat`, `sub`. Whether it was revoked is for the caller to ask.
    ///
    /// # Errors
    ///
    /// Says which of these was wrong.
    pub fn verify(
        self,
        key: &VerifyingKey,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        // Without a name, a key is found by guessing; that is for old tokens alone.
        if self.kid().is_none() && !key.is_legacy() {
            return Err(TokenError::KeyUnknown);
        }
        if !rules.algorithms.contains(&self.algorithm()) {
            return Err(TokenError::Algorithm);
        }
        let signer = self.jws.signer(key)?.digest();
        rules.check_type(self.jws.typ(), key)?;
        rules.check_issuer(&self.claims, key)?;
        rules.check_audience(&self.claims, key)?;
        let expires = rules.check_times(&self.claims, now)?;
        Ok(VerifiedToken {
            subject: self.claims.subject.ok_or(ClaimFault::Missing("sub"))?,
            scopes: self.claims.scopes,
            jti: self.claims.id,
            issued: self.claims.issued,
            expires,
            signer,
            claims: self.jws.into_payload(),
        })
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// A token that its key signed and that its issuer's rules accept. Only [`Token::verify`] makes one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// `sub`: who it speaks for, 1 to 256 bytes without control characters.
    pub subject: Box<str>,
    /// `scope` or `scp`: what it may be used for.
    pub scopes: Vec<Box<str>>,
    /// `jti`: its own name, by which it can be revoked.
    pub jti: Option<Box<str>>,
    /// `iat`: when it was issued.
    pub issued: Option<Timestamp>,
    /// `exp`: when its time ends, without the leeway.
    pub expires: Timestamp,
    /// What a store knows the key by that signed it, if that was revoked: where the key
    /// [says it](VerifyingKey::revocable_as).
    pub signer: Option<TokenDigest>,
    /// All its claims: one JSON object, as it was signed. No name is twice in any object of it.
    pub claims: Box<[u8]>,
}

impl fmt::Debug for VerifiedToken {
    /// Without the claims, which may say more about a person than a log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("subject", &self.subject)
            .field("scopes", &self.scopes)
            .field("jti", &self.jti)
            .field("issued", &self.issued)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
