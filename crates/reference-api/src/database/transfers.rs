//! The statements about money: all of a transfer, or nothing.

use super::{Database, DatabaseError, in_transaction};

/// Money that was moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// The transfer's number.
    pub(crate) id: i64,
    /// What the sender has left.
    pub(crate) balance: i64,
}

/// Why money was not moved.
#[derive(Debug)]
pub(crate) enum NotMoved {
    /// The sender has too little.
    TooLittle,
    /// They are one and the same.
    Oneself,
    /// There is no such recipient.
    NoRecipient,
    /// The database.
    Database(DatabaseError),
}

impl From<sqlx::Error> for NotMoved {
    fn from(error: sqlx::Error) -> Self {
        match DatabaseError::from(error) {
            // `balance >= 0`, where another transfer was quicker.
            error if error.is_check_violation() => Self::TooLittle,
            error => Self::Database(error),
        }
    }
}

impl Database {
    /// Moves `amount` in one transaction.
    pub(crate) async fn transfer(
        &self,
        sender: i64,
        recipient: &str,
        amount: i64,
        made: i64,
    ) -> Result<Moved, NotMoved> {
        const RECIPIENT: &str = "SELECT id FROM account WHERE name = $1";
        const MOVE: &str = "UPDATE account SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0";
        const KEEP: &str =
            "INSERT INTO transfer (sender, recipient, amount, made) VALUES ($1, $2, $3, $4) RETURNING id";
        in_transaction!(self, connection => {
            let found: Option<(i64,)> =
                sqlx::query_as(RECIPIENT).bind(recipient.to_owned()).fetch_optional(&mut **connection).await?;
            let (recipient,) = found.ok_or(NotMoved::NoRecipient)?;
            if recipient == sender {
                return Err(NotMoved::Oneself);
            }
            // The lower number first: two that send to each other at once do not wait for each other for ever.
            let mut moves = [(sender, -amount), (recipient, amount)];
            moves.sort_unstable();
            for (account, change) in moves {
                let query = sqlx::query(MOVE).bind(account).bind(change);
                if query.execute(&mut **connection).await?.rows_affected() != 1 {
                    return Err(NotMoved::TooLittle);
                }
            }
            let (id,): (i64,) = sqlx::query_as(KEEP)
                .bind(sender)
                .bind(recipient)
                .bind(amount)
                .bind(made)
                .fetch_one(&mut **connection)
                .await?;
            let (balance,): (i64,) = sqlx::query_as("SELECT balance FROM account WHERE id = $1")
                .bind(sender)
                .fetch_one(&mut **connection)
                .await?;
            Ok(Moved { id, balance })
        })
    }
}
