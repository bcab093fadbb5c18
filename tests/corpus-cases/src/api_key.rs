//! The API key of the cases: named in the files, made when a case is run, and what the store keeps of it.

use bartizan_core::{
    Entropy, Timestamp,
    api_key::{ApiKey, ApiKeyRecord, ApiKeys, Grantor, KeyId, NewKey, Peppers, Prefix},
};
use serde::Deserialize;

use crate::deployment::keys;

/// What has become of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// Another has taken its place; it is good until the end of the century.
    Replaced,
    /// It was replaced, and its grace is over.
    Ended,
    /// It was made by another deployment, which had another master key.
    Moved,
}

/// When a key that was replaced ends: 2100-01-01.
const ENDS: Timestamp = Timestamp(4_102_444_800_000);

/// `text` with the keys that it names: `{api-key}`, and `{api-key-forged}`, which has its id and another secret.
pub(crate) fn fill(text: &[u8]) -> Option<Vec<u8>> {
    for (named, secret) in [("{api-key}", 7), ("{api-key-forged}", 8)] {
        if let Some(place) = text.windows(named.len()).position(|window| window == named.as_bytes()) {
            let key = ApiKey::mint(&prefix(), &mut Fixed { secret });
            let after = &text[place + named.len()..];
            let after = fill(after).unwrap_or_else(|| after.to_vec());
            return Some([&text[..place], key.expose().as_bytes(), &after].concat());
        }
    }
    None
}

/// What the store has of the key, which was made `now`.
pub(crate) fn record(
    subject: &str,
    scopes: Vec<Box<str>>,
    state: Option<KeyState>,
    now: Timestamp,
) -> ApiKeyRecord {
    let peppers = Peppers::derive(&keys()).expect("keys have peppers");
    let keys = ApiKeys { prefix: prefix(), peppers, grace: std::time::Duration::ZERO };
    let new = NewKey { owner: subject.into(), name: "corpus".into(), scopes, expires: None };
    let issued = keys.issue(new, Grantor::Operator, now, &mut Fixed { secret: 7 });
    let mut record = issued.expect("an operator's key").record;
    let successor = Some(KeyId::from_bytes([9; 16]));
    match state {
        None => {}
        Some(KeyState::Expired) => record.expires = Some(now),
        Some(KeyState::Revoked) => record.revoked = Some(now),
        Some(KeyState::Replaced) => (record.replaced_by, record.expires) = (successor, Some(ENDS)),
        Some(KeyState::Ended) => (record.replaced_by, record.expires) = (successor, Some(now)),
        Some(KeyState::Moved) => record.pepper = bartizan_core::api_key::PepperId::from_bytes([9; 8]),
    }
    record
}

fn prefix() -> Prefix {
    Prefix::parse("acme").expect("a prefix")
}

/// The same id each time, and this secret.
struct Fixed {
    secret: u8,
}

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(if bytes.len() == 16 { 7 } else { self.secret });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_wherever_they_are_named() {
        let key = "acme_live_0DG9mkOv2l6AkSp3WsPxY7_1fJjkkpe9PiTw9KSulA8Ghct30vZz4HpdQ5c5b9cPF12tOdjr";
        for (text, expected) in [
            ("{api-key}", Some(key.to_owned())),
            ("Bearer {api-key}\u{ff}, {api-key}", Some(format!("Bearer {key}\u{ff}, {key}"))),
            ("{api-key", None),
            ("acme_live_", None),
        ] {
            let filled = fill(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(filled, expected, "{text}");
        }
        let forged = String::from_utf8(fill(b"{api-key-forged}").unwrap()).unwrap();
        assert_eq!(forged[..33], key[..33]);
        assert_ne!(forged[33..], key[33..]);
    }
}
