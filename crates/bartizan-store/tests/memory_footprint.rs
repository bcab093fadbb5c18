//! How much memory an idle session takes in the store in memory: everything that was allocated for it, counted.
//!
//! Alone in its binary, for the allocator counts for all threads.

use std::{alloc::System, time::Duration};

use bartizan_core::{
    Timestamp, TokenDigest,
    limit::{LimitKey, Quota, RuleId},
    session::{NewSession, SessionKey, SessionRecord},
};
use bartizan_store::{MemoryLimits, MemoryStore, Store};
use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const COUNT: u64 = 100_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn session(number: u64, scopes: &[&str]) -> NewSession {
    let record = SessionRecord {
        // 20 characters, each another's.
        subject: format!("user-{number:015}").into(),
        scopes: scopes.iter().map(|scope| Box::from(*scope)).collect(),
        created: NOW,
        touched: NOW,
        idle: Duration::from_mins(30),
        expires: NOW.after(Duration::from_hours(12)),
    };
    NewSession { key: SessionKey::of(&number.to_be_bytes()), record, replaces: None, most: Some(10) }
}

/// What `fill` allocates in a store, for each of [`COUNT`].
async fn bytes_each(fill: impl AsyncFn(&MemoryStore, u64)) -> usize {
    let store = MemoryStore::new(MemoryLimits::default());
    let before = ALLOCATOR.allocated();
    for number in 0..COUNT {
        fill(&store, number).await;
    }
    let each = (ALLOCATOR.allocated() - before) / usize::try_from(COUNT).unwrap();
    drop(store);
    each
}

#[tokio::test]
async fn an_idle_session_takes_under_300_bytes() {
    let quota = Quota::new(1, Duration::from_secs(1), 10).unwrap();
    let without = bytes_each(async |store, n| assert!(store.begin(session(n, &[])).await.is_ok())).await;
    let with = bytes_each(async |store, n| assert!(store.begin(session(n, &["admin"])).await.is_ok())).await;
    let token = bytes_each(async |store, n| {
        let digest = TokenDigest(*SessionKey::of(&n.to_be_bytes()).as_bytes());
        assert!(store.consume(digest, Timestamp(NOW.0 + 1), NOW).await.unwrap());
    });
    let bucket = bytes_each(async |store, n| {
        let key = LimitKey::named(RuleId::named(&["rule"]), &[&n.to_be_bytes()]);
        assert!(store.take(key, quota, 1, NOW).await.unwrap().allowed);
    });
    let (token, bucket) = (token.await, bucket.await);
    println!("bytes: session {without}, with a scope {with}; one-time token {token}; bucket {bucket}");
    assert!(without < 300 && with < 300, "a session takes {without}, with a scope {with} bytes");
    // As the docs of `MemoryLimits` say.
    assert!(token <= 65 && bucket <= 55, "a token takes {token}, a bucket {bucket} bytes");
}
