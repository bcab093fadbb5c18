//! One-time tokens in Postgres.

use bartizan_core::{Timestamp, TokenDigest};
use sqlx::PgConnection;

use super::bigint;

/// Uses a token: whether this was its first use.
pub(super) async fn consume(
    connection: &mut PgConnection,
    token: TokenDigest,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    // A row that nobody has pruned yet is no use that is remembered. Of those who race for it, each waits for the one
    // before and sees what that has written.
    const CONSUME: &str = "
        INSERT INTO bartizan.used_tokens AS used (token, until) VALUES ($1, $2)
        ON CONFLICT (token) DO UPDATE SET until = EXCLUDED.until WHERE used.until <= $3";
    if until <= now {
        return Ok(false);
    }
    let used = sqlx::query(CONSUME)
        .bind(token.0.as_slice())
        .bind(bigint::from_time(until))
        .bind(bigint::from_time(now))
        .execute(connection)
        .await?;
    Ok(used.rows_affected() == 1)
}
