//! Connections are few, and nothing hangs.

use std::{
    num::NonZeroU32,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use bartizan_core::TokenDigest;
use bartizan_peers::until_async;
use bartizan_store::{PostgresStore, Store as _, StoreError};
use sqlx::{Connection as _, PgConnection};

use super::{NOW, database, execute, key, look_up, new, options};

/// The connections of stores, oldest first.
const CONNECTIONS: &str = "SELECT coalesce(string_agg(pid::text, ' ' ORDER BY backend_start), '') \
                           FROM pg_stat_activity \
                           WHERE datname = current_database() AND application_name = 'bartizan'";

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_connections_than_was_said() {
    let Some(url) = database().await else { return };
    let store = PostgresStore::connect(options(&url).connections(NonZeroU32::new(3).unwrap())).await.unwrap();
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.begin(new(number)).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let open = look_up(&url, CONNECTIONS).await;
    assert_eq!(open.split(' ').count(), 3, "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_costs_no_connection() {
    let Some(url) = database().await else { return };
    let store = PostgresStore::connect(options(&url).connections(NonZeroU32::MIN)).await.unwrap();
    store.begin(new(0)).await.unwrap();
    let before = look_up(&url, CONNECTIONS).await;
    for number in 1..=50 {
        let mut call = pin!(store.begin(new(number)));
        // It has begun when it first waits.
        std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
    }
    store.begin(new(100)).await.unwrap();
    assert_eq!(look_up(&url, CONNECTIONS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_hangs_is_given_up_on_both_sides() {
    let Some(url) = database().await else { return };
    let store = PostgresStore::connect(options(&url).timeout(Duration::from_millis(1500))).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE bartizan.sessions, bartizan.used_tokens")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let started = Instant::now();
    let late = NOW.after(Duration::from_hours(1));
    for error in [
        store.session(key(0), NOW).await.unwrap_err(),
        store.consume(TokenDigest([0; 32]), late, NOW).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
        assert!(error.to_string().ends_with(" did not answer within 1 s"), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // Postgres works on nothing that nobody waits for.
    let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'bartizan' AND state = 'active'";
    until_async("the statements to end", Duration::from_secs(30), async || {
        (look_up(&url, waiting).await == "0").then_some(())
    })
    .await;
    transaction.rollback().await.unwrap();
    assert!(store.consume(TokenDigest([0; 32]), late, NOW).await.unwrap());
    assert_eq!(store.session(key(0), NOW).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_databases_own_defaults_change_nothing() {
    let Some(url) = database().await else { return };
    let name = url.rsplit('/').next().unwrap();
    for setting in ["default_transaction_isolation = 'serializable'", "synchronous_commit = off"] {
        execute(&url, format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    let store = PostgresStore::connect(options(&url)).await.unwrap();
    // By which settings the store writes, noted by whoever can see it.
    let spy = "
        CREATE TABLE public.seen (settings TEXT);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.seen SELECT string_agg(current_setting(name), ', ') FROM unnest(ARRAY[
                'transaction_isolation', 'synchronous_commit', 'statement_timeout']) AS name;
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON bartizan.used_tokens EXECUTE FUNCTION note()";
    execute(&url, spy.to_owned()).await;
    assert!(store.consume(TokenDigest([7; 32]), NOW.after(Duration::from_hours(1)), NOW).await.unwrap());
    let seen = look_up(&url, "SELECT string_agg(settings, '; ') FROM public.seen").await;
    assert_eq!(seen, "read committed, on, 20s");
}
