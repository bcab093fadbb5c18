//! Keys that verify (RFC 7515 §5.2).

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use super::Algorithm;
use crate::TokenDigest;

/// Verifies signatures with one key. [`HmacKey`](super::HmacKey) does it here; the mathematics of the asymmetric
/// algorithms is done by whoever has a library for it.
///
/// The library must check what the algorithm asks for: that a point is on the curve, that the numbers of an ES256
/// signature are not zero and come as 64 bytes, that an RSA key has 2048 bits.
pub trait VerifySignature: Send + Sync {
    /// Whether `signature` is this key's over `message`.
    #[must_use]
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A key, and the one algorithm that it is for (RFC 8725 §3.1). It has no way to be shown.
///
/// ```
/// use std::sync::Arc;
/// use bartizan_core::jwt::{Algorithm, HmacKey, VerifyingKey};
/// let secret = HmacKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
/// let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(secret));
/// assert_eq!(format!("{key:?}"), "VerifyingKey { algorithm: Hs256, legacy: false, .. }");
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    verifier: Verifier,
    legacy: bool,
    digest: Option<TokenDigest>,
}

#[derive(Clone)]
enum Verifier {
    One(Arc<dyn VerifySignature>),
    AnyOf(Arc<[VerifyingKey]>),
}

impl VerifyingKey {
    /// Of tokens as we issue them.
    pub fn new(algorithm: Algorithm, verifier: Arc<dyn VerifySignature>) -> Self {
        Self { algorithm, verifier: Verifier::One(verifier), legacy: false, digest: None }
    }

    /// Several keys of one algorithm, for [tokens that do not name theirs](Self::with_legacy_tokens): what any of them
    /// signed is good. Each costs a verification, so they should be few.
    pub fn any_of(algorithm: Algorithm, keys: impl IntoIterator<Item = Self>) -> Self {
        // Of another algorithm none is tried (RFC 8725 §3.1).
        let keys: Vec<Self> = keys.into_iter().filter(|key| key.algorithm == algorithm).collect();
        let verifier = Verifier::AnyOf(keys.into());
        Self { algorithm, verifier, legacy: true, digest: None }
    }

    /// With what a store knows it by when it is revoked ([`TokenDigest::of_kid`]), so that this is
    /// [asked](crate::Query::Revocation) of each token that it signed.
    #[must_use]
    pub fn revocable_as(self, digest: TokenDigest) -> Self {
        Self { digest: Some(digest), ..self }
    }

    /// Of an application that moves to us: its tokens may lack `kid`, `iss` and `aud`, and have `JWT` for their `typ` or
    /// none. What they do have must be right.
    ///
    /// Whatever else is signed with this key is accepted as an access token, so it must sign nothing else.
    #[must_use]
    pub fn with_legacy_tokens(self) -> Self {
        Self { legacy: true, ..self }
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether its tokens may lack what ours have.
    pub const fn is_legacy(&self) -> bool {
        self.legacy
    }

    /// Whether `signature` is this key's over `message`. Of a token, nothing else is asked here: see
    /// [`Token::verify`](super::Token::verify).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.signer(message, signature).is_some()
    }

    /// The key whose signature over `message` this is: this one, or one of those that it stands for.
    pub(super) fn signer(&self, message: &[u8], signature: &[u8]) -> Option<&Self> {
        // DER in place of the two numbers of ES256 fails here, however lenient the verifier is (RFC 7518 §3.4).
        if self.algorithm.signature_bytes().is_some_and(|length| signature.len() != length) {
            return None;
        }
        match &self.verifier {
            Verifier::One(verifier) => verifier.verify(message, signature).then_some(self),
            Verifier::AnyOf(keys) => keys.iter().find_map(|key| key.signer(message, signature)),
        }
    }

    /// What a store knows it by when it is revoked.
    pub(super) const fn digest(&self) -> Option<TokenDigest> {
        self.digest
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("legacy", &self.legacy)
            .finish_non_exhaustive()
    }
}

/// Two keys are never told apart by their values.
impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm
            && self.legacy == other.legacy
            && self.digest == other.digest
            && match (&self.verifier, &other.verifier) {
                (Verifier::One(one), Verifier::One(other)) => Arc::ptr_eq(one, other),
                (Verifier::AnyOf(some), Verifier::AnyOf(others)) => some == others,
                _ => false,
            }
    }
}

impl Eq for VerifyingKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A verifier that lets everything pass.
    struct Lenient;

    impl VerifySignature for Lenient {
        fn verify(&self, _: &[u8], _: &[u8]) -> bool {
            true
        }
    }

    #[test]
    fn a_signature_has_the_length_of_its_algorithm() {
        for (algorithm, length, expected) in [
            (Algorithm::EdDsa, 64, true),
            (Algorithm::EdDsa, 63, false),
            (Algorithm::EdDsa, 0, false),
            (Algorithm::Es256, 64, true),
            (Algorithm::Es256, 65, false),
            // DER.
            (Algorithm::Es256, 71, false),
            (Algorithm::Hs256, 32, true),
            (Algorithm::Hs256, 31, false),
            (Algorithm::Hs256, 0, false),
            (Algorithm::Rs256, 256, true),
        ] {
            let key = VerifyingKey::new(algorithm, Arc::new(Lenient));
            assert_eq!(key.verify(b"", &vec![0; length]), expected, "{algorithm} {length}");
        }
    }

    #[test]
    fn keys_are_the_same_where_they_are_one() {
        let key = VerifyingKey::new(Algorithm::Es256, Arc::new(Lenient));
        assert_eq!(key.clone(), key);
        assert_ne!(key.clone().with_legacy_tokens(), key);
        assert_ne!(VerifyingKey { algorithm: Algorithm::EdDsa, ..key.clone() }, key);
        assert_ne!(key.clone().revocable_as(TokenDigest::of_kid("a")), key);
        let any_of = |keys: &[&VerifyingKey]| {
            VerifyingKey::any_of(Algorithm::Es256, keys.iter().map(|&key| key.clone()))
        };
        let other = VerifyingKey::new(Algorithm::Es256, Arc::new(Lenient));
        assert_eq!(any_of(&[&key, &other]), any_of(&[&key, &other]));
        assert_ne!(any_of(&[&key]), any_of(&[&other]));
        assert_ne!(any_of(&[&key]), key);
    }

    #[test]
    fn of_several_keys_it_is_known_which_one_signed() {
        /// Signs with its own name.
        struct Named(&'static [u8]);

        impl VerifySignature for Named {
            fn verify(&self, _: &[u8], signature: &[u8]) -> bool {
                signature == self.0
            }
        }

        let key = |algorithm, name: &'static str| {
            let key = VerifyingKey::new(algorithm, Arc::new(Named(name.as_bytes())));
            key.revocable_as(TokenDigest::of_kid(name))
        };
        let keys = [(Algorithm::Rs256, "a"), (Algorithm::Rs256, "b"), (Algorithm::Es256, "c")];
        let any = VerifyingKey::any_of(Algorithm::Rs256, keys.map(|(algorithm, name)| key(algorithm, name)));
        assert!(any.is_legacy());
        for (signature, signer) in [("a", Some("a")), ("b", Some("b")), ("c", None), ("d", None)] {
            let found = any.signer(b"", signature.as_bytes()).map(VerifyingKey::digest);
            assert_eq!(found, signer.map(|name| Some(TokenDigest::of_kid(name))), "{signature}");
            assert_eq!(any.verify(b"", signature.as_bytes()), signer.is_some());
        }
        assert!(!VerifyingKey::any_of(Algorithm::Rs256, []).verify(b"", b"a"));
    }
}
