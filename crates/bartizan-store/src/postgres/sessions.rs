//! Sessions in Postgres.

use bartizan_core::{
    Timestamp,
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};
use sqlx::{Connection as _, PgConnection};

use super::bigint;
use crate::{ListedSession, SessionPage};

/// The first number of the advisory lock of a subject: the letters of "bart". The second is of the subject's digest;
/// two subjects that share it only wait for each other.
const LOCK: i32 = i32::from_be_bytes(*b"bart");

/// A row: subject, scopes, created, touched, idle, expires.
type Row = (Vec<u8>, Vec<Vec<u8>>, i64, i64, i64, i64);

/// The same behind its key.
type ListedRow = (Vec<u8>, Vec<u8>, Vec<Vec<u8>>, i64, i64, i64, i64);

/// The session of `key`, touched where it was stale.
pub(super) async fn find(
    connection: &mut PgConnection,
    key: SessionKey,
    now: Timestamp,
) -> Result<Option<SessionRecord>, sqlx::Error> {
    const TOUCH: &str =
        "UPDATE bartizan.sessions SET touched = $3, ends = $4 WHERE key = $1 AND touched = $2";
    loop {
        let Some(old) = read(connection, key, now).await? else { return Ok(None) };
        if !old.is_stale(now) {
            return Ok(Some(old));
        }
        let was = old.touched;
        let record = SessionRecord { touched: now, ..old };
        let touched = sqlx::query(TOUCH)
            .bind(key.as_bytes().as_slice())
            .bind(bigint::from_time(was))
            .bind(bigint::from_time(now))
            .bind(bigint::from_time(record.ends()))
            .execute(&mut *connection)
            .await?;
        if touched.rows_affected() == 1 {
            return Ok(Some(record));
        }
        // Somebody else has touched it in between, or ended it.
    }
}

async fn read(
    connection: &mut PgConnection,
    key: SessionKey,
    now: Timestamp,
) -> Result<Option<SessionRecord>, sqlx::Error> {
    const READ: &str = "SELECT subject, scopes, created, touched, idle, expires FROM bartizan.sessions \
                        WHERE key = $1 AND ends > $2";
    let row = sqlx::query_as(READ)
        .bind(key.as_bytes().as_slice())
        .bind(bigint::from_time(now))
        .fetch_optional(connection)
        .await?;
    row.map(record).transpose()
}

/// Begins a session, and says how many more than the one that it replaces have ended.
pub(super) async fn begin(connection: &mut PgConnection, new: &NewSession) -> Result<u32, sqlx::Error> {
    if new.most.is_none() {
        return insert(connection, new).await;
    }
    let mut transaction = connection.begin().await?;
    // By a statement of its own: what a statement sees was decided when it began, before it waited.
    lock(&mut transaction, &new.record.subject).await?;
    let ended = insert(&mut transaction, new).await?;
    transaction.commit().await?;
    Ok(ended)
}

async fn insert(connection: &mut PgConnection, new: &NewSession) -> Result<u32, sqlx::Error> {
    // A second insert is the repetition of the first one, whose answer was lost.
    const INSERT: &str = "
        WITH replaced AS (
            DELETE FROM bartizan.sessions WHERE key = $9
        ), above AS (
            SELECT key FROM bartizan.sessions
            WHERE $10::bigint IS NOT NULL AND sha256(subject) = sha256($2) AND subject = $2
                AND ends > $4 AND key <> $1 AND key IS DISTINCT FROM $9
            ORDER BY created DESC, key DESC OFFSET $10
        ), ended AS (
            DELETE FROM bartizan.sessions WHERE key IN (SELECT key FROM above) RETURNING key
        ), begun AS (
            INSERT INTO bartizan.sessions (key, subject, scopes, created, touched, idle, expires, ends)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (key) DO UPDATE SET subject = EXCLUDED.subject, scopes = EXCLUDED.scopes,
                created = EXCLUDED.created, touched = EXCLUDED.touched, idle = EXCLUDED.idle,
                expires = EXCLUDED.expires, ends = EXCLUDED.ends
        )
        SELECT count(*) FROM ended";
    let NewSession { key, record, replaces, most } = new;
    let scopes: Vec<&[u8]> = record.scopes.iter().map(|scope| scope.as_bytes()).collect();
    let replaces = replaces.as_ref().filter(|replaced| *replaced != key);
    let ended: i64 = sqlx::query_scalar(INSERT)
        .bind(key.as_bytes().as_slice())
        .bind(record.subject.as_bytes())
        .bind(scopes)
        .bind(bigint::from_time(record.created))
        .bind(bigint::from_time(record.touched))
        .bind(bigint::from_span(record.idle))
        .bind(bigint::from_time(record.expires))
        .bind(bigint::from_time(record.ends()))
        .bind(replaces.map(|replaced| replaced.as_bytes().as_slice()))
        // The new one is counted.
        .bind(most.map(|most| i64::from(most.saturating_sub(1))))
        .fetch_one(connection)
        .await?;
    Ok(u32::try_from(ended).unwrap_or(u32::MAX))
}

/// Gives a session a new key, if it is alive.
pub(super) async fn renew(connection: &mut PgConnection, renewal: &Renewal) -> Result<bool, sqlx::Error> {
    // Of two that race for the row the second finds it gone, and begins nothing. What comes again was done.
    const RENEW: &str = "
        WITH renewed AS (
            DELETE FROM bartizan.sessions WHERE key = $9 AND subject = $2 AND ends > $4 RETURNING key
        ), begun AS (
            INSERT INTO bartizan.sessions (key, subject, scopes, created, touched, idle, expires, ends)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM renewed
            RETURNING key
        )
        SELECT EXISTS (SELECT FROM begun)
            OR EXISTS (SELECT FROM bartizan.sessions WHERE key = $1 AND subject = $2 AND ends > $4)";
    let Renewal { old, key, record } = renewal;
    let mut transaction = connection.begin().await?;
    // Whoever ends all sessions of the subject would not see the new one, which was not there when it looked.
    lock(&mut transaction, &record.subject).await?;
    let scopes: Vec<&[u8]> = record.scopes.iter().map(|scope| scope.as_bytes()).collect();
    let done: bool = sqlx::query_scalar(RENEW)
        .bind(key.as_bytes().as_slice())
        .bind(record.subject.as_bytes())
        .bind(scopes)
        .bind(bigint::from_time(record.created))
        .bind(bigint::from_time(record.touched))
        .bind(bigint::from_span(record.idle))
        .bind(bigint::from_time(record.expires))
        .bind(bigint::from_time(record.ends()))
        .bind(old.as_bytes().as_slice())
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done)
}

/// Ends sessions, and says how many.
pub(super) async fn end(connection: &mut PgConnection, ending: &Ending) -> Result<u64, sqlx::Error> {
    const ONE: &str = "DELETE FROM bartizan.sessions WHERE key = $1";
    const ALL: &str = "DELETE FROM bartizan.sessions \
                       WHERE sha256(subject) = sha256($1) AND subject = $1 AND key IS DISTINCT FROM $2";
    match ending {
        Ending::One(key) => {
            let ended = sqlx::query(ONE).bind(key.as_bytes().as_slice()).execute(connection).await?;
            Ok(ended.rows_affected())
        }
        Ending::AllOf { subject, except } => {
            let mut transaction = connection.begin().await?;
            // A login ends sessions of its subject too; in another order the two would wait for each other.
            lock(&mut transaction, subject).await?;
            let ended = sqlx::query(ALL)
                .bind(subject.as_bytes())
                .bind(except.as_ref().map(|key| key.as_bytes().as_slice()))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(ended.rows_affected())
        }
    }
}

/// The sessions that are alive, by key.
pub(super) async fn list(
    connection: &mut PgConnection,
    subject: Option<&str>,
    after: Option<SessionKey>,
    most: u32,
    now: Timestamp,
) -> Result<SessionPage, sqlx::Error> {
    const ALL: &str = "SELECT key, subject, scopes, created, touched, idle, expires FROM bartizan.sessions \
                       WHERE key > $1 AND ends > $2 ORDER BY key LIMIT $3";
    const OF_ONE: &str = "SELECT key, subject, scopes, created, touched, idle, expires FROM bartizan.sessions \
                          WHERE key > $1 AND ends > $2 AND sha256(subject) = sha256($4) AND subject = $4 \
                          ORDER BY key LIMIT $3";
    let most = most.clamp(1, 1000);
    let after = after.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    let sql = if subject.is_some() { OF_ONE } else { ALL };
    // One more, to see whether there are more.
    let query = sqlx::query_as(sql).bind(after).bind(bigint::from_time(now)).bind(i64::from(most) + 1);
    let query = if let Some(subject) = subject { query.bind(subject.as_bytes()) } else { query };
    let mut rows: Vec<ListedRow> = query.fetch_all(connection).await?;
    let more = rows.len() > most as usize;
    rows.truncate(most as usize);
    let sessions = rows.into_iter().map(|(key, subject, scopes, created, touched, idle, expires)| {
        let key =
            <[u8; 32]>::try_from(key).map_err(|key| foreign(format!("a key of {} bytes", key.len())))?;
        let record = record((subject, scopes, created, touched, idle, expires))?;
        Ok(ListedSession { key: SessionKey::from_bytes(key), record })
    });
    Ok(SessionPage { sessions: sessions.collect::<Result<_, sqlx::Error>>()?, more })
}

/// Waits until no other transaction counts or ends the sessions of `subject`.
async fn lock(connection: &mut PgConnection, subject: &str) -> Result<(), sqlx::Error> {
    const LOCK_SUBJECT: &str =
        "SELECT pg_advisory_xact_lock($1, ('x' || left(encode(sha256($2), 'hex'), 8))::bit(32)::int)";
    sqlx::query(LOCK_SUBJECT).bind(LOCK).bind(subject.as_bytes()).execute(connection).await?;
    Ok(())
}

fn record((subject, scopes, created, touched, idle, expires): Row) -> Result<SessionRecord, sqlx::Error> {
    Ok(SessionRecord {
        subject: text(subject)?,
        scopes: scopes.into_iter().map(text).collect::<Result<_, _>>()?,
        created: bigint::to_time(created)?,
        touched: bigint::to_time(touched)?,
        idle: bigint::to_span(idle)?,
        expires: bigint::to_time(expires)?,
    })
}

fn text(bytes: Vec<u8>) -> Result<Box<str>, sqlx::Error> {
    let text = String::from_utf8(bytes).map_err(|_| foreign("text that is not UTF-8".to_owned()))?;
    Ok(text.into())
}

fn foreign(what: String) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
