//! The ring of several nodes over one store.

use bartizan_core::{
    jwt::{Rules, Token, TokenError},
    key_ring::{Import, ImportUse, KeyRingConfig, State},
};
use bartizan_store::{MemoryLimits, MemoryStore};

use super::*;
use crate::jwt::AccessToken;

const MASTER: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn settings(algorithm: Algorithm) -> Settings {
    Settings::new(&KeyRingConfig { algorithm, ..KeyRingConfig::default() }).unwrap()
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(MemoryLimits::default()))
}

async fn node(store: &Arc<MemoryStore>, master: &[&[u8]], algorithm: Algorithm, now: Timestamp) -> KeyRing {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    KeyRing::open(store, Keys::new(master).unwrap(), settings(algorithm), now).await.unwrap()
}

fn token() -> AccessToken {
    AccessToken {
        issuer: "https://api.example.com".into(),
        audience: "api".into(),
        subject: "alice".into(),
        scopes: vec!["read".into(), "write".into()],
        lifetime: Duration::from_mins(15),
        claims: serde_json::from_str(r#"{"tenant":7,"exp":9999999999,"sub":"admin"}"#).unwrap(),
    }
}

async fn verified(ring: &KeyRing, token: &str, now: Timestamp) -> Result<Box<str>, TokenError> {
    let token = Token::parse(token.as_bytes())?;
    let key = ring.verifying_key(token.kid().unwrap(), now).await.unwrap().ok_or(TokenError::KeyUnknown)?;
    token.verify(&key, &Rules::new("https://api.example.com", "api"), now).map(|token| token.subject)
}

#[tokio::test]
async fn what_one_node_issues_another_verifies() {
    for algorithm in Algorithm::ALL {
        let store = store();
        let one = node(&store, &[MASTER], algorithm, NOW).await;
        let other = node(&store, &[MASTER], algorithm, NOW).await;
        let issued = one.issue(&token(), NOW).unwrap();
        assert_eq!(verified(&other, &issued.token, NOW).await, Ok("alice".into()), "{algorithm}");
        assert_eq!(issued.expires, NOW.after(Duration::from_mins(15)));
        let late = issued.expires.after(Duration::from_mins(1));
        one.refresh(late).await.unwrap();
        assert_eq!(
            verified(&one, &issued.token, late).await,
            Err(TokenError::Expired(Duration::from_mins(1))),
            "{algorithm}"
        );
        // The application's own claims are in it; those that are ours stay so.
        let claims = Token::parse(issued.token.as_bytes()).unwrap();
        let key = one.verifying_key(claims.kid().unwrap(), late).await.unwrap().unwrap();
        let claims = claims.verify(&key, &Rules::new("https://api.example.com", "api"), NOW).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&claims.claims).unwrap();
        assert_eq!((&written["tenant"], &*claims.subject), (&7.into(), "alice"));
        assert_eq!(claims.scopes, ["read", "write"].map(Box::<str>::from));
        let published = one.jwks(late).unwrap().matches("\"kid\"").count();
        assert_eq!(published, if algorithm == Algorithm::Hs256 { 0 } else { 2 }, "{algorithm}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_nodes_that_begin_at_once_one_makes_the_ring() {
    let store = store();
    let opening = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { node(&store, &[MASTER], Algorithm::Es256, NOW).await })
    });
    let mut rings = Vec::new();
    for node in opening.collect::<Vec<_>>() {
        rings.push(node.await.unwrap().ring());
    }
    assert_eq!(rings[0].keys().len(), 2);
    assert!(rings.iter().all(|ring| *ring == rings[0]));
}

#[tokio::test]
async fn a_rotation_is_noticed_by_nobody() {
    let store = store();
    let [one, other] = [
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
    ];
    let before = one.issue(&token(), NOW).unwrap();
    // The standby has been published for long enough.
    let later = NOW.after(Duration::from_mins(30));
    for ring in [&one, &other] {
        ring.refresh(later).await.unwrap();
    }
    one.rotate(later).await.unwrap();
    let after = one.issue(&token(), later).unwrap();
    let kid = |token: &str| Token::parse(token.as_bytes()).unwrap().kid().map(str::to_owned);
    assert_ne!(kid(&before.token), kid(&after.token));
    // The other node has not read it yet, and knows the key.
    assert_eq!(verified(&other, &after.token, later).await, Ok("alice".into()));
    let before = one.issue(&AccessToken { lifetime: Duration::from_mins(5), ..token() }, NOW);
    assert!(before.is_err(), "a clock that is set back by half an hour signs nothing");
}

#[tokio::test]
async fn a_revoked_key_counts_for_nothing_and_the_standby_takes_over() {
    let store = store();
    let [one, other] = [
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
    ];
    let issued = one.issue(&token(), NOW).unwrap();
    let (kid, _) = one.signer(Duration::from_mins(15), NOW).unwrap();
    one.revoke(&kid, NOW).await.unwrap();
    assert_eq!(verified(&one, &issued.token, NOW).await, Err(TokenError::KeyUnknown));
    other.refresh(NOW).await.unwrap();
    assert_eq!(verified(&other, &issued.token, NOW).await, Err(TokenError::KeyUnknown));
    assert!(!other.jwks(NOW).unwrap().contains(&*kid));
    let next = one.issue(&token(), NOW).unwrap();
    assert_eq!(verified(&other, &next.token, NOW).await, Ok("alice".into()));
    assert!(matches!(one.revoke("nobody's", NOW).await, Err(KeyRingError::Revoke(_))));
}

/// Whether the store answers that all of a key is revoked.
async fn is_revoked(store: &MemoryStore, kid: &str, now: Timestamp) -> bool {
    let (key, issued) = (Some(TokenDigest::of_kid(kid)), Some(now));
    store.is_revoked(None, key, "alice".into(), issued, now).await.unwrap()
}

#[tokio::test]
async fn the_store_knows_a_revoked_key_before_the_other_nodes_have_read_the_ring() {
    let store = store();
    let [one, other] = [
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
    ];
    let issued = one.issue(&token(), NOW).unwrap();
    let (kid, _) = one.signer(Duration::from_mins(15), NOW).unwrap();
    assert!(!is_revoked(&store, &kid, NOW).await);
    one.revoke(&kid, NOW).await.unwrap();
    // The other node verifies it still, and says what to ask the store for.
    let (key, token) = (other.verifying_key(&kid, NOW).await.unwrap().unwrap(), issued.token.as_bytes());
    let verified = Token::parse(token)
        .unwrap()
        .verify(&key, &Rules::new("https://api.example.com", "api"), NOW)
        .unwrap();
    assert_eq!(verified.signer, Some(TokenDigest::of_kid(&kid)));
    // As long as the ring keeps the key, and a token of it could live.
    let ring = one.ring();
    let until = ring.key(&kid).unwrap().retires(ring.longest_token(), one.settings());
    assert!(until > issued.expires);
    for (now, revoked) in [(NOW, true), (Timestamp(until.0 - 1), true), (until, false)] {
        assert_eq!(is_revoked(&store, &kid, now).await, revoked, "{now:?}");
    }
}

#[tokio::test]
async fn a_revocation_that_was_interrupted_is_completed_by_doing_it_again() {
    let store = store();
    let ring = node(&store, &[MASTER], Algorithm::EdDsa, NOW).await;
    let (kid, _) = ring.signer(Duration::from_mins(15), NOW).unwrap();
    // Whoever did it got no further than the ring.
    let settings = ring.settings().clone();
    ring.change(NOW, |ring| Ok(ring.revoke(&kid, &settings, NOW)?)).await.unwrap();
    assert!(!is_revoked(&store, &kid, NOW).await);
    let later = NOW.after(Duration::from_mins(1));
    // By whichever node, also one that has not read the ring since the key is there.
    let unread = KeyRing::unread(Arc::clone(&store) as _, Keys::new(&[MASTER]).unwrap(), settings);
    unread.revoke(&kid, later).await.unwrap();
    assert!(is_revoked(&store, &kid, later).await);
    // There is nothing left to do, and that is said.
    let again = ring.revoke(&kid, later).await;
    assert!(
        matches!(again, Err(KeyRingError::Revoke(RevokeError::AlreadyRevoked { at: NOW, .. }))),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_unknown_kid_is_asked_about_once_in_a_while() {
    let store = store();
    let [one, other] = [
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
        node(&store, &[MASTER], Algorithm::EdDsa, NOW).await,
    ];
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    let sealed = one.seal("old", &key).unwrap();
    let import = Import {
        kid: "old".into(),
        algorithm: Algorithm::Hs256,
        import_use: ImportUse::Verifies { until: NOW.after(Duration::from_hours(1)) },
        legacy: true,
        public: None,
        sealed: Some(sealed.into()),
    };
    let settings = one.settings().clone();
    one.change(NOW, |ring| Ok(ring.import(import.clone(), &settings, NOW)?)).await.unwrap();
    assert!(other.verifying_key("old", NOW).await.unwrap().is_none(), "asked a moment ago");
    assert!(other.verifying_key("old", NOW.after(Duration::from_millis(4999))).await.unwrap().is_none());
    let key = other.verifying_key("old", NOW.after(COOLDOWN)).await.unwrap().unwrap();
    assert_eq!((key.algorithm(), key.is_legacy()), (Algorithm::Hs256, true));
    assert_eq!(other.legacy_keys(Algorithm::Hs256, NOW).unwrap(), [key]);
    assert_eq!(other.legacy_keys(Algorithm::EdDsa, NOW).unwrap(), []);
    assert!(!other.jwks(NOW).unwrap().contains("old"));
}

#[tokio::test]
async fn a_key_is_not_unknown_where_the_ring_cannot_be_read() {
    let store = store();
    let ring = node(&store, &[MASTER], Algorithm::EdDsa, NOW).await;
    let (kid, _) = ring.signer(Duration::from_mins(15), NOW).unwrap();
    let garbage = (*b"garbage").into();
    assert!(store.replace_document(DocumentName::KEY_RING, Some(1), garbage).await.unwrap());
    let later = NOW.after(COOLDOWN);
    assert!(matches!(ring.verifying_key("new", later).await, Err(KeyRingError::Document(_))));
    // Whoever comes next is not told that there is no such key.
    assert!(matches!(ring.verifying_key("new", later).await, Err(KeyRingError::Unanswered)));
    assert!(ring.verifying_key(&kid, later).await.unwrap().is_some(), "what was read is known still");
}

#[tokio::test]
async fn a_node_that_is_cut_off_stops() {
    let store = store();
    let ring = node(&store, &[MASTER], Algorithm::EdDsa, NOW).await;
    let issued = ring.issue(&token(), NOW).unwrap();
    let late = NOW.after(ring.settings().jwks_max_age() + Duration::from_millis(1));
    assert!(matches!(ring.issue(&token(), late), Err(KeyRingError::NotSigning(NotSigning::Stale(_)))));
    assert!(matches!(ring.jwks(late), Err(KeyRingError::Stale(_))));
    let kid = Token::parse(issued.token.as_bytes()).unwrap().kid().unwrap().to_owned();
    assert!(matches!(ring.verifying_key(&kid, late).await, Err(KeyRingError::Stale(_))));
    ring.refresh(late).await.unwrap();
    assert_eq!(verified(&ring, &issued.token, late).await, Ok("alice".into()));
}

#[tokio::test]
async fn the_store_holds_no_private_key_and_another_master_key_opens_none() {
    let store = store();
    let ring = node(&store, &[MASTER], Algorithm::EdDsa, NOW).await;
    let document = store.document(DocumentName::KEY_RING).await.unwrap().unwrap();
    let (kid, key) = ring.signer(Duration::from_mins(15), NOW).unwrap();
    let private = key.to_bytes().unwrap();
    // The seed of an Ed25519 key: the last 32 bytes of its PKCS #8.
    let seed = &private[private.len() - 32..];
    assert!(!document.body.windows(seed.len()).any(|window| window == seed));
    let text = String::from_utf8(document.body.to_vec()).unwrap();
    for engine in
        [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE_NO_PAD]
    {
        use base64::Engine as _;
        assert!(!text.contains(engine.encode(seed).trim_end_matches('=')));
    }
    assert!(text.contains(&*kid));

    let foreign = node(&store, &[OTHER], Algorithm::EdDsa, NOW).await;
    let issued = ring.issue(&token(), NOW).unwrap();
    assert_eq!(verified(&foreign, &issued.token, NOW).await, Ok("alice".into()), "by its public part");
    assert!(matches!(foreign.issue(&token(), NOW), Err(KeyRingError::Seal(SealError::Foreign))));
    let both = node(&store, &[OTHER, MASTER], Algorithm::EdDsa, NOW).await;
    assert!(both.issue(&token(), NOW).is_ok());
}

#[tokio::test]
async fn keys_turn_by_themselves_for_years() {
    let store = store();
    let ring = node(&store, &[MASTER], Algorithm::EdDsa, NOW).await;
    let mut signers = vec![ring.signer(Duration::from_mins(15), NOW).unwrap().0];
    for day in 1..=365 {
        let now = NOW.after(Duration::from_hours(24 * day));
        ring.refresh(now).await.unwrap();
        let issued = ring.issue(&token(), now).unwrap();
        assert_eq!(verified(&ring, &issued.token, now).await, Ok("alice".into()), "day {day}");
        let signer = ring.signer(Duration::from_mins(15), now).unwrap().0;
        if signers.last() != Some(&signer) {
            signers.push(signer);
        }
        let ring = ring.ring();
        let pending = |key: &&RingKey| {
            key.state(ring.longest_token(), &settings(Algorithm::EdDsa), now) == State::Pending
        };
        assert!(ring.keys().iter().any(|key| pending(&key)), "a standby on day {day}");
        assert!(ring.keys().len() <= 4, "old ones are forgotten");
    }
    assert!((12..=14).contains(&signers.len()), "{}", signers.len());
}
