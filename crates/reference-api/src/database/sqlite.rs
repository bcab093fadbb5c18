//! The file in the data folder.

use std::{fs::File, path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::DatabaseError;

const SCHEMA: &str = include_str!("sqlite.sql");

/// How long a writer waits for the others, and a request for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads at the same time. Each has a thread.
const CONNECTIONS: u32 = 6;

/// Opens the file, or makes it for its owner alone.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, DatabaseError> {
    make(path).map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(PATIENCE)
        .journal_mode(SqliteJournalMode::Wal)
        // What was acknowledged survives a power cut: each commit syncs the log.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What people write and pay would be in the log.
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        // Where SQLite has undone a transaction itself, as on a full disk, the driver cannot, and would take the connection
        // for one in a transaction for ever.
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        .connect_with(options)
        .await?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    transaction.execute(SCHEMA).await?;
    transaction.commit().await?;
    Ok(pool)
}

/// Makes the file, for its owner alone: SQLite's own would be everybody's to read.
fn make(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_is_on_the_disk_and_rules_hold() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder.path().join("app.db")).await.unwrap();
        // FULL is 2.
        let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&pool).await.unwrap();
        let (journal,): (String,) = sqlx::query_as("PRAGMA journal_mode").fetch_one(&pool).await.unwrap();
        let (foreign_keys,): (i64,) = sqlx::query_as("PRAGMA foreign_keys").fetch_one(&pool).await.unwrap();
        assert_eq!((synchronous, &*journal, foreign_keys), (2, "wal", 1));
        let orphan = sqlx::query("INSERT INTO comment (author, body, written) VALUES (4711, 'x', 0)");
        assert!(orphan.execute(&pool).await.is_err());
        // A second opening finds the tables.
        open(&folder.path().join("app.db")).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_whose_transaction_sqlite_has_undone_is_used_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder.path().join("app.db")).await.unwrap();
        // More often than there are connections.
        for _ in 0..=2 * CONNECTIONS {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            // Behind the driver's back, as SQLite does it.
            transaction.execute("ROLLBACK").await.unwrap();
        }
    }
}
