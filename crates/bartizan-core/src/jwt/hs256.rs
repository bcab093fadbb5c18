//! HS256: HMAC with SHA-256 (RFC 7518 §3.2).

use core::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::VerifySignature;

/// The fewest bytes that a secret may have: as many as the hash has (RFC 7518 §3.2).
pub const SECRET_BYTES: usize = 32;

/// A secret that signs and verifies with HS256. It has no way to be shown, and there is no way to publish it.
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

/// Why something is no secret for HS256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Too short: whoever has one of its tokens can try all that people think of.
    #[error(
        "the secret has {0} bytes, and HS256 must have {SECRET_BYTES} at least (RFC 7518 §3.2). Do not carry it over: \
         whoever holds a token of it may have guessed it. Let tokens be signed with a new key, and their holders sign in again"
    )]
    Short(usize),
    /// A PEM file: most often a public key, with which anybody could sign.
    #[error(
        "the secret is a PEM file. Import it as the key that it is: as a secret, anybody who has the public key could sign"
    )]
    Pem,
}

impl HmacKey {
    /// Of the secret's bytes as they are: nothing is trimmed or decoded.
    ///
    /// ```
    /// use bartizan_core::jwt::{HmacKey, SecretFault, VerifySignature as _};
    /// let key = HmacKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
    /// let mac = key.sign(b"header.payload");
    /// assert!(key.verify(b"header.payload", &mac));
    /// assert!(!key.verify(b"header.payl0ad", &mac));
    /// assert_eq!(HmacKey::new(b"secret").unwrap_err(), SecretFault::Short(6));
    /// ```
    pub fn new(secret: &[u8]) -> Result<Self, SecretFault> {
        // RFC 8725 §2.1: a public key that is taken for a secret.
        if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(SecretFault::Pem);
        }
        let short = SecretFault::Short(secret.len());
        if secret.len() < SECRET_BYTES {
            return Err(short);
        }
        // A secret of any length will do for HMAC itself (RFC 2104 §2).
        Hmac::new_from_slice(secret).map(Self).map_err(|_| short)
    }

    /// The signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }
}

impl VerifySignature for HmacKey {
    /// Takes the same time wherever the first wrong byte is.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.clone().chain_update(message).verify_slice(signature).is_ok()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};

    #[test]
    fn a_mac_is_as_published() {
        // RFC 4231 §4.7, the case whose key is long enough.
        let key = HmacKey::new(&[0xaa; 131]).unwrap();
        let mac = key.sign(b"Test Using Larger Than Block-Size Key - Hash Key First");
        let hex: alloc::vec::Vec<_> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn every_byte_of_a_mac_counts() {
        let key = HmacKey::new(&[7; 32]).unwrap();
        let mac = key.sign(b"message");
        assert!(key.verify(b"message", &mac));
        for index in 0..mac.len() {
            let mut changed = mac;
            changed[index] ^= 1;
            assert!(!key.verify(b"message", &changed), "{index}");
        }
        for wrong in [&[][..], &mac[..31], &[&mac[..], &[0]].concat()] {
            assert!(!key.verify(b"message", wrong));
        }
        assert!(!HmacKey::new(&[8; 32]).unwrap().verify(b"message", &mac));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_says_what_to_do() {
        for (secret, expected) in [
            (&b""[..], SecretFault::Short(0)),
            (b"your-256-bit-secret", SecretFault::Short(19)),
            (&[1; 31], SecretFault::Short(31)),
            (b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", SecretFault::Pem),
            (b"\n-----BEGIN RSA PRIVATE KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC", SecretFault::Pem),
        ] {
            assert_eq!(HmacKey::new(secret).unwrap_err(), expected);
        }
        assert_eq!(
            SecretFault::Short(6).to_string(),
            "the secret has 6 bytes, and HS256 must have 32 at least (RFC 7518 §3.2). Do not carry it over: whoever \
             holds a token of it may have guessed it. Let tokens be signed with a new key, and their holders sign in again"
        );
        assert_eq!(format!("{:?}", HmacKey::new(&[1; 32]).unwrap()), "HmacKey([redacted])");
    }
}
