//! A hash as it is stored: a PHC string.

use super::Cost;
use argon2::password_hash::phc;
use std::fmt;

/// What is stored for an account: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
///
/// It is shown by [`as_str`](Self::as_str) only: a log or an error has no use for it, and a thief has.
///
/// ```
/// use bartizan_sinks::password::PasswordHash;
///
/// let row = "$argon2id$v=19$m=19456,t=2,p=1$ZXhhbXBsZXNhbHQ$3o2SVnHBpiPJCoPmdAmIYoLFAPOfeznAKzWxC7GeK7g";
/// let stored = PasswordHash::parse(row)?;
/// assert_eq!(stored.as_str(), row);
/// assert_eq!(format!("{stored:?}"), "PasswordHash(..)");
/// # Ok::<(), bartizan_sinks::password::PasswordHashError>(())
/// ```
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    parsed: phc::PasswordHash,
    cost: Cost,
}

/// Why a text is no [`PasswordHash`].
///
/// ```
/// use bartizan_sinks::password::{PasswordHash, PasswordHashError};
///
/// assert_eq!(PasswordHash::parse("hunter2").unwrap_err(), PasswordHashError::NotPhc);
/// let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
/// assert!(PasswordHash::parse(bcrypt).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// It is no PHC string with a salt and a hash.
    #[error("the stored password is no PHC string with a salt and a hash: has it been stored in plain text?")]
    NotPhc,
    /// It is of another function, or of an old version of this one.
    #[error(
        "the stored password is not argon2id of version 19: verify it by its own function, and hash it again"
    )]
    NotArgon2id,
    /// Its cost is unreadable, or more than a server can mean.
    #[error(
        "the stored password has no cost that can be computed: memory, passes and lanes within their bounds"
    )]
    Cost,
}

impl PasswordHash {
    /// Reads what was stored.
    ///
    /// ```
    /// # use bartizan_sinks::password::PasswordHash;
    /// assert!(PasswordHash::parse("").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let parsed = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::NotPhc)?;
        if parsed.algorithm != argon2::ARGON2ID_IDENT || parsed.version != Some(19) {
            return Err(PasswordHashError::NotArgon2id);
        }
        // RFC 9106 section 3.1: a salt of at least eight bytes; less than 16 bytes of hash are too easily met.
        let salt = parsed.salt.as_ref().map_or(0, |salt| salt.len());
        let hash = parsed.hash.as_ref().map_or(0, phc::Output::len);
        if salt < argon2::MIN_SALT_LEN || hash < 16 {
            return Err(PasswordHashError::NotPhc);
        }
        // Read by what computes it, so that no number is read in two ways.
        let params = argon2::Params::try_from(&parsed).map_err(|_| PasswordHashError::Cost)?;
        let cost = Cost::read(params.m_cost(), params.t_cost(), params.p_cost());
        let cost = cost.map_err(|_| PasswordHashError::Cost)?;
        Ok(Self { text: text.to_owned(), parsed, cost })
    }

    /// The text to store.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, PasswordHash, Passwords};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hash = Passwords::new(4).hash(&"correct horse".into()).await?;
    /// assert!(PasswordHash::parse(hash.as_str()).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What was just computed, at this cost.
    pub(super) fn computed(hash: phc::PasswordHash, cost: Cost) -> Self {
        Self { text: hash.to_string(), parsed: hash, cost }
    }

    /// What it was computed at.
    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn parsed(&self) -> &phc::PasswordHash {
        &self.parsed
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
