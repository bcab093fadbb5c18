//! The statements about accounts.

use bartizan_sinks::password::PasswordHash;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Database, DatabaseError, in_transaction, on};

/// An account, as it signs in.
#[derive(Clone)]
pub(crate) struct Account {
    /// Its number, which names it for good.
    pub(crate) id: i64,
    /// What it signs in by.
    pub(crate) name: String,
    /// The hash of its password, as a PHC string.
    pub(crate) password: String,
    /// What it may do.
    pub(crate) scopes: Vec<Box<str>>,
}

/// What others see of an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    /// Its number.
    pub(crate) id: i64,
    /// What it signs in by.
    pub(crate) name: String,
    /// What it is called.
    pub(crate) display_name: String,
}

/// An account that is to be made.
pub(crate) struct NewAccount {
    pub(crate) id: i64,
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) password: PasswordHash,
    pub(crate) scopes: &'static str,
    pub(crate) balance: i64,
}

impl Database {
    /// The account of this name.
    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>, DatabaseError> {
        const FIND: &str = "SELECT id, name, password, scopes FROM account WHERE name = $1";
        let row: Option<(i64, String, String, String)> =
            on!(self, pool => sqlx::query_as(FIND).bind(name.to_owned()).fetch_optional(pool).await?);
        Ok(row.map(|(id, name, password, scopes)| Account {
            id,
            name,
            password,
            scopes: scopes.split_ascii_whitespace().map(Into::into).collect(),
        }))
    }

    /// Makes accounts: all of them, or none where a number or a name is taken, which is `false`.
    pub(crate) async fn create_accounts(&self, new: &[NewAccount]) -> Result<bool, DatabaseError> {
        const CREATE: &str = "INSERT INTO account (id, name, display_name, password, scopes, balance) \
                              VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        in_transaction!(self, connection => {
            for account in new {
                let query = sqlx::query(CREATE)
                    .bind(account.id)
                    .bind(account.name)
                    .bind(account.display_name)
                    .bind(account.password.as_str().to_owned())
                    .bind(account.scopes)
                    .bind(account.balance);
                if query.execute(&mut **connection).await?.rows_affected() != 1 {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Puts another hash of the same password in the place of `old`; unless the password was changed meanwhile.
    pub(crate) async fn change_password_hash(
        &self,
        id: i64,
        old: &str,
        new: &str,
    ) -> Result<(), DatabaseError> {
        const CHANGE: &str = "UPDATE account SET password = $3 WHERE id = $1 AND password = $2";
        on!(self, pool => sqlx::query(CHANGE)
            .bind(id)
            .bind(old.to_owned())
            .bind(new.to_owned())
            .execute(pool)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Whether there is any account.
    pub(crate) async fn has_accounts(&self) -> Result<bool, DatabaseError> {
        let row: Option<(i64,)> =
            on!(self, pool => sqlx::query_as("SELECT id FROM account LIMIT 1").fetch_optional(pool).await?);
        Ok(row.is_some())
    }

    /// What others see of the account with this number.
    pub(crate) async fn profile(&self, id: i64) -> Result<Option<Profile>, DatabaseError> {
        const FIND: &str = "SELECT id, name, display_name FROM account WHERE id = $1";
        let row: Option<(i64, String, String)> =
            on!(self, pool => sqlx::query_as(FIND).bind(id).fetch_optional(pool).await?);
        Ok(row.map(profile))
    }

    /// The accounts of exactly this name.
    pub(crate) async fn profiles_named(&self, name: &str) -> Result<Vec<Profile>, DatabaseError> {
        const FIND: &str = "SELECT id, name, display_name FROM account WHERE name = $1 ORDER BY id";
        let rows: Vec<(i64, String, String)> =
            on!(self, pool => sqlx::query_as(FIND).bind(name.to_owned()).fetch_all(pool).await?);
        Ok(rows.into_iter().map(profile).collect())
    }

    /// What an account has.
    pub(crate) async fn balance(&self, id: i64) -> Result<Option<i64>, DatabaseError> {
        let row: Option<(i64,)> = on!(self, pool => sqlx::query_as("SELECT balance FROM account WHERE id = $1")
            .bind(id)
            .fetch_optional(pool)
            .await?);
        Ok(row.map(|(balance,)| balance))
    }
}

fn profile((id, name, display_name): (i64, String, String)) -> Profile {
    Profile { id, name, display_name }
}
