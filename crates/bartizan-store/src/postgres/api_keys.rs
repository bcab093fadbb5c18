//! API keys in Postgres.

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};

use super::bigint;
use crate::{ApiKeyPage, KeyRotation, RotationOutcome, api_key::end};

/// The columns, in the order of [`Row`].
macro_rules! columns {
    () => {
        "id, mac, pepper, owner, name, scopes, created, expires, revoked, replaced_by, last_used"
    };
}

type Row = (
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
    Vec<Vec<u8>>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i64>,
);

/// Keeps a key, and says whether its id was free.
pub(super) async fn create(
    connection: &mut PgConnection,
    record: &ApiKeyRecord,
) -> Result<bool, sqlx::Error> {
    // A second insert is the repetition of the first one, whose answer was lost.
    const INSERT: &str = concat!(
        "INSERT INTO bartizan.api_keys AS known (",
        columns!(),
        ", ends) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO UPDATE SET mac = EXCLUDED.mac WHERE known.mac = EXCLUDED.mac"
    );
    let done = bind(sqlx::query(INSERT), record).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// The key of `id`, touched where that was due.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: KeyId,
    now: Timestamp,
) -> Result<Option<ApiKeyRecord>, sqlx::Error> {
    const READ: &str = concat!("SELECT ", columns!(), " FROM bartizan.api_keys WHERE id = $1");
    // Only a key that is still what was read: whoever gets it must not be told that one is good that was revoked before
    // its use was written down.
    const TOUCH: &str = "
        UPDATE bartizan.api_keys SET last_used = $2
        WHERE id = $1 AND last_used IS NOT DISTINCT FROM $3 AND expires IS NOT DISTINCT FROM $4
            AND replaced_by IS NOT DISTINCT FROM $5 AND revoked IS NULL";
    loop {
        let row: Option<Row> =
            sqlx::query_as(READ).bind(id.as_bytes().as_slice()).fetch_optional(&mut *connection).await?;
        let Some(known) = row.map(record).transpose()? else { return Ok(None) };
        if !known.is_stale(now) || known.check(now).is_err() {
            return Ok(Some(known));
        }
        let touched = sqlx::query(TOUCH)
            .bind(id.as_bytes().as_slice())
            .bind(bigint::from_time(now))
            .bind(known.last_used.map(bigint::from_time))
            .bind(known.expires.map(bigint::from_time))
            .bind(known.replaced_by.as_ref().map(|by| by.as_bytes().as_slice()))
            .execute(&mut *connection)
            .await?;
        if touched.rows_affected() == 1 {
            return Ok(Some(ApiKeyRecord { last_used: Some(now), ..known }));
        }
        // Somebody else has touched it in between, or changed it.
    }
}

/// Replaces a key by another, if it is what it was.
pub(super) async fn rotate(
    connection: &mut PgConnection,
    rotation: &KeyRotation,
) -> Result<RotationOutcome, sqlx::Error> {
    // One statement: of those who race for the old row, each waits for the one before and sees what that has written.
    const ROTATE: &str = concat!(
        "WITH replaced AS (
            UPDATE bartizan.api_keys SET expires = $16, ends = least(ends, $16), replaced_by = $1
            WHERE id = $13 AND mac = $14 AND expires IS NOT DISTINCT FROM $15 AND revoked IS NULL
                AND replaced_by IS NULL AND NOT EXISTS (SELECT FROM bartizan.api_keys WHERE id = $1)
            RETURNING id
        )
        INSERT INTO bartizan.api_keys (",
        columns!(),
        ", ends) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM replaced"
    );
    // Done before, by this very call, whose answer was lost.
    const IS_DONE: &str = "
        SELECT EXISTS (SELECT FROM bartizan.api_keys WHERE id = $1 AND replaced_by = $2)
            AND EXISTS (SELECT FROM bartizan.api_keys WHERE id = $2 AND mac = $3)";
    let KeyRotation { old, new, .. } = rotation;
    let rotated = bind(sqlx::query(ROTATE), new)
        .bind(old.id.as_bytes().as_slice())
        .bind(old.mac.as_slice())
        .bind(old.expires.map(bigint::from_time))
        .bind(bigint::from_time(rotation.end()))
        .execute(&mut *connection)
        .await?;
    if rotated.rows_affected() == 1 {
        return Ok(RotationOutcome::Done);
    }
    let is_done: bool = sqlx::query_scalar(IS_DONE)
        .bind(old.id.as_bytes().as_slice())
        .bind(new.id.as_bytes().as_slice())
        .bind(new.mac.as_slice())
        .fetch_one(connection)
        .await?;
    Ok(if is_done { RotationOutcome::Done } else { RotationOutcome::Changed })
}

/// Revokes a key, and says whether it was not before.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    id: KeyId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    const REVOKE: &str =
        "UPDATE bartizan.api_keys SET revoked = $2, ends = least(ends, $2) WHERE id = $1 AND revoked IS NULL";
    let query = sqlx::query(REVOKE).bind(id.as_bytes().as_slice()).bind(bigint::from_time(now));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// The keys, by id.
pub(super) async fn list(
    connection: &mut PgConnection,
    owner: Option<&str>,
    after: Option<KeyId>,
    most: u32,
) -> Result<ApiKeyPage, sqlx::Error> {
    const ALL: &str =
        concat!("SELECT ", columns!(), " FROM bartizan.api_keys WHERE id > $1 ORDER BY id LIMIT $2");
    const OF_ONE: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM bartizan.api_keys WHERE id > $1 AND sha256(owner) = sha256($3) AND owner = $3 ORDER BY id LIMIT $2"
    );
    let most = most.clamp(1, 1000);
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let sql = if owner.is_some() { OF_ONE } else { ALL };
    // One more, to see whether there are more.
    let query = sqlx::query_as(sql).bind(after).bind(i64::from(most) + 1);
    let query = if let Some(owner) = owner { query.bind(owner.as_bytes()) } else { query };
    let mut rows: Vec<Row> = query.fetch_all(connection).await?;
    let more = rows.len() > most as usize;
    rows.truncate(most as usize);
    Ok(ApiKeyPage { keys: rows.into_iter().map(record).collect::<Result<_, _>>()?, more })
}

/// The peppers of all keys that have not ended.
pub(super) async fn peppers(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Vec<PepperId>, sqlx::Error> {
    const PEPPERS: &str = "SELECT DISTINCT pepper FROM bartizan.api_keys WHERE ends > $1 ORDER BY pepper";
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar(PEPPERS).bind(bigint::from_time(now)).fetch_all(connection).await?;
    rows.into_iter().map(|pepper| bytes(pepper).map(PepperId::from_bytes)).collect()
}

/// The values of `$1` to `$12`.
fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    record: &'q ApiKeyRecord,
) -> Query<'q, Postgres, PgArguments> {
    let scopes: Vec<&[u8]> = record.scopes.iter().map(|scope| scope.as_bytes()).collect();
    query
        .bind(record.id.as_bytes().as_slice())
        .bind(record.mac.as_slice())
        .bind(record.pepper.as_bytes().as_slice())
        .bind(record.owner.as_bytes())
        .bind(record.name.as_bytes())
        .bind(scopes)
        .bind(bigint::from_time(record.created))
        .bind(record.expires.map(bigint::from_time))
        .bind(record.revoked.map(bigint::from_time))
        .bind(record.replaced_by.as_ref().map(|by| by.as_bytes().as_slice()))
        .bind(record.last_used.map(bigint::from_time))
        .bind(bigint::from_time(end(record)))
}

fn record(row: Row) -> Result<ApiKeyRecord, sqlx::Error> {
    let (id, mac, pepper, owner, name, scopes, created, expires, revoked, replaced_by, last_used) = row;
    Ok(ApiKeyRecord {
        id: KeyId::from_bytes(bytes(id)?),
        mac: bytes(mac)?,
        pepper: PepperId::from_bytes(bytes(pepper)?),
        owner: text(owner)?,
        name: text(name)?,
        scopes: scopes.into_iter().map(text).collect::<Result<_, _>>()?,
        created: bigint::to_time(created)?,
        expires: expires.map(bigint::to_time).transpose()?,
        revoked: revoked.map(bigint::to_time).transpose()?,
        replaced_by: replaced_by.map(bytes).transpose()?.map(KeyId::from_bytes),
        last_used: last_used.map(bigint::to_time).transpose()?,
    })
}

fn bytes<const N: usize>(found: Vec<u8>) -> Result<[u8; N], sqlx::Error> {
    let foreign = |found: Vec<u8>| {
        sqlx::Error::Decode(format!("an API key with {} bytes in the place of {N}", found.len()).into())
    };
    found.try_into().map_err(foreign)
}

fn text(bytes: Vec<u8>) -> Result<Box<str>, sqlx::Error> {
    let text = String::from_utf8(bytes).map_err(|_| sqlx::Error::Decode("text that is not UTF-8".into()))?;
    Ok(text.into())
}
