//! The statements about documents.

use sqlx::{SqliteConnection, sqlite::SqliteExecutor};

use super::{integer, writer::Step};
use crate::{Document, DocumentName};

pub(super) async fn find(
    executor: impl SqliteExecutor<'_>,
    name: &DocumentName,
) -> Result<Option<Document>, sqlx::Error> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, body FROM document WHERE name = ?1")
        .bind(name.as_str().to_owned())
        .fetch_optional(executor)
        .await?;
    let document = |(version, body): (i64, Vec<u8>)| {
        let version = u64::try_from(version)
            .map_err(|_| sqlx::Error::Decode(format!("a document of the version {version}").into()))?;
        Ok(Document { version, body: body.into() })
    };
    row.map(document).transpose()
}

pub(super) struct Replace {
    pub(super) name: DocumentName,
    pub(super) expected: Option<u64>,
    pub(super) body: Box<[u8]>,
}

impl Step for Replace {
    type Output = bool;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let query = if let Some(expected) = self.expected {
            sqlx::query(
                "UPDATE document SET version = version + 1, body = ?2 WHERE name = ?1 AND version = ?3",
            )
            .bind(self.name.as_str())
            .bind(&self.body[..])
            .bind(integer(expected))
        } else {
            sqlx::query(
                "INSERT INTO document (name, version, body) VALUES (?1, 1, ?2) ON CONFLICT DO NOTHING",
            )
            .bind(self.name.as_str())
            .bind(&self.body[..])
        };
        Ok(query.execute(connection).await?.rows_affected() == 1)
    }
}
