//! Forgetting what has ended.

use std::sync::Arc;

use bartizan_core::Timestamp;
use sqlx::PgConnection;

use super::{bigint, pool::Pool};
use crate::{StoreError, api_key::forgotten_by};

/// How many rows one statement forgets: a tenth of a second's work at most, so that nobody waits for it.
const BATCH: u64 = 1000;

/// Forgets what has ended by `now`, a batch at a time.
pub(super) async fn prune(pool: &Arc<Pool>, now: Timestamp) -> Result<u64, StoreError> {
    let millis = bigint::from_time(now);
    // Before there were any, where the clock is so.
    let ended_long_ago = forgotten_by(now).map_or(-1, bigint::from_time);
    let mut all = 0;
    for (sql, ended) in [
        (SESSIONS, millis),
        (TOKENS, millis),
        (LIMITS, millis.saturating_mul(1000)),
        (REVOKED_TOKENS, millis),
        (REVOKED_SUBJECTS, millis),
        (API_KEYS, ended_long_ago),
    ] {
        loop {
            let forgotten = pool.run(move |connection| Box::pin(batch(connection, sql, ended))).await?;
            all += forgotten;
            if forgotten < BATCH {
                break;
            }
        }
    }
    Ok(all)
}

// The array is made once, where a subquery might be made again and take more than a batch. What somebody else has
// locked is left for the next time.
const SESSIONS: &str = "
    DELETE FROM bartizan.sessions WHERE key = ANY(ARRAY(
        SELECT key FROM bartizan.sessions WHERE ends <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const TOKENS: &str = "
    DELETE FROM bartizan.used_tokens WHERE token = ANY(ARRAY(
        SELECT token FROM bartizan.used_tokens WHERE until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const LIMITS: &str = "
    DELETE FROM bartizan.limits WHERE key = ANY(ARRAY(
        SELECT key FROM bartizan.limits WHERE minute <= $1 / 60000000 AND tat <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED))";
const REVOKED_TOKENS: &str = "
    DELETE FROM bartizan.revoked_tokens WHERE jti = ANY(ARRAY(
        SELECT jti FROM bartizan.revoked_tokens WHERE until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const REVOKED_SUBJECTS: &str = "
    DELETE FROM bartizan.revoked_subjects WHERE digest = ANY(ARRAY(
        SELECT digest FROM bartizan.revoked_subjects WHERE until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
const API_KEYS: &str = "
    DELETE FROM bartizan.api_keys WHERE id = ANY(ARRAY(
        SELECT id FROM bartizan.api_keys WHERE ends <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

async fn batch(connection: &mut PgConnection, sql: &'static str, ended: i64) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(sql).bind(ended).bind(BATCH.cast_signed()).execute(connection).await?.rows_affected())
}
