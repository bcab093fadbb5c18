//! The statements about the buckets of rate limits.

use bartizan_core::{
    Timestamp,
    limit::{self, LimitKey, Quota, Taken},
};
use sqlx::SqliteConnection;

use super::{PRUNED_AT_ONCE, integer, writer::Step};

pub(super) struct Take {
    pub(super) key: LimitKey,
    pub(super) quota: Quota,
    pub(super) cost: u32,
    pub(super) now: Timestamp,
}

impl Step for Take {
    type Output = Taken;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Taken, sqlx::Error> {
        let key = self.key.to_bytes();
        let known: Option<i64> = sqlx::query_scalar("SELECT tat FROM bucket WHERE key = ?1")
            .bind(&key[..])
            .fetch_optional(&mut *connection)
            .await?;
        let tat = known.map_or(0, |tat| u64::try_from(tat).unwrap_or(0));
        let (taken, kept) = limit::take(tat, self.now, self.quota, self.cost);
        // A look, or a refusal, writes nothing; a bucket that is empty need not be there.
        let is_empty = kept <= self.now.0.saturating_mul(1000);
        if kept != tat && !(known.is_none() && is_empty) {
            sqlx::query(
                "INSERT INTO bucket (key, tat) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET tat = excluded.tat",
            )
            .bind(&key[..])
            .bind(integer(kept))
            .execute(connection)
            .await?;
        }
        Ok(taken)
    }
}

/// Forgets buckets that are empty, among some of those after a key. How many, and after which key to go on.
pub(super) struct Prune {
    pub(super) after: Vec<u8>,
    pub(super) now: Timestamp,
}

impl Step for Prune {
    type Output = (u64, Option<Vec<u8>>);

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Output, sqlx::Error> {
        let last: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT key FROM bucket WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2")
                .bind(&self.after)
                .bind(integer(PRUNED_AT_ONCE))
                .fetch_optional(&mut *connection)
                .await?;
        let done =
            sqlx::query("DELETE FROM bucket WHERE key > ?1 AND (?2 IS NULL OR key <= ?2) AND tat <= ?3")
                .bind(&self.after)
                .bind(&last)
                .bind(integer(self.now.0.saturating_mul(1000)))
                .execute(connection)
                .await?;
        Ok((done.rows_affected(), last))
    }
}
