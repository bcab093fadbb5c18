//! Public keys as the library verifies with them.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use bartizan_core::jwt::{PublicKey, VerifySignature, VerifyingKey};

use super::{KeyFault, signing_key::RSA_BITS};

/// The key that verifies what the holder of `key`'s private part signs. A point that is not on its curve is refused here,
/// once, and not with each token.
///
/// ```
/// use bartizan::jwt::{SigningKey, verifying_key};
/// use bartizan_core::jwt::Algorithm;
/// let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
/// let public = key.public().unwrap();
/// assert_eq!(verifying_key(&public).unwrap().algorithm(), Algorithm::EdDsa);
/// ```
pub fn verifying_key(key: &PublicKey) -> Result<VerifyingKey, KeyFault> {
    let parsed = match key {
        PublicKey::Ed25519(point) => ParsedPublicKey::new(&ED25519, point),
        PublicKey::P256 { x, y } => {
            // Uncompressed (SEC 1 §2.3.3).
            let mut point = [4; 65];
            point[1..33].copy_from_slice(x);
            point[33..].copy_from_slice(y);
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        }
        PublicKey::Rsa { n, e } => {
            // The library would find it out with each token.
            let bits =
                (n.len() * 8).saturating_sub(n.first().map_or(0, |first| first.leading_zeros() as usize));
            if !RSA_BITS.contains(&bits) {
                return Err(KeyFault::Bits(bits));
            }
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        }
    };
    let parsed = parsed.map_err(|_| KeyFault::NotAKey(key.algorithm()))?;
    Ok(VerifyingKey::new(key.algorithm(), Arc::new(Verifier(parsed))))
}

struct Verifier(ParsedPublicKey);

impl VerifySignature for Verifier {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::jwt::Algorithm;

    #[test]
    fn what_is_no_key_is_refused() {
        let point = PublicKey::P256 { x: [1; 32], y: [1; 32] };
        assert_eq!(verifying_key(&point).unwrap_err(), KeyFault::NotAKey(Algorithm::Es256));
        let zero = PublicKey::P256 { x: [0; 32], y: [0; 32] };
        assert_eq!(verifying_key(&zero).unwrap_err(), KeyFault::NotAKey(Algorithm::Es256));
        // 1024 bits.
        let short = PublicKey::Rsa { n: [0xff; 128].into(), e: [1, 0, 1].into() };
        assert_eq!(verifying_key(&short).unwrap_err(), KeyFault::Bits(1024));
        let short = PublicKey::Rsa { n: [&[0x7f][..], &[0xff; 255]].concat().into(), e: [1, 0, 1].into() };
        assert_eq!(verifying_key(&short).unwrap_err(), KeyFault::Bits(2047));
    }
}
