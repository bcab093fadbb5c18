//! Rate limits in Postgres.

use bartizan_core::{
    Timestamp,
    limit::{self, LimitKey, Quota, Taken},
};
use sqlx::PgConnection;

/// The last time for which a bucket's numbers are within a `BIGINT`, in milliseconds: for another 290 000 years.
const LAST: u64 = i64::MAX.cast_unsigned() / 1000 - limit::LONGEST.as_secs() * 1000;

/// Takes from a bucket.
pub(super) async fn take(
    connection: &mut PgConnection,
    key: LimitKey,
    quota: Quota,
    cost: u32,
    now: Timestamp,
) -> Result<Taken, sqlx::Error> {
    let now = Timestamp(now.0.min(LAST));
    let before = if cost == 0 {
        look(connection, key).await?
    } else {
        write(connection, key, quota, cost, now).await?
    };
    let before =
        u64::try_from(before).map_err(|_| sqlx::Error::Decode(format!("the tat {before}").into()))?;
    let (taken, _) = limit::take(before, now, quota, cost);
    Ok(taken)
}

async fn look(connection: &mut PgConnection, key: LimitKey) -> Result<i64, sqlx::Error> {
    const LOOK: &str = "SELECT tat FROM bartizan.limits WHERE key = $1";
    let found = sqlx::query_scalar(LOOK).bind(key.to_bytes().as_slice()).fetch_optional(connection).await?;
    Ok(found.unwrap_or(0))
}

/// Takes, and gives back the tat that it was taken from: whoever has that has the whole answer by [`limit::take`],
/// whose decision and whose new tat are said once more here, in SQL.
async fn write(
    connection: &mut PgConnection,
    key: LimitKey,
    quota: Quota,
    cost: u32,
    now: Timestamp,
) -> Result<i64, sqlx::Error> {
    // $2 is the time and $3 the latest tat, between which a tat is clamped; up to $4 it is allowed, and grows by $5.
    // Where the bucket is plainly too full nothing changes, and nothing is written: a flood costs reads.
    const TAKE: &str = "
        WITH seen AS (
            SELECT tat FROM bartizan.limits WHERE key = $1
        ), taken AS (
            INSERT INTO bartizan.limits AS bucket (key, before, tat, minute)
            SELECT $1, before, tat, tat / 60000000
            FROM (SELECT $2 AS before, CASE WHEN $2 <= $4 THEN $2 + $5 ELSE $2 END AS tat) AS new
            WHERE NOT EXISTS (SELECT FROM seen WHERE tat BETWEEN $2 AND $3 AND tat > $4)
            ON CONFLICT (key) DO UPDATE SET (before, tat, minute) = (
                SELECT before, tat, tat / 60000000
                FROM (SELECT least(greatest(bucket.tat, $2), $3) AS before) AS clamped,
                    LATERAL (SELECT CASE WHEN before <= $4 THEN before + $5 ELSE before END AS tat) AS new
            )
            RETURNING before
        )
        SELECT coalesce((SELECT before FROM taken), (SELECT tat FROM seen))";
    let now = micros(now.0.saturating_mul(1000));
    let room = now.saturating_add(micros(quota.window().as_micros()));
    // More than the burst is never allowed, so that what is added cannot be beyond the room.
    let wanted = micros(quota.interval().as_micros().saturating_mul(cost.into()));
    sqlx::query_scalar(TAKE)
        .bind(key.to_bytes().as_slice())
        .bind(now)
        .bind(room)
        .bind(room.saturating_sub(wanted))
        .bind(wanted)
        .fetch_one(connection)
        .await
}

fn micros(micros: impl TryInto<i64>) -> i64 {
    micros.try_into().unwrap_or(i64::MAX)
}
