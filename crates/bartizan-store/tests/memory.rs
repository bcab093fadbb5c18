//! The store in memory does what every store must do, and stays bounded.

mod issued;

use std::{sync::Arc, time::Duration};

use bartizan_core::{
    Entropy, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId},
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession, SessionId, SessionKey, SessionRecord},
};
use bartizan_store::{
    BoxFuture, KeyRotation, MemoryLimits, MemoryStore, Store, StoreError,
    conformance::{self, Place},
};

struct Memory(Arc<dyn Store>);

impl Place for Memory {
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(std::future::ready(Arc::clone(&self.0)))
    }

    fn restart(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    fn forgets_by_itself(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    conformance::run(async || Memory(Arc::new(MemoryStore::new(MemoryLimits::default())))).await;
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LIMITS: MemoryLimits =
    MemoryLimits { sessions: 1000, tokens: 1000, buckets: 6400, revocations: 1000, api_keys: 100 };

fn at(milliseconds: u64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

/// A session of `subject` that ends at `expires`.
fn session(number: u64, subject: &str, created: Timestamp, expires: Timestamp) -> NewSession {
    let record = SessionRecord {
        subject: subject.into(),
        scopes: Vec::new(),
        created,
        touched: created,
        idle: Duration::from_hours(1),
        expires,
    };
    NewSession { key: key(number), record, replaces: None, most: None }
}

fn token(number: u64) -> TokenDigest {
    TokenDigest(*key(number).as_bytes())
}

fn bucket(number: u64) -> LimitKey {
    LimitKey::named(RuleId::named(&["flood"]), &[&number.to_be_bytes()])
}

/// All the same byte, which occurs nowhere else so often.
struct Same(u8);

impl Entropy for Same {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// What it shows of itself: by its own `Debug`, which a log may have, and by its lists.
#[tokio::test]
async fn whoever_sees_all_of_it_has_no_session() {
    let store = MemoryStore::new(LIMITS);
    let id = SessionId::new(&mut Same(0xa7));
    store.begin(NewSession { key: id.key(), ..session(1, "alice", NOW, at(60_000)) }).await.unwrap();
    assert!(store.consume(token(1), at(60_000), NOW).await.unwrap());
    let listed = store.sessions(None, None, 10, NOW).await.unwrap();
    let shown = format!("{store:?} {listed:?}");
    assert!(shown.contains("alice") && shown.contains(&id.key().to_string()), "all of it is shown: {shown}");
    for secret in [id.expose(), &"a7".repeat(32), &"167, ".repeat(31)] {
        assert!(!shown.contains(secret), "{secret} is in it");
    }
    // What is there is no id.
    let key = listed.sessions[0].key;
    assert_eq!(key, id.key());
    for cookie in [key.as_bytes().as_slice(), key.to_string().as_bytes()] {
        assert_eq!(store.session(SessionKey::of(cookie), NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_flood_of_logins_signs_nobody_out() {
    let store = MemoryStore::new(LIMITS);
    for number in 0..1000 {
        let subject = if number < 3 { "alice" } else { "flood" };
        store.begin(session(number, subject, NOW, at(60_000))).await.unwrap();
    }
    for number in 1000..1100 {
        let refused = store.begin(session(number, "flood", NOW, at(60_000))).await;
        assert!(matches!(refused, Err(StoreError::Full { limit: 1000, .. })), "{refused:?}");
    }
    assert_eq!(
        store.begin(session(1000, "flood", NOW, at(60_000))).await.unwrap_err().to_string(),
        "the store of sessions in memory is full: 1000 entries are alive; raise store.memory.sessions or use a store \
         that is not in memory"
    );
    // What makes its own room may still begin, and what is refused has ended nothing.
    let renewed = NewSession { replaces: Some(key(0)), ..session(2000, "alice", NOW, at(60_000)) };
    assert_eq!(store.begin(renewed).await.unwrap(), 0);
    let newest = NewSession { most: Some(3), ..session(2001, "alice", at(1), at(60_000)) };
    assert_eq!(store.begin(newest).await.unwrap(), 1);
    let bob = NewSession { most: Some(1), ..session(2002, "bob", at(1), at(60_000)) };
    assert!(matches!(store.begin(bob).await, Err(StoreError::Full { .. })));
    assert_eq!(store.sessions(Some("alice".into()), None, 10, at(1)).await.unwrap().sessions.len(), 3);
    assert_eq!(store.sessions(Some("flood".into()), None, 1000, at(1)).await.unwrap().sessions.len(), 997);
    // Whoever leaves makes room, and so does what has ended.
    assert_eq!(store.end(Ending::One(key(500))).await.unwrap(), 1);
    store.begin(session(2003, "bob", at(1), at(2))).await.unwrap();
    for number in 3000..4000 {
        store.begin(session(number, "carol", at(60_000), at(120_000))).await.unwrap();
    }
    assert_eq!(store.prune(at(200_000)).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_flood_of_tokens_lets_none_be_used_twice() {
    let store = MemoryStore::new(LIMITS);
    for number in 0..1000 {
        assert!(store.consume(token(number), at(60_000), NOW).await.unwrap());
    }
    for number in 1000..1100 {
        let refused = store.consume(token(number), at(60_000), NOW).await;
        assert!(matches!(refused, Err(StoreError::Full { limit: 1000, .. })), "{refused:?}");
    }
    for number in 0..1000 {
        assert!(!store.consume(token(number), at(60_000), at(1)).await.unwrap(), "{number}");
    }
    for number in 2000..3000 {
        assert!(store.consume(token(number), at(120_000), at(60_000)).await.unwrap(), "{number}");
    }
    assert_eq!(store.prune(at(200_000)).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_flood_of_revocations_makes_no_token_good() {
    let store = MemoryStore::new(LIMITS);
    for number in 0..500 {
        store.revoke_token(token(number), at(60_000), NOW).await.unwrap();
        store.revoke_subject(number.to_string().into(), at(1), at(60_000), NOW).await.unwrap();
    }
    for number in 1000..1100 {
        let refused = store.revoke_token(token(number), at(60_000), NOW).await.unwrap_err();
        assert!(matches!(refused, StoreError::Full { limit: 1000, .. }), "{refused:?}");
        let refused =
            store.revoke_subject(number.to_string().into(), at(1), at(60_000), NOW).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the store of revocations in memory is full: 1000 entries are alive; raise store.memory.revocations or use \
             a store that is not in memory"
        );
    }
    // What is there may be moved forward.
    store.revoke_token(token(1), at(70_000), NOW).await.unwrap();
    store.revoke_subject("1".into(), at(5), at(70_000), NOW).await.unwrap();
    for number in 0..500 {
        assert!(store.is_revoked(Some(token(number)), None, "".into(), None, NOW).await.unwrap(), "{number}");
        let subject = number.to_string().into();
        assert!(store.is_revoked(None, None, subject, Some(NOW), NOW).await.unwrap(), "{number}");
    }
    // What has ended makes room, and does not wait for it to be full where nobody prunes.
    for number in 0..30_000 {
        store.revoke_token(token(number), at(80_000 + number + 400), at(80_000 + number)).await.unwrap();
    }
    assert!(store.prune(Timestamp(u64::MAX)).await.unwrap() < 900);
}

#[tokio::test]
async fn a_flood_of_api_keys_ends_none() {
    let store = MemoryStore::new(LIMITS);
    let record = |number: u64| ApiKeyRecord {
        id: KeyId::from_bytes(u128::from(number).to_be_bytes()),
        ..issued::issue(NOW).record
    };
    for number in 0..100 {
        assert!(store.create_api_key(record(number)).await.unwrap());
    }
    let refused = store.create_api_key(record(100)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store of API keys in memory is full: 100 entries are alive; raise store.memory.api_keys or use a store \
         that is not in memory"
    );
    let rotation = KeyRotation { old: record(1), old_expires: at(1000), new: record(101) };
    assert!(matches!(store.rotate_api_key(rotation).await, Err(StoreError::Full { .. })));
    assert_eq!(
        store.api_keys(None, None, 1000).await.unwrap().keys,
        (0..100).map(record).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn whoever_sees_all_of_it_has_no_api_key() {
    let store = MemoryStore::new(LIMITS);
    let issued = issued::issue(NOW);
    assert!(store.create_api_key(issued.record.clone()).await.unwrap());
    let listed = store.api_keys(None, None, 10).await.unwrap();
    let shown = format!("{store:?} {listed:?}");
    assert!(
        shown.contains("alice") && shown.contains(&issued.key.id().to_string()),
        "all of it is shown: {shown}"
    );
    for (name, secret) in &issued.secrets {
        assert!(!shown.as_bytes().windows(secret.len()).any(|part| part == secret), "{name} is in it");
        let debugged = format!("{secret:?}");
        assert!(!shown.contains(debugged.trim_matches(['[', ']'])), "{name} is in it");
    }
    assert_eq!(issued.keys.peppers.verify(&issued.key, listed.keys.first(), NOW), Ok(()));
}

#[tokio::test]
async fn a_flood_of_buckets_does_not_refill_one_that_was_drained() {
    let store = MemoryStore::new(LIMITS);
    let quota = Quota::new(1, Duration::from_mins(1), 10).unwrap();
    for victim in 0..20 {
        assert!(store.take(bucket(victim), quota, 10, NOW).await.unwrap().allowed);
    }
    for number in 100..40_100 {
        assert!(store.take(bucket(number), quota, 1, NOW).await.unwrap().allowed);
        // A look leaves nothing behind.
        store.take(bucket(number + 1_000_000), quota, 0, NOW).await.unwrap();
    }
    for victim in 0..20 {
        assert!(!store.take(bucket(victim), quota, 1, NOW).await.unwrap().allowed, "{victim} was forgotten");
    }
    let kept = store.prune(at(3_600_000)).await.unwrap();
    assert!((6000..=6400).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_store_that_nobody_prunes_stays_small() {
    let store = MemoryStore::new(MemoryLimits::default());
    let quota = Quota::new(1, Duration::from_secs(1), 1).unwrap();
    // Of each, 1000 are alive at any time.
    for number in 0..30_000 {
        let (now, end) = (at(number), at(number + 1000));
        store.begin(session(number, "alice", now, end)).await.unwrap();
        assert!(store.consume(token(number), end, now).await.unwrap());
        assert!(store.take(bucket(number), quota, 1, now).await.unwrap().allowed);
    }
    let kept = store.prune(Timestamp(u64::MAX / 4)).await.unwrap();
    assert!(kept < 3 * 2000, "{kept} entries are kept for 3000 that are alive");
}
