//! Times as Postgres keeps them: `BIGINT`, whose last value is the last point in time there is.

use std::time::Duration;

use bartizan_core::Timestamp;

/// A time as a column holds it, in milliseconds since 1970.
pub(super) fn from_time(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A time as a column holds it. "Never" comes back as it was.
pub(super) fn to_time(column: i64) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp(unsigned(column)?))
}

/// A span as a column holds it, in milliseconds.
pub(super) fn from_span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A span as a column holds it.
pub(super) fn to_span(column: i64) -> Result<Duration, sqlx::Error> {
    unsigned(column).map(Duration::from_millis)
}

fn unsigned(column: i64) -> Result<u64, sqlx::Error> {
    if column == i64::MAX {
        return Ok(u64::MAX);
    }
    u64::try_from(column).map_err(|_| sqlx::Error::Decode(format!("{column} is no time").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were() {
        for millis in [0, 1, 1_700_000_000_000, u64::MAX] {
            assert_eq!(to_time(from_time(Timestamp(millis))).unwrap(), Timestamp(millis));
            let span = Duration::from_millis(millis);
            assert_eq!(to_span(from_span(span)).unwrap(), span);
        }
        assert!(from_time(Timestamp(u64::MAX - 1)) > from_time(Timestamp(1_700_000_000_000)));
        assert_eq!(to_time(-1).unwrap_err().to_string(), "error occurred while decoding: -1 is no time");
    }
}
