//! The application's tables: accounts, preferences, comments and money, in SQLite or Postgres.
//!
//! Every statement is a text that was there when this was compiled, and every value is bound to it; `sqlx` takes no other
//! text ([`SqlSafeStr`](sqlx::SqlSafeStr)). Both databases read `$1`, so each statement is written once.

mod accounts;
mod comments;
mod postgres;
mod preferences;
mod sqlite;
mod transfers;

use std::path::Path;

use sqlx::{PgPool, SqlitePool};
use thiserror::Error;

pub(crate) use accounts::{Account, NewAccount, Profile};
pub(crate) use comments::Comment;
pub(crate) use preferences::{Preferences, PreferencesChange, Theme};
pub(crate) use transfers::{Moved, NotMoved};

use crate::{problem::Problem, settings::DatabaseSettings};

/// Runs `$work` with the pool of whichever database it is.
macro_rules! on {
    ($database:expr, $pool:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite($pool) => $work,
            $crate::database::Database::Postgres($pool) => $work,
        }
    };
}

/// Runs `$work` in one transaction: what is left by `?` or `return` is undone.
macro_rules! in_transaction {
    ($database:expr, $connection:ident => $work:expr) => {
        match $database {
            $crate::database::Database::Sqlite(pool) => {
                // Or one that has read is refused as soon as another writes.
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                let $connection = &mut transaction;
                let done = $work;
                transaction.commit().await?;
                done
            }
            $crate::database::Database::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                let $connection = &mut transaction;
                let done = $work;
                transaction.commit().await?;
                done
            }
        }
    };
}
use {in_transaction, on};

/// The application's database. What it acknowledges is on the disk.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// The database cannot be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Its URL is none.
    #[error(
        "the database's URL is none: write postgres://user:password@host:port/database, with `/`, `?`, `#` and `@` in a password as %2F, %3F, %23 and %40"
    )]
    Url,
    /// The database or its driver.
    #[error("the database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row that nobody here has written.
    #[error("the database holds what this version did not write: {0}")]
    Foreign(&'static str),
}

impl Database {
    /// Opens it, and makes the tables that are not there.
    pub(crate) async fn open(settings: &DatabaseSettings, folder: &Path) -> Result<Self, DatabaseError> {
        match settings {
            DatabaseSettings::Sqlite => sqlite::open(&folder.join("app.db")).await.map(Self::Sqlite),
            DatabaseSettings::Postgres(url) => postgres::open(url).await.map(Self::Postgres),
        }
    }

    /// Lets go of it, after what is under way.
    pub(crate) async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

impl DatabaseError {
    /// Whether there is no room left: `SQLITE_FULL`, and `disk_full` of Postgres.
    fn is_full(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        let code = error.as_database_error().and_then(<dyn sqlx::error::DatabaseError>::code);
        matches!(code.as_deref(), Some("13" | "53100"))
    }

    /// Whether a rule of a table forbids it.
    fn is_check_violation(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        error.as_database_error().is_some_and(<dyn sqlx::error::DatabaseError>::is_check_violation)
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        if error.is_full() {
            tracing::error!(target: "reference_api", %error, "the database is full");
            return Self::full();
        }
        match &error {
            // A row that does not fit is a fault of ours; anything else is a database that is away or busy.
            DatabaseError::Sql(
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_),
            )
            | DatabaseError::Foreign(_)
            | DatabaseError::Url => Self::internal(&error),
            DatabaseError::Sql(_) => {
                tracing::error!(target: "reference_api", %error, "the database cannot be asked");
                Self::unavailable("The database does not answer now; try again.")
            }
        }
    }
}

impl From<DatabaseError> for crate::problem::Refused {
    fn from(error: DatabaseError) -> Self {
        Self::Problem(error.into())
    }
}
