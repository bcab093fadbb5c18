//! The statements about API keys.

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
};
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteExecutor};

use super::{PRUNED_AT_ONCE, integer, writer::Step};
use crate::{ApiKeyPage, KeyRotation, RotationOutcome, api_key::end};

/// The columns, in the order of [`Row`].
macro_rules! columns {
    () => {
        "id, mac, pepper, owner, name, scopes, created, expires, revoked, replaced_by, last_used"
    };
}

pub(super) type Row = (
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i64>,
);

/// The API key with an id.
pub(super) const FIND: &str = concat!("SELECT ", columns!(), " FROM api_key WHERE id = ?1");

pub(super) async fn find(
    executor: impl SqliteExecutor<'_>,
    id: KeyId,
) -> Result<Option<ApiKeyRecord>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(FIND).bind(id.as_bytes().to_vec()).fetch_optional(executor).await?;
    row.map(record).transpose()
}

pub(super) async fn page(
    readers: &SqlitePool,
    owner: Option<&str>,
    after: Option<KeyId>,
    most: u32,
) -> Result<ApiKeyPage, sqlx::Error> {
    const ALL: &str = concat!("SELECT ", columns!(), " FROM api_key WHERE id > ?1 ORDER BY id LIMIT ?2");
    const OF_ONE: &str =
        concat!("SELECT ", columns!(), " FROM api_key WHERE id > ?1 AND owner = ?3 ORDER BY id LIMIT ?2");
    // Every id is longer than the empty one, and comes after it.
    let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let sql = if owner.is_some() { OF_ONE } else { ALL };
    let query = sqlx::query_as(sql).bind(after).bind(i64::from(most) + 1);
    let query = if let Some(owner) = owner { query.bind(owner.to_owned()) } else { query };
    let rows: Vec<Row> = query.fetch_all(readers).await?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    let keys = rows.into_iter().take(most).map(record).collect::<Result<_, _>>()?;
    Ok(ApiKeyPage { keys, more })
}

/// The peppers of all keys that have not ended.
pub(super) async fn peppers(
    executor: impl SqliteExecutor<'_>,
    now: Timestamp,
) -> Result<Vec<PepperId>, sqlx::Error> {
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT DISTINCT pepper FROM api_key WHERE ends > ?1 ORDER BY pepper")
            .bind(integer(now.0))
            .fetch_all(executor)
            .await?;
    rows.into_iter().map(|pepper| bytes(pepper).map(PepperId::from_bytes)).collect()
}

pub(super) struct Create(pub(super) ApiKeyRecord);

impl Step for Create {
    type Output = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        if let Some(known) = find(&mut *connection, self.0.id).await? {
            return Ok(known.mac == self.0.mac);
        }
        insert(connection, &self.0).await?;
        Ok(true)
    }
}

/// Touches a key that was stale when it was read.
pub(super) struct Touch {
    pub(super) id: KeyId,
    pub(super) now: Timestamp,
}

impl Step for Touch {
    type Output = Option<ApiKeyRecord>;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Output, sqlx::Error> {
        // It may have ended meanwhile, or been touched by another.
        let Some(mut record) = find(&mut *connection, self.id).await? else { return Ok(None) };
        if record.is_stale(self.now) && record.check(self.now).is_ok() {
            record.last_used = Some(self.now);
            sqlx::query("UPDATE api_key SET last_used = ?2 WHERE id = ?1")
                .bind(&self.id.as_bytes()[..])
                .bind(integer(self.now.0))
                .execute(connection)
                .await?;
        }
        Ok(Some(record))
    }
}

pub(super) struct Rotate(pub(super) KeyRotation);

impl Step for Rotate {
    type Output = RotationOutcome;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Output, sqlx::Error> {
        let KeyRotation { old, new, .. } = &self.0;
        let known = find(&mut *connection, old.id).await?;
        let taken = find(&mut *connection, new.id).await?;
        if let Some(taken) = taken {
            // Done before, by this very call.
            let is_done =
                taken.mac == new.mac && known.is_some_and(|known| known.replaced_by == Some(new.id));
            return Ok(if is_done { RotationOutcome::Done } else { RotationOutcome::Changed });
        }
        if !known.is_some_and(|known| self.0.is_of(&known)) {
            return Ok(RotationOutcome::Changed);
        }
        insert(&mut *connection, new).await?;
        sqlx::query("UPDATE api_key SET expires = ?2, ends = ?2, replaced_by = ?3 WHERE id = ?1")
            .bind(&old.id.as_bytes()[..])
            .bind(integer(self.0.end().0))
            .bind(&new.id.as_bytes()[..])
            .execute(connection)
            .await?;
        Ok(RotationOutcome::Done)
    }
}

pub(super) struct Revoke {
    pub(super) id: KeyId,
    pub(super) now: Timestamp,
}

impl Step for Revoke {
    type Output = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(
            "UPDATE api_key SET revoked = ?2, ends = min(ends, ?2) WHERE id = ?1 AND revoked IS NULL",
        );
        let done = query.bind(&self.id.as_bytes()[..]).bind(integer(self.now.0)).execute(connection).await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Forgets some keys that ended by then.
pub(super) struct Prune(pub(super) Timestamp);

impl Step for Prune {
    type Output = u64;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let query =
            sqlx::query("DELETE FROM api_key WHERE id IN (SELECT id FROM api_key WHERE ends <= ?1 LIMIT ?2)");
        let done = query.bind(integer(self.0.0)).bind(integer(PRUNED_AT_ONCE)).execute(connection).await?;
        Ok(done.rows_affected())
    }
}

async fn insert(connection: &mut SqliteConnection, record: &ApiKeyRecord) -> Result<(), sqlx::Error> {
    const INSERT: &str = concat!(
        "INSERT INTO api_key (",
        columns!(),
        ", ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    );
    let scopes = serde_json::to_string(&record.scopes).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let time = |time: Option<Timestamp>| time.map(|time| integer(time.0));
    sqlx::query(INSERT)
        .bind(&record.id.as_bytes()[..])
        .bind(&record.mac[..])
        .bind(&record.pepper.as_bytes()[..])
        .bind(&*record.owner)
        .bind(&*record.name)
        .bind(scopes)
        .bind(integer(record.created.0))
        .bind(time(record.expires))
        .bind(time(record.revoked))
        .bind(record.replaced_by.as_ref().map(|id| &id.as_bytes()[..]))
        .bind(time(record.last_used))
        .bind(integer(end(record).0))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn record(row: Row) -> Result<ApiKeyRecord, sqlx::Error> {
    let (id, mac, pepper, owner, name, scopes, created, expires, revoked, replaced_by, last_used) = row;
    let scopes = serde_json::from_str(&scopes)
        .map_err(|error| foreign(format!("an API key's scopes are no list of texts: {error}")))?;
    let time = |value: i64| {
        u64::try_from(value).map(Timestamp).map_err(|_| foreign(format!("an API key's time is {value}")))
    };
    Ok(ApiKeyRecord {
        id: KeyId::from_bytes(bytes(id)?),
        mac: bytes(mac)?,
        pepper: PepperId::from_bytes(bytes(pepper)?),
        owner: owner.into(),
        name: name.into(),
        scopes,
        created: time(created)?,
        expires: expires.map(time).transpose()?,
        revoked: revoked.map(time).transpose()?,
        replaced_by: replaced_by.map(bytes).transpose()?.map(KeyId::from_bytes),
        last_used: last_used.map(time).transpose()?,
    })
}

fn bytes<const N: usize>(found: Vec<u8>) -> Result<[u8; N], sqlx::Error> {
    found.try_into().map_err(|found: Vec<u8>| {
        foreign(format!("an API key with {} bytes in the place of {N}", found.len()))
    })
}

fn foreign(what: String) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
