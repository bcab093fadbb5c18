//! Who has an account: the people that a first start makes, and whoever a name and a password belong to.

use bartizan::{OsEntropy, Session};
use bartizan_core::{Entropy as _, Principal};
use bartizan_sinks::password::{PasswordError, PasswordHash, Passwords};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use thiserror::Error;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    database::{Account, Database, DatabaseError, NewAccount},
    problem::Problem,
};

/// How many random bytes a password has that is made here.
const PASSWORD_BYTES: usize = 15;

/// What an account begins with.
const BALANCE: i64 = 1_000;

/// The people of the first start: number, name, what they are called, and what they may do.
const PEOPLE: [(i64, &str, &str, &str); 4] = [
    (1, "alice", "Alice Anderson", "read write"),
    (2, "bob", "Bob Baker", "read write"),
    (3, "mallory", "Mallory Moore", "read write"),
    (4, "admin", "The administrator", "read write admin"),
];

/// An account that was made at this start, with its password, which is kept nowhere else.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// What it signs in by.
    pub name: String,
    /// Its password, to be shown once.
    pub password: SecretString,
}

/// The people of a first start could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeedError {
    /// Their passwords.
    #[error("the accounts of a first start cannot be made: {0}")]
    Password(#[from] PasswordError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Makes the people of a first start; none where there is any account already.
pub(crate) async fn seed(database: &Database, passwords: &Passwords) -> Result<Vec<NewPassword>, SeedError> {
    if database.has_accounts().await? {
        return Ok(Vec::new());
    }
    let (mut accounts, mut made) = (Vec::new(), Vec::new());
    for (id, name, display_name, scopes) in PEOPLE {
        let password = fresh();
        let hash = passwords.hash(&password).await?;
        accounts.push(NewAccount { id, name, display_name, password: hash, scopes, balance: BALANCE });
        made.push(NewPassword { name: name.to_owned(), password });
    }
    // All at once: a start that was ended in between would leave accounts whose passwords nobody was told. Where another
    // node was quicker, its passwords are the ones.
    let are_ours = database.create_accounts(&accounts).await?;
    Ok(if are_ours { made } else { Vec::new() })
}

fn fresh() -> SecretString {
    let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
    OsEntropy.fill(bytes.as_mut());
    URL_SAFE_NO_PAD.encode(*bytes).into()
}

/// A name and a password, as somebody claims to be whom they name.
#[derive(ToSchema)]
pub(crate) struct Credentials {
    /// The name of the account.
    #[schema(min_length = 1, max_length = 64, example = "alice")]
    pub(crate) username: String,
    /// Its password.
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 1024)]
    pub(crate) password: SecretString,
}

/// Whose the name and the password are. An unknown name takes as long as a wrong password.
pub(crate) async fn verify(
    database: &Database,
    passwords: &Passwords,
    credentials: &Credentials,
) -> Result<Option<Account>, Problem> {
    let account = database.account(&credentials.username).await?;
    let hash = match &account {
        Some(account) => Some(
            PasswordHash::parse(&account.password)
                .map_err(|_| DatabaseError::Foreign("a password's hash that is none"))?,
        ),
        None => None,
    };
    let is_right =
        passwords.verify(&credentials.password, hash.as_ref()).await.map_err(|error| match error {
            PasswordError::Busy => {
                Problem::unavailable("Too many are signing in now; try again in a second.")
            }
            error => Problem::internal(&error),
        })?;
    let Some(account) = account.filter(|_| is_right) else { return Ok(None) };
    // The one moment at which an older hash can be made as dear as new ones are.
    if hash.is_some_and(|hash| passwords.needs_rehash(&hash))
        && let Ok(hash) = passwords.hash(&credentials.password).await
    {
        database.change_password_hash(account.id, &account.password, hash.as_str()).await?;
    }
    Ok(Some(account))
}

/// Whoever asks, by the number of their account.
pub(crate) trait AccountOf {
    /// The number. Subjects of ours are nothing else; one that is no number is of an issuer whose people have no account.
    fn account(&self) -> Result<i64, Problem>;
}

impl AccountOf for Session {
    fn account(&self) -> Result<i64, Problem> {
        number(self.subject())
    }
}

impl AccountOf for Principal {
    fn account(&self) -> Result<i64, Problem> {
        // The same subject of another issuer is somebody else.
        if self.issuer.is_some() {
            return Err(Problem::forbidden("Whoever asks has no account here."));
        }
        number(&self.subject)
    }
}

fn number(subject: &str) -> Result<i64, Problem> {
    subject.parse().map_err(|_| Problem::forbidden("Whoever asks has no account here."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::policy::CredentialKind;

    #[test]
    fn an_account_is_its_number_as_we_have_said_it_ourselves() {
        for (subject, issuer, account) in [
            ("1", None, Some(1)),
            ("1", Some("https://login.example.com"), None),
            ("alice", None, None),
            ("", None, None),
        ] {
            let (subject, issuer) = (subject.into(), issuer.map(Into::into));
            let principal = Principal { subject, issuer, kind: CredentialKind::Jwt, scopes: Vec::new() };
            assert_eq!(principal.account().ok(), account, "{principal:?}");
        }
    }
}
