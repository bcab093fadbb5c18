//! Keys of other programs: what OpenSSL writes, and what the RFCs publish.

use std::{path::Path, process::Command};

use bartizan_core::{jwt::VerifyingKey, key_ring::KeyRingConfig, keys::Keys};
use bartizan_store::{MemoryLimits, MemoryStore};

use super::*;

/// A file that OpenSSL wrote.
fn openssl(folder: &Path, arguments: &str, file: &str) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder);
    let output = command.output().expect("openssl runs; install it");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join(file)).unwrap()
}

/// Whether `verifier` verifies what `key` signs.
fn agree(key: &ImportedKey, verifier: &ImportedKey) -> bool {
    let Imported::Private(private) = &key.key else { panic!("it cannot sign") };
    let signature = private.sign(b"message").unwrap();
    let verifier: VerifyingKey = match &verifier.key {
        Imported::Private(private) => private.verifying_key().unwrap(),
        Imported::Public(public) => verifying_key(public).unwrap(),
    };
    verifier.verify(b"message", &signature)
}

#[test]
fn what_openssl_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, generate, expected) in [
        ("Ed25519", "genpkey -algorithm ed25519 -out key", Algorithm::EdDsa),
        ("P-256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", Algorithm::Es256),
        ("SEC 1", "ecparam -genkey -name prime256v1 -noout -out key", Algorithm::Es256),
        ("RSA", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key", Algorithm::Rs256),
        ("PKCS #1", "genrsa -traditional -out key 2048", Algorithm::Rs256),
    ] {
        let key = ImportedKey::from_pem(&openssl(folder.path(), generate, "key")).unwrap();
        let public = openssl(folder.path(), "pkey -in key -pubout -out public", "public");
        let public = ImportedKey::from_pem(&public).unwrap();
        assert_eq!((key.algorithm(), public.algorithm()), (expected, expected), "{name}");
        assert_eq!((key.is_private(), public.is_private()), (true, false), "{name}");
        assert!(agree(&key, &public), "{name}");
    }
}

#[test]
fn what_is_no_key_of_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pem = |arguments| ImportedKey::from_pem(&openssl(folder.path(), arguments, "key")).err().unwrap();
    assert!(matches!(
        pem("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key"),
        ImportFault::Key(KeyFault::Bits(1024) | KeyFault::Unknown)
    ));
    assert!(matches!(
        pem("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key"),
        ImportFault::Key(KeyFault::Unknown)
    ));
    assert!(matches!(pem("genpkey -algorithm x25519 -out key"), ImportFault::Key(KeyFault::Unknown)));
    openssl(folder.path(), "genpkey -algorithm ed25519 -out key", "key");
    let certificate = "req -x509 -new -key key -subj /CN=a -days 1 -out certificate";
    let certificate =
        ImportedKey::from_pem(&openssl(folder.path(), certificate, "certificate")).err().unwrap();
    assert!(matches!(certificate, ImportFault::PemKind("CERTIFICATE")));
    let two = openssl(folder.path(), "genpkey -algorithm ed25519 -out key", "key").repeat(2);
    for nothing in [&two[..], b"", b"secret", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n"]
    {
        assert!(matches!(ImportedKey::from_pem(nothing).err(), Some(ImportFault::Pem)));
    }
    // A PEM file as a secret: whoever has the public key could sign.
    assert!(ImportedKey::from_secret(&two).is_err());
    assert!(ImportedKey::from_secret(b"secret").is_err());
}

/// RFC 8037 A.1, RFC 7515 A.3.1 and RFC 7517 A.3.
const PUBLISHED: [(&str, &str, Algorithm); 3] = [
    (
        r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        Algorithm::EdDsa,
    ),
    (
        r#"{"kty":"EC","crv":"P-256","kid":"mine","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#,
        "mine",
        Algorithm::Es256,
    ),
    (
        r#"{"kty":"oct","kid":"HMAC key used in JWS spec Appendix A.1 example","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
        "HMAC key used in JWS spec Appendix A.1 example",
        Algorithm::Hs256,
    ),
];

#[tokio::test]
async fn published_keys_are_taken_over_with_their_names() {
    let (store, now) = (MemoryStore::new(MemoryLimits::default()), Timestamp(1_800_000_000_000));
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    let settings = bartizan_core::key_ring::Settings::new(&KeyRingConfig::default()).unwrap();
    let ring = KeyRing::open(std::sync::Arc::new(store), keys, settings, now).await.unwrap();
    let until = now.after(std::time::Duration::from_hours(24));
    for (jwk, kid, algorithm) in PUBLISHED {
        let key = ImportedKey::from_jwk(jwk.as_bytes()).unwrap();
        assert!(agree(&key, &ImportedKey::from_jwk(jwk.as_bytes()).unwrap()));
        assert_eq!(&*ring.import(key, ImportUse::Verifies { until }, now).await.unwrap(), kid);
        let verifier = ring.verifying_key(kid, now).await.unwrap().unwrap();
        assert_eq!(verifier.algorithm(), algorithm);
        assert_eq!(ring.jwks(now).unwrap().contains(kid), algorithm != Algorithm::Hs256, "{kid}");
        let again = ImportedKey::from_jwk(jwk.as_bytes()).unwrap();
        assert!(ring.import(again, ImportUse::Signs, now).await.is_err(), "a kid names one key for ever");
    }
    assert!(!ring.jwks(now).unwrap().contains("\"d\""));
}

#[test]
fn a_jwk_must_fit() {
    let [(ed25519, ..), (p256, ..), (oct, ..)] = PUBLISHED;
    for (name, jwk) in [
        ("another key's public part", ed25519.replace("11qYAY", "21qYAY")),
        ("a point off the curve", p256.replace("x_FEzR", "y_FEzR")),
        ("another algorithm", oct.replace(r#""oct","#, r#""oct","alg":"RS256","#)),
        ("no secret", r#"{"kty":"oct"}"#.to_owned()),
        ("a short secret", r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned()),
        ("another curve", r#"{"kty":"EC","crv":"P-384","d":"AA","x":"AA","y":"AA"}"#.to_owned()),
        ("padding", oct.replace("CAow\"", "CAow=\"")),
        ("a set", format!(r#"{{"keys":[{ed25519}]}}"#)),
        ("nothing", String::new()),
    ] {
        assert!(ImportedKey::from_jwk(jwk.as_bytes()).is_err(), "{name}");
    }
}
