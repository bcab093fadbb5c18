//! An API key as it is made, and what of it may lie in no store.

use std::time::Duration;

use bartizan_core::{
    Entropy, Timestamp,
    api_key::{ApiKey, ApiKeyRecord, ApiKeys, Grantor, NewKey, Peppers, Prefix},
    keys::Keys,
};

pub(crate) struct Issued {
    pub(crate) keys: ApiKeys,
    pub(crate) key: ApiKey,
    pub(crate) record: ApiKeyRecord,
    /// What must not be found, and what it is.
    pub(crate) secrets: Vec<(&'static str, Vec<u8>)>,
}

/// Bytes that do not occur by chance.
struct Bytes(u8);

impl Entropy for Bytes {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
    }
}

/// A key of Alice's, made at `now`.
pub(crate) fn issue(now: Timestamp) -> Issued {
    let master = b"0123456789abcdef0123456789abcdef";
    let keys = ApiKeys {
        prefix: Prefix::parse("acme").unwrap(),
        peppers: Peppers::derive(&Keys::new(&[&master[..]]).unwrap()).unwrap(),
        grace: Duration::from_hours(1),
    };
    let new = NewKey {
        owner: "alice".into(),
        name: "nightly backup".into(),
        scopes: vec!["read".into()],
        expires: None,
    };
    let issued = keys.issue(new, Grantor::Operator, now, &mut Bytes(3)).unwrap();
    let (mut bits, mut id_and_bits) = ([0; 32], [0; 48]);
    Bytes(3).fill(&mut id_and_bits);
    bits.copy_from_slice(&id_and_bits[16..]);
    let text = issued.key.expose().as_bytes().to_vec();
    let after_id = text.len() - 49;
    let secrets = vec![
        ("the secret and its checksum", text[after_id..].to_vec()),
        ("the secret", text[after_id..after_id + 43].to_vec()),
        ("its bits", bits.to_vec()),
        ("its bits in hex", hex(&bits).into_bytes()),
        ("its first half", bits[..16].to_vec()),
        ("the master key", master.to_vec()),
        ("the whole", text),
    ];
    Issued { keys, key: issued.key, record: issued.record, secrets }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
