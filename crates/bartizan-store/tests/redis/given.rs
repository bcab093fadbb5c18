//! What the tests are told in, and what they ask.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bartizan_core::{
    Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession, SessionKey, SessionRecord},
};
use bartizan_peers::{Redis, until_async};
use bartizan_store::{DocumentName, KeyRotation, RedisConfig, RedisStore, Store as _, StoreError};
use redis::Connection;

pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const HOUR: u64 = 3_600_000;
/// How long it may take in a test, on a machine that has other things to do.
pub(crate) const BOUND: Duration = Duration::from_secs(4);
/// How long recovery may take.
pub(crate) const RECOVERY: Duration = Duration::from_secs(30);

pub(crate) fn at(milliseconds: u64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

pub(crate) fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

pub(crate) fn session(key: SessionKey, subject: &str) -> NewSession {
    let record = SessionRecord {
        subject: subject.into(),
        scopes: vec!["read".into(), "write".into()],
        created: NOW,
        touched: NOW,
        idle: Duration::from_mins(30),
        expires: at(12 * HOUR),
    };
    NewSession { key, record, replaces: None, most: None }
}

pub(crate) fn token(number: u64) -> TokenDigest {
    TokenDigest(*key(number).as_bytes())
}

pub(crate) fn bucket(number: u64) -> LimitKey {
    LimitKey::named(RuleId::named(&["test"]), &[&number.to_be_bytes()])
}

pub(crate) fn quota() -> Quota {
    Quota::new(1, Duration::from_mins(1), 2).unwrap()
}

pub(crate) fn all_of(subject: &str) -> Ending {
    Ending::AllOf { subject: subject.into(), except: None }
}

/// An API key of Alice's.
pub(crate) fn api_key(number: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::from_bytes([number; 16]),
        mac: [number; 32],
        pepper: PepperId::from_bytes([1; 8]),
        owner: "alice".into(),
        name: "nightly backup".into(),
        scopes: vec!["read".into()],
        created: NOW,
        expires: None,
        revoked: None,
        replaced_by: None,
        last_used: None,
    }
}

pub(crate) async fn connect(config: &RedisConfig) -> RedisStore {
    RedisStore::connect(config).await.unwrap()
}

/// How Redis's own client sees it.
pub(crate) fn raw(redis: &Redis) -> Connection {
    redis::Client::open(redis.url()).unwrap().get_connection().unwrap()
}

/// What each method says, and that none takes longer than it may.
pub(crate) async fn ask_everything(store: &RedisStore) -> Vec<Result<(), StoreError>> {
    async fn bounded<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<(), StoreError> {
        let started = Instant::now();
        let answer = asked.await.map(drop);
        assert!(started.elapsed() < BOUND, "after {:?}: {answer:?}", started.elapsed());
        answer
    }
    vec![
        bounded(store.session(key(1), NOW)).await,
        bounded(store.begin(session(key(2), "alice"))).await,
        bounded(store.end(Ending::One(key(2)))).await,
        bounded(store.end(all_of("nobody"))).await,
        bounded(store.sessions(None, None, 10, NOW)).await,
        bounded(store.consume(token(2), at(HOUR), NOW)).await,
        bounded(store.take(bucket(2), quota(), 1, NOW)).await,
        bounded(store.document(DocumentName::KEY_RING)).await,
        bounded(store.replace_document(DocumentName::KEY_RING, None, Box::default())).await,
        bounded(store.revoke_token(token(2), at(HOUR), NOW)).await,
        bounded(store.revoke_subject("nobody".into(), NOW, at(HOUR), NOW)).await,
        bounded(store.is_revoked(Some(token(2)), Some(token(3)), "nobody".into(), None, NOW)).await,
        bounded(store.create_api_key(api_key(1))).await,
        bounded(store.api_key(api_key(1).id, NOW)).await,
        bounded(store.rotate_api_key(KeyRotation {
            old: api_key(1),
            old_expires: at(HOUR),
            new: api_key(2),
        }))
        .await,
        bounded(store.revoke_api_key(api_key(3).id, NOW)).await,
        bounded(store.api_keys(Some("alice".into()), None, 10)).await,
        bounded(store.peppers_in_use(NOW)).await,
        bounded(store.prune(NOW)).await,
    ]
}

pub(crate) async fn until_everything_is_answered(store: &RedisStore) {
    until_async("the store to recover", RECOVERY, async || {
        ask_everything(store).await.into_iter().all(|answer| answer.is_ok()).then_some(())
    })
    .await;
}
