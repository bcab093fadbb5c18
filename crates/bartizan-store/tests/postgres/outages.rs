//! The server goes away and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_core::{
    TokenDigest,
    limit::{LimitKey, Quota, RuleId},
    session::Ending,
};
use bartizan_peers::{Postgres, until_async};
use bartizan_store::{Document, DocumentName, KeyRotation, PostgresStore, Store as _, StoreError};

use super::{NOW, api_key, key, new, store};

const HOUR: Duration = Duration::from_hours(1);

fn token(number: u64) -> TokenDigest {
    TokenDigest(*key(number).as_bytes())
}

/// Every method, and what came of it.
async fn each_method(store: &PostgresStore) -> Vec<(&'static str, Result<(), StoreError>)> {
    let quota = Quota::new(1, Duration::from_secs(1), 1).unwrap();
    let bucket = LimitKey::named(RuleId::named(&["outage"]), &[]);
    vec![
        ("session", store.session(key(0), NOW).await.map(drop)),
        ("begin", store.begin(new(1_000_000)).await.map(drop)),
        ("end", store.end(Ending::One(key(1_000_000))).await.map(drop)),
        ("sessions", store.sessions(None, None, 10, NOW).await.map(drop)),
        ("consume", store.consume(token(1_000_000), NOW.after(HOUR), NOW).await.map(drop)),
        ("take", store.take(bucket, quota, 1, NOW).await.map(drop)),
        ("document", store.document(DocumentName::KEY_RING).await.map(drop)),
        (
            "replace_document",
            store.replace_document(DocumentName::KEY_RING, None, Box::default()).await.map(drop),
        ),
        ("revoke_token", store.revoke_token(token(1), NOW.after(HOUR), NOW).await),
        ("revoke_subject", store.revoke_subject("bob".into(), NOW, NOW.after(HOUR), NOW).await),
        ("is_revoked", store.is_revoked(Some(token(1)), None, "bob".into(), None, NOW).await.map(drop)),
        ("create_api_key", store.create_api_key(api_key(1)).await.map(drop)),
        ("api_key", store.api_key(api_key(1).id, NOW).await.map(drop)),
        (
            "rotate_api_key",
            store
                .rotate_api_key(KeyRotation { old: api_key(1), old_expires: NOW, new: api_key(2) })
                .await
                .map(drop),
        ),
        ("revoke_api_key", store.revoke_api_key(api_key(3).id, NOW).await.map(drop)),
        ("api_keys", store.api_keys(None, None, 10).await.map(drop)),
        ("peppers_in_use", store.peppers_in_use(NOW).await.map(drop)),
        ("prune", store.prune(NOW).await.map(drop)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_missed_at_once_and_found_again_and_has_lost_nothing() {
    let Some(mut server) = Postgres::start() else { return };
    let store = store(&server.url("postgres")).await;

    // Eight clients log in and use tokens until the server is gone, and note what was acknowledged.
    let enough = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (store, enough) = (store.clone(), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in (client..).step_by(8) {
                    let began = store.begin(new(number)).await;
                    let used = store.consume(token(number), NOW.after(HOUR), NOW).await;
                    if let (Ok(_), Ok(fresh)) = (&began, &used) {
                        assert!(*fresh);
                        acknowledged.push(number);
                        enough.fetch_or(acknowledged.len() >= 20, Ordering::Relaxed);
                    } else {
                        break;
                    }
                }
                acknowledged
            })
        })
        .collect();
    until_async("logins", Duration::from_mins(1), async || enough.load(Ordering::Relaxed).then_some(()))
        .await;
    server.kill();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    assert!(acknowledged.len() >= 20);

    for round in 0..3 {
        let started = Instant::now();
        for (method, result) in each_method(&store).await {
            let error = result.expect_err(method);
            assert!(matches!(error, StoreError::Unavailable { .. }), "{method}, round {round}: {error}");
            let place = format!("postgres at 127.0.0.1:{} cannot be reached: ", server.port());
            assert!(error.to_string().starts_with(&place), "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(5), "refused after {:?}", started.elapsed());
    }

    server.start_again();
    // By itself, without an error: the connections that broke are forgotten.
    for (method, result) in each_method(&store).await {
        result.expect(method);
    }
    for number in acknowledged {
        assert!(store.session(key(number), NOW).await.unwrap().is_some(), "the session {number} is lost");
        let fresh = store.consume(token(number), NOW.after(HOUR), NOW).await.unwrap();
        assert!(!fresh, "the token {number} is forgotten");
    }
}

/// Each body says its version, from its beginning to its end; they differ in length.
fn body(version: u64) -> Box<[u8]> {
    version.to_be_bytes().repeat(2000 + usize::try_from(version % 7).unwrap() * 1000).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_no_half_of_a_document() {
    let Some(mut server) = Postgres::start() else { return };
    let store = store(&server.url("postgres")).await;
    let ring = DocumentName::KEY_RING;
    for round in 0..20_u64 {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let known = store.document(ring.clone()).await.unwrap().map_or(0, |found| found.version);
        let replacing = tokio::spawn({
            let (store, ring, acknowledged) = (store.clone(), ring.clone(), Arc::clone(&acknowledged));
            async move {
                for version in known.. {
                    let expected = Some(version).filter(|version| *version > 0);
                    // `false` where it was done, the answer was lost, and it was done once more.
                    match store.replace_document(ring.clone(), expected, body(version + 1)).await {
                        Ok(true) => acknowledged.store(version + 1, Ordering::Relaxed),
                        Ok(false) | Err(_) => break,
                    }
                }
            }
        });
        // Another moment in each round.
        let enough = known + 1 + round * 3;
        until_async("replacements", Duration::from_mins(1), async || {
            (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
        server.kill();
        replacing.await.unwrap();
        server.start_again();
        let last = acknowledged.load(Ordering::Relaxed);
        let Document { version, body: found } = store.document(ring.clone()).await.unwrap().unwrap();
        assert!(version == last || version == last + 1, "{version} after {last} in round {round}");
        assert!(found == body(version), "the body of version {version} is another's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_two_requests_goes_unnoticed() {
    let Some(mut server) = Postgres::start() else { return };
    let store = store(&server.url("postgres")).await;
    let all = async |store: &PostgresStore| {
        let calls = (0..10).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(new(number)).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
    };
    all(&store).await;
    server.stop();
    server.start_again();
    // Ten connections were open, and each of them is broken.
    all(&store).await;
    server.kill();
    server.start_again();
    all(&store).await;
    assert_eq!(store.sessions(None, None, 100, NOW).await.unwrap().sessions.len(), 10);
}

/// Whoever waits for a task that is gone, with the runtime that it ran on, is told so in time; and the next one has a
/// connection of its own runtime.
#[test]
fn a_runtime_that_ended_holds_nobody_up() {
    let Some(server) = Postgres::start() else { return };
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = server.url("postgres");
    let first = runtime();
    let store = first.block_on(store(&url));
    first.shutdown_background();
    runtime().block_on(async {
        let started = Instant::now();
        for (method, result) in each_method(&store).await {
            // The first one may find the connection broken, which is opened anew.
            result.expect(method);
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    });
}
