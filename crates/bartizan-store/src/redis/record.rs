//! How a session is written: the fields of a hash.

use std::{collections::BTreeMap, time::Duration};

use bartizan_core::{
    Timestamp,
    session::{SessionKey, SessionRecord},
};

/// The record as field, value, field, value. Times are milliseconds in decimal; a scope is a field of its own, so that
/// Redis keeps the whole in its compact form.
pub(super) fn to_fields(record: &SessionRecord) -> Vec<String> {
    let mut fields = Vec::with_capacity(2 * (5 + record.scopes.len()));
    let mut put = |name: String, value: String| fields.extend([name, value]);
    put("subject".into(), record.subject.to_string());
    put("created".into(), record.created.0.to_string());
    put("touched".into(), record.touched.0.to_string());
    put("idle".into(), milliseconds(record.idle).to_string());
    put("expires".into(), record.expires.0.to_string());
    for (at, scope) in record.scopes.iter().enumerate() {
        put(format!("scope.{at}"), scope.to_string());
    }
    fields
}

/// The record of such fields, or what is wrong with them.
pub(super) fn from_fields(fields: Vec<String>) -> Result<SessionRecord, String> {
    let mut named = BTreeMap::new();
    let mut scopes = BTreeMap::new();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.strip_prefix("scope.") {
            Some(at) => {
                let at: u32 = at.parse().map_err(|_| format!("a session with the field {name:?}"))?;
                scopes.insert(at, value.into_boxed_str());
            }
            None => _ = named.insert(name, value),
        }
    }
    let mut take =
        |name: &str| named.remove(name).ok_or_else(|| format!("a session without the field {name:?}"));
    let subject = take("subject")?.into_boxed_str();
    let mut number = |name: &str| {
        let text = take(name)?;
        text.parse::<u64>()
            .map_err(|_| format!("a session whose {name} is {text:?}, no number of milliseconds"))
    };
    let record = SessionRecord {
        subject,
        scopes: scopes.into_values().collect(),
        created: Timestamp(number("created")?),
        touched: Timestamp(number("touched")?),
        idle: Duration::from_millis(number("idle")?),
        expires: Timestamp(number("expires")?),
    };
    match named.into_keys().next() {
        // What a later version added may be what ends this session.
        Some(name) => Err(format!("a session with the field {name:?}")),
        None => Ok(record),
    }
}

pub(super) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// In lower-case hexadecimal, which sorts as the bytes do.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)))
        .collect()
}

/// The session key that was written by [`hex`].
pub(super) fn session_key(text: &str) -> Option<SessionKey> {
    unhex(text).map(SessionKey::from_bytes)
}

/// The bytes that were written by [`hex`].
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..2 * N).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SessionRecord {
        SessionRecord {
            subject: "élise {x}\0".into(),
            scopes: (0..12).map(|at| format!("scope {at}").into()).collect(),
            created: Timestamp(0),
            touched: Timestamp(1_700_000_000_000),
            idle: Duration::from_millis(1_800_001),
            expires: Timestamp(u64::MAX),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_in_whatever_order_redis_gives_it() {
        let fields = to_fields(&record());
        let mut pairs: Vec<_> = fields.chunks_exact(2).map(<[String]>::to_vec).collect();
        assert_eq!(from_fields(fields.clone()), Ok(record()));
        pairs.reverse();
        assert_eq!(from_fields(pairs.concat()), Ok(record()));
    }

    #[test]
    fn what_another_wrote_is_said() {
        let change = |name: &str, value: Option<&str>| {
            let fields = to_fields(&record());
            let pairs = fields.chunks_exact(2).filter(|pair| pair[0] != name).map(<[String]>::to_vec);
            pairs
                .chain(value.map(|value| vec![name.to_owned(), value.to_owned()]))
                .collect::<Vec<_>>()
                .concat()
        };
        for (name, value, expected) in [
            ("touched", None, "a session without the field \"touched\""),
            ("idle", Some("1.5"), "a session whose idle is \"1.5\", no number of milliseconds"),
            ("scope.x", Some("read"), "a session with the field \"scope.x\""),
            ("bound_to", Some("10.0.0.1"), "a session with the field \"bound_to\""),
        ] {
            assert_eq!(from_fields(change(name, value)), Err(expected.to_owned()));
        }
    }

    #[test]
    fn keys_are_read_as_they_were_written() {
        let key = SessionKey::of(b"cookie");
        assert_eq!(session_key(&hex(key.as_bytes())), Some(key));
        for text in ["", "00", &"0g".repeat(32), &"é".repeat(32), &"+0".repeat(32)] {
            assert_eq!(session_key(text), None, "{text}");
        }
    }
}
