//! Revocations of tokens in Postgres.

use bartizan_core::{Timestamp, TokenDigest};
use sqlx::PgConnection;

use super::bigint;

pub(super) async fn revoke_token(
    connection: &mut PgConnection,
    digest: TokenDigest,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    const REVOKE: &str = "
        INSERT INTO bartizan.revoked_tokens AS known (jti, until) VALUES ($1, $2)
        ON CONFLICT (jti) DO UPDATE SET until = greatest(known.until, EXCLUDED.until)";
    if until > now {
        sqlx::query(REVOKE)
            .bind(digest.0.as_slice())
            .bind(bigint::from_time(until))
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn revoke_subject(
    connection: &mut PgConnection,
    subject: &str,
    before: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // What has ended is as if it were not there.
    const REVOKE: &str = "
        INSERT INTO bartizan.revoked_subjects AS known (digest, subject, before, until)
        VALUES (sha256($1), $1, $2, $3)
        ON CONFLICT (digest) DO UPDATE SET until = greatest(known.until, EXCLUDED.until),
            before = CASE WHEN known.until > $4 THEN greatest(known.before, EXCLUDED.before)
                ELSE EXCLUDED.before END";
    if until > now {
        sqlx::query(REVOKE)
            .bind(subject.as_bytes())
            .bind(bigint::from_time(before))
            .bind(bigint::from_time(until))
            .bind(bigint::from_time(now))
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn has(
    connection: &mut PgConnection,
    digests: [Option<TokenDigest>; 2],
    subject: &str,
    issued: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    // Nothing is equal to NULL.
    const HAS: &str = "
        SELECT EXISTS (SELECT FROM bartizan.revoked_tokens WHERE jti IN ($1, $5) AND until > $4)
            OR EXISTS (SELECT FROM bartizan.revoked_subjects
                WHERE digest = sha256($2) AND until > $4 AND before > $3)";
    let [jti, key] = &digests;
    sqlx::query_scalar(HAS)
        .bind(jti.as_ref().map(|digest| digest.0.as_slice()))
        .bind(subject.as_bytes())
        .bind(bigint::from_time(issued.unwrap_or(Timestamp(0))))
        .bind(bigint::from_time(now))
        .bind(key.as_ref().map(|digest| digest.0.as_slice()))
        .fetch_one(connection)
        .await
}
