//! What went wrong, in the words of a store.

use std::time::Duration;

use crate::StoreError;

/// What Postgres says itself. The driver's own text names a line of Postgres's source.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Refusal {
    message: String,
    code: String,
}

/// What a driver's error means to whoever asked.
pub(super) fn store_error(place: &str, timeout: Duration, error: sqlx::Error) -> StoreError {
    let what = place.to_owned();
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default().into_owned();
            let refusal = Refusal { message: refused.message().to_owned(), code };
            match refusal.code.as_str() {
                // query_canceled, lock_not_available: a timeout has passed, if it was no person.
                "57014" | "55P03" => timed_out(place, timeout),
                // undefined_column, undefined_table, duplicate_table, invalid_schema_name: somebody else's hand.
                "42703" | "42P01" | "42P07" | "3F000" => {
                    StoreError::Foreign { what, why: refusal.to_string() }
                }
                _ => StoreError::Unavailable { what, source: refusal.into() },
            }
        }
        sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => StoreError::Foreign { what, why: error.to_string() },
        sqlx::Error::Io(source) => StoreError::Unavailable { what, source: source.into() },
        _ => StoreError::Unavailable { what, source: error.into() },
    }
}

/// Nothing came in time.
pub(super) fn timed_out(place: &str, timeout: Duration) -> StoreError {
    StoreError::Timeout { what: place.to_owned(), seconds: timeout.as_secs().max(1) }
}

/// Whether a fresh connection may fare better: the old one is broken, or leads to a server that no longer writes; or
/// of two transactions that wait for each other, this is the one that was ended.
pub(super) fn is_worth_repeating(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) {
        return true;
    }
    code(error).is_some_and(|code| match code.as_str() {
        // read_only_sql_transaction: the server has become a standby. serialization_failure, deadlock_detected.
        "25006" | "40001" | "40P01" => true,
        // Class 08 is connection_exception; 57P is admin_shutdown, crash_shutdown, idle_session_timeout.
        other => other.starts_with("08") || other.starts_with("57P"),
    })
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
