//! How much memory an idle session takes in the store in memory: everything that was allocated for it, counted.
//!
//! Alone in its binary, for the allocator counts for all threads.

use std::{alloc::System, time::Duration};

use bartizan_core::{
    Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
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

fn api_key(number: u64) -> ApiKeyRecord {
    let SessionRecord { subject, scopes, .. } = session(number, &["read"]).record;
    ApiKeyRecord {
        id: KeyId::from_bytes(*SessionKey::of(&number.to_be_bytes()).as_bytes().first_chunk().unwrap()),
        mac: [7; 32],
        pepper: PepperId::from_bytes([1; 8]),
        owner: subject,
        name: "nightly backup".into(),
        scopes,
        created: NOW,
        expires: None,
        revoked: None,
        replaced_by: None,
        last_used: None,
    }
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

/// In one test, for what one allocates another must not.
#[tokio::test]
async fn a_session_and_a_flood_take_no_more_than_is_said() {
    Box::pin(an_idle_session_takes_under_300_bytes()).await;
    Box::pin(a_flood_takes_no_more_than_its_bounds()).await;
}

/// Twenty times as many as there may be, of each kind, none of which ends by itself.
async fn a_flood_takes_no_more_than_its_bounds() {
    const MOST: usize = 5000;
    let store = MemoryStore::new(MemoryLimits {
        sessions: MOST,
        tokens: MOST,
        buckets: MOST,
        ..MemoryLimits::default()
    });
    let quota = Quota::new(1, Duration::from_hours(1), 10).unwrap();
    let before = ALLOCATOR.allocated();
    let mut most = 0;
    for number in 0..20 * MOST as u64 {
        let digest = TokenDigest(*SessionKey::of(&number.to_be_bytes()).as_bytes());
        let key = LimitKey::named(RuleId::named(&["flood"]), &[&number.to_be_bytes()]);
        let is_full = number >= MOST as u64;
        assert_eq!(store.begin(session(number, &[])).await.is_err(), is_full, "session {number}");
        assert_eq!(
            store.consume(digest, Timestamp(NOW.0 + 1), NOW).await.is_err(),
            is_full,
            "token {number}"
        );
        assert!(store.take(key, quota, 1, NOW).await.unwrap().allowed, "bucket {number}");
        most = most.max(ALLOCATOR.allocated().saturating_sub(before));
    }
    let bound = MOST * (300 + 65 + 55);
    println!("bytes: at most {most} in a flood, of {bound}");
    assert!(most < bound, "{most} bytes in a flood, of {bound}");
}

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
    let revocation = bytes_each(async |store, n| {
        let subject = format!("user-{n:015}").into();
        store.revoke_subject(subject, NOW, Timestamp(NOW.0 + 1), NOW).await.unwrap();
    });
    let api_key = bytes_each(async |store, n| assert!(store.create_api_key(api_key(n)).await.unwrap()));
    let (revocation, api_key) = (revocation.await, api_key.await);
    println!("bytes: revocation of a subject {revocation}; API key {api_key}");
    assert!(
        revocation <= 90 && api_key <= 500,
        "a revocation takes {revocation}, an API key {api_key} bytes"
    );
    let (token, bucket) = (token.await, bucket.await);
    println!("bytes: session {without}, with a scope {with}; one-time token {token}; bucket {bucket}");
    assert!(without < 300 && with < 300, "a session takes {without}, with a scope {with} bytes");
    // As the docs of `MemoryLimits` say.
    assert!(token <= 65 && bucket <= 55, "a token takes {token}, a bucket {bucket} bytes");
}
