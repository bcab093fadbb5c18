//! Keys of a deployment, made, presented, tampered with.

mod rotation;

use alloc::{borrow::ToOwned as _, boxed::Box, format, string::ToString as _, vec, vec::Vec};
use core::time::Duration;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::{Timestamp, keys::Keys};

const ONE: &[u8] = b"0123456789abcdef0123456789abcdef";
const TWO: &[u8] = b"fedcba9876543210fedcba9876543210";

const DAY: u64 = 24 * 3600 * 1000;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Made of the bytes 0, 1, 2…
const KEY: &str = "acme_live_000SYW7RiJxkEgOGusQGwp_3oDH4mEVFvp7u7ED6UzpF5eHPrBI5AHumY7UBpOQIJz3qg7eq";

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

/// Keys of a deployment with these master keys.
fn keys(masters: &[&[u8]]) -> ApiKeys {
    ApiKeys {
        prefix: prefix("acme"),
        peppers: Peppers::derive(&Keys::new(masters).unwrap()).unwrap(),
        grace: Duration::from_hours(7 * 24),
    }
}

fn scopes(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

fn new_key() -> NewKey {
    NewKey { owner: "alice".into(), name: "backup".into(), scopes: scopes(&["read", "write"]), expires: None }
}

/// A key of Alice's that ends at `expires`.
fn issued(expires: Option<Timestamp>) -> Issued {
    let new = NewKey { expires, ..new_key() };
    keys(&[ONE]).issue(new, Grantor::Operator, NOW, &mut Counting(0)).unwrap()
}

#[test]
fn a_key_is_read_as_it_was_made() {
    let key = ApiKey::mint(&prefix("acme"), &mut Counting(0));
    assert_eq!(key.expose(), KEY);
    let read = ApiKey::parse(KEY.as_bytes(), &prefix("acme")).unwrap();
    assert_eq!((read.id(), read.expose()), (key.id(), key.expose()));
    assert_eq!(read.id().to_string(), "000SYW7RiJxkEgOGusQGwp");
    assert_eq!(read.id().to_string().parse(), Ok(read.id()));
    assert_eq!(read.secret(), &KEY.as_bytes()[33..76]);
    assert_eq!(format!("{read:?}"), "ApiKey(000SYW7RiJxkEgOGusQGwp, [redacted])");
    assert_ne!(ApiKey::mint(&prefix("acme"), &mut Counting(1)).secret(), read.secret());
}

#[test]
fn what_is_no_key() {
    use MalformedKey::{Checksum, Prefix as Wrong, Shape};
    let key = |from: &str, to: &str| KEY.replacen(from, to, 1);
    let checksum_of = |text: &str| {
        let digits = checksum(text.as_bytes());
        format!("{text}{}", core::str::from_utf8(&digits).unwrap())
    };
    for (text, expected) in [
        (String::new(), Wrong),
        ("acme".into(), Wrong),
        ("acme_live_".into(), Shape),
        ("hunter2".into(), Wrong),
        (key("acme", "acm"), Wrong),
        (key("acme", "acmee"), Wrong),
        (key("acme", "ACME"), Wrong),
        // Another service's, whole in itself.
        (ApiKey::mint(&prefix("other"), &mut Counting(0)).expose().to_owned(), Wrong),
        (key("_live_", "_test_"), Wrong),
        (key("_live_", "_LIVE_"), Wrong),
        (format!(" {KEY}"), Wrong),
        (format!("{KEY} "), Shape),
        (format!("{KEY}\n"), Shape),
        (format!("{KEY}0"), Shape),
        (KEY[..KEY.len() - 1].into(), Shape),
        (format!("{KEY}{KEY}"), Shape),
        (key("wp_3o", "wp-3o"), Shape),
        (key("wp_3o", "wp3o"), Shape),
        (key("wp_3o", "w_p3o"), Shape),
        (key("3oDH", "3o_H"), Shape),
        (key("3oDH", "3o+H"), Shape),
        (key("3oDH", "3o\u{e9}"), Shape),
        (key("000S", "00-S"), Shape),
        // An id beyond 128 bits, with the checksum that goes with it.
        (checksum_of(&format!("acme_live_{}_{}", "z".repeat(22), "0".repeat(43))), Shape),
        (key("qg7eq", "qg7ed"), Checksum),
        (key("3oDH", "3ODH"), Checksum),
        (key("000SYW", "00S0YW"), Checksum),
        (
            "acme_live_0000000000000000000000_0000000000000000000000000000000000000000000000000".into(),
            Checksum,
        ),
    ] {
        assert_eq!(ApiKey::parse(text.as_bytes(), &prefix("acme")).err(), Some(expected), "{text}");
    }
    assert!(ApiKey::parse(&[0xff; 4096], &prefix("acme")).is_err());
    assert!(ApiKey::parse(&vec![b'a'; 1 << 20], &prefix("acme")).is_err());
}

#[test]
fn no_character_can_be_another() {
    for place in 0..KEY.len() {
        for byte in 0..=255 {
            let mut text = KEY.as_bytes().to_vec();
            if core::mem::replace(&mut text[place], byte) != byte {
                assert!(ApiKey::parse(&text, &prefix("acme")).is_err(), "{place} {byte}");
            }
        }
    }
}

#[test]
fn no_two_neighbours_can_change_places() {
    for place in 1..KEY.len() {
        let mut text = KEY.as_bytes().to_vec();
        text.swap(place - 1, place);
        let is_read = ApiKey::parse(&text, &prefix("acme")).is_ok();
        assert_eq!(is_read, text == KEY.as_bytes(), "{place}");
    }
}

#[test]
fn prefixes() {
    for text in ["ab", "acme", "0x", "abcdefghijklmnop"] {
        assert_eq!(prefix(text).as_str(), text);
    }
    for text in ["", "a", "Acme", "ac-me", "ac_me", "ac me", "\u{e9}\u{e9}", "abcdefghijklmnopq"] {
        assert_eq!(Prefix::parse(text), Err(InvalidPrefix(text.into())), "{text}");
    }
}

#[test]
fn ids() {
    for text in ["", "C4T", "0000000000000000000000 ", "zzzzzzzzzzzzzzzzzzzzzz", "00000000000000000000-0"] {
        assert_eq!(text.parse::<KeyId>(), Err(InvalidKeyId), "{text}");
    }
    let greatest = KeyId::from_bytes([0xff; 16]);
    assert_eq!(greatest.to_string(), "7n42DGM5Tflk9n8mt7Fhc7");
    assert_eq!("7n42DGM5Tflk9n8mt7Fhc7".parse(), Ok(greatest));
    assert_eq!("7n42DGM5Tflk9n8mt7Fhc8".parse::<KeyId>(), Err(InvalidKeyId));
}

#[test]
fn a_scanner_finds_keys_and_nothing_shorter() {
    let pattern = Regex::new(SCANNER_PATTERN).unwrap();
    for (name, seed) in [("ab", 0), ("acme", 77), ("abcdefghijklmnop", 200), ("42", 255)] {
        let key = ApiKey::mint(&prefix(name), &mut Counting(seed));
        let key = key.expose();
        for text in [key.to_owned(), format!("key = \"{key}\""), format!("?k={key}&x"), format!("a:{key}.")] {
            let found: Vec<_> = pattern.find_iter(&text).map(|found| found.as_str()).collect();
            assert_eq!(found, [key], "{text}");
        }
        for end in 0..key.len() {
            assert!(!pattern.is_match(&key[..end]), "{end}");
        }
        assert!(!pattern.is_match(&format!("{key}0")) && !pattern.is_match(&key.to_ascii_uppercase()));
    }
}

#[test]
fn a_key_is_good_as_long_as_its_record_says() {
    let (alive, hour) = (issued(None), 3600 * 1000);
    let (key, record) = (&alive.key, &alive.record);
    let with = |change: fn(&mut ApiKeyRecord)| {
        let mut record = record.clone();
        change(&mut record);
        record
    };
    let successor = KeyId::from_bytes([7; 16]);
    for (name, record, now, expected) in [
        ("alive", record.clone(), NOW, Ok(())),
        ("for ever", record.clone(), Timestamp(u64::MAX), Ok(())),
        ("by a clock behind", record.clone(), Timestamp(0), Ok(())),
        ("until its last millisecond", with(|r| r.expires = Some(NOW)), Timestamp(NOW.0 - 1), Ok(())),
        ("expired", with(|r| r.expires = Some(NOW)), NOW, Err(ApiKeyError::Expired)),
        ("revoked", with(|r| r.revoked = Some(NOW)), NOW, Err(ApiKeyError::Revoked)),
        (
            "revoked by a clock ahead",
            with(|r| r.revoked = Some(Timestamp(NOW.0 + 1))),
            NOW,
            Err(ApiKeyError::Revoked),
        ),
        (
            "revoked and expired",
            with(|r| (r.revoked, r.expires) = (Some(NOW), Some(NOW))),
            NOW,
            Err(ApiKeyError::Revoked),
        ),
        (
            "replaced, within its grace",
            with(|r| (r.replaced_by, r.expires) = (Some(KeyId([7; 16])), Some(NOW))),
            Timestamp(NOW.0 - hour),
            Ok(()),
        ),
        (
            "replaced, after its grace",
            with(|r| (r.replaced_by, r.expires) = (Some(KeyId([7; 16])), Some(NOW))),
            NOW,
            Err(ApiKeyError::Replaced(successor)),
        ),
        ("wrong mac", with(|r| r.mac[31] ^= 1), NOW, Err(ApiKeyError::Secret)),
        // What has ended is not told to who has only the id.
        (
            "wrong mac of an expired one",
            with(|r| (r.mac[0], r.expires) = (!r.mac[0], Some(NOW))),
            NOW,
            Err(ApiKeyError::Secret),
        ),
        (
            "another pepper",
            with(|r| r.pepper = PepperId::from_bytes([1; 8])),
            NOW,
            Err(ApiKeyError::Pepper(PepperId::from_bytes([1; 8]))),
        ),
        ("another's record", with(|r| r.id = KeyId([7; 16])), NOW, Err(ApiKeyError::Unknown)),
    ] {
        let verified = keys(&[ONE]).peppers.verify(key, Some(&record), now);
        assert_eq!(verified, expected, "{name}");
    }
    assert_eq!(keys(&[ONE]).peppers.verify(key, None, NOW), Err(ApiKeyError::Unknown));
}

#[test]
fn the_right_id_with_another_secret_is_none() {
    let Issued { key, record } = issued(None);
    let mut text = key.expose().replace("_3oDH", "_3oDZ");
    text.truncate(text.len() - CHECKSUM_DIGITS);
    let digits = checksum(text.as_bytes());
    text.push_str(core::str::from_utf8(&digits).unwrap());
    let forged = ApiKey::parse(text.as_bytes(), &prefix("acme")).unwrap();
    assert_eq!(forged.id(), record.id);
    let verified = keys(&[ONE]).peppers.verify(&forged, Some(&record), NOW);
    assert_eq!(verified, Err(ApiKeyError::Secret));
}

#[test]
fn a_pepper_is_of_its_master_key() {
    let Issued { key, record } = issued(None);
    let (one, two, both) = (keys(&[ONE]).peppers, keys(&[TWO]).peppers, keys(&[TWO, ONE]).peppers);
    assert_eq!(one.ids().collect::<Vec<_>>(), [record.pepper]);
    assert_eq!(both.ids().collect::<Vec<_>>(), [two.ids().next().unwrap(), record.pepper]);
    assert_eq!(both.verify(&key, Some(&record), NOW), Ok(()));
    assert_eq!(two.verify(&key, Some(&record), NOW), Err(ApiKeyError::Pepper(record.pepper)));
    // New keys are made with the first.
    let new = keys(&[TWO, ONE]).issue(new_key(), Grantor::Operator, NOW, &mut Counting(0)).unwrap();
    assert_eq!(two.verify(&new.key, Some(&new.record), NOW), Ok(()));
    // A record that says another pepper than it was made with is none.
    let mixed = ApiKeyRecord { pepper: new.record.pepper, ..record };
    assert_eq!(both.verify(&key, Some(&mixed), NOW), Err(ApiKeyError::Secret));
    assert_eq!(format!("{one:?}"), "Peppers([redacted])");
}

#[test]
fn the_mac_is_the_hmac_of_the_secret() {
    use hmac::{Hmac, Mac as _};
    let Issued { record, .. } = issued(None);
    let master = Keys::new(&[ONE]).unwrap();
    let pepper = master.derive("api-key-pepper", 0).unwrap();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&*pepper).unwrap().chain_update(&KEY[33..76]);
    assert_eq!(mac.finalize().into_bytes()[..], record.mac);
    let id = master.derive("api-key-pepper-id", 0).unwrap();
    assert_eq!(record.pepper.as_bytes(), id.first_chunk().unwrap());
    assert_eq!(record.pepper.to_string().len(), 16);
    let shown = format!("{record:?}");
    assert!(shown.contains("alice") && !shown.contains("mac"), "{shown}");
}

#[test]
fn a_use_is_written_down_once_an_hour() {
    let mut record = issued(None).record;
    assert!(record.is_stale(NOW));
    record.last_used = Some(NOW);
    for (after, stale) in [(0, false), (3_599_999, false), (3_600_000, true)] {
        assert_eq!(record.is_stale(Timestamp(NOW.0 + after)), stale, "{after}");
    }
}

#[test]
fn errors_say_what_to_do() {
    for (error, text) in [
        (
            InvalidPrefix("Acme".into()).to_string(),
            "`Acme` is not a prefix of keys; write 2 to 16 lowercase letters and digits, such as the service's name",
        ),
        (
            ApiKeyError::Pepper(PepperId::from_bytes([0xab; 8])).to_string(),
            "its pepper abababababababab is of no master key here; put that key into store.previous_master_keys",
        ),
        (
            NotRotated::Over(ApiKeyError::Revoked).to_string(),
            "there is nothing to replace: it was revoked; make a new key",
        ),
        (NotOne::Several(3).to_string(), "3 keys are active; say which by its id"),
    ] {
        assert_eq!(error, text);
    }
}

proptest! {
    #[test]
    fn whatever_is_minted_is_read(name in "[a-z0-9]{2,16}", bytes: [u8; 48]) {
        struct These([u8; 48]);
        impl Entropy for These {
            fn fill(&mut self, bytes: &mut [u8]) {
                let from = if bytes.len() == 16 { &self.0[..16] } else { &self.0[16..] };
                bytes.copy_from_slice(from);
            }
        }
        let key = ApiKey::mint(&prefix(&name), &mut These(bytes));
        let read = ApiKey::parse(key.expose().as_bytes(), &prefix(&name)).unwrap();
        prop_assert_eq!((read.id(), read.expose()), (key.id(), key.expose()));
        let id = read.id();
        prop_assert_eq!(&id.as_bytes()[..], &bytes[..16]);
        let secret: [u8; 32] = base62::decode(read.secret()).unwrap();
        prop_assert_eq!(&secret[..], &bytes[16..]);
        prop_assert!(Regex::new(SCANNER_PATTERN).unwrap().is_match(key.expose()));
    }

    #[test]
    fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ApiKey::parse(&text, &prefix("acme")).is_err());
        let claimed = [b"acme_live_", &text[..]].concat();
        prop_assert!(ApiKey::parse(&claimed, &prefix("acme")).is_err());
    }

    #[test]
    fn no_text_of_the_right_shape_makes_it_panic(text in "acme_live_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}") {
        // One in four thousand million has the right checksum.
        prop_assert!(ApiKey::parse(text.as_bytes(), &prefix("acme")).is_err());
    }
}
