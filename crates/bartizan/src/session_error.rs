//! Why a session was neither begun nor ended, as a handler, the client and the log are told.

use std::time::Duration;

use bartizan_core::{Denial, DenialCode, Grant, Reason};

use crate::{OsEntropy, session_handle::Handle};

/// A call of [`Sessions`](crate::Sessions) that came to nothing: no session has begun or ended.
///
/// A handler of axum returns it with `?`. The layer makes a refusal of it like all others: a problem document, or a page
/// for a person, with the policy's headers and a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Too many logins have failed: 429, with `Retry-After`.
    #[error("too many logins have failed; the next is looked at in {} s", .retry_after.as_secs().max(1))]
    Limited {
        /// How long until the next attempt is looked at.
        retry_after: Duration,
    },
    /// The session that was to be renewed has ended, or has been renewed by another request: 401.
    #[error("the session has ended; sign in again")]
    Ended,
    /// The store cannot be asked now: 503.
    #[error("the store cannot be asked about sessions now")]
    Unavailable,
}

/// What the layer has to tell of a handler's calls.
#[derive(Default)]
pub(crate) struct Notes {
    /// What mode `report` would have refused.
    pub(crate) reports: Vec<Reason>,
    /// What was refused last, and why.
    refused: Option<(Reason, SessionError)>,
}

impl Notes {
    /// The refusal, for the log; and for the client, where the handler passes the error on.
    pub(crate) fn denial(&self, grant: &Grant) -> Option<Denial> {
        let (reason, error) = self.refused.clone()?;
        Some(match error {
            SessionError::Limited { retry_after } => grant.fail_until(reason, retry_after, OsEntropy),
            SessionError::Ended | SessionError::Unavailable => grant.fail(reason, OsEntropy),
        })
    }
}

impl Handle {
    /// The session has ended.
    pub(crate) fn ended(&self) -> SessionError {
        self.refuse(Reason::new(DenialCode::AuthInvalid), SessionError::Ended)
    }

    /// The store cannot be asked.
    pub(crate) fn unavailable(&self) -> SessionError {
        self.refuse(Reason::new(DenialCode::StoreUnavailable), SessionError::Unavailable)
    }

    /// Notes what a handler is told.
    pub(crate) fn refuse(&self, reason: Reason, error: SessionError) -> SessionError {
        self.outbox().notes.get_or_insert_default().refused = Some((reason, error));
        error
    }

    /// Notes what mode `report` would have refused.
    pub(crate) fn report(&self, reason: Reason) {
        self.outbox().notes.get_or_insert_default().reports.push(reason);
    }

    /// Gives out what was noted.
    pub(crate) fn take_notes(&self) -> Option<Box<Notes>> {
        self.outbox().notes.take()
    }
}

#[cfg(feature = "axum")]
mod axum_response {
    use axum::{
        Extension,
        response::{IntoResponse, Response},
    };
    use http::{StatusCode, header::RETRY_AFTER};

    use super::SessionError;

    impl IntoResponse for SessionError {
        /// The layer knows it by the extension, and what policy and client there are. Whoever drops that still gets status
        /// and `Retry-After`.
        fn into_response(self) -> Response {
            let (status, seconds) = match self {
                Self::Limited { retry_after } => {
                    (StatusCode::TOO_MANY_REQUESTS, retry_after.as_millis().div_ceil(1000).max(1).to_string())
                }
                Self::Ended => return (StatusCode::UNAUTHORIZED, Extension(self)).into_response(),
                Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "5".to_owned()),
            };
            (status, [(RETRY_AFTER, seconds)], Extension(self)).into_response()
        }
    }
}
