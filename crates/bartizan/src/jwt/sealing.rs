//! Private keys at rest: sealed with AES-256-GCM (NIST SP 800-38D), so that a store that is stolen has no key in it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bartizan_core::keys::Keys;
use thiserror::Error;
use zeroize::Zeroizing;

/// What the sealing keys are derived for. They serve nothing else, and do not change with time: what was sealed years ago
/// opens as long as its master key is there.
const PURPOSE: &str = "key ring sealing";

/// Why something was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// None of the master keys opens it, or it was changed, or it is another key's.
    #[error(
        "no master key opens this key: the one that sealed it is lacking, or what is in the store was changed. Put the \
         master key that was there before into `store.previous_master_keys`"
    )]
    Foreign,
    /// The system's library does not.
    #[error("the system could not seal a key")]
    System,
}

/// Seals `secret` by the first master key: a nonce, then the ciphertext with its tag. `label` is what it is, its `kid` and
/// its algorithm: it opens under no other.
///
/// ```
/// use bartizan::jwt::{seal, unseal, SealError};
/// use bartizan_core::keys::Keys;
/// let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
/// let sealed = seal(&keys, b"EdDSA 2026-11", b"private").unwrap();
/// assert_eq!(unseal(&keys, b"EdDSA 2026-11", &sealed).unwrap()[..], b"private"[..]);
/// assert_eq!(unseal(&keys, b"EdDSA 2026-12", &sealed), Err(SealError::Foreign));
/// ```
pub fn seal(keys: &Keys, label: &[u8], secret: &[u8]) -> Result<Vec<u8>, SealError> {
    let key = keys.derive(PURPOSE, 0).ok_or(SealError::System)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| SealError::System)?;
    let mut text = secret.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(label), &mut text).map_err(|_| SealError::System)?;
    Ok([&nonce.as_ref()[..], &text].concat())
}

/// Opens what [`seal`] sealed, by whichever master key did; the text is wiped when it is dropped.
pub fn unseal(keys: &Keys, label: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Foreign)?;
    for key in keys.derive_all(PURPOSE, 0) {
        let Ok(key) = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()) else { continue };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { continue };
        let mut text = Zeroizing::new(text.to_vec());
        if let Ok(opened) = key.open_in_place(nonce, Aad::from(label), &mut text) {
            let length = opened.len();
            text.truncate(length);
            return Ok(text);
        }
    }
    Err(SealError::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"0123456789abcdef0123456789abcdef";
    const TWO: &[u8] = b"fedcba9876543210fedcba9876543210";

    fn keys(secrets: &[&[u8]]) -> Keys {
        Keys::new(secrets).unwrap()
    }

    #[test]
    fn it_opens_under_its_label_by_its_master_key_alone() {
        let sealed = seal(&keys(&[ONE]), b"label", b"the private key").unwrap();
        assert!(!sealed.windows(11).any(|window| window == b"the private"));
        for (secrets, label, expected) in [
            (&[ONE][..], &b"label"[..], true),
            (&[TWO, ONE], b"label", true),
            (&[TWO], b"label", false),
            (&[ONE], b"labe", false),
            (&[ONE], b"", false),
        ] {
            let opened = unseal(&keys(secrets), label, &sealed);
            let expected = if expected { Ok(&b"the private key"[..]) } else { Err(SealError::Foreign) };
            assert_eq!(opened.as_deref().map(Vec::as_slice).map_err(|error| *error), expected);
        }
    }

    #[test]
    fn every_byte_counts_and_no_two_are_the_same() {
        let keys = keys(&[ONE]);
        let sealed = seal(&keys, b"label", b"secret").unwrap();
        assert_ne!(seal(&keys, b"label", b"secret").unwrap(), sealed);
        for at in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[at] ^= 1;
            assert_eq!(unseal(&keys, b"label", &tampered), Err(SealError::Foreign), "{at}");
            assert_eq!(unseal(&keys, b"label", &sealed[..at]), Err(SealError::Foreign), "{at}");
        }
    }
}
