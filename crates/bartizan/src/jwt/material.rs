//! The keys of a ring: made, sealed under their name, opened again.

use bartizan_core::{
    Entropy as _,
    jwt::{Algorithm, Jwk, PublicKey},
    key_ring::{Material, Sealed},
    keys::Keys,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{KeyFault, KeyRingError, SigningKey, seal, unseal};
use crate::OsEntropy;

/// Makes a key, its name and its sealed form.
pub(super) fn make(keys: &Keys, algorithm: Algorithm) -> Result<Material, KeyRingError> {
    let key = SigningKey::generate(algorithm)?;
    let (kid, public) = name(&key)?;
    let sealed = seal_key(keys, &kid, &key)?.into();
    Ok(Material { kid, public, sealed })
}

/// The key's name and its public JWK: the thumbprint (RFC 7638); of a secret, whose thumbprint would tell about it, a
/// random name.
pub(super) fn name(key: &SigningKey) -> Result<(Box<str>, Option<Box<str>>), KeyFault> {
    let Some(public) = key.public() else {
        let mut bits = [0; 16];
        OsEntropy.fill(&mut bits);
        return Ok((URL_SAFE_NO_PAD.encode(bits).into(), None));
    };
    name_public(&public)
}

/// The same of a public key.
pub(super) fn name_public(key: &PublicKey) -> Result<(Box<str>, Option<Box<str>>), KeyFault> {
    let jwk = Jwk::new(key.clone());
    let text = text(&jwk)?;
    Ok((jwk.kid.unwrap_or_default(), Some(text)))
}

/// The public JWK under another name.
pub(super) fn renamed(jwk: &str, kid: &str) -> Result<Box<str>, KeyFault> {
    let jwk = Jwk::parse(jwk.as_bytes()).map_err(KeyFault::Jwk)?;
    text(&Jwk { kid: Some(kid.into()), ..jwk })
}

fn text(jwk: &Jwk) -> Result<Box<str>, KeyFault> {
    serde_json::to_string(jwk).map(Into::into).map_err(|_| KeyFault::System(jwk.key.algorithm()))
}

/// Seals a key under its name.
pub(super) fn seal_key(keys: &Keys, kid: &str, key: &SigningKey) -> Result<Vec<u8>, KeyRingError> {
    Ok(seal(keys, &label(kid, key.algorithm()), &key.to_bytes()?)?)
}

/// Opens a key that was sealed under this name.
pub(super) fn open_key(
    keys: &Keys,
    kid: &str,
    algorithm: Algorithm,
    sealed: &Sealed,
) -> Result<SigningKey, KeyRingError> {
    let bytes = unseal(keys, &label(kid, algorithm), sealed.as_bytes())?;
    SigningKey::from_bytes(algorithm, &bytes).map_err(|fault| KeyRingError::Key { kid: kid.into(), fault })
}

/// Reads the public JWK of a ring's key.
pub(super) fn parse_public(kid: &str, jwk: &str) -> Result<PublicKey, KeyFault> {
    let jwk = Jwk::parse(jwk.as_bytes()).map_err(KeyFault::Jwk)?;
    // A key under another's name is somebody's mistake or somebody's attack.
    if jwk.kid.as_deref().is_some_and(|named| named != kid) {
        return Err(KeyFault::NotAKey(jwk.key.algorithm()));
    }
    Ok(jwk.key)
}

/// What a sealed key is: another name or another algorithm does not open it.
fn label(kid: &str, algorithm: Algorithm) -> Vec<u8> {
    format!("{} {kid}", algorithm.as_str()).into_bytes()
}
