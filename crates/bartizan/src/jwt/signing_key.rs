//! Private keys: how they are made, kept, and sign.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use aws_lc_rs::{
    encoding::AsDer as _,
    io::Positive,
    rand::SystemRandom,
    rsa::{KeySize, PublicKey as RsaPublicKey},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use bartizan_core::{
    Entropy as _,
    jwt::{Algorithm, HmacKey, JwkFault, PublicKey, SECRET_BYTES, SecretFault, VerifyingKey},
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::verifying_key;
use crate::OsEntropy;

/// How many bits an RSA key has (RFC 7518 §3.3).
pub(super) const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The numbers are none of such a key.
    #[error("this is no key for {0}: its numbers are not those of one")]
    NotAKey(Algorithm),
    /// None of the kinds that we know.
    #[error("this is no key of Ed25519, P-256 or RSA")]
    Unknown,
    /// RSA with fewer bits than it must have.
    #[error("this RSA key has {0} bits, and must have 2048 to 8192 (RFC 7518 §3.3); make a new one")]
    Bits(usize),
    /// A secret that is none.
    #[error(transparent)]
    Secret(#[from] SecretFault),
    /// A public key that cannot be read.
    #[error(transparent)]
    Jwk(#[from] JwkFault),
    /// The library could not make or use a key.
    #[error("the system could not make a key or a signature for {0}")]
    System(Algorithm),
}

/// A private key or a secret. It has no way to be shown; [`to_bytes`](Self::to_bytes) is for sealing it.
///
/// ```
/// use bartizan::jwt::SigningKey;
/// use bartizan_core::jwt::Algorithm;
///
/// let key = SigningKey::generate(Algorithm::Es256).unwrap();
/// assert_eq!(format!("{key:?}"), "SigningKey(ES256, [redacted])");
/// assert_eq!(key.sign(b"header.payload").unwrap().len(), 64);
/// // A secret has no public part that could be published by mistake.
/// assert!(SigningKey::generate(Algorithm::Hs256).unwrap().public().is_none());
/// ```
pub struct SigningKey(Pair);

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    Hmac { key: HmacKey, secret: Zeroizing<Box<[u8]>> },
}

impl SigningKey {
    /// A fresh one. RSA has 2048 bits, which takes a good part of a second.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyFault> {
        let failed = |_| KeyFault::System(algorithm);
        Ok(Self(match algorithm {
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            Algorithm::Es256 => {
                Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?)
            }
            Algorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?)),
            Algorithm::Hs256 => {
                let mut secret = Zeroizing::new([0; SECRET_BYTES]);
                OsEntropy.fill(secret.as_mut());
                return Self::from_bytes(algorithm, secret.as_ref());
            }
        }))
    }

    /// Of what [`to_bytes`](Self::to_bytes) gave: PKCS #8 (RFC 5958), or the bytes of a secret.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyFault> {
        let refused = |_| KeyFault::NotAKey(algorithm);
        Ok(Self(match algorithm {
            // Also of other programs, whose PKCS #8 may come without the public key.
            Algorithm::EdDsa => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(refused)?)
            }
            Algorithm::Es256 => Pair::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).map_err(refused)?,
            ),
            Algorithm::Rs256 => return Self::of_rsa(RsaKeyPair::from_pkcs8(bytes).map_err(refused)?),
            Algorithm::Hs256 => {
                Pair::Hmac { key: HmacKey::new(bytes)?, secret: Zeroizing::new(bytes.into()) }
            }
        }))
    }

    pub(super) fn of_rsa(pair: RsaKeyPair) -> Result<Self, KeyFault> {
        let bits = pair.public_modulus_len() * 8;
        if RSA_BITS.contains(&bits) { Ok(Self(Pair::Rsa(Box::new(pair)))) } else { Err(KeyFault::Bits(bits)) }
    }

    pub(super) const fn of_ed25519(pair: Ed25519KeyPair) -> Self {
        Self(Pair::Ed25519(pair))
    }

    pub(super) const fn of_p256(pair: EcdsaKeyPair) -> Self {
        Self(Pair::P256(pair))
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Pair::Ed25519(_) => Algorithm::EdDsa,
            Pair::P256(_) => Algorithm::Es256,
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::Hmac { .. } => Algorithm::Hs256,
        }
    }

    /// The key itself, wiped when it is dropped: PKCS #8 (RFC 5958), or the bytes of a secret. To be
    /// [sealed](super::seal) before it goes anywhere.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let failed = |_| KeyFault::System(self.algorithm());
        Ok(Zeroizing::new(match &self.0 {
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::P256(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => pair.as_der().map_err(failed)?.as_ref().to_vec(),
            Pair::Hmac { secret, .. } => secret.to_vec(),
        }))
    }

    /// Its public part; `None` for HS256, which has none.
    pub fn public(&self) -> Option<PublicKey> {
        Some(match &self.0 {
            Pair::Ed25519(pair) => PublicKey::Ed25519(pair.public_key().as_ref().try_into().ok()?),
            Pair::P256(pair) => {
                // Uncompressed (SEC 1 §2.3.3): a 4 and two coordinates.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                PublicKey::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? }
            }
            Pair::Rsa(pair) => Self::rsa_numbers(pair.public_key()),
            Pair::Hmac { .. } => return None,
        })
    }

    pub(super) fn rsa_numbers(key: &RsaPublicKey) -> PublicKey {
        let number = |number: Positive<'_>| number.big_endian_without_leading_zero().into();
        PublicKey::Rsa { n: number(key.modulus()), e: number(key.exponent()) }
    }

    /// The signature of `message`, as a JWS has it (RFC 7518 §3; RFC 8037 §3.1).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFault> {
        let failed = |_| KeyFault::System(self.algorithm());
        Ok(match &self.0 {
            Pair::Ed25519(pair) => pair.try_sign(message).map_err(failed)?.as_ref().to_vec(),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                signature
            }
            Pair::Hmac { key, .. } => key.sign(message).to_vec(),
        })
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyFault> {
        match (&self.0, self.public()) {
            (Pair::Hmac { key, .. }, _) => Ok(VerifyingKey::new(Algorithm::Hs256, Arc::new(key.clone()))),
            (_, Some(public)) => verifying_key(&public),
            (_, None) => Err(KeyFault::System(self.algorithm())),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [redacted])", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::{
        Timestamp,
        jwt::{Rules, Token, TokenError},
    };
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    fn token(key: &SigningKey) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"1"}}"#, key.algorithm());
        let claims = r#"{"iss":"i","aud":"a","sub":"alice","exp":1700000300}"#;
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn verify(token: &str, key: &VerifyingKey) -> Result<Box<str>, TokenError> {
        let (rules, now) = (Rules::new("i", "a"), Timestamp(1_700_000_000_000));
        Token::parse(token.as_bytes())?.verify(key, &rules, now).map(|token| token.subject)
    }

    #[test]
    fn a_key_signs_what_it_verifies_also_after_it_was_kept() {
        for algorithm in Algorithm::ALL {
            let (key, other) =
                (SigningKey::generate(algorithm).unwrap(), SigningKey::generate(algorithm).unwrap());
            let token = token(&key);
            let kept = SigningKey::from_bytes(algorithm, &key.to_bytes().unwrap()).unwrap();
            assert_eq!(kept.public(), key.public());
            for verifier in [&key, &kept] {
                let verifier = verifier.verifying_key().unwrap();
                assert_eq!(verify(&token, &verifier), Ok("alice".into()), "{algorithm}");
            }
            assert_eq!(
                verify(&token, &other.verifying_key().unwrap()),
                Err(TokenError::Signature),
                "{algorithm}"
            );
            assert_eq!(verify(&self::token(&kept), &key.verifying_key().unwrap()), Ok("alice".into()));
            assert!(other.public().is_none() || other.public() != key.public());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for algorithm in Algorithm::ALL {
            let bytes = SigningKey::generate(algorithm).unwrap().to_bytes().unwrap();
            for damaged in [&bytes[..bytes.len() - 1], &[], b"-----BEGIN PRIVATE KEY-----"] {
                assert!(SigningKey::from_bytes(algorithm, damaged).is_err(), "{algorithm} {damaged:?}");
            }
            for other in
                Algorithm::ALL.into_iter().filter(|other| *other != algorithm && *other != Algorithm::Hs256)
            {
                assert_eq!(
                    SigningKey::from_bytes(other, &bytes).unwrap_err(),
                    KeyFault::NotAKey(other),
                    "{algorithm} as {other}"
                );
            }
        }
        assert_eq!(
            SigningKey::from_bytes(Algorithm::Hs256, b"short").unwrap_err(),
            KeyFault::Secret(SecretFault::Short(5))
        );
    }
}
