//! The statements about one-time tokens.

use bartizan_core::{Timestamp, TokenDigest};
use sqlx::SqliteConnection;

use super::{PRUNED_AT_ONCE, integer, writer::Step};

pub(super) struct Consume {
    pub(super) token: TokenDigest,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
}

impl Step for Consume {
    type Output = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        // One whose time has passed is as if it were not there.
        let done = sqlx::query(
            "INSERT INTO token (digest, until) VALUES (?1, ?2) \
             ON CONFLICT (digest) DO UPDATE SET until = excluded.until WHERE until <= ?3",
        )
        .bind(&self.token.0[..])
        .bind(integer(self.until.0))
        .bind(integer(self.now.0))
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Forgets some tokens whose time has passed.
pub(super) struct Prune(pub(super) Timestamp);

impl Step for Prune {
    type Output = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let query = sqlx::query(
            "DELETE FROM token WHERE digest IN (SELECT digest FROM token WHERE until <= ?1 LIMIT ?2)",
        );
        let done = query.bind(integer(self.0.0)).bind(integer(PRUNED_AT_ONCE)).execute(connection).await?;
        Ok(done.rows_affected())
    }
}
