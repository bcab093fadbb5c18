//! What SQLite and its driver say went wrong, as what a store says.

use std::{error::Error, sync::Arc, time::Duration};

use crate::StoreError;

/// A failure that many steps share.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It took too long, or another process held the file for too long.
    Slow,
    /// Something is there that we did not write.
    Foreign(String),
    /// It cannot be reached.
    Away(Arc<dyn Error + Send + Sync>),
}

impl Failure {
    /// As the error of the store that is `what`.
    pub(super) fn of(self, what: &str, timeout: Duration) -> StoreError {
        let what = what.to_owned();
        match self {
            Self::Slow => StoreError::Timeout { what, seconds: timeout.as_secs() },
            Self::Foreign(why) => StoreError::Foreign { what, why },
            Self::Away(source) => StoreError::Unavailable { what, source: Box::new(source) },
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        // https://www.sqlite.org/rescode.html; the low byte is the primary code.
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        match (code.map(|code| code & 0xff), &error) {
            // SQLITE_BUSY, SQLITE_LOCKED
            (Some(5 | 6), _) | (_, sqlx::Error::PoolTimedOut) => Self::Slow,
            // SQLITE_READONLY, SQLITE_CANTOPEN
            (Some(8 | 14), _) => Self::Away(Arc::new(Advice {
                advice: "the user that runs Bartizan must be able to write the file and its folder, for SQLite keeps \
                         two more files beside it",
                source: error,
            })),
            // SQLITE_CORRUPT
            (Some(11), _) => {
                Self::Foreign(format!("{error}; put back a copy of it, or start with a new file"))
            }
            // SQLITE_NOTADB
            (Some(26), _) => {
                Self::Foreign("it is not a SQLite file; name another one, or move this one away".to_owned())
            }
            (_, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                Self::Foreign(error.to_string())
            }
            _ => Self::Away(Arc::new(error)),
        }
    }
}

/// What the driver says, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{source}; {advice}")]
struct Advice {
    advice: &'static str,
    source: sqlx::Error,
}
