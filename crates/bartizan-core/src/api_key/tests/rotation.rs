//! Who may make which keys, and what becomes of a key that is replaced.

use alloc::{string::ToString as _, vec, vec::Vec};
use core::time::Duration;

use super::*;

/// `old` as the store has it after a rotation.
fn written_down(old: &ApiKeyRecord, rotated: &Rotated) -> ApiKeyRecord {
    let mut old = old.clone();
    old.expires = Some(rotated.old_expires);
    old.replaced_by = Some(rotated.issued.record.id);
    old
}

#[test]
fn a_key_opens_no_more_than_its_grantor_may() {
    let mine = scopes(&["read", "write"]);
    let alice = Grantor::Subject { subject: "alice", scopes: &mine };
    for (name, new, by, expected) in [
        ("all of hers", new_key(), alice, None),
        ("some of hers", NewKey { scopes: scopes(&["read"]), ..new_key() }, alice, None),
        ("none", NewKey { scopes: Vec::new(), ..new_key() }, alice, None),
        (
            "one more",
            NewKey { scopes: scopes(&["read", "admin"]), ..new_key() },
            alice,
            Some(NotIssued::WiderScope("admin".into())),
        ),
        (
            "one that hers only begins with",
            NewKey { scopes: scopes(&["rea"]), ..new_key() },
            alice,
            Some(NotIssued::WiderScope("rea".into())),
        ),
        (
            "for another",
            NewKey { owner: "bob".into(), ..new_key() },
            alice,
            Some(NotIssued::NotOwner("bob".into())),
        ),
        ("an operator", NewKey { scopes: scopes(&["admin"]), ..new_key() }, Grantor::Operator, None),
        (
            "two scopes in one",
            NewKey { scopes: scopes(&["read write"]), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Scope("read write".into())),
        ),
        (
            "an empty scope",
            NewKey { scopes: scopes(&[""]), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Scope("".into())),
        ),
        (
            "a quote",
            NewKey { scopes: scopes(&["a\"b"]), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Scope("a\"b".into())),
        ),
        (
            "more scopes than anybody needs",
            NewKey { scopes: (0..101).map(|n| n.to_string().into()).collect(), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Scopes),
        ),
        (
            "no owner",
            NewKey { owner: "".into(), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Text("owner")),
        ),
        (
            "a name of two lines",
            NewKey { name: "a\nb".into(), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Text("name")),
        ),
        (
            "a long name",
            NewKey { name: "a".repeat(257).into(), ..new_key() },
            Grantor::Operator,
            Some(NotIssued::Text("name")),
        ),
        ("born dead", NewKey { expires: Some(NOW), ..new_key() }, Grantor::Operator, Some(NotIssued::Ended)),
    ] {
        let made = keys(&[ONE]).issue(new.clone(), by, NOW, &mut Counting(0));
        assert_eq!(made.as_ref().err(), expected.as_ref(), "{name}");
        if let Ok(Issued { key, record }) = made {
            assert_eq!(keys(&[ONE]).peppers.verify(&key, Some(&record), NOW), Ok(()), "{name}");
            assert_eq!((record.owner, record.scopes), (new.owner, new.scopes), "{name}");
        }
    }
}

#[test]
fn the_old_key_gets_its_grace_and_no_more_than_it_had() {
    let days = |days: u64| Timestamp(NOW.0 + days * DAY);
    for (had, grace, ends) in [
        (None, None, days(7)),
        (Some(days(30)), None, days(7)),
        (Some(days(3)), None, days(3)),
        (None, Some(0), NOW),
        (None, Some(1), days(1)),
        (Some(days(3)), Some(365), days(3)),
        (Some(days(30)), Some(u64::MAX / DAY), days(30)),
    ] {
        let old = issued(had).record;
        let grace = grace.map(|days| Duration::from_millis(days * DAY));
        let (by, entropy) = (Grantor::Operator, &mut Counting(9));
        let rotated = keys(&[ONE]).rotate(&old, Rotation::default(), grace, by, NOW, entropy).unwrap();
        assert_eq!(rotated.old_expires, ends, "{had:?} {grace:?}");
        assert_eq!(rotated.old, old.id);
        let old = written_down(&old, &rotated);
        assert_eq!(old.check(Timestamp(ends.0 - 1)), Ok(()));
        assert!(old.check(ends).is_err());
        assert_eq!(old.replaced(), Some(Replaced { by: rotated.issued.record.id, ends }));
    }
}

#[test]
fn the_new_key_is_its_own_and_like_the_old() {
    let month = issued(Some(Timestamp(NOW.0 + 30 * DAY))).record;
    let now = Timestamp(NOW.0 + 29 * DAY);
    let (by, entropy) = (Grantor::Operator, &mut Counting(9));
    let new = keys(&[ONE]).rotate(&month, Rotation::default(), None, by, now, entropy).unwrap().issued;
    assert_eq!(keys(&[ONE]).peppers.verify(&new.key, Some(&new.record), now), Ok(()));
    assert!(new.record.id != month.id && new.record.mac != month.mac);
    // A month again, from now on.
    assert_eq!(new.record.expires, Some(Timestamp(now.0 + 30 * DAY)));
    let like = ApiKeyRecord {
        id: new.record.id,
        mac: new.record.mac,
        created: now,
        expires: new.record.expires,
        ..month.clone()
    };
    assert_eq!(new.record, like);
    let until = Timestamp(now.0 + DAY);
    let rotation = Rotation { expires: Some(until), scopes: Some(scopes(&["read"])) };
    let new = keys(&[ONE]).rotate(&month, rotation, None, by, now, entropy).unwrap().issued.record;
    assert_eq!((new.expires, new.scopes), (Some(until), scopes(&["read"])));
}

#[test]
fn a_key_is_replaced_once_and_by_nothing_wider() {
    let (wide, narrow) = (scopes(&["read", "write", "admin"]), scopes(&["read"]));
    let alice = Grantor::Subject { subject: "alice", scopes: &wide };
    let old = issued(None).record;
    let ended = ApiKeyRecord { expires: Some(NOW), ..old.clone() };
    let revoked = ApiKeyRecord { revoked: Some(NOW), ..old.clone() };
    let before = ApiKeyRecord {
        replaced_by: Some(KeyId([7; 16])),
        expires: Some(Timestamp(NOW.0 + DAY)),
        ..old.clone()
    };
    let to = |names: &[&str]| Rotation { scopes: Some(scopes(names)), expires: None };
    for (name, old, new, by, expected) in [
        ("the same", &old, Rotation::default(), alice, None),
        ("fewer", &old, to(&["write"]), alice, None),
        (
            "one that its owner has and the key had not",
            &old,
            to(&["read", "admin"]),
            alice,
            Some(NotRotated::NotIssued(NotIssued::WiderScope("admin".into()))),
        ),
        (
            "not by an operator either",
            &old,
            to(&["admin"]),
            Grantor::Operator,
            Some(NotRotated::NotIssued(NotIssued::WiderScope("admin".into()))),
        ),
        (
            "one that its owner has not any more",
            &old,
            Rotation::default(),
            Grantor::Subject { subject: "alice", scopes: &narrow },
            Some(NotRotated::NotIssued(NotIssued::WiderScope("write".into()))),
        ),
        (
            "by another",
            &old,
            Rotation::default(),
            Grantor::Subject { subject: "bob", scopes: &wide },
            Some(NotRotated::NotIssued(NotIssued::NotOwner("alice".into()))),
        ),
        ("ended", &ended, Rotation::default(), alice, Some(NotRotated::Over(ApiKeyError::Expired))),
        ("revoked", &revoked, Rotation::default(), alice, Some(NotRotated::Over(ApiKeyError::Revoked))),
        ("once more", &before, Rotation::default(), alice, Some(NotRotated::Before(KeyId([7; 16])))),
    ] {
        let rotated = keys(&[ONE]).rotate(old, new, None, by, NOW, &mut Counting(9));
        assert_eq!(rotated.err(), expected, "{name}");
    }
}

#[test]
fn rotations_one_after_the_other_prolong_nothing() {
    let keys = keys(&[ONE]);
    let mut entropy = Counting(0);
    let mut rotate = |old: &ApiKeyRecord, now| {
        keys.rotate(old, Rotation::default(), None, Grantor::Operator, now, &mut entropy)
    };
    let first = issued(None).record;
    let rotated = rotate(&first, NOW).unwrap();
    let first = written_down(&first, &rotated);
    let six_days = Timestamp(NOW.0 + 6 * DAY);
    // The new one is replaced too: the first one's end stays.
    let second = rotate(&rotated.issued.record, six_days).unwrap();
    assert_eq!(second.old, rotated.issued.record.id);
    assert_eq!(first.expires, Some(Timestamp(NOW.0 + 7 * DAY)));
    // And the first one is not replaced again.
    assert_eq!(rotate(&first, six_days).err(), Some(NotRotated::Before(rotated.issued.record.id)));
}

#[test]
fn a_rotation_without_an_id_needs_one_active_key() {
    let alive = issued(None).record;
    let other = ApiKeyRecord { id: KeyId([1; 16]), ..alive.clone() };
    let revoked = ApiKeyRecord { id: KeyId([2; 16]), revoked: Some(NOW), ..alive.clone() };
    let expired = ApiKeyRecord { id: KeyId([3; 16]), expires: Some(NOW), ..alive.clone() };
    let replaced = ApiKeyRecord {
        id: KeyId([4; 16]),
        replaced_by: Some(alive.id),
        expires: Some(Timestamp(NOW.0 + DAY)),
        ..alive.clone()
    };
    for (records, expected) in [
        (vec![], Err(NotOne::None)),
        (vec![&revoked, &expired, &replaced], Err(NotOne::None)),
        (vec![&revoked, &alive, &expired, &replaced], Ok(alive.id)),
        (vec![&alive, &other], Err(NotOne::Several(2))),
        (vec![&alive, &replaced, &other, &alive], Err(NotOne::Several(3))),
    ] {
        let one = sole_active(records.into_iter().cloned(), NOW).map(|record| record.id);
        assert_eq!(one, expected);
    }
}
