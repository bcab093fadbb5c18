//! A public key as JSON (JWK, RFC 7517 §4; RFC 7518 §6; RFC 8037 §2), and its name (RFC 7638).

use alloc::{boxed::Box, format, string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use super::{
    Algorithm,
    json::{self, JsonFault, Members, Value},
    jws::read_kid,
};

/// RSA keys have from 2048 bits (RFC 7518 §3.3) to 8192: a longer one is there to make us calculate.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=8192;

/// The members that only a private or secret key has (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2).
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// A public key. There is no secret among them, so that none can be published.
///
/// Whether a point is on its curve is for the library to say that calculates with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519: the point as RFC 8032 §5.1.2 encodes it.
    Ed25519([u8; 32]),
    /// A point of P-256; numbers with the first byte first.
    P256 {
        /// Its first coordinate.
        x: [u8; 32],
        /// Its second coordinate.
        y: [u8; 32],
    },
    /// RSA; numbers with the first byte first and no zero before it.
    Rsa {
        /// The modulus.
        n: Box<[u8]>,
        /// The exponent.
        e: Box<[u8]>,
    },
}

impl PublicKey {
    /// The one algorithm that such a key is for here.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256 { .. } => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// The SHA-256 of the key in its one spelling (RFC 7638 §3), as 43 characters of base64url: its `kid`.
    ///
    /// ```
    /// # use bartizan_core::jwt::Jwk;
    /// // RFC 8037 A.3.
    /// let key = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let key = Jwk::parse(key).unwrap();
    /// assert_eq!(key.key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /// ```
    pub fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // The members that a key must have, in the order of their names; none needs an escape.
        let canonical = match self {
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
            Self::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
        };
        text(&Sha256::digest(canonical))
    }
}

/// A public key with its name. As JSON it is a JWK for signatures.
///
/// ```
/// use bartizan_core::jwt::{Jwk, PublicKey};
/// let jwk = Jwk::new(PublicKey::Ed25519([0; 32]));
/// assert_eq!(
///     serde_json::to_string(&jwk).unwrap(),
///     r#"{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","#.to_owned()
///         + r#""kid":"ogRZbCR5KTrPFCAfuYmCMwj0w7Yuk3Lr6YWQWfpkbf0","alg":"EdDSA","use":"sig"}"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// The key.
    pub key: PublicKey,
    /// Its name in tokens' headers: 1 to 128 printable ASCII characters.
    pub kid: Option<Box<str>>,
}

/// Why a JWK is not one that we verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkFault {
    /// Not one JSON object.
    #[error("the key {0}")]
    Json(JsonFault),
    /// It is a private or a secret key. Whoever could read it can sign.
    #[error("the key has its private part with it: take it back, and make a new one")]
    Private,
    /// A member is lacking.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// A member is not of its type.
    #[error("the key's `{0}` is not a text, as it must be")]
    NotText(&'static str),
    /// Neither Ed25519 nor P-256 nor RSA.
    #[error("the key's `kty` and `crv` must be OKP with Ed25519, EC with P-256, or RSA")]
    KeyType,
    /// It is not for signatures.
    #[error("the key is not for verifying signatures, as its `use` or `key_ops` says")]
    Use,
    /// It is for another algorithm.
    #[error("the key's `alg` must be EdDSA for Ed25519, ES256 for P-256 or RS256 for RSA")]
    Algorithm,
    /// Its name is none.
    #[error("the key's `kid` is not 1 to 128 printable ASCII characters")]
    Kid,
    /// A number is not written as it must be.
    #[error("the key's `{0}` is not base64url of as many bytes as its number has")]
    Number(&'static str),
    /// RSA with too small or too large a modulus.
    #[error("the key has {0} bits; RSA must have 2048 to 8192")]
    Bits(usize),
    /// RSA with an exponent or a modulus that is none.
    #[error("the key's `n` or `e` is no RSA modulus or exponent: both are odd, and `e` is 3 to 2^32")]
    Rsa,
}

impl Jwk {
    /// Of a key, named by its thumbprint.
    pub fn new(key: PublicKey) -> Self {
        let kid = Some(key.thumbprint().into());
        Self { key, kid }
    }

    /// Reads one key. Members that say nothing about verifying, certificates for instance, are ignored.
    ///
    /// # Errors
    ///
    /// Says why we cannot verify with it.
    pub fn parse(text: &[u8]) -> Result<Self, JwkFault> {
        Self::from_members(&json::object(text, 1).map_err(JwkFault::Json)?)
    }

    pub(super) fn from_members(members: &Members<'_>) -> Result<Self, JwkFault> {
        let written = Written(members);
        if PRIVATE.iter().any(|name| written.value(name).is_some()) {
            return Err(JwkFault::Private);
        }
        let key_type = written.text("kty")?.ok_or(JwkFault::Missing("kty"))?;
        let read = match (key_type, written.text("crv")?) {
            ("OKP", Some("Ed25519")) => ed25519,
            ("EC", Some("P-256")) => p256,
            ("RSA", None) => rsa,
            _ => return Err(JwkFault::KeyType),
        };
        written.check_use()?;
        let key = read(&written)?;
        if written.text("alg")?.is_some_and(|alg| alg != key.algorithm().as_str()) {
            return Err(JwkFault::Algorithm);
        }
        let kid = match written.value("kid") {
            Some(kid) => Some(read_kid(kid.clone()).ok_or(JwkFault::Kid)?),
            None => None,
        };
        Ok(Self { key, kid })
    }
}

fn ed25519(written: &Written<'_, '_>) -> Result<PublicKey, JwkFault> {
    Ok(PublicKey::Ed25519(written.fixed("x")?))
}

fn p256(written: &Written<'_, '_>) -> Result<PublicKey, JwkFault> {
    Ok(PublicKey::P256 { x: written.fixed("x")?, y: written.fixed("y")? })
}

fn rsa(written: &Written<'_, '_>) -> Result<PublicKey, JwkFault> {
    let (n, e) = (written.number("n")?, written.number("e")?);
    let bits = bits(&n);
    if !RSA_BITS.contains(&bits) {
        return Err(JwkFault::Bits(bits));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // 1 would make every text its own signature; a long one is there to make us calculate.
    if !is_odd(&n) || !is_odd(&e) || !(2..=32).contains(&self::bits(&e)) {
        return Err(JwkFault::Rsa);
    }
    Ok(PublicKey::Rsa { n: n.into(), e: e.into() })
}

/// How many bits a number has that begins with no zero byte.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - unused
}

/// A key's members as they were written.
struct Written<'m, 't>(&'m Members<'t>);

impl<'m, 't> Written<'m, 't> {
    fn value(&self, name: &str) -> Option<&'m Value<'t>> {
        let index = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    fn text(&self, name: &'static str) -> Result<Option<&'m str>, JwkFault> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(JwkFault::NotText(name)),
        }
    }

    /// RFC 7517 §4.2, §4.3.
    fn check_use(&self) -> Result<(), JwkFault> {
        let is_for_signatures = self.text("use")?.is_none_or(|usage| usage == "sig");
        let verifies = match self.value("key_ops") {
            None => true,
            Some(Value::List(operations)) => {
                operations.iter().any(|operation| matches!(operation, Value::Text(text) if text == "verify"))
            }
            Some(_) => false,
        };
        (is_for_signatures && verifies).then_some(()).ok_or(JwkFault::Use)
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, JwkFault> {
        let text = self.text(name)?.ok_or(JwkFault::Missing(name))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkFault::Number(name))
    }

    /// A coordinate has all its bytes, zeros too (RFC 7518 §6.2.1.2).
    fn fixed(&self, name: &'static str) -> Result<[u8; 32], JwkFault> {
        self.bytes(name)?.try_into().map_err(|_| JwkFault::Number(name))
    }

    /// A number of RSA has no byte that it does not need (RFC 7518 §6.3.1).
    fn number(&self, name: &'static str) -> Result<Vec<u8>, JwkFault> {
        let bytes = self.bytes(name)?;
        if bytes.first().is_none_or(|first| *first == 0) { Err(JwkFault::Number(name)) } else { Ok(bytes) }
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Default, Serialize)]
        struct Json<'k> {
            kty: &'k str,
            #[serde(skip_serializing_if = "Option::is_none")]
            crv: Option<&'k str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            x: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            y: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            n: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            e: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'k str>,
            alg: &'k str,
            r#use: &'k str,
        }
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let common = Json {
            kid: self.kid.as_deref(),
            alg: self.key.algorithm().as_str(),
            r#use: "sig",
            ..Json::default()
        };
        let json = match &self.key {
            PublicKey::Ed25519(x) => Json { kty: "OKP", crv: Some("Ed25519"), x: text(x), ..common },
            PublicKey::P256 { x, y } => {
                Json { kty: "EC", crv: Some("P-256"), x: text(x), y: text(y), ..common }
            }
            PublicKey::Rsa { n, e } => Json { kty: "RSA", n: text(n), e: text(e), ..common },
        };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_members(&json::deserialize(deserializer, 1)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
