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
    let before = step(connection, key, quota, cost, now).await?.unwrap_or(0);
    let before =
        u64::try_from(before).map_err(|_| sqlx::Error::Decode(format!("the tat {before}").into()))?;
    let (taken, _) = limit::take(before, now, quota, cost);
    Ok(taken)
}

/// Takes, and gives back the tat that it was taken from, if the bucket is known: whoever has that has the whole answer
/// by [`limit::take`], whose decision and whose new tat are said once more here, in SQL.
async fn step(
    connection: &mut PgConnection,
    key: LimitKey,
    quota: Quota,
    cost: u32,
    now: Timestamp,
) -> Result<Option<i64>, sqlx::Error> {
    // $2 is the time and $3 the latest tat, between which a tat is clamped; up to $4 it is allowed, and grows by $5.
    // Where nothing would change, as when the bucket is too full, nothing is written: a flood costs reads.
    const TAKE: &str = "
        WITH seen AS (
            SELECT tat FROM bartizan.limits WHERE key = $1
        ), taken AS (
            INSERT INTO bartizan.limits AS bucket (key, before, tat, minute)
            SELECT $1, new.before, new.tat, new.tat / 60000000
            FROM (SELECT $2 AS before, CASE WHEN $2 <= $4 THEN $2 + $5 ELSE $2 END AS tat) AS new
                LEFT JOIN seen ON true
            WHERE CASE WHEN seen.tat IS NULL THEN new.tat > new.before
                ELSE NOT (seen.tat BETWEEN $2 AND $3 AND ($5 = 0 OR seen.tat > $4)) END
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
