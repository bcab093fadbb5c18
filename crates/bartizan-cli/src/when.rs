//! Points in time: how long ago for a person, in UTC for a program (RFC 3339), and as they are typed.

use bartizan_core::Timestamp;

/// The last moment that four digits of a year can say: the end of 9999.
const LAST: u64 = 253_402_300_799_999;

/// `42 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.0.saturating_sub(then.0) {
        ..1000 => "just now".into(),
        span => format!("{} ago", in_words(span)),
    }
}

/// `in 28 min`.
pub(crate) fn ahead(then: Timestamp, now: Timestamp) -> String {
    format!("in {}", in_words(then.0.saturating_sub(now.0)))
}

/// In the largest unit of which there are two, to the nearest.
fn in_words(milliseconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    let rounded = |length: u64| milliseconds.saturating_add(length / 2) / length;
    let unit = UNITS.into_iter().find(|(length, _)| rounded(*length) >= 2);
    let (length, unit) = unit.unwrap_or((1000, "s"));
    format!("{} {unit}", rounded(length))
}

/// `2026-01-31T12:00:00.000Z`.
pub(crate) fn utc(time: Timestamp) -> String {
    let time = time.0.min(LAST);
    let (days, milliseconds) = (time / 86_400_000, time % 86_400_000);
    let (year, month, day) = date(days);
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{milliseconds:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `2026-01-31 12:00 UTC`.
pub(crate) fn minute(time: Timestamp) -> String {
    let text = utc(time);
    format!("{} {} UTC", &text[..10], &text[11..16])
}

/// Reads `2026-12-31`, `2026-12-31T18:00Z` or `2026-12-31T18:00:00Z`.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let invalid = || "write it in UTC, as 2026-12-31 or 2026-12-31T18:00:00Z (RFC 3339)".to_owned();
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z').ok_or_else(invalid)?),
        None => (text, "00:00"),
    };
    let [year, month, day] = numbers(day, '-', [4, 2, 2]).ok_or_else(invalid)?;
    let [hour, minute, second] = match time.len() {
        5 => numbers(time, ':', [2, 2]).map(|[hour, minute]| [hour, minute, 0]),
        _ => numbers(time, ':', [2, 2, 2]),
    }
    .ok_or_else(invalid)?;
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return Err(invalid());
    }
    // The day whose date it is, if there is one: a year has its 1 January not before and not after these.
    let first = (year - 1970) * 365;
    let days = (first..first + 367 + (year - 1970) / 4).find(|days| date(*days) == (year, month, day));
    let seconds = (hour * 60 + minute) * 60 + second;
    Ok(Timestamp((days.ok_or_else(invalid)? * 86_400 + seconds) * 1000))
}

/// Numbers of so many digits, with `mark` between them.
fn numbers<const N: usize>(text: &str, mark: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(mark);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Year, month and day of a day since 1970, by the Gregorian calendar.
///
/// Years are taken to begin in March, so that the day that some lack is the last one; and 400 of them have 146 097 days.
fn date(days: u64) -> (u64, u64, u64) {
    // Since 1 March 0000.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Of March to July, and of August to December, every other month has 31 days: 153 in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_in_words() {
        const MINUTE: u64 = 60_000;
        for (span, expected) in [
            (999, "just now"),
            (1000, "1 s ago"),
            (89_499, "89 s ago"),
            (90_000, "2 min ago"),
            (89 * MINUTE, "89 min ago"),
            (90 * MINUTE, "2 h ago"),
            (36 * 60 * MINUTE - 1, "36 h ago"),
            (36 * 60 * MINUTE, "2 d ago"),
        ] {
            assert_eq!(ago(Timestamp(5000), Timestamp(5000 + span)), expected);
        }
        assert_eq!(ago(Timestamp(5000), Timestamp(0)), "just now");
        assert_eq!(ahead(Timestamp(30 * MINUTE), Timestamp(1)), "in 30 min");
        assert_eq!(ahead(Timestamp(0), Timestamp(1)), "in 0 s");
    }

    #[test]
    fn what_is_typed() {
        for (text, expected) in [
            ("1970-01-01", Some("1970-01-01T00:00:00.000Z")),
            ("2028-02-29", Some("2028-02-29T00:00:00.000Z")),
            ("2026-12-31T18:00Z", Some("2026-12-31T18:00:00.000Z")),
            ("2026-12-31T23:59:59Z", Some("2026-12-31T23:59:59.000Z")),
            ("9999-12-31", Some("9999-12-31T00:00:00.000Z")),
            ("2027-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-1-1", None),
            ("2026-12-31T24:00Z", None),
            ("2026-12-31T18:00", None),
            ("2026-12-31T18:00+01:00", None),
            ("2026-12-31-01", None),
            ("+026-12-31", None),
            ("1969-12-31", None),
            ("30d", None),
            ("", None),
        ] {
            assert_eq!(instant(text).ok().map(utc).as_deref(), expected, "{text}");
        }
        assert_eq!(minute(Timestamp(1_769_860_800_123)), "2026-01-31 12:00 UTC");
    }

    #[test]
    fn dates() {
        for (time, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_769_860_800_123, "2026-01-31T12:00:00.123Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(utc(Timestamp(time)), expected);
        }
    }
}
