//! The statements about comments, which are kept as they were written.

use super::{Database, DatabaseError, in_transaction, on};

/// A comment, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    /// Its number.
    pub(crate) id: i64,
    /// Who wrote it.
    pub(crate) author: String,
    /// What was written: not to be shown as HTML.
    pub(crate) body: String,
    /// When, in milliseconds since 1970.
    pub(crate) written: i64,
}

impl Database {
    /// Keeps a comment, and gives back its number.
    pub(crate) async fn keep_comment(
        &self,
        author: i64,
        body: &str,
        written: i64,
    ) -> Result<i64, DatabaseError> {
        const KEEP: &str = "INSERT INTO comment (author, body, written) VALUES ($1, $2, $3) RETURNING id";
        // In a transaction, although it is one statement: SQLite gives out the row before it commits, and `fetch_one` looks
        // no further, so that a commit that fails would go unheard.
        let (id,): (i64,) = in_transaction!(self, connection => {
            let query = sqlx::query_as(KEEP).bind(author).bind(body.to_owned()).bind(written);
            query.fetch_one(&mut **connection).await?
        });
        Ok(id)
    }

    /// At most `most` comments from before the one with the number `before`, the latest first.
    pub(crate) async fn comments(&self, before: i64, most: i64) -> Result<Vec<Comment>, DatabaseError> {
        const FIND: &str = "SELECT comment.id, account.name, comment.body, comment.written FROM comment \
                            JOIN account ON account.id = comment.author \
                            WHERE comment.id < $1 ORDER BY comment.id DESC LIMIT $2";
        let rows: Vec<(i64, String, String, i64)> =
            on!(self, pool => sqlx::query_as(FIND).bind(before).bind(most).fetch_all(pool).await?);
        let comment = |(id, author, body, written)| Comment { id, author, body, written };
        Ok(rows.into_iter().map(comment).collect())
    }
}
