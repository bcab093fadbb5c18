//! The tables are made once, and only such as are known are used.

use std::time::Duration;

use bartizan_peers::until_async;
use bartizan_store::{PostgresStore, Store as _, StoreError};
use sqlx::{Connection as _, PgConnection};

use super::{NOW, api_key, database, execute, key, look_up, new, options, store};

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_start_at_once_one_makes_the_tables() {
    let Some(url) = database().await else { return };
    // They are held where they take their turns, so that they are sure to meet.
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    let lock = i64::from_be_bytes(*b"bartizan");
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut *transaction).await.unwrap();
    let nodes: Vec<_> = (0..5)
        .map(|_| {
            let options = options(&url);
            tokio::spawn(async move { PostgresStore::connect(options).await })
        })
        .collect();
    let waiting = "SELECT count(*)::text FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                   WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
    until_async("all to wait", Duration::from_mins(1), async || {
        (look_up(&url, waiting).await == "5").then_some(())
    })
    .await;
    transaction.rollback().await.unwrap();
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    let versions = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM bartizan.migrations";
    assert_eq!(look_up(&url, versions).await, "1 2");
}

/// Who was here before the tables of documents and API keys were.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_the_first_version_is_brought_up_to_date() {
    let Some(url) = database().await else { return };
    let first = include_str!("../../migrations/postgres/0001-sessions-tokens-limits.sql");
    let version = "CREATE SCHEMA bartizan; CREATE TABLE bartizan.migrations (version INTEGER PRIMARY KEY);
                   INSERT INTO bartizan.migrations VALUES (1)";
    execute(&url, format!("{version}; {first}")).await;
    let used = format!("INSERT INTO bartizan.used_tokens VALUES (sha256('1'), {})", NOW.0 + 1000);
    execute(&url, used).await;
    for _ in 0..2 {
        let store = store(&url).await;
        assert!(store.create_api_key(api_key(1)).await.unwrap());
        let versions = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM bartizan.migrations";
        assert_eq!(look_up(&url, versions).await, "1 2");
        let left = "SELECT count(*)::text FROM bartizan.used_tokens";
        assert_eq!(look_up(&url, left).await, "1", "what was there is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_hand_is_refused() {
    for (sql, why) in [
        (
            "CREATE SCHEMA bartizan; CREATE TABLE bartizan.migrations (version INTEGER);
             INSERT INTO bartizan.migrations VALUES (1), (7)",
            "its schema `bartizan` is of version 7, and this program knows 2; run the newer program",
        ),
        (
            "CREATE SCHEMA bartizan; CREATE TABLE bartizan.sessions (id TEXT)",
            "relation \"sessions\" already exists (SQLSTATE 42P07)",
        ),
        (
            "CREATE SCHEMA bartizan; CREATE TABLE bartizan.migrations (name TEXT)",
            "column \"version\" does not exist (SQLSTATE 42703)",
        ),
    ] {
        let Some(url) = database().await else { return };
        execute(&url, sql.to_owned()).await;
        let error = PostgresStore::connect(options(&url)).await.expect_err(sql);
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        let message = error.to_string();
        assert!(
            message.ends_with(&format!(" holds something that this version did not write: {why}")),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_not_believed() {
    let Some(url) = database().await else { return };
    let store = store(&url).await;
    for (sql, why) in [
        (r"SET subject = '\xff'", "error occurred while decoding: text that is not UTF-8"),
        (
            r"SET subject = 'a', scopes = '{NULL}'",
            "error occurred while decoding column 1: unexpected null; try decoding as an `Option`",
        ),
    ] {
        store.begin(new(1)).await.unwrap();
        execute(&url, format!("UPDATE bartizan.sessions {sql}")).await;
        let error = store.session(key(1), NOW).await.expect_err(sql);
        assert!(matches!(&error, StoreError::Foreign { why: found, .. } if found == why), "{error:?}");
        assert!(matches!(store.sessions(None, None, 1, NOW).await, Err(StoreError::Foreign { .. })));
    }
    execute(&url, "DROP SCHEMA bartizan CASCADE".to_owned()).await;
    let error = store.session(key(1), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
}
