//! Why a store could not do what it was asked.

use std::error::Error;

use crate::DocumentName;

/// A store failed. The engine refuses what depends on it (503 `store.unavailable`), and the store recovers by itself
/// when what is behind it does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What keeps the state cannot be reached, or failed.
    #[error("{what} cannot be reached: {source}")]
    Unavailable {
        /// Where: `postgres at db.internal:5432`. No password is in it.
        what: String,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It did not answer in time.
    #[error("{what} did not answer within {seconds} s")]
    Timeout {
        /// Where.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The store is full, and making room would mean forgetting what must not be forgotten.
    #[error("{what} is full: {limit} entries are alive; raise {key} or use a store that is not in memory")]
    Full {
        /// What of it: `one-time tokens`.
        what: &'static str,
        /// How many there may be.
        limit: usize,
        /// The key of the policy that says so.
        key: &'static str,
    },
    /// More than a document may say.
    #[error(
        "the document {name} would have {length} bytes, and may have {limit}; take out what is not needed"
    )]
    TooLong {
        /// Which document.
        name: DocumentName,
        /// How long it would be.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// What is kept there is not what this version writes.
    #[error("{what} holds something that this version did not write: {why}")]
    Foreign {
        /// Where.
        what: String,
        /// What was found.
        why: String,
    },
    /// A URL that its driver cannot read.
    #[error("`store.url = \"{url}\"`: {source}")]
    Url {
        /// As it was written; no password is in it.
        url: String,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Authorities that are none.
    #[error(
        "`store.ca` holds no certificate: what it refers to is PEM, and begins with -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate,
    /// A store that this build does not have.
    #[error(
        "this build keeps no state in {what}: build it with the feature `{feature}`, or name another `store.url`"
    )]
    NotBuilt {
        /// `Postgres`.
        what: &'static str,
        /// The cargo feature that has it.
        feature: &'static str,
    },
}
