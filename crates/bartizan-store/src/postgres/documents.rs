//! Documents in Postgres.

use sqlx::PgConnection;

use crate::{Document, DocumentName};

pub(super) async fn find(
    connection: &mut PgConnection,
    name: &DocumentName,
) -> Result<Option<Document>, sqlx::Error> {
    const FIND: &str = "SELECT version, body FROM bartizan.documents WHERE name = $1";
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as(FIND).bind(name.as_str()).fetch_optional(connection).await?;
    let document = |(version, body): (i64, Vec<u8>)| {
        let version = u64::try_from(version)
            .map_err(|_| sqlx::Error::Decode(format!("a document of the version {version}").into()))?;
        Ok(Document { version, body: body.into() })
    };
    row.map(document).transpose()
}

/// Replaces it if its version is `expected`, and says whether it was.
pub(super) async fn replace(
    connection: &mut PgConnection,
    name: &DocumentName,
    expected: Option<u64>,
    body: &[u8],
) -> Result<bool, sqlx::Error> {
    // Of those who race for a row, each waits for the one before and sees what that has written.
    const FIRST: &str =
        "INSERT INTO bartizan.documents (name, version, body) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING";
    const NEXT: &str =
        "UPDATE bartizan.documents SET version = version + 1, body = $2 WHERE name = $1 AND version = $3";
    let sql = if expected.is_some() { NEXT } else { FIRST };
    let query = sqlx::query(sql).bind(name.as_str()).bind(body);
    let query = match expected.map(i64::try_from) {
        None => query,
        Some(Ok(expected)) => query.bind(expected),
        // No document is so old.
        Some(Err(_)) => return Ok(false),
    };
    Ok(query.execute(connection).await?.rows_affected() == 1)
}
