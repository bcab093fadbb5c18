//! The statements about sessions.

use std::time::Duration;

use bartizan_core::{
    Timestamp,
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteExecutor};

use super::{PRUNED_AT_ONCE, integer, writer::Step};
use crate::{ListedSession, SessionPage};

/// `subject, scopes, created, touched, idle, expires`
type Row = (Box<str>, String, i64, i64, i64, i64);

/// The same after the `key`.
type ListedRow = (Vec<u8>, Box<str>, String, i64, i64, i64, i64);

/// The session with a key.
pub(super) const FIND: &str =
    "SELECT subject, scopes, created, touched, idle, expires FROM session WHERE key = ?1";

pub(super) async fn find(
    executor: impl SqliteExecutor<'_>,
    key: SessionKey,
) -> Result<Option<SessionRecord>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(FIND).bind(&key.as_bytes()[..]).fetch_optional(executor).await?;
    row.map(|(subject, scopes, created, touched, idle, expires)| {
        record(subject, &scopes, [created, touched, idle, expires])
    })
    .transpose()
}

pub(super) async fn page(
    readers: &SqlitePool,
    subject: Option<&str>,
    after: Option<SessionKey>,
    most: u32,
    now: Timestamp,
) -> Result<SessionPage, sqlx::Error> {
    // Every key is longer than the empty one, and comes after it.
    let after = after.map_or(Vec::new(), |key| key.as_bytes().to_vec());
    let query = if let Some(subject) = subject {
        sqlx::query_as(
            "SELECT key, subject, scopes, created, touched, idle, expires FROM session \
             WHERE key > ?1 AND ends > ?2 AND subject = ?4 ORDER BY key LIMIT ?3",
        )
        .bind(after)
        .bind(integer(now.0))
        .bind(i64::from(most) + 1)
        .bind(subject.to_owned())
    } else {
        sqlx::query_as(
            "SELECT key, subject, scopes, created, touched, idle, expires FROM session \
             WHERE key > ?1 AND ends > ?2 ORDER BY key LIMIT ?3",
        )
        .bind(after)
        .bind(integer(now.0))
        .bind(i64::from(most) + 1)
    };
    let rows: Vec<ListedRow> = query.fetch_all(readers).await?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    let sessions = rows.into_iter().take(most).map(listed).collect::<Result<_, _>>()?;
    Ok(SessionPage { sessions, more })
}

/// Touches a session that was stale when it was read.
pub(super) struct Touch {
    pub(super) key: SessionKey,
    pub(super) now: Timestamp,
}

impl Step for Touch {
    type Output = Option<SessionRecord>;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Output, sqlx::Error> {
        let Self { key, now } = *self;
        // It may have ended meanwhile, or been touched by another.
        let found = find(&mut *connection, key).await?.filter(|record| record.is_alive(now));
        let Some(mut record) = found else { return Ok(None) };
        if record.is_stale(now) {
            record.touched = now;
            sqlx::query("UPDATE session SET touched = ?2, ends = ?3 WHERE key = ?1")
                .bind(&key.as_bytes()[..])
                .bind(integer(now.0))
                .bind(integer(record.ends().0))
                .execute(connection)
                .await?;
        }
        Ok(Some(record))
    }
}

pub(super) struct Begin(pub(super) NewSession);

impl Step for Begin {
    type Output = u32;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u32, sqlx::Error> {
        let NewSession { key, record, replaces, most } = &self.0;
        let mut ended = 0;
        if let Some(replaced) = replaces {
            sqlx::query("DELETE FROM session WHERE key = ?1")
                .bind(&replaced.as_bytes()[..])
                .execute(&mut *connection)
                .await?;
        }
        if let Some(most) = most {
            // The new one is counted, although it is not there yet.
            ended = sqlx::query(
                "DELETE FROM session WHERE key IN ( \
                     SELECT key FROM session WHERE subject = ?1 AND ends > ?2 AND key <> ?3 \
                     ORDER BY created DESC, key DESC LIMIT -1 OFFSET ?4)",
            )
            .bind(&*record.subject)
            .bind(integer(record.created.0))
            .bind(&key.as_bytes()[..])
            .bind(i64::from(most.saturating_sub(1)))
            .execute(&mut *connection)
            .await?
            .rows_affected();
        }
        insert(connection, *key, record).await?;
        Ok(u32::try_from(ended).unwrap_or(u32::MAX))
    }
}

pub(super) struct Renew(pub(super) Renewal);

impl Step for Renew {
    type Output = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let Renewal { old, key, record } = &self.0;
        let left = sqlx::query("DELETE FROM session WHERE key = ?1 AND subject = ?2 AND ends > ?3")
            .bind(&old.as_bytes()[..])
            .bind(&*record.subject)
            .bind(integer(record.created.0))
            .execute(&mut *connection)
            .await?;
        if left.rows_affected() == 0 {
            // What comes again was done.
            let kept = find(connection, *key).await?;
            return Ok(
                kept.is_some_and(|kept| kept.subject == record.subject && kept.is_alive(record.created))
            );
        }
        insert(connection, *key, record).await?;
        Ok(true)
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    key: SessionKey,
    record: &SessionRecord,
) -> Result<(), sqlx::Error> {
    let scopes = serde_json::to_string(&record.scopes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT OR REPLACE INTO session (key, subject, scopes, created, touched, idle, expires, ends) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(&key.as_bytes()[..])
    .bind(&*record.subject)
    .bind(scopes)
    .bind(integer(record.created.0))
    .bind(integer(record.touched.0))
    .bind(integer(u64::try_from(record.idle.as_millis()).unwrap_or(u64::MAX)))
    .bind(integer(record.expires.0))
    .bind(integer(record.ends().0))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) struct End(pub(super) Ending);

impl Step for End {
    type Output = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let query = match &self.0 {
            Ending::One(key) => sqlx::query("DELETE FROM session WHERE key = ?1").bind(&key.as_bytes()[..]),
            // `IS NOT`, for nothing is unlike NULL.
            Ending::AllOf { subject, except } => {
                sqlx::query("DELETE FROM session WHERE subject = ?1 AND key IS NOT ?2")
                    .bind(&**subject)
                    .bind(except.as_ref().map(|key| &key.as_bytes()[..]))
            }
        };
        Ok(query.execute(connection).await?.rows_affected())
    }
}

/// Forgets some sessions that have ended.
pub(super) struct Prune(pub(super) Timestamp);

impl Step for Prune {
    type Output = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let query = sqlx::query(
            "DELETE FROM session WHERE key IN (SELECT key FROM session WHERE ends <= ?1 LIMIT ?2)",
        );
        let done = query.bind(integer(self.0.0)).bind(integer(PRUNED_AT_ONCE)).execute(connection).await?;
        Ok(done.rows_affected())
    }
}

fn listed(
    (key, subject, scopes, created, touched, idle, expires): ListedRow,
) -> Result<ListedSession, sqlx::Error> {
    let key = <[u8; 32]>::try_from(key)
        .map_err(|key| sqlx::Error::Decode(format!("a session's key of {} bytes", key.len()).into()))?;
    let record = record(subject, &scopes, [created, touched, idle, expires])?;
    Ok(ListedSession { key: SessionKey::from_bytes(key), record })
}

/// `times` are `created, touched, idle, expires`.
pub(super) fn record(subject: Box<str>, scopes: &str, times: [i64; 4]) -> Result<SessionRecord, sqlx::Error> {
    let scopes = serde_json::from_str(scopes).map_err(|error| {
        sqlx::Error::Decode(format!("a session's scopes are no list of texts: {error}").into())
    })?;
    let number = |value: i64| {
        u64::try_from(value).map_err(|_| sqlx::Error::Decode(format!("a session's time is {value}").into()))
    };
    let [created, touched, idle, expires] = times;
    Ok(SessionRecord {
        subject,
        scopes,
        created: Timestamp(number(created)?),
        touched: Timestamp(number(touched)?),
        idle: Duration::from_millis(number(idle)?),
        expires: Timestamp(number(expires)?),
    })
}
