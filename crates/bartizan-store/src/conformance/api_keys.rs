//! API keys: kept, touched, replaced, revoked, listed, and forgotten long after their end.

use std::{collections::BTreeSet, sync::Arc};

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
};

use super::{
    Place, case_list,
    given::{HOUR, MINUTE, NOW, SECOND, at, token},
    texts,
};
use crate::{ApiKeyPage, ENDED_KEY_KEPT, KeyRotation, RotationOutcome, Store};

case_list![
    a_key_comes_back_as_it_was_given,
    an_id_is_of_one_key,
    a_use_is_written_down_once_an_hour,
    a_key_that_has_ended_is_known_and_not_touched,
    a_rotation_writes_both_keys_down,
    a_rotation_prolongs_nothing,
    a_rotation_of_what_has_changed_does_nothing,
    a_rotation_that_comes_again_was_done,
    a_use_is_no_change,
    a_key_is_revoked_once,
    keys_are_listed_by_id_and_owner,
    owners_names_and_scopes_are_any_text,
    peppers_of_what_has_not_ended_are_in_use,
    keys_are_forgotten_long_after_their_end,
    keys_outlive_a_restart,
];

/// Key `number`. Ids are in no order that the number tells.
pub(super) fn id(number: u64) -> KeyId {
    KeyId::from_bytes(*token(number).0.first_chunk().unwrap())
}

pub(super) fn pepper(number: u8) -> PepperId {
    PepperId::from_bytes([number; 8])
}

/// Alice's, made [`NOW`], without an end.
pub(super) fn record(number: u64) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id(number),
        mac: token(!number).0,
        pepper: pepper(1),
        owner: "alice".into(),
        name: "nightly backup".into(),
        scopes: vec!["read".into(), "write".into()],
        created: NOW,
        expires: None,
        revoked: None,
        replaced_by: None,
        last_used: None,
    }
}

/// That key `new` takes the place of `old`, which ends an hour later.
pub(super) fn rotation(old: &ApiKeyRecord, new: u64) -> KeyRotation {
    KeyRotation { old: old.clone(), old_expires: at(HOUR), new: record(new) }
}

async fn store_with(
    place: &Arc<dyn Place>,
    records: impl IntoIterator<Item = ApiKeyRecord>,
) -> Arc<dyn Store> {
    let store = place.store().await;
    for record in records {
        assert!(store.create_api_key(record).await.unwrap());
    }
    store
}

/// What is kept of key `number`, without a touch.
pub(super) async fn kept(store: &Arc<dyn Store>, number: u64) -> Option<ApiKeyRecord> {
    all(store, None).await.into_iter().find(|record| record.id == id(number))
}

pub(super) async fn all(store: &Arc<dyn Store>, owner: Option<&str>) -> Vec<ApiKeyRecord> {
    let mut found: Vec<ApiKeyRecord> = Vec::new();
    loop {
        let after = found.last().map(|record| record.id);
        let page = store.api_keys(owner.map(Into::into), after, 1000).await.unwrap();
        found.extend(page.keys);
        if !page.more {
            return found;
        }
    }
}

async fn a_key_comes_back_as_it_was_given(place: Arc<dyn Place>) {
    let far = Timestamp(u64::MAX / 4);
    let given = [
        record(1),
        ApiKeyRecord { scopes: Vec::new(), last_used: Some(at(1)), ..record(2) },
        ApiKeyRecord {
            pepper: PepperId::from_bytes([0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]),
            created: at(1),
            expires: Some(far),
            replaced_by: Some(id(2)),
            last_used: Some(at(3)),
            ..record(3)
        },
        ApiKeyRecord {
            revoked: Some(at(2)),
            expires: Some(Timestamp(0)),
            created: Timestamp(0),
            ..record(4)
        },
    ];
    let store = store_with(&place, given.clone()).await;
    for expected in &given {
        let found = store.api_key(expected.id, at(4)).await.unwrap().unwrap();
        let touched = expected.last_used.or(expected.check(at(4)).is_ok().then(|| at(4)));
        assert_eq!(found, ApiKeyRecord { last_used: touched, ..expected.clone() });
        assert_eq!(found.mac, expected.mac);
    }
    assert_eq!(store.api_key(id(5), at(4)).await.unwrap(), None);
}

async fn an_id_is_of_one_key(place: Arc<dyn Place>) {
    let store = store_with(&place, [record(1)]).await;
    let other = ApiKeyRecord { mac: [7; 32], owner: "mallory".into(), ..record(1) };
    assert!(!store.create_api_key(other).await.unwrap());
    assert_eq!(all(&store, None).await, [record(1)]);
    assert_eq!(all(&store, Some("mallory")).await, []);
    // The answer to the first call was lost, and the key has been revoked since.
    assert!(store.revoke_api_key(id(1), at(1)).await.unwrap());
    assert!(store.create_api_key(record(1)).await.unwrap());
    assert_eq!(all(&store, None).await, [ApiKeyRecord { revoked: Some(at(1)), ..record(1) }]);
}

async fn a_use_is_written_down_once_an_hour(place: Arc<dyn Place>) {
    let store = store_with(&place, [record(1)]).await;
    for (now, expected) in [
        (MINUTE, MINUTE),
        (MINUTE + 1, MINUTE),
        (HOUR + MINUTE - 1, MINUTE),
        (HOUR + MINUTE, HOUR + MINUTE),
        (2 * HOUR, HOUR + MINUTE),
        // Another node's clock is behind.
        (0, HOUR + MINUTE),
        (50 * HOUR, 50 * HOUR),
    ] {
        let found = store.api_key(id(1), at(now)).await.unwrap().unwrap();
        assert_eq!(found, ApiKeyRecord { last_used: Some(at(expected)), ..record(1) }, "{now}");
        assert_eq!(kept(&store, 1).await, Some(found), "{now}");
    }
}

async fn a_key_that_has_ended_is_known_and_not_touched(place: Arc<dyn Place>) {
    let given = [
        ApiKeyRecord { expires: Some(at(HOUR)), ..record(1) },
        ApiKeyRecord { revoked: Some(at(HOUR)), ..record(2) },
        ApiKeyRecord { expires: Some(at(HOUR)), replaced_by: Some(id(1)), last_used: Some(NOW), ..record(3) },
    ];
    let store = store_with(&place, given.clone()).await;
    for expected in given {
        for now in [HOUR, 10 * HOUR] {
            assert_eq!(store.api_key(expected.id, at(now)).await.unwrap().as_ref(), Some(&expected), "{now}");
        }
    }
    // Up to its last millisecond it is in use.
    let found = store.api_key(id(1), at(HOUR - 1)).await.unwrap().unwrap();
    assert_eq!(found.last_used, Some(at(HOUR - 1)));
}

async fn a_rotation_writes_both_keys_down(place: Arc<dyn Place>) {
    let store = store_with(&place, [record(1), record(9)]).await;
    let new = ApiKeyRecord {
        pepper: pepper(2),
        scopes: vec!["read".into()],
        created: at(MINUTE),
        expires: Some(at(10 * HOUR)),
        ..record(2)
    };
    let rotation = KeyRotation { old: record(1), old_expires: at(HOUR), new: new.clone() };
    assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Done);
    let old = ApiKeyRecord { expires: Some(at(HOUR)), replaced_by: Some(id(2)), ..record(1) };
    assert_eq!(kept(&store, 1).await, Some(old));
    assert_eq!(kept(&store, 2).await, Some(new.clone()));
    assert_eq!(kept(&store, 9).await, Some(record(9)));
    assert_eq!(all(&store, Some("alice")).await.len(), 3);
    // And on: the new one is the old one of the next.
    let next = KeyRotation { old: new, old_expires: at(2 * HOUR), new: record(3) };
    assert_eq!(store.rotate_api_key(next).await.unwrap(), RotationOutcome::Done);
    assert_eq!(kept(&store, 2).await.unwrap().expires, Some(at(2 * HOUR)));
}

async fn a_rotation_prolongs_nothing(place: Arc<dyn Place>) {
    for (number, expires, old_expires, expected) in [
        (1, None, HOUR, HOUR),
        (2, Some(2 * HOUR), HOUR, HOUR),
        (3, Some(HOUR), HOUR, HOUR),
        (4, Some(MINUTE), HOUR, MINUTE),
        (5, Some(MINUTE), 0, 0),
    ] {
        let old = ApiKeyRecord { expires: expires.map(at), ..record(number) };
        let store = store_with(&place, [old.clone()]).await;
        let rotation = KeyRotation { old_expires: at(old_expires), ..rotation(&old, number + 100) };
        assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Done, "{number}");
        assert_eq!(kept(&store, number).await.unwrap().expires, Some(at(expected)), "{number}");
    }
}

async fn a_rotation_of_what_has_changed_does_nothing(place: Arc<dyn Place>) {
    let given = [
        record(1),
        ApiKeyRecord { expires: Some(at(HOUR)), ..record(2) },
        ApiKeyRecord { revoked: Some(at(1)), ..record(3) },
        ApiKeyRecord { replaced_by: Some(id(1)), expires: Some(at(HOUR)), ..record(4) },
    ];
    let store = store_with(&place, given.clone()).await;
    let before = all(&store, None).await;
    for (name, rotation) in [
        ("it is not there", rotation(&record(8), 9)),
        ("it is another key", rotation(&ApiKeyRecord { mac: [7; 32], ..record(1) }, 9)),
        ("it had an end", rotation(&ApiKeyRecord { expires: Some(at(HOUR)), ..record(1) }, 9)),
        ("it had none", rotation(&record(2), 9)),
        ("it had another end", rotation(&ApiKeyRecord { expires: Some(at(1)), ..record(2) }, 9)),
        ("it was revoked", rotation(&record(3), 9)),
        ("it is revoked, and was", rotation(&given[2], 9)),
        ("it was replaced", rotation(&ApiKeyRecord { replaced_by: None, ..given[3].clone() }, 9)),
        ("it is replaced, and was", rotation(&given[3], 9)),
        (
            "the new id is another's",
            KeyRotation { new: ApiKeyRecord { mac: [7; 32], ..record(2) }, ..rotation(&record(1), 9) },
        ),
        ("the new id is its own", rotation(&record(1), 1)),
    ] {
        assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Changed, "{name}");
        assert_eq!(all(&store, None).await, before, "{name}");
    }
}

/// As when a connection breaks before the answer has come, and the step is done once more.
async fn a_rotation_that_comes_again_was_done(place: Arc<dyn Place>) {
    let store = store_with(&place, [record(1)]).await;
    for _ in 0..3 {
        let outcome = store.rotate_api_key(rotation(&record(1), 2)).await.unwrap();
        assert_eq!(outcome, RotationOutcome::Done);
    }
    assert_eq!(all(&store, None).await.len(), 2);
    let other = KeyRotation { new: ApiKeyRecord { mac: [7; 32], ..record(2) }, ..rotation(&record(1), 2) };
    assert_eq!(store.rotate_api_key(other).await.unwrap(), RotationOutcome::Changed);
}

async fn a_use_is_no_change(place: Arc<dyn Place>) {
    let store = store_with(&place, [record(1)]).await;
    store.api_key(id(1), at(MINUTE)).await.unwrap();
    assert_eq!(store.rotate_api_key(rotation(&record(1), 2)).await.unwrap(), RotationOutcome::Done);
    assert_eq!(kept(&store, 1).await.unwrap().last_used, Some(at(MINUTE)));
}

async fn a_key_is_revoked_once(place: Arc<dyn Place>) {
    let given = [record(1), ApiKeyRecord { expires: Some(at(MINUTE)), ..record(2) }, record(3)];
    let store = store_with(&place, given).await;
    for (number, now, done) in
        [(1, SECOND, true), (1, HOUR, false), (1, 0, false), (2, HOUR, true), (2, HOUR, false), (9, 0, false)]
    {
        assert_eq!(store.revoke_api_key(id(number), at(now)).await.unwrap(), done, "{number} {now}");
    }
    let revoked = |number| kept(&store, number);
    assert_eq!(revoked(1).await, Some(ApiKeyRecord { revoked: Some(at(SECOND)), ..record(1) }));
    assert_eq!(revoked(2).await.unwrap().revoked, Some(at(HOUR)));
    assert_eq!(revoked(3).await, Some(record(3)));
    assert_eq!(store.api_key(id(1), at(2 * HOUR)).await.unwrap().unwrap().last_used, None);
}

async fn keys_are_listed_by_id_and_owner(place: Arc<dyn Place>) {
    let owner = |number: u64| if number.is_multiple_of(3) { "bob" } else { "alice" };
    let mut given: Vec<ApiKeyRecord> = (0..12)
        .map(|number| ApiKeyRecord {
            owner: owner(number).into(),
            expires: (number == 4).then_some(Timestamp(1)),
            revoked: (number == 5).then_some(Timestamp(1)),
            ..record(number)
        })
        .collect();
    let store = place.store().await;
    assert_eq!(store.api_keys(None, None, 10).await.unwrap(), ApiKeyPage::default());
    for record in given.clone() {
        assert!(store.create_api_key(record).await.unwrap());
    }
    given.sort_by_key(|record| record.id);
    for owner in [None, Some("alice"), Some("bob"), Some("carol"), Some("")] {
        let expected: Vec<ApiKeyRecord> = given
            .iter()
            .filter(|record| owner.is_none_or(|owner| *record.owner == *owner))
            .cloned()
            .collect();
        for most in [1, 2, 3, 7, 12, 13] {
            let mut after = None;
            for page in expected.chunks(most) {
                let found = store.api_keys(owner.map(Into::into), after, u32::try_from(most).unwrap()).await;
                let found = found.unwrap();
                assert_eq!(found.keys, page, "{owner:?} {most}");
                after = page.last().map(|record| record.id);
                assert_eq!(found.more, expected.last().map(|last| last.id) != after, "{owner:?} {most}");
            }
        }
        // None is the whole of a page that is too small.
        let least = store.api_keys(owner.map(Into::into), None, 0).await.unwrap();
        assert_eq!(least.keys, expected.get(..1).unwrap_or_default());
    }
    let last = KeyId::from_bytes([0xff; 16]);
    assert_eq!(store.api_keys(None, Some(last), 10).await.unwrap(), ApiKeyPage::default());
    assert_eq!(store.api_keys(None, None, u32::MAX).await.unwrap().keys.len(), 12);
    // Many at a time, for a store that waits for its disk.
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (100..1100).skip(part).step_by(20) {
                assert!(store.create_api_key(record(number)).await.unwrap());
            }
        });
    }
    tasks.join_all().await;
    let page = store.api_keys(Some("alice".into()), None, u32::MAX).await.unwrap();
    assert_eq!((page.keys.len(), page.more), (1000, true));
    assert_eq!(all(&store, None).await.len(), 1012);
    // A listing touches nothing.
    assert!(all(&store, None).await.iter().all(|record| record.last_used.is_none()));
}

async fn owners_names_and_scopes_are_any_text(place: Arc<dyn Place>) {
    let texts = texts::texts();
    let given = (0..).zip(&texts).map(|(number, text)| ApiKeyRecord {
        owner: text.as_str().into(),
        name: text.as_str().into(),
        scopes: vec![text.as_str().into(), "".into(), text.as_str().into()],
        ..record(number)
    });
    let given: Vec<ApiKeyRecord> = given.collect();
    let store = store_with(&place, given.clone()).await;
    for (record, text) in given.iter().zip(&texts) {
        assert_eq!(all(&store, Some(text)).await, std::slice::from_ref(record), "{}", texts::start(text));
        let found = store.api_key(record.id, NOW).await.unwrap();
        let expected = ApiKeyRecord { last_used: Some(NOW), ..record.clone() };
        assert_eq!(found, Some(expected), "{}", texts::start(text));
    }
}

async fn peppers_of_what_has_not_ended_are_in_use(place: Arc<dyn Place>) {
    let given = [
        ApiKeyRecord { pepper: pepper(3), ..record(1) },
        ApiKeyRecord { pepper: pepper(1), ..record(2) },
        ApiKeyRecord { pepper: pepper(3), ..record(3) },
        ApiKeyRecord { pepper: pepper(2), expires: Some(at(HOUR)), ..record(4) },
        ApiKeyRecord { pepper: pepper(4), revoked: Some(NOW), ..record(5) },
    ];
    let store = place.store().await;
    assert_eq!(store.peppers_in_use(NOW).await.unwrap(), []);
    for record in given.clone() {
        assert!(store.create_api_key(record).await.unwrap());
    }
    let in_use = async |now| store.peppers_in_use(at(now)).await.unwrap();
    assert_eq!(in_use(0).await, [pepper(1), pepper(2), pepper(3)]);
    assert_eq!(in_use(HOUR - 1).await, [pepper(1), pepper(2), pepper(3)]);
    assert_eq!(in_use(HOUR).await, [pepper(1), pepper(3)]);
    // A key that was replaced is in use until its grace is over.
    let new = ApiKeyRecord { pepper: pepper(9), ..record(6) };
    let rotation = KeyRotation { old: given[1].clone(), old_expires: at(2 * HOUR), new };
    assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Done);
    assert_eq!(in_use(HOUR).await, [pepper(1), pepper(3), pepper(9)]);
    assert_eq!(in_use(2 * HOUR).await, [pepper(3), pepper(9)]);
    for number in [1, 3] {
        assert!(store.revoke_api_key(id(number), at(HOUR)).await.unwrap());
    }
    assert_eq!(in_use(2 * HOUR).await, [pepper(9)]);
}

async fn keys_are_forgotten_long_after_their_end(place: Arc<dyn Place>) {
    let kept_for = u64::try_from(ENDED_KEY_KEPT.as_millis()).unwrap();
    let given = [
        record(1),
        ApiKeyRecord { expires: Some(at(HOUR)), ..record(2) },
        ApiKeyRecord { revoked: Some(at(2 * HOUR)), ..record(3) },
        ApiKeyRecord { expires: Some(at(9 * HOUR)), ..record(4) },
        ApiKeyRecord { expires: Some(at(9 * HOUR)), ..record(5) },
        record(6),
    ];
    let store = store_with(&place, given.clone()).await;
    assert!(store.revoke_api_key(id(4), at(3 * HOUR)).await.unwrap());
    // What is revoked after its end had ended before.
    assert!(store.revoke_api_key(id(5), at(10 * HOUR)).await.unwrap());
    let rotation = KeyRotation { old_expires: at(4 * HOUR), ..rotation(&record(6), 7) };
    assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Done);
    let numbers = async || -> BTreeSet<u64> {
        let ids: BTreeSet<KeyId> = all(&store, Some("alice")).await.iter().map(|record| record.id).collect();
        (0..10).filter(|number| ids.contains(&id(*number))).collect()
    };
    for (now, pruned, left) in [
        (0, 0, &[1, 2, 3, 4, 5, 6, 7][..]),
        (kept_for + HOUR - 1, 0, &[1, 2, 3, 4, 5, 6, 7]),
        (kept_for + HOUR, 1, &[1, 3, 4, 5, 6, 7]),
        (kept_for + HOUR, 0, &[1, 3, 4, 5, 6, 7]),
        (kept_for + 3 * HOUR, 2, &[1, 5, 6, 7]),
        (kept_for + 4 * HOUR, 1, &[1, 5, 7]),
        (kept_for + 9 * HOUR - 1, 0, &[1, 5, 7]),
        (kept_for + 9 * HOUR, 1, &[1, 7]),
        (1000 * kept_for, 0, &[1, 7]),
    ] {
        assert_eq!(store.prune(at(now)).await.unwrap(), pruned, "{now}");
        assert_eq!(numbers().await, left.iter().copied().collect(), "{now}");
    }
    assert_eq!(store.prune(Timestamp(1)).await.unwrap(), 0, "a clock that stands at its beginning");
    assert_eq!(store.api_key(id(2), NOW).await.unwrap(), None);
}

async fn keys_outlive_a_restart(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=4).map(record)).await;
    assert_eq!(store.rotate_api_key(rotation(&record(1), 5)).await.unwrap(), RotationOutcome::Done);
    assert!(store.revoke_api_key(id(2), at(1)).await.unwrap());
    store.api_key(id(3), at(MINUTE)).await.unwrap();
    let before = all(&store, None).await;
    drop(store);
    let Some(restarted) = place.restart() else { return };
    restarted.await;
    let store = place.store().await;
    assert_eq!(all(&store, None).await, before);
    assert_eq!(all(&store, Some("alice")).await, before);
    assert_eq!(store.rotate_api_key(rotation(&record(1), 6)).await.unwrap(), RotationOutcome::Changed);
    assert!(!store.revoke_api_key(id(2), at(2)).await.unwrap());
}
