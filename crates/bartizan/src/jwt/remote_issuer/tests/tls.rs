//! Issuers with certificates of a private authority, and without one.

use std::fmt::Write as _;

use bartizan_core::{
    Deployment,
    keys::Keys,
    policy::{PolicyInput, load_and_build},
};
use bartizan_store::{MemoryLimits, MemoryStore, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::jwt::{KeyRing, WithTokenKeys};

/// An authority of a company's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's side, with a certificate of `authority` for `name`.
fn server(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn trusting(pem: &str) -> Arc<dyn FetchDocument> {
    Arc::new(HttpsFetch::with_ca(pem.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_private_authority_vouches_for_its_servers_and_for_no_others() {
    let (ours, other) = (authority(), authority());
    let both = format!("# Ours\n{}\n{}", other.pem(), ours.pem());
    let signer = Signer::new("a");
    for (name, fetch, host, is_trusted) in [
        ("127.0.0.1", trusting(&ours.pem()), "127.0.0.1", true),
        ("localhost", trusting(&ours.pem()), "localhost", true),
        ("127.0.0.1", trusting(&both), "127.0.0.1", true),
        ("localhost", trusting(&ours.pem()), "127.0.0.1", false),
        ("i.example", trusting(&ours.pem()), "127.0.0.1", false),
        ("127.0.0.1", trusting(&other.pem()), "127.0.0.1", false),
        // Browsers' authorities do not know it.
        ("127.0.0.1", https(), "127.0.0.1", false),
    ] {
        let issuer = Issuer::start_with_tls(server(&ours, name)).await;
        issuer.publish(&[&signer]);
        let url = issuer.url("/keys").replace("127.0.0.1", host);
        let remote = RemoteIssuer::with_keys_at("i", &url, fetch, RemoteKeySettings::default()).unwrap();
        if is_trusted {
            assert_eq!(tell(&remote, &signer.token(), START).await, Told::Good, "{name} {host}");
            continue;
        }
        let error = remote.load(START).await.unwrap_err().error.unwrap();
        assert!(
            matches!(&*error, RemoteIssuerError::Fetch { error: FetchError::Tls(_), .. }),
            "{name} {host}: {error}"
        );
        assert_eq!(issuer.take_asked(), [""; 0], "{name} {host}");
    }
}

/// Of two issuers of a policy, each with an authority of its own.
#[tokio::test]
async fn what_the_policy_names_for_one_issuer_vouches_for_no_other() {
    let authorities = [authority(), authority()];
    let [one, other] = &authorities;
    let signer = Signer::new("a");
    let (first, second) = (
        Issuer::start_with_tls(server(one, "127.0.0.1")).await,
        Issuer::start_with_tls(server(other, "127.0.0.1")).await,
    );
    let mut text = "version = 1\norigin.public = ['https://api.example.com']\ndefault.require = 'jwt'\n\
                    [jwt]\nissuer = 'https://api.example.com'\naudience = 'api'\n"
        .to_owned();
    for issuer in [&first, &second] {
        issuer.publish(&[&signer]);
        let (name, keys) = (issuer.url(""), issuer.url("/keys"));
        let _ = write!(
            text,
            "[[jwt.trusted_issuer]]\nissuer = '{name}'\naudience = 'a'\njwks = '{keys}'\nca = 'file:///own.pem'\n"
        );
    }
    let input = PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") };
    let (engine, _) = load_and_build(&input, |_| Ok(Deployment::default())).unwrap();
    let issuers = engine.issuers().unwrap();
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
    let ring = KeyRing::open(Arc::clone(&store), keys, issuers.ring().clone(), START).await.unwrap();
    for (written, is_trusted) in [([one, other], true), ([other, one], false)] {
        let mut written = written.iter();
        let answers = WithTokenKeys::fetching_by(Arc::clone(&store), ring.clone(), issuers, |issuer| {
            assert!(issuer.ca().is_some());
            trusting(&written.next().unwrap().pem())
        });
        let answers = answers.unwrap();
        for remote in answers.trusted() {
            assert_eq!(remote.load(START).await.is_ok(), is_trusted, "{}", remote.issuer());
        }
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_from_one_that_is_not_trusted() {
    let issuer = Issuer::start().await;
    let url = issuer.url("/keys").replace("http:", "https:");
    let remote = RemoteIssuer::with_keys_at("i", &url, https(), RemoteKeySettings::default()).unwrap();
    drop(issuer);
    let error = remote.load(START).await.unwrap_err().error.unwrap();
    assert!(matches!(&*error, RemoteIssuerError::Fetch { error: FetchError::Unreachable(_), .. }), "{error}");
}

#[test]
fn a_file_that_is_no_certificate_is_refused() {
    let good = authority().pem();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        ("", None),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None),
        (damaged, Some(1)),
        (&format!("{good}{damaged}"), Some(2)),
        ("-----BEGIN CERTIFICATE-----\nAAAA", Some(1)),
    ] {
        match (HttpsFetch::with_ca(pem.as_bytes()).unwrap_err(), expected) {
            (CaFault::None, None) => {}
            (CaFault::Certificate(number, _), Some(expected)) => assert_eq!(number, expected, "{pem}"),
            (other, _) => panic!("{pem}: {other}"),
        }
    }
}
