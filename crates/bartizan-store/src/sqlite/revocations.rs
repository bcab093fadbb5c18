//! The statements about revocations of tokens.

use bartizan_core::{Timestamp, TokenDigest};
use sqlx::{SqliteConnection, sqlite::SqliteExecutor};

use super::{PRUNED_AT_ONCE, integer, writer::Step};

/// Whether a token is revoked, by `jti`, subject, `iat`, the time and `kid`. Nothing is equal to NULL.
pub(super) const HAS: &str = "SELECT EXISTS (SELECT 1 FROM revoked_token WHERE digest IN (?1, ?5) AND until > ?4) \
     OR EXISTS (SELECT 1 FROM revoked_subject WHERE subject = ?2 AND until > ?4 AND before > ?3)";

pub(super) async fn has(
    executor: impl SqliteExecutor<'_>,
    digests: [Option<TokenDigest>; 2],
    subject: Box<str>,
    issued: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let [jti, key] = digests.map(|digest| digest.map(|TokenDigest(digest)| digest.to_vec()));
    sqlx::query_scalar(HAS)
        .bind(jti)
        .bind(String::from(subject))
        .bind(integer(issued.map_or(0, |issued| issued.0)))
        .bind(integer(now.0))
        .bind(key)
        .fetch_one(executor)
        .await
}

pub(super) struct RevokeToken {
    pub(super) digest: TokenDigest,
    pub(super) until: Timestamp,
}

impl Step for RevokeToken {
    type Output = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO revoked_token (digest, until) VALUES (?1, ?2) \
             ON CONFLICT (digest) DO UPDATE SET until = max(until, excluded.until)",
        );
        query.bind(&self.digest.0[..]).bind(integer(self.until.0)).execute(connection).await?;
        Ok(())
    }
}

pub(super) struct RevokeSubject {
    pub(super) subject: Box<str>,
    pub(super) before: Timestamp,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
}

impl Step for RevokeSubject {
    type Output = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        // What has ended is as if it were not there.
        sqlx::query(
            "INSERT INTO revoked_subject (subject, before, until) VALUES (?1, ?2, ?3) \
             ON CONFLICT (subject) DO UPDATE SET until = max(until, excluded.until), \
             before = CASE WHEN until > ?4 THEN max(before, excluded.before) ELSE excluded.before END",
        )
        .bind(&*self.subject)
        .bind(integer(self.before.0))
        .bind(integer(self.until.0))
        .bind(integer(self.now.0))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Forgets some revocations whose time has passed.
pub(super) struct Prune(pub(super) Timestamp);

impl Step for Prune {
    type Output = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        const TOKENS: &str = "DELETE FROM revoked_token WHERE digest IN \
                              (SELECT digest FROM revoked_token WHERE until <= ?1 LIMIT ?2)";
        const SUBJECTS: &str = "DELETE FROM revoked_subject WHERE subject IN \
                                (SELECT subject FROM revoked_subject WHERE until <= ?1 LIMIT ?2)";
        let mut pruned = 0;
        for sql in [TOKENS, SUBJECTS] {
            let left = PRUNED_AT_ONCE - pruned;
            let query = sqlx::query(sql).bind(integer(self.0.0)).bind(integer(left));
            pruned += query.execute(&mut *connection).await?.rows_affected();
        }
        Ok(pruned)
    }
}
