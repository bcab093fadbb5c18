//! Renewals: a session that is alive gets a new key, and one that is not gets none, whoever races.

use std::sync::Arc;

use bartizan_core::session::{Ending, NewSession, SessionRecord};

use super::{
    Place, case_list,
    given::{MINUTE, NOW, alive, at, began, key, new, record, renewal, store_with},
    races::{race, two_nodes},
};

case_list![
    a_renewal_takes_the_place_of_its_session,
    a_renewal_ends_no_other_session,
    what_is_not_alive_is_not_renewed,
    nobody_renews_the_session_of_another,
    a_renewal_that_comes_again_was_done,
    of_renewals_that_race_one_is_done,
    a_renewal_that_races_a_revocation_leaves_nothing_alive,
    a_renewal_that_races_the_end_of_its_session_is_before_or_after_it,
];

async fn a_renewal_takes_the_place_of_its_session(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice")), new(2, record("bob"))]).await;
    let renewed = SessionRecord { scopes: vec!["admin".into()], ..began("alice", at(20 * MINUTE)) };
    assert!(store.renew(renewal(1, 3, renewed.clone())).await.unwrap());
    assert_eq!(store.session(key(1), at(20 * MINUTE)).await.unwrap(), None);
    assert_eq!(store.session(key(3), at(20 * MINUTE)).await.unwrap(), Some(renewed));
    assert_eq!(alive(&store, at(20 * MINUTE)).await, [2, 3]);
    // It is the subject's as the one before it was.
    let everywhere = Ending::AllOf { subject: "alice".into(), except: None };
    assert_eq!(store.end(everywhere).await.unwrap(), 1);
    assert_eq!(alive(&store, at(20 * MINUTE)).await, [2]);
}

async fn a_renewal_ends_no_other_session(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=3).map(|number| new(number, began("alice", at(number))))).await;
    assert!(store.renew(renewal(2, 4, began("alice", at(5)))).await.unwrap());
    assert_eq!(alive(&store, at(5)).await, [1, 3, 4]);
    // And counts as what it is at the next login: the youngest.
    let login = NewSession { most: Some(2), ..new(5, began("alice", at(6))) };
    assert_eq!(store.begin(login).await.unwrap(), 2);
    assert_eq!(alive(&store, at(6)).await, [4, 5]);
}

async fn what_is_not_alive_is_not_renewed(place: Arc<dyn Place>) {
    let absolute = SessionRecord { expires: at(20 * MINUTE), ..began("alice", at(10 * MINUTE)) };
    let given = [new(1, record("alice")), new(2, absolute), new(3, began("alice", at(10 * MINUTE)))];
    let store = store_with(&place, given).await;
    assert_eq!(store.end(Ending::One(key(3))).await.unwrap(), 1);
    // 1 has ended idle, 2 absolutely, 3 was ended, and 4 never was.
    for old in 1..=4 {
        let renewed = began("alice", at(30 * MINUTE));
        assert!(!store.renew(renewal(old, 10 + old, renewed)).await.unwrap(), "{old}");
        assert!(alive(&store, at(30 * MINUTE)).await.is_empty(), "{old}");
    }
    // Somebody who signs in does, whatever the client had.
    let login = NewSession { replaces: Some(key(3)), ..new(5, began("alice", at(30 * MINUTE))) };
    assert_eq!(store.begin(login).await.unwrap(), 0);
    assert_eq!(alive(&store, at(30 * MINUTE)).await, [5]);
}

async fn nobody_renews_the_session_of_another(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice"))]).await;
    for subject in ["bob", "Alice", "alice ", ""] {
        assert!(!store.renew(renewal(1, 2, record(subject))).await.unwrap(), "{subject}");
        assert_eq!(alive(&store, NOW).await, [1], "{subject}");
    }
}

async fn a_renewal_that_comes_again_was_done(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice"))]).await;
    for _ in 0..2 {
        assert!(store.renew(renewal(1, 2, record("alice"))).await.unwrap());
        assert_eq!(alive(&store, NOW).await, [2]);
    }
    assert_eq!(store.end(Ending::One(key(2))).await.unwrap(), 1);
    assert!(!store.renew(renewal(1, 2, record("alice"))).await.unwrap());
    assert!(alive(&store, NOW).await.is_empty());
}

async fn of_renewals_that_race_one_is_done(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..10 {
        nodes[0].begin(new(round, record("alice"))).await.unwrap();
        let done = race(&nodes, 10, |store, number| async move {
            let number = 100 + number;
            store.renew(renewal(round, number, record("alice"))).await.unwrap().then_some(number)
        });
        let winners: Vec<u64> = done.await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(alive(&nodes[1], NOW).await, winners, "round {round}");
        nodes[0].end(Ending::One(key(winners[0]))).await.unwrap();
    }
}

async fn a_renewal_that_races_a_revocation_leaves_nothing_alive(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..30 {
        nodes[0].begin(new(0, record("alice"))).await.unwrap();
        race(&nodes, 6, |store, number| async move {
            if number == round % 6 {
                let everywhere = Ending::AllOf { subject: "alice".into(), except: None };
                // The session, or what it has become.
                assert_eq!(store.end(everywhere).await.unwrap(), 1, "round {round}");
            } else {
                // Each renews what the one before it may have begun.
                store.renew(renewal(number, number + 1, record("alice"))).await.unwrap();
                store.renew(renewal(0, 10 + number, record("alice"))).await.unwrap();
            }
        })
        .await;
        for node in &nodes {
            assert!(alive(node, NOW).await.is_empty(), "round {round}");
        }
    }
}

async fn a_renewal_that_races_the_end_of_its_session_is_before_or_after_it(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..30 {
        nodes[0].begin(new(0, record("alice"))).await.unwrap();
        let done = race(&nodes, 2, |store, number| async move {
            if (number + round) % 2 == 0 {
                let ended = store.end(Ending::One(key(0))).await.unwrap();
                (ended == 1).then_some("ended")
            } else {
                let renewed = store.renew(renewal(0, 1, record("alice"))).await.unwrap();
                renewed.then_some("renewed")
            }
        });
        let done: Vec<&str> = done.await.into_iter().flatten().collect();
        let left: &[u64] = if done == ["renewed"] { &[1] } else { &[] };
        assert_eq!(done.len(), 1, "round {round}: {done:?}");
        assert_eq!(alive(&nodes[0], NOW).await, left, "round {round}: {done:?}");
        nodes[0].end(Ending::One(key(1))).await.unwrap();
    }
}
