//! How an API key is written: the fields of a hash, whose name has the id.

use std::collections::BTreeMap;

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
};

use super::record::{hex, unhex};

/// The record as field, value, field, value. Times are milliseconds in decimal, and have no field where there is none;
/// a scope is a field of its own.
pub(super) fn to_fields(record: &ApiKeyRecord) -> Vec<String> {
    let mut fields = Vec::with_capacity(2 * (9 + record.scopes.len()));
    let mut put = |name: String, value: String| fields.extend([name, value]);
    put("mac".into(), hex(&record.mac));
    put("pepper".into(), hex(record.pepper.as_bytes()));
    put("owner".into(), record.owner.to_string());
    put("name".into(), record.name.to_string());
    put("created".into(), record.created.0.to_string());
    for (name, time) in
        [("expires", record.expires), ("revoked", record.revoked), ("last_used", record.last_used)]
    {
        if let Some(time) = time {
            put(name.into(), time.0.to_string());
        }
    }
    if let Some(by) = record.replaced_by {
        put("replaced_by".into(), hex(by.as_bytes()));
    }
    for (at, scope) in record.scopes.iter().enumerate() {
        put(format!("scope.{at}"), scope.to_string());
    }
    fields
}

/// The record of such fields, or what is wrong with them.
pub(super) fn from_fields(id: KeyId, fields: Vec<String>) -> Result<ApiKeyRecord, String> {
    let mut named = BTreeMap::new();
    let mut scopes = BTreeMap::new();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name.strip_prefix("scope.") {
            Some(at) => {
                let at: u32 = at.parse().map_err(|_| format!("an API key with the field {name:?}"))?;
                scopes.insert(at, value.into_boxed_str());
            }
            None => _ = named.insert(name, value),
        }
    }
    let mut fields = Fields(named);
    let record = ApiKeyRecord {
        id,
        mac: fields.bytes("mac")?.ok_or_else(|| missing("mac"))?,
        pepper: PepperId::from_bytes(fields.bytes("pepper")?.ok_or_else(|| missing("pepper"))?),
        owner: fields.text("owner")?,
        name: fields.text("name")?,
        scopes: scopes.into_values().collect(),
        created: fields.time("created")?.ok_or_else(|| missing("created"))?,
        expires: fields.time("expires")?,
        revoked: fields.time("revoked")?,
        replaced_by: fields.bytes("replaced_by")?.map(KeyId::from_bytes),
        last_used: fields.time("last_used")?,
    };
    match fields.0.into_keys().next() {
        // What a later version added may be what ends this key.
        Some(name) => Err(format!("an API key with the field {name:?}")),
        None => Ok(record),
    }
}

struct Fields(BTreeMap<String, String>);

impl Fields {
    fn text(&mut self, name: &str) -> Result<Box<str>, String> {
        self.0.remove(name).map(String::into_boxed_str).ok_or_else(|| missing(name))
    }

    fn time(&mut self, name: &str) -> Result<Option<Timestamp>, String> {
        let time = |text: String| {
            let number = text.parse().map(Timestamp);
            number.map_err(|_| format!("an API key whose {name} is {text:?}, no number of milliseconds"))
        };
        self.0.remove(name).map(time).transpose()
    }

    fn bytes<const N: usize>(&mut self, name: &str) -> Result<Option<[u8; N]>, String> {
        let bytes = |text: String| {
            unhex(&text).ok_or_else(|| format!("an API key whose {name} is not {N} bytes in hexadecimal"))
        };
        self.0.remove(name).map(bytes).transpose()
    }
}

fn missing(name: &str) -> String {
    format!("an API key without the field {name:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: KeyId = KeyId::from_bytes([7; 16]);

    fn record() -> ApiKeyRecord {
        ApiKeyRecord {
            id: ID,
            mac: [0xa5; 32],
            pepper: PepperId::from_bytes([1, 2, 3, 4, 5, 6, 7, 0xff]),
            owner: "élise {x}\0".into(),
            name: "nightly backup".into(),
            scopes: (0..12).map(|at| format!("scope {at}").into()).collect(),
            created: Timestamp(0),
            expires: Some(Timestamp(u64::MAX)),
            revoked: Some(Timestamp(1_800_000_000_000)),
            replaced_by: Some(KeyId::from_bytes([9; 16])),
            last_used: Some(Timestamp(1)),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_in_whatever_order_redis_gives_it() {
        let bare = ApiKeyRecord {
            expires: None,
            revoked: None,
            replaced_by: None,
            last_used: None,
            scopes: Vec::new(),
            ..record()
        };
        for given in [record(), bare] {
            let fields = to_fields(&given);
            let mut pairs: Vec<_> = fields.chunks_exact(2).map(<[String]>::to_vec).collect();
            assert_eq!(from_fields(ID, fields), Ok(given.clone()));
            pairs.reverse();
            assert_eq!(from_fields(ID, pairs.concat()), Ok(given));
        }
    }

    #[test]
    fn what_another_wrote_is_said() {
        let change = |name: &str, value: Option<&str>| {
            let fields = to_fields(&record());
            let pairs = fields.chunks_exact(2).filter(|pair| pair[0] != name).map(<[String]>::to_vec);
            pairs.chain(value.map(|value| vec![name.into(), value.into()])).collect::<Vec<_>>().concat()
        };
        for (name, value, expected) in [
            ("mac", None, "an API key without the field \"mac\""),
            ("mac", Some("a5"), "an API key whose mac is not 32 bytes in hexadecimal"),
            ("owner", None, "an API key without the field \"owner\""),
            ("expires", Some("soon"), "an API key whose expires is \"soon\", no number of milliseconds"),
            ("revoked", Some(""), "an API key whose revoked is \"\", no number of milliseconds"),
            ("replaced_by", Some("x"), "an API key whose replaced_by is not 16 bytes in hexadecimal"),
            ("scope.x", Some("read"), "an API key with the field \"scope.x\""),
            ("bound_to", Some("10.0.0.1"), "an API key with the field \"bound_to\""),
        ] {
            assert_eq!(from_fields(ID, change(name, value)), Err(expected.to_owned()));
        }
    }
}
