//! Keys that an application brings with it: PEM, JWK, or the raw secret of a tutorial.

use aws_lc_rs::{
    rsa::{KeyPairComponents, PublicKey as RsaPublicKey, PublicKeyComponents},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use bartizan_core::{
    Timestamp,
    jwt::{Algorithm, Jwk, JwkFault, PublicKey},
    key_ring::{Import, ImportUse},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeyFault, KeyRing, KeyRingError, SigningKey, material, verifying_key};

/// A key that is to be taken over. It has no way to be shown.
pub struct ImportedKey {
    key: Imported,
    kid: Option<Box<str>>,
    legacy: bool,
}

enum Imported {
    Private(SigningKey),
    Public(PublicKey),
}

/// Why a key cannot be taken over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportFault {
    /// No PEM, or more than one key.
    #[error("this is not one PEM key; give a file with one `-----BEGIN … KEY-----` part")]
    Pem,
    /// A PEM of something else.
    #[error(
        "a PEM part `{0}` is no key that can be imported; a private key (PKCS #8, PKCS #1, SEC 1) or a public key (SPKI) can"
    )]
    PemKind(&'static str),
    /// No JWK.
    #[error("this is no JWK of a key: {0}")]
    Jwk(String),
    /// Its public part.
    #[error(transparent)]
    Public(#[from] JwkFault),
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

impl ImportedKey {
    /// Of a PEM file: a private key (PKCS #8, PKCS #1, SEC 1), or a public one (SPKI) that verifies only. What kind of key
    /// it is says what it signs with: `EdDSA`, `ES256` or `RS256`.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ImportFault> {
        let mut parts = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
        let (kind, der) = parts.next().and_then(Result::ok).ok_or(ImportFault::Pem)?;
        let der = Zeroizing::new(der);
        if parts.next().is_some() {
            return Err(ImportFault::Pem);
        }
        let key = match kind {
            SectionKind::PrivateKey => Imported::Private(pkcs8(&der)?),
            SectionKind::RsaPrivateKey => {
                let pair = RsaKeyPair::from_der(&der).map_err(|_| KeyFault::NotAKey(Algorithm::Rs256))?;
                Imported::Private(SigningKey::of_rsa(pair)?)
            }
            SectionKind::EcPrivateKey => {
                let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
                Imported::Private(SigningKey::of_p256(pair.map_err(|_| KeyFault::NotAKey(Algorithm::Es256))?))
            }
            SectionKind::PublicKey => Imported::Public(spki(&der)?),
            SectionKind::Certificate => return Err(ImportFault::PemKind("CERTIFICATE")),
            _ => return Err(ImportFault::PemKind("of this kind")),
        };
        Self::of(key)
    }

    /// Of a JWK (RFC 7517), private, public, or `oct`; it keeps its `kid`.
    pub fn from_jwk(json: &[u8]) -> Result<Self, ImportFault> {
        let invalid = |error: serde_json::Error| ImportFault::Jwk(error.to_string());
        let parts: PrivateJwk<'_> = serde_json::from_slice(json).map_err(invalid)?;
        let key = match (parts.kty, parts.k, parts.d) {
            ("oct", Some(secret), None) => {
                Imported::Private(SigningKey::from_bytes(Algorithm::Hs256, &decoded("k", secret)?)?)
            }
            ("oct", ..) => return Err(ImportFault::Jwk("an `oct` key has its secret in `k`".into())),
            (_, None, Some(d)) => Imported::Private(private(&parts, d)?),
            _ => Imported::Public(Jwk::parse(json)?.key),
        };
        let imported = Self::of(key)?;
        let algorithm = imported.algorithm().as_str();
        if parts.alg.is_some_and(|alg| alg != algorithm) {
            return Err(ImportFault::Jwk(format!("its `alg` must be {algorithm}, for its kind of key")));
        }
        Ok(match parts.kid {
            Some(kid) => imported.named(kid),
            None => imported,
        })
    }

    /// Of a secret as an application has it, for instance the `SECRET_KEY` of a tutorial: its bytes as they are, for
    /// HS256.
    pub fn from_secret(secret: &[u8]) -> Result<Self, ImportFault> {
        Self::of(Imported::Private(SigningKey::from_bytes(Algorithm::Hs256, secret)?))
    }

    fn of(key: Imported) -> Result<Self, ImportFault> {
        if let Imported::Public(public) = &key {
            // A point that is not on its curve.
            verifying_key(public)?;
        }
        Ok(Self { key, kid: None, legacy: false })
    }

    /// Names it. Without a name of its own a key is named by its thumbprint, and a secret at random.
    #[must_use]
    pub fn named(self, kid: impl Into<Box<str>>) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// Its tokens may lack `kid`, `iss` and `aud`, and have `JWT` for their type: those of an application that made them
    /// by a tutorial.
    #[must_use]
    pub fn with_legacy_tokens(self) -> Self {
        Self { legacy: true, ..self }
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.key {
            Imported::Private(key) => key.algorithm(),
            Imported::Public(key) => key.algorithm(),
        }
    }

    /// Whether it can sign.
    pub const fn is_private(&self) -> bool {
        matches!(self.key, Imported::Private(_))
    }
}

impl KeyRing {
    /// Takes a key over, to sign or to verify what is out there; its `kid`.
    pub async fn import(
        &self,
        key: ImportedKey,
        import_use: ImportUse,
        now: Timestamp,
    ) -> Result<Box<str>, KeyRingError> {
        let (own, public) = match &key.key {
            Imported::Private(private) => material::name(private)?,
            Imported::Public(public) => material::name_public(public)?,
        };
        let kid = key.kid.clone().unwrap_or(own);
        // The public JWK says its name too.
        let public = public.map(|jwk| material::renamed(&jwk, &kid)).transpose()?;
        let sealed = match &key.key {
            Imported::Private(private) => Some(self.seal(&kid, private)?.into()),
            Imported::Public(_) => None,
        };
        let import = Import {
            kid: kid.clone(),
            algorithm: key.algorithm(),
            import_use,
            legacy: key.legacy,
            public,
            sealed,
        };
        let settings = self.settings().clone();
        self.change(now, |ring| Ok(ring.import(import.clone(), &settings, now)?)).await?;
        Ok(kid)
    }
}

/// PKCS #8 says in its algorithm identifier what it is; only one of these reads it.
fn pkcs8(der: &[u8]) -> Result<SigningKey, KeyFault> {
    let asymmetric = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    for algorithm in asymmetric {
        match SigningKey::from_bytes(algorithm, der) {
            Err(KeyFault::NotAKey(_)) => {}
            // Also one that is of this kind, and too short.
            read => return read,
        }
    }
    Err(KeyFault::Unknown)
}

/// A public key in its X.509 form (RFC 5280 §4.1.2.7; RFC 8410 §4; RFC 5480 §2).
fn spki(der: &[u8]) -> Result<PublicKey, KeyFault> {
    // Each of these has one encoding, whose beginning never changes.
    const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    const P256: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    if let Some(point) = der.strip_prefix(ED25519) {
        return point.try_into().map(PublicKey::Ed25519).map_err(|_| KeyFault::NotAKey(Algorithm::EdDsa));
    }
    if let Some(point) = der.strip_prefix(P256) {
        let both =
            point.split_at_checked(32).and_then(|(x, y)| Some((x.try_into().ok()?, y.try_into().ok()?)));
        return both.map(|(x, y)| PublicKey::P256 { x, y }).ok_or(KeyFault::NotAKey(Algorithm::Es256));
    }
    let rsa = RsaPublicKey::from_der(der).map_err(|_| KeyFault::Unknown)?;
    Ok(SigningKey::rsa_numbers(&rsa))
}

/// The members of a private JWK (RFC 7518 §6; RFC 8037 §2). Others are of no interest here.
#[derive(Deserialize)]
struct PrivateJwk<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    alg: Option<&'a str>,
    kid: Option<&'a str>,
    k: Option<&'a str>,
    d: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
}

fn private(jwk: &PrivateJwk<'_>, d: &str) -> Result<SigningKey, ImportFault> {
    let member = |name: &'static str, value: Option<&str>| {
        decoded(name, value.ok_or_else(|| ImportFault::Jwk(format!("it lacks `{name}`")))?)
    };
    let d = decoded("d", d)?;
    match (jwk.kty, jwk.crv) {
        ("OKP", Some("Ed25519")) => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &member("x", jwk.x)?);
            Ok(SigningKey::of_ed25519(pair.map_err(|_| KeyFault::NotAKey(Algorithm::EdDsa))?))
        }
        ("EC", Some("P-256")) => {
            let point = [&[4][..], &member("x", jwk.x)?, &member("y", jwk.y)?].concat();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &d, &point);
            Ok(SigningKey::of_p256(pair.map_err(|_| KeyFault::NotAKey(Algorithm::Es256))?))
        }
        ("RSA", _) => {
            let pair = RsaKeyPair::from_components(&KeyPairComponents {
                public_key: PublicKeyComponents { n: member("n", jwk.n)?, e: member("e", jwk.e)? },
                d,
                p: member("p", jwk.p)?,
                q: member("q", jwk.q)?,
                dP: member("dp", jwk.dp)?,
                dQ: member("dq", jwk.dq)?,
                qInv: member("qi", jwk.qi)?,
            });
            Ok(SigningKey::of_rsa(pair.map_err(|_| KeyFault::NotAKey(Algorithm::Rs256))?)?)
        }
        _ => Err(ImportFault::Public(JwkFault::KeyType)),
    }
}

fn decoded(name: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, ImportFault> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new);
    bytes.map_err(|_| ImportFault::Public(JwkFault::Number(name)))
}

#[cfg(test)]
mod tests;
