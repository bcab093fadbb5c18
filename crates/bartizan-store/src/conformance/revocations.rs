//! Revocations: of one token, of all that a key signed, and of all that a subject was given before a time.

use std::sync::Arc;

use bartizan_core::{Timestamp, TokenDigest};

use super::{
    Place, case_list,
    given::{HOUR, MINUTE, NOW, SECOND, at, token},
    races::{race, two_nodes},
    texts,
};
use crate::Store;

case_list![
    a_token_is_revoked_until_its_time,
    a_key_is_revoked_with_all_that_it_signed,
    a_token_that_is_revoked_again_is_remembered_for_longer,
    tokens_from_before_are_revoked_with_their_subject,
    a_cutoff_never_moves_back,
    a_cutoff_that_has_ended_is_forgotten,
    what_is_revoked_too_late_is_not_kept,
    subjects_of_revocations_are_any_text,
    prune_forgets_only_revocations_whose_time_has_passed,
    revocations_that_race_leave_the_latest,
    revocations_outlive_a_restart,
];

async fn has(store: &Arc<dyn Store>, jti: Option<u64>, subject: &str, issued: Option<u64>, now: u64) -> bool {
    store.is_revoked(jti.map(token), None, subject.into(), issued.map(at), at(now)).await.unwrap()
}

async fn revoke(store: &Arc<dyn Store>, subject: &str, before: u64, until: u64, now: u64) {
    store.revoke_subject(subject.into(), at(before), at(until), at(now)).await.unwrap();
}

async fn a_token_is_revoked_until_its_time(place: Arc<dyn Place>) {
    let store = place.store().await;
    assert!(!has(&store, Some(1), "alice", Some(0), 0).await);
    store.revoke_token(token(1), at(MINUTE), NOW).await.unwrap();
    for (jti, subject, now, revoked) in [
        (Some(1), "alice", 0, true),
        // Whoever says whose it is.
        (Some(1), "bob", 0, true),
        (Some(2), "alice", 0, false),
        (None, "alice", 0, false),
        (Some(1), "alice", MINUTE - 1, true),
        (Some(1), "alice", MINUTE, false),
        (Some(1), "alice", HOUR, false),
        // Another node's clock is behind.
        (Some(1), "alice", MINUTE - 1, true),
    ] {
        for issued in [None, Some(0), Some(HOUR)] {
            assert_eq!(has(&store, jti, subject, issued, now).await, revoked, "{jti:?} {issued:?} {now}");
        }
    }
}

async fn a_key_is_revoked_with_all_that_it_signed(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    let [one, other] = &nodes;
    let (kid, unlike) = (TokenDigest::of_kid("2027-01"), TokenDigest::of_kid("2027-02"));
    assert!(!one.is_revoked(Some(token(1)), Some(kid), "alice".into(), None, NOW).await.unwrap());
    one.revoke_token(kid, at(HOUR), NOW).await.unwrap();
    other.revoke_token(token(3), at(MINUTE), NOW).await.unwrap();
    for (jti, key, now, revoked) in [
        (None, Some(kid), 0, true),
        (Some(token(1)), Some(kid), 0, true),
        (Some(token(1)), Some(unlike), 0, false),
        // Nobody says whose key it was.
        (Some(token(1)), None, 0, false),
        (None, None, 0, false),
        // Of what was revoked twice, what is remembered longer.
        (Some(token(3)), Some(kid), MINUTE, true),
        (Some(token(3)), Some(unlike), MINUTE - 1, true),
        (Some(token(3)), Some(unlike), MINUTE, false),
        // A token that has the name of the key.
        (Some(TokenDigest::of_jti("2027-01")), Some(unlike), 0, false),
        (None, Some(kid), HOUR - 1, true),
        (None, Some(kid), HOUR, false),
    ] {
        for (node, issued) in nodes.iter().flat_map(|node| [(node, None), (node, Some(at(HOUR)))]) {
            let found = node.is_revoked(jti, key, "alice".into(), issued, at(now)).await.unwrap();
            assert_eq!(found, revoked, "{jti:?} {key:?} {now}");
        }
    }
    // With its subject still, whichever key it is of.
    revoke(one, "alice", MINUTE, HOUR, 0).await;
    assert!(other.is_revoked(None, Some(unlike), "alice".into(), None, NOW).await.unwrap());
}

async fn a_token_that_is_revoked_again_is_remembered_for_longer(place: Arc<dyn Place>) {
    let store = place.store().await;
    for (until, remembered) in [(MINUTE, MINUTE), (SECOND, MINUTE), (HOUR, HOUR), (MINUTE, HOUR)] {
        store.revoke_token(token(1), at(until), NOW).await.unwrap();
        assert!(has(&store, Some(1), "alice", None, remembered - 1).await, "{until}");
        assert!(!has(&store, Some(1), "alice", None, remembered).await, "{until}");
    }
}

async fn tokens_from_before_are_revoked_with_their_subject(place: Arc<dyn Place>) {
    let store = place.store().await;
    revoke(&store, "alice", MINUTE, HOUR, MINUTE).await;
    for (subject, issued, now, revoked) in [
        ("alice", Some(0), MINUTE, true),
        ("alice", Some(MINUTE - 1), MINUTE, true),
        ("alice", Some(MINUTE), MINUTE, false),
        ("alice", Some(MINUTE + 1), 2 * MINUTE, false),
        ("alice", Some(MINUTE - 1), HOUR - 1, true),
        ("alice", Some(MINUTE - 1), HOUR, false),
        // Nobody knows how old it is.
        ("alice", None, MINUTE, true),
        ("alice", None, HOUR - 1, true),
        ("alice", None, HOUR, false),
        ("bob", Some(0), MINUTE, false),
        ("bob", None, MINUTE, false),
        ("Alice", None, MINUTE, false),
        ("", None, MINUTE, false),
    ] {
        for jti in [None, Some(1)] {
            assert_eq!(has(&store, jti, subject, issued, now).await, revoked, "{subject} {issued:?} {now}");
        }
    }
}

async fn a_cutoff_never_moves_back(place: Arc<dyn Place>) {
    let store = place.store().await;
    for (before, until, kept_before, kept_until) in [
        (10 * SECOND, MINUTE, 10 * SECOND, MINUTE),
        (5 * SECOND, MINUTE, 10 * SECOND, MINUTE),
        // The older one for longer: of the two the safe side.
        (5 * SECOND, HOUR, 10 * SECOND, HOUR),
        (20 * SECOND, MINUTE, 20 * SECOND, HOUR),
        (0, SECOND, 20 * SECOND, HOUR),
        (30 * SECOND, 2 * HOUR, 30 * SECOND, 2 * HOUR),
    ] {
        revoke(&store, "alice", before, until, 0).await;
        for (issued, now, revoked) in [
            (kept_before - 1, 0, true),
            (kept_before, 0, false),
            (kept_before - 1, kept_until - 1, true),
            (kept_before - 1, kept_until, false),
        ] {
            let found = has(&store, None, "alice", Some(issued), now).await;
            assert_eq!(found, revoked, "issued {issued} at {now} after {before} until {until}");
        }
    }
}

async fn a_cutoff_that_has_ended_is_forgotten(place: Arc<dyn Place>) {
    let store = place.store().await;
    revoke(&store, "alice", 10 * SECOND, MINUTE, 0).await;
    // Nobody pruned it. What comes now is the first one.
    revoke(&store, "alice", 5 * SECOND, HOUR, MINUTE).await;
    assert!(has(&store, None, "alice", Some(5 * SECOND - 1), MINUTE).await);
    assert!(!has(&store, None, "alice", Some(5 * SECOND), MINUTE).await);
}

async fn what_is_revoked_too_late_is_not_kept(place: Arc<dyn Place>) {
    let store = place.store().await;
    store.revoke_token(token(1), at(MINUTE), at(MINUTE)).await.unwrap();
    revoke(&store, "alice", MINUTE, MINUTE, MINUTE).await;
    assert_eq!(store.prune(at(HOUR)).await.unwrap(), 0);
    assert!(!has(&store, Some(1), "alice", None, HOUR).await);
    // Times that are far away.
    let far = Timestamp(u64::MAX / 4);
    store.revoke_token(token(2), far, NOW).await.unwrap();
    store.revoke_subject("bob".into(), far, far, NOW).await.unwrap();
    assert!(has(&store, Some(2), "carol", None, HOUR).await);
    assert!(has(&store, None, "bob", Some(HOUR), HOUR).await);
    assert!(!store.is_revoked(Some(token(2)), None, "bob".into(), None, far).await.unwrap());
    // Before the beginning of time there is nothing.
    store.revoke_subject("dave".into(), Timestamp(0), at(HOUR), NOW).await.unwrap();
    assert!(!has(&store, None, "dave", None, 0).await);
}

async fn subjects_of_revocations_are_any_text(place: Arc<dyn Place>) {
    let store = place.store().await;
    let texts = texts::texts();
    for (number, text) in (1..).zip(&texts) {
        revoke(&store, text, number * SECOND, HOUR, 0).await;
    }
    for (number, text) in (1..).zip(&texts) {
        let start = texts::start(text);
        assert!(has(&store, None, text, Some(number * SECOND - 1), 0).await, "{start}");
        assert!(!has(&store, None, text, Some(number * SECOND), 0).await, "{start}");
    }
}

async fn prune_forgets_only_revocations_whose_time_has_passed(place: Arc<dyn Place>) {
    let store = place.store().await;
    for number in 1..=20 {
        store.revoke_token(token(number), at(number * MINUTE), NOW).await.unwrap();
        revoke(&store, &number.to_string(), HOUR, number * MINUTE, 0).await;
    }
    let forgotten = |count| if place.forgets_by_itself() { 0..=count } else { count..=count };
    for (now, count) in [(0, 0), (10 * MINUTE, 20), (10 * MINUTE, 0), (11 * MINUTE - 1, 0)] {
        let pruned = store.prune(at(now)).await.unwrap();
        assert!(forgotten(count).contains(&pruned), "{pruned} at {now:?}, not {count}");
    }
    for number in 11..=20 {
        assert!(has(&store, Some(number), "", None, 10 * MINUTE).await, "{number}");
        assert!(has(&store, None, &number.to_string(), Some(0), 10 * MINUTE).await, "{number}");
    }
}

async fn revocations_that_race_leave_the_latest(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    race(&nodes, 50, |store, number| async move {
        let (before, until) = ((number * 7 % 50) * SECOND, HOUR + (number * 11 % 50) * SECOND);
        revoke(&store, "alice", before, until, 0).await;
        store.revoke_token(token(1), at(until), NOW).await.unwrap();
    })
    .await;
    let until = HOUR + 49 * SECOND;
    for node in &nodes {
        assert!(has(node, None, "alice", Some(49 * SECOND - 1), until - 1).await);
        assert!(!has(node, None, "alice", Some(49 * SECOND), 0).await);
        assert!(!has(node, None, "alice", Some(0), until).await);
        assert!(has(node, Some(1), "bob", None, until - 1).await);
        assert!(!has(node, Some(1), "bob", None, until).await);
    }
}

async fn revocations_outlive_a_restart(place: Arc<dyn Place>) {
    let store = place.store().await;
    store.revoke_token(token(1), at(HOUR), NOW).await.unwrap();
    revoke(&store, "alice", MINUTE, HOUR, 0).await;
    drop(store);
    let Some(restarted) = place.restart() else { return };
    restarted.await;
    let store = place.store().await;
    assert!(has(&store, Some(1), "bob", None, 0).await);
    assert!(has(&store, None, "alice", Some(MINUTE - 1), 0).await);
    assert!(!has(&store, Some(2), "alice", Some(MINUTE), 0).await);
}
