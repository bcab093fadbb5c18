//! Whose key answers which question.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bartizan_core::{
    Deployment, Engine, TokenDigest,
    jwt::{Jwk, JwkSet},
    key_ring::ImportUse,
    keys::Keys,
    policy::{PolicyInput, load_and_build},
};
use bartizan_store::{MemoryLimits, MemoryStore, NoStore, Store};

use super::*;
use crate::jwt::{Document, DocumentUrl, FetchError, ImportedKey, SigningKey};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

const POLICY: &str = r#"
    version = 1
    [origin]
    public = ["https://api.example.com"]
    [default]
    require = "jwt"
    [jwt]
    issuer = "https://api.example.com"
    audience = "api"
    [[jwt.trusted_issuer]]
    issuer = "https://one.example.com"
    jwks = "https://one.example.com/keys"
    audience = "api"
    [[jwt.trusted_issuer]]
    issuer = "https://two.example.com"
    audience = "api"
"#;

fn engine(text: &str, development: bool) -> Engine {
    let input = PolicyInput { text, ..PolicyInput::new("bartizan.toml") };
    load_and_build(&input, |_| Ok(Deployment { development, ..Deployment::default() })).unwrap().0
}

/// Two issuers, each with a key of the same name.
struct Internet {
    one: SigningKey,
    two: SigningKey,
    is_down: AtomicBool,
}

impl Internet {
    fn new() -> Arc<Self> {
        let key = || SigningKey::generate(Algorithm::EdDsa).unwrap();
        Arc::new(Self { one: key(), two: key(), is_down: AtomicBool::new(false) })
    }
}

impl FetchDocument for Internet {
    fn fetch<'f>(&'f self, url: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>> {
        let set = |key: &SigningKey| {
            let key = Jwk { key: key.public().unwrap(), kid: Some("same".into()) };
            serde_json::to_string(&JwkSet { keys: vec![key], skipped: Vec::new() }).unwrap()
        };
        let document = match url.as_str() {
            _ if self.is_down.load(Ordering::Relaxed) => None,
            "https://one.example.com/keys" => Some(set(&self.one)),
            "https://two.example.com/.well-known/openid-configuration" => {
                Some(r#"{"issuer":"https://two.example.com","jwks_uri":"https://two.example.com/k"}"#.into())
            }
            "https://two.example.com/k" => Some(set(&self.two)),
            _ => None,
        };
        let document = document.map(Document::new).ok_or(FetchError::Status(http::StatusCode::NOT_FOUND));
        Box::pin(std::future::ready(document))
    }
}

type Answering = WithTokenKeys<Arc<dyn Store>>;

async fn answering(internet: &Arc<Internet>) -> Answering {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    let engine = engine(POLICY, false);
    let fetch: Arc<dyn FetchDocument> = Arc::clone(internet) as _;
    let issuers = engine.issuers().unwrap();
    let ring = KeyRing::open(Arc::clone(&store), keys, issuers.ring().clone(), NOW).await.unwrap();
    WithTokenKeys::new(store, ring, issuers, &fetch).unwrap()
}

async fn ask(answers: &Answering, place: Option<u16>, kid: Option<&str>, algorithm: Algorithm) -> Answer {
    let issuer = place.map_or(IssuerId::OURS, |place| IssuerId::trusted(place).unwrap());
    answers.answer(Query::TokenKey { issuer, kid: kid.map(Into::into), algorithm, now: NOW }).await
}

/// Whether the answer is a key that verifies what `signer` signs.
fn verifies(answer: &Answer, signer: &SigningKey) -> bool {
    let signature = signer.sign(b"message").unwrap();
    matches!(answer, Answer::TokenKey(key) if key.verify(b"message", &signature))
}

#[tokio::test]
async fn each_issuer_answers_for_its_own_keys() {
    let internet = Internet::new();
    let answers = answering(&internet).await;
    let (kid, ours) = answers.ring().signer(Duration::from_mins(15), NOW).unwrap();
    for (place, kid, expected) in [
        (None, &*kid, Some(&*ours)),
        (None, "same", None),
        (Some(0), "same", Some(&internet.one)),
        (Some(0), &*kid, None),
        (Some(1), "same", Some(&internet.two)),
    ] {
        let answer = ask(&answers, place, Some(kid), Algorithm::EdDsa).await;
        match expected {
            None => assert_eq!(answer, Answer::Unknown, "{place:?} {kid}"),
            Some(expected) => {
                for signer in [&*ours, &internet.one, &internet.two] {
                    let same = std::ptr::eq(signer, expected);
                    assert_eq!(verifies(&answer, signer), same, "{place:?} {kid}");
                }
            }
        }
    }
    // Of an issuer that the policy does not have, and of one that must name its keys.
    assert_eq!(ask(&answers, Some(2), Some("same"), Algorithm::EdDsa).await, Answer::Unavailable);
    assert_eq!(ask(&answers, Some(0), None, Algorithm::EdDsa).await, Answer::Unknown);
}

#[tokio::test]
async fn what_is_at_hand_is_answered_at_once() {
    let answers = answering(&Internet::new()).await;
    let (ours, _) = answers.ring().signer(Duration::from_mins(15), NOW).unwrap();
    let at_once = |place: Option<u16>, kid: Option<&str>, now| {
        let issuer = place.map_or(IssuerId::OURS, |place| IssuerId::trusted(place).unwrap());
        let algorithm = Algorithm::EdDsa;
        let query = Query::TokenKey { issuer, kid: kid.map(Into::into), algorithm, now };
        match answers.try_answer(query.clone()) {
            Ok(answer) => Some(answer),
            Err(given_back) => {
                assert_eq!(given_back, query);
                None
            }
        }
    };
    assert_eq!(at_once(Some(0), Some("same"), NOW), None, "nothing was fetched yet");
    for (place, kid) in [(None, &*ours), (Some(0), "same")] {
        let answer = ask(&answers, place, Some(kid), Algorithm::EdDsa).await;
        assert!(matches!(answer, Answer::TokenKey(_)));
        assert_eq!(at_once(place, Some(kid), NOW), Some(answer));
    }
    let (before, later) = (Timestamp(NOW.0 - 1), NOW.after(Duration::from_mins(10)));
    for (place, kid, now) in [
        (None, Some("unknown"), NOW),
        (None, None, NOW),
        // The ring was read too long ago, and the issuer's keys are due.
        (None, Some(&*ours), later),
        (Some(0), Some("same"), later),
        (Some(0), Some("same"), before),
        (Some(0), Some("unknown"), NOW),
        (Some(1), Some("same"), NOW),
        (Some(2), Some("same"), NOW),
    ] {
        assert_eq!(at_once(place, kid, now), None, "{place:?} {kid:?} {now:?}");
    }
    let public = Query::PublicKeys { now: NOW };
    assert_eq!(answers.try_answer(public.clone()), Err(public));
    let revocation =
        Query::Revocation { jti: None, key: None, subject: "alice".into(), issued: None, now: NOW };
    assert_eq!(answers.try_answer(revocation), Ok(Answer::Revoked(false)));
}

#[tokio::test]
async fn a_token_that_names_no_key_is_verified_by_the_imported_ones_of_its_algorithm() {
    let answers = answering(&Internet::new()).await;
    assert_eq!(ask(&answers, None, None, Algorithm::Hs256).await, Answer::Unknown);
    let secret = |number: u8| [number; 32];
    let signer = |number: u8| SigningKey::from_bytes(Algorithm::Hs256, &secret(number)).unwrap();
    let until = NOW.after(Duration::from_hours(1));
    for (number, expected) in [(1_u8, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 4)] {
        let key = ImportedKey::from_secret(&secret(number)).unwrap().with_legacy_tokens();
        answers.ring().import(key, ImportUse::Verifies { until }, NOW).await.unwrap();
        let answer = ask(&answers, None, None, Algorithm::Hs256).await;
        assert!(matches!(&answer, Answer::TokenKey(key) if key.is_legacy()));
        let good = (1..=number).filter(|&number| verifies(&answer, &signer(number))).count();
        assert_eq!(good, expected, "of {number}");
        assert!(!verifies(&answer, &signer(9)));
    }
    // One of the ring is for nobody who does not name it, nor is a secret for another algorithm.
    assert_eq!(ask(&answers, None, None, Algorithm::EdDsa).await, Answer::Unknown);
}

#[tokio::test]
async fn what_cannot_be_known_now_is_not_unknown() {
    let internet = Internet::new();
    let answers = answering(&internet).await;
    internet.is_down.store(true, Ordering::Relaxed);
    assert_eq!(ask(&answers, Some(0), Some("same"), Algorithm::EdDsa).await, Answer::Unavailable);
    // A ring that was read too long ago.
    let now = NOW.after(Duration::from_mins(6));
    let (kid, _) = answers.ring().signer(Duration::from_mins(15), NOW).unwrap();
    for kid in [Some(kid), Some("unknown".into()), None] {
        let (issuer, algorithm) = (IssuerId::OURS, Algorithm::EdDsa);
        let answer = answers.answer(Query::TokenKey { issuer, kid, algorithm, now }).await;
        assert_eq!(answer, Answer::Unavailable);
    }
    assert_eq!(answers.answer(Query::PublicKeys { now }).await, Answer::Unavailable);
}

#[tokio::test]
async fn the_public_keys_are_the_rings_and_the_rest_is_the_stores() {
    let answers = answering(&Internet::new()).await;
    let Answer::PublicKeys(keys) = answers.answer(Query::PublicKeys { now: NOW }).await else { panic!() };
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert!(Jwk::parse(key.as_bytes()).unwrap().kid.is_some());
        assert!(!key.contains(r#""d""#));
    }
    let jti = TokenDigest::of_jti("one");
    let revocation = || {
        let (jti, key) = (Some(jti), Some(Box::new(TokenDigest::of_kid("a"))));
        Query::Revocation { jti, key, subject: "alice".into(), issued: None, now: NOW }
    };
    assert_eq!(answers.answer(revocation()).await, Answer::Revoked(false));
    answers.inner.revoke_token(jti, NOW.after(Duration::from_mins(15)), NOW).await.unwrap();
    assert_eq!(answers.answer(revocation()).await, Answer::Revoked(true));
    let store_is_away = WithTokenKeys { inner: NoStore, ring: answers.ring.clone(), trusted: Vec::new() };
    assert_eq!(store_is_away.answer(revocation()).await, Answer::Unavailable);
}

#[tokio::test]
async fn an_issuer_whose_keys_cannot_be_fetched_is_named() {
    let insecure = POLICY.replace("https://one.example.com/keys", "http://one.example.com/keys");
    // The engine lets it pass in development; nothing is fetched from there all the same.
    let engine = engine(&insecure, true);
    let answers = answering(&Internet::new()).await;
    let fetch: Arc<dyn FetchDocument> = Internet::new();
    let fault = WithTokenKeys::new(NoStore, answers.ring, engine.issuers().unwrap(), &fetch).err();
    assert_eq!(
        fault,
        Some(IssuerFault {
            issuer: "https://one.example.com".into(),
            fault: DocumentUrlFault::Plain("http://one.example.com/keys".into()).into(),
        })
    );
}

/// Over TLS: in the tests of `remote_issuer`.
#[tokio::test]
async fn an_issuer_with_authorities_of_its_own_is_fetched_by_a_client_of_its_own() {
    let private =
        POLICY.replacen("audience = \"api\"\n", "audience = \"api\"\n    ca = \"file:///own.pem\"\n", 2);
    let private = private.replacen("    ca = \"file:///own.pem\"\n", "", 1);
    let engine = engine(&private, false);
    let issuers = engine.issuers().unwrap();
    let (public, own) = (Internet::new(), Internet::new());
    let answers = answering(&public).await;
    // One client for all would trust whom the policy does not.
    let fetch: Arc<dyn FetchDocument> = Arc::clone(&public) as _;
    let fault = WithTokenKeys::new(NoStore, answers.ring.clone(), issuers, &fetch).err();
    let fault = fault.unwrap();
    assert_eq!((&*fault.issuer, fault.fault), ("https://one.example.com", FetchFault::Authorities));

    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
    let answers = WithTokenKeys::fetching_by(store, answers.ring, issuers, |issuer| {
        Arc::clone(if issuer.ca().is_some() { &own } else { &public }) as _
    });
    let answers = answers.unwrap();
    for (place, signer, stranger) in [(0, &own.one, &public.one), (1, &public.two, &own.two)] {
        let answer = ask(&answers, Some(place), Some("same"), Algorithm::EdDsa).await;
        assert!(verifies(&answer, signer) && !verifies(&answer, stranger), "{place}");
    }
}
