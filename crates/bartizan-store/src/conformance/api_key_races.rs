//! Races for API keys: of those who replace, revoke and use one, each sees the steps of the others wholly or not at all.

use std::{collections::BTreeSet, sync::Arc};

use bartizan_core::{Timestamp, api_key::ApiKeyRecord};

use super::{
    Place,
    api_keys::{all, id, kept, record, rotation},
    case_list,
    given::{HOUR, MINUTE, SECOND, at},
    races::{poll_and_drop, race, two_nodes},
};
use crate::RotationOutcome;

case_list![
    one_of_100_tasks_replaces_the_key,
    a_key_that_is_revoked_is_not_replaced,
    uses_that_race_are_written_down_once,
    a_use_brings_no_key_back,
    rotations_that_are_dropped_are_done_wholly_or_not_at_all,
];

async fn one_of_100_tasks_replaces_the_key(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..3 {
        let old = record(10_000 + round);
        assert!(nodes[0].create_api_key(old.clone()).await.unwrap());
        let outcomes = race(&nodes, 100, |store, number| {
            let rotation = rotation(&old, round * 100 + number);
            async move { (store.rotate_api_key(rotation).await.unwrap(), round * 100 + number) }
        });
        let done: Vec<u64> = outcomes
            .await
            .into_iter()
            .filter_map(|(outcome, number)| (outcome == RotationOutcome::Done).then_some(number))
            .collect();
        let [winner] = done[..] else { panic!("{done:?} have replaced it in round {round}") };
        let replaced = ApiKeyRecord { replaced_by: Some(id(winner)), expires: Some(at(HOUR)), ..old };
        for node in &nodes {
            assert_eq!(kept(node, 10_000 + round).await.as_ref(), Some(&replaced), "round {round}");
        }
        // The old ones, and one new one each.
        assert_eq!(all(&nodes[1], None).await.len() as u64, 2 * (round + 1), "round {round}");
    }
}

async fn a_key_that_is_revoked_is_not_replaced(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..20 {
        let old = record(10_000 + round);
        assert!(nodes[0].create_api_key(old.clone()).await.unwrap());
        let done = race(&nodes, 4, |store, number| {
            let rotation = rotation(&old, round);
            async move {
                if number == round % 4 {
                    assert!(store.revoke_api_key(rotation.old.id, at(1)).await.unwrap());
                    false
                } else if number == (round + 1) % 4 {
                    store.rotate_api_key(rotation).await.unwrap() == RotationOutcome::Done
                } else {
                    store.api_key(rotation.old.id, at(MINUTE)).await.unwrap();
                    false
                }
            }
        });
        let is_replaced = done.await.contains(&true);
        let old = kept(&nodes[0], 10_000 + round).await.unwrap();
        assert_eq!(old.revoked, Some(at(1)), "round {round}");
        assert_eq!(old.replaced_by, is_replaced.then(|| id(round)), "round {round}");
        assert_eq!(kept(&nodes[1], round).await.is_some(), is_replaced, "round {round}");
    }
}

async fn uses_that_race_are_written_down_once(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    assert!(nodes[0].create_api_key(record(1)).await.unwrap());
    for round in 1..=5 {
        // All within an hour, long after the last one.
        let used = race(&nodes, 50, |store, number| async move {
            let now = at(round * 2 * HOUR + (number * 7 % 50) * SECOND);
            store.api_key(id(1), now).await.unwrap().unwrap().last_used
        });
        let used: BTreeSet<Option<Timestamp>> = used.await.into_iter().collect();
        assert_eq!(used.len(), 1, "round {round}: {used:?}");
        assert!(used.contains(&kept(&nodes[1], 1).await.unwrap().last_used), "round {round}");
    }
}

async fn a_use_brings_no_key_back(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for number in 0..20 {
        assert!(nodes[0].create_api_key(record(number)).await.unwrap());
        race(&nodes, 10, |store, task| async move {
            if task == number % 10 {
                assert!(store.revoke_api_key(id(number), at(1)).await.unwrap());
                // Acknowledged: from now on everybody is told so.
                assert_eq!(store.api_key(id(number), at(HOUR)).await.unwrap().unwrap().revoked, Some(at(1)));
            } else {
                store.api_key(id(number), at(HOUR)).await.unwrap();
            }
        })
        .await;
        for node in &nodes {
            assert_eq!(kept(node, number).await.unwrap().revoked, Some(at(1)), "{number}");
        }
    }
}

async fn rotations_that_are_dropped_are_done_wholly_or_not_at_all(place: Arc<dyn Place>) {
    let store = place.store().await;
    assert!(store.create_api_key(record(0)).await.unwrap());
    let mut current = record(0);
    for number in 1..=60 {
        poll_and_drop(store.rotate_api_key(rotation(&current, number)), number % 4).await;
        // One step of what was dropped may still be under way; both sides of it are there, or none.
        let found = all(&store, None).await;
        let active: Vec<&ApiKeyRecord> = found.iter().filter(|record| record.replaced_by.is_none()).collect();
        let [one] = active[..] else { panic!("{} keys are active after {number}", active.len()) };
        assert!(found.iter().all(|old| old.replaced_by.is_some() == old.expires.is_some()), "{number}");
        current = one.clone();
    }
    let last = rotation(&current, 100);
    // What was dropped last may be done first.
    if store.rotate_api_key(last).await.unwrap() == RotationOutcome::Changed {
        let [current] =
            &all(&store, None).await.into_iter().filter(|r| r.replaced_by.is_none()).collect::<Vec<_>>()[..]
        else {
            panic!("not one active key")
        };
        assert_eq!(store.rotate_api_key(rotation(current, 101)).await.unwrap(), RotationOutcome::Done);
    }
}
