//! The tables: made and brought up to date at the start, by one node at a time.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use super::pool::Pool;
use crate::StoreError;

/// Every version's step, from the first one. What was released is never changed, only added to.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../migrations/postgres/0001-sessions-tokens-limits.sql"),
    include_str!("../../migrations/postgres/0002-documents-revocations-keys.sql"),
];

/// The advisory lock of whoever changes the tables: the letters of "bartizan". Locks of one number are not those of
/// two, by which subjects are locked.
const LOCK: i64 = i64::from_be_bytes(*b"bartizan");

/// How long a step may take, the wait for another node's included.
const PATIENCE: Duration = Duration::from_mins(10);

/// The version that this code reads and writes.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "there are few")]
const KNOWN: i32 = MIGRATIONS.len() as i32;

/// Brings the schema `bartizan` up to date.
pub(super) async fn prepare(pool: &Arc<Pool>) -> Result<(), StoreError> {
    // Whether there is a server at all shows within the time of a request.
    let found = pool.run(|connection| Box::pin(version(connection))).await?;
    let found = if found < KNOWN {
        pool.run_within(PATIENCE, |connection| Box::pin(migrate(connection))).await?
    } else {
        found
    };
    if found > KNOWN {
        let why = format!(
            "its schema `bartizan` is of version {found}, and this program knows {KNOWN}; run the newer program"
        );
        return Err(StoreError::Foreign { what: pool.place().to_owned(), why });
    }
    Ok(())
}

/// The schema's version; zero where there is none.
async fn version(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // Read in the catalogue, which is read like any table. A function such as `to_regclass` may go by what this
    // connection remembers from before it waited.
    let exists = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables \
                  WHERE schemaname = 'bartizan' AND tablename = 'migrations')";
    if !sqlx::query_scalar::<_, bool>(exists).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM bartizan.migrations")
        .fetch_one(connection)
        .await
}

/// Takes the steps that are missing, all or none. The version that is there then, which another node may have made.
async fn migrate(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let found = version(&mut transaction).await?;
    if found >= KNOWN {
        // Now: one that is dropped is rolled back with the next statement, and holds the lock until then.
        transaction.rollback().await?;
        return Ok(found);
    }
    if found == 0 {
        begin(&mut transaction).await?;
    }
    for (step, version) in MIGRATIONS.into_iter().zip(1..).filter(|(_, version)| *version > found) {
        sqlx::raw_sql(step).execute(&mut *transaction).await?;
        let written = "INSERT INTO bartizan.migrations (version) VALUES ($1)";
        sqlx::query(written).bind(version).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(KNOWN)
}

async fn begin(transaction: &mut Transaction<'_, Postgres>) -> Result<(), sqlx::Error> {
    // A role that may not make schemas can be given this one.
    let exists = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'bartizan')";
    if !sqlx::query_scalar::<_, bool>(exists).fetch_one(&mut **transaction).await? {
        sqlx::raw_sql("CREATE SCHEMA bartizan").execute(&mut **transaction).await?;
    }
    let table = "CREATE TABLE bartizan.migrations (version INTEGER PRIMARY KEY)";
    sqlx::raw_sql(table).execute(&mut **transaction).await?;
    Ok(())
}
