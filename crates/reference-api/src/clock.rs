//! The time, as the tables have it.

use bartizan::OsClock;
use bartizan_core::{Clock as _, Timestamp};

/// Now, for the engine's types.
pub(crate) fn now() -> Timestamp {
    OsClock.now()
}

/// Now, in milliseconds since 1970.
pub(crate) fn milliseconds() -> i64 {
    i64::try_from(now().0).unwrap_or(i64::MAX)
}
