//! Sessions: when they end, what touches them, and what ends them.

use std::{future::ready, sync::Arc, time::Duration};

use bartizan_core::{
    Answer, Query, Timestamp,
    api_key::ApiKeyRecord,
    limit::{LimitKey, Quota, RuleId},
    policy::LimitStore,
    session::{Ending, NewSession, SessionRecord},
};

use super::{
    Place, api_keys, case_list,
    given::{
        HOUR, MINUTE, NOW, SECOND, alive, all, at, began, key, new, record, renewal, store_with, token,
        touched,
    },
};

case_list![
    a_session_comes_back_as_it_was_given,
    a_session_ends_at_the_very_millisecond,
    a_session_is_touched_once_a_minute,
    a_session_with_a_short_idle_time_is_touched_more_often,
    a_session_is_never_touched_back_in_time,
    a_touch_does_not_outlive_the_absolute_end,
    a_listing_touches_nothing,
    begin_ends_the_session_that_it_replaces,
    begin_replaces_what_is_not_there,
    begin_ends_the_oldest_above_most,
    begin_ends_the_lower_key_of_two_that_are_as_old,
    begin_never_ends_itself,
    begin_counts_only_what_is_alive,
    begin_does_not_count_the_replaced,
    begin_leaves_other_subjects_alone,
    begin_again_writes_the_session_anew,
    end_ends_one,
    end_ends_all_of_a_subject,
    end_spares_one,
    end_spares_nothing_of_anothers,
    prune_forgets_only_what_has_ended,
    times_far_away_do_not_overflow,
    the_engines_questions_are_answered,
    what_is_answered_at_once_is_what_is_answered,
];

async fn a_session_comes_back_as_it_was_given(place: Arc<dyn Place>) {
    let given = SessionRecord {
        subject: "alice".into(),
        scopes: vec!["read".into(), "write".into()],
        created: at(1),
        touched: at(2),
        idle: Duration::from_millis(MINUTE + 3),
        expires: at(HOUR + 4),
    };
    let store = store_with(&place, [new(1, given.clone())]).await;
    assert_eq!(store.session(key(1), at(3)).await.unwrap(), Some(given.clone()));
    assert_eq!(all(&store, None, at(3)).await, [(key(1), given)]);
    assert_eq!(store.session(key(2), at(3)).await.unwrap(), None);
}

async fn a_session_ends_at_the_very_millisecond(place: Arc<dyn Place>) {
    let idle = |n| new(n, record("idle"));
    let absolute =
        |n| new(n, SessionRecord { idle: Duration::from_hours(24), expires: at(HOUR), ..record("absolute") });
    for (number, given, now, expected) in [
        (1, idle(1), at(30 * MINUTE - 1), true),
        (2, idle(2), at(30 * MINUTE), false),
        (3, absolute(3), at(HOUR - 1), true),
        (4, absolute(4), at(HOUR), false),
        // A node whose clock is behind that of the node that began it.
        (5, idle(5), Timestamp(NOW.0 - 5 * SECOND), true),
    ] {
        let store = store_with(&place, [given]).await;
        let listed = all(&store, None, now).await.iter().any(|(found, _)| *found == key(number));
        assert_eq!(listed, expected, "listed, {number}");
        assert_eq!(store.session(key(number), now).await.unwrap().is_some(), expected, "{number}");
    }
}

async fn a_session_is_touched_once_a_minute(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice"))]).await;
    for (now, expected) in [
        (at(0), NOW),
        (at(MINUTE - 1), NOW),
        (at(MINUTE), at(MINUTE)),
        (at(MINUTE + 1), at(MINUTE)),
        (at(2 * MINUTE - 1), at(MINUTE)),
        (at(2 * MINUTE), at(2 * MINUTE)),
        (at(31 * MINUTE), at(31 * MINUTE)),
    ] {
        let session = store.session(key(1), now).await.unwrap();
        assert_eq!(session.map(|record| record.touched), Some(expected), "what comes back at {now:?}");
        assert_eq!(touched(&store, 1, now).await, Some(expected), "what is kept at {now:?}");
    }
    assert_eq!(store.session(key(1), at(61 * MINUTE)).await.unwrap(), None);
}

async fn a_session_with_a_short_idle_time_is_touched_more_often(place: Arc<dyn Place>) {
    let given = SessionRecord { idle: Duration::from_secs(20), ..record("alice") };
    let store = store_with(&place, [new(1, given)]).await;
    for (now, expected) in
        [(at(10 * SECOND - 1), NOW), (at(10 * SECOND), at(10 * SECOND)), (at(29 * SECOND), at(29 * SECOND))]
    {
        store.session(key(1), now).await.unwrap();
        assert_eq!(touched(&store, 1, now).await, Some(expected), "{now:?}");
    }
}

async fn a_session_is_never_touched_back_in_time(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice"))]).await;
    store.session(key(1), at(10 * MINUTE)).await.unwrap();
    for now in [at(5 * MINUTE), at(0), Timestamp(NOW.0 - HOUR), Timestamp(0)] {
        let session = store.session(key(1), now).await.unwrap();
        assert_eq!(session.map(|record| record.touched), Some(at(10 * MINUTE)), "{now:?}");
        assert_eq!(touched(&store, 1, now).await, Some(at(10 * MINUTE)), "{now:?}");
    }
}

async fn a_touch_does_not_outlive_the_absolute_end(place: Arc<dyn Place>) {
    let given = SessionRecord { expires: at(40 * MINUTE), ..record("alice") };
    let store = store_with(&place, [new(1, given)]).await;
    assert!(store.session(key(1), at(29 * MINUTE)).await.unwrap().is_some());
    assert!(store.session(key(1), at(40 * MINUTE - 1)).await.unwrap().is_some());
    assert_eq!(store.session(key(1), at(40 * MINUTE)).await.unwrap(), None);
}

async fn a_listing_touches_nothing(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice"))]).await;
    for subject in [None, Some("alice")] {
        assert_eq!(all(&store, subject, at(20 * MINUTE)).await, [(key(1), record("alice"))]);
    }
    assert_eq!(store.session(key(1), at(30 * MINUTE)).await.unwrap(), None);
}

async fn begin_ends_the_session_that_it_replaces(place: Arc<dyn Place>) {
    // The replaced one may be somebody else's: an anonymous visitor's, who logs in.
    let store = store_with(&place, [new(1, record("")), new(2, record("alice"))]).await;
    let login = NewSession { replaces: Some(key(1)), ..new(3, record("alice")) };
    assert_eq!(store.begin(login).await.unwrap(), 0, "the replaced one is not counted");
    assert_eq!(alive(&store, NOW).await, [2, 3]);
    assert_eq!(store.session(key(1), NOW).await.unwrap(), None);
    assert_eq!(store.session(key(3), NOW).await.unwrap(), Some(record("alice")));
}

async fn begin_replaces_what_is_not_there(place: Arc<dyn Place>) {
    let store = store_with(&place, []).await;
    let login = NewSession { replaces: Some(key(1)), ..new(2, record("alice")) };
    assert_eq!(store.begin(login).await.unwrap(), 0);
    assert_eq!(alive(&store, NOW).await, [2]);
}

async fn begin_ends_the_oldest_above_most(place: Arc<dyn Place>) {
    // In an order that is neither that of the numbers, nor that of the keys, nor that of their coming.
    let ages = [(1, 3), (2, 1), (3, 4), (4, 2)];
    let given = ages.map(|(number, minute)| new(number, began("alice", at(minute * MINUTE))));
    let store = store_with(&place, given).await;
    // A touch makes no session younger.
    store.session(key(2), at(5 * MINUTE)).await.unwrap();
    for (number, most, ended, left) in [
        (5, None, 0, &[1, 2, 3, 4, 5][..]),
        (6, Some(6), 0, &[1, 2, 3, 4, 5, 6]),
        (7, Some(6), 1, &[1, 3, 4, 5, 6, 7]),
        (8, Some(4), 3, &[5, 6, 7, 8]),
        (9, Some(1), 4, &[9]),
    ] {
        let newest = NewSession { most, ..new(number, began("alice", at(10 * MINUTE + number))) };
        assert_eq!(store.begin(newest).await.unwrap(), ended, "{number}");
        assert_eq!(alive(&store, at(11 * MINUTE)).await, left, "{number}");
    }
}

async fn begin_ends_the_lower_key_of_two_that_are_as_old(place: Arc<dyn Place>) {
    let mut numbers: Vec<u64> = (1..=8).collect();
    let store = store_with(&place, numbers.iter().map(|n| new(*n, record("alice")))).await;
    numbers.sort_by_key(|number| key(*number));
    let newest = NewSession { most: Some(4), ..new(9, began("alice", at(1))) };
    assert_eq!(store.begin(newest).await.unwrap(), 5);
    let mut left = [numbers[5], numbers[6], numbers[7], 9];
    left.sort_unstable();
    assert_eq!(alive(&store, at(1)).await, left);
}

async fn begin_never_ends_itself(place: Arc<dyn Place>) {
    // Whoever logs in on a node whose clock is behind is logged in.
    let store = store_with(&place, (1..=3).map(|n| new(n, began("alice", at(n * MINUTE))))).await;
    let behind = NewSession { most: Some(2), ..new(4, record("alice")) };
    assert_eq!(store.begin(behind).await.unwrap(), 2);
    assert_eq!(alive(&store, at(3 * MINUTE)).await, [3, 4]);
    // All as old as one another, whatever the keys.
    for number in 10..20 {
        let same = NewSession { most: Some(1), ..new(number, began("bob", NOW)) };
        assert_eq!(store.begin(same).await.unwrap(), u32::from(number > 10), "{number}");
        assert!(store.session(key(number), NOW).await.unwrap().is_some(), "{number}");
    }
}

async fn begin_counts_only_what_is_alive(place: Arc<dyn Place>) {
    let absolute = SessionRecord { expires: at(20 * MINUTE), ..began("alice", at(10 * MINUTE)) };
    let given = [
        new(1, record("alice")),
        new(2, absolute),
        new(3, began("alice", at(10 * MINUTE))),
        new(4, record("bob")),
    ];
    let store = store_with(&place, given).await;
    // 1 has ended idle and 2 absolutely; nobody pruned them.
    let newest = NewSession { most: Some(2), ..new(5, began("alice", at(30 * MINUTE))) };
    assert_eq!(store.begin(newest).await.unwrap(), 0);
    assert_eq!(alive(&store, at(30 * MINUTE)).await, [3, 5]);
    let newest = NewSession { most: Some(2), ..new(6, began("alice", at(31 * MINUTE))) };
    assert_eq!(store.begin(newest).await.unwrap(), 1);
    assert_eq!(alive(&store, at(31 * MINUTE)).await, [5, 6]);
}

async fn begin_does_not_count_the_replaced(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=2).map(|n| new(n, began("alice", at(n))))).await;
    // The replaced one makes the room that the new one takes, although it is not the oldest.
    let renewed = NewSession { replaces: Some(key(2)), most: Some(2), ..new(3, began("alice", at(3))) };
    assert_eq!(store.begin(renewed).await.unwrap(), 0);
    assert_eq!(alive(&store, at(3)).await, [1, 3]);
    let renewed = NewSession { replaces: Some(key(3)), most: Some(1), ..new(4, began("alice", at(4))) };
    assert_eq!(store.begin(renewed).await.unwrap(), 1);
    assert_eq!(alive(&store, at(4)).await, [4]);
}

async fn begin_leaves_other_subjects_alone(place: Arc<dyn Place>) {
    let given = ["bob", "alic", "alice2", "Alice", ""].into_iter().zip(1..).map(|(s, n)| new(n, record(s)));
    let store = store_with(&place, given).await;
    for number in 6..=8 {
        let newest = NewSession { most: Some(1), ..new(number, began("alice", at(number))) };
        assert_eq!(store.begin(newest).await.unwrap(), u32::from(number > 6));
    }
    assert_eq!(alive(&store, at(8)).await, [1, 2, 3, 4, 5, 8]);
}

/// Whoever sends a step again, because its acknowledgement was lost, does no harm.
async fn begin_again_writes_the_session_anew(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=3).map(|n| new(n, began("alice", at(n))))).await;
    for number in 1..=3 {
        let again = NewSession { most: Some(3), ..new(number, began("alice", at(10 - number))) };
        assert_eq!(store.begin(again).await.unwrap(), 0, "{number}");
        assert_eq!(alive(&store, at(10)).await, [1, 2, 3]);
    }
    let again = NewSession { most: Some(1), ..new(1, began("bob", at(10))) };
    assert_eq!(store.begin(again).await.unwrap(), 0);
    assert_eq!(all(&store, Some("bob"), at(10)).await, [(key(1), began("bob", at(10)))]);
    assert_eq!(all(&store, Some("alice"), at(10)).await.len(), 2);
    assert_eq!(store.end(Ending::AllOf { subject: "alice".into(), except: None }).await.unwrap(), 2);
    assert_eq!(store.end(Ending::AllOf { subject: "bob".into(), except: None }).await.unwrap(), 1);
}

async fn end_ends_one(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=3).map(|n| new(n, record("alice")))).await;
    assert_eq!(store.end(Ending::One(key(2))).await.unwrap(), 1);
    assert_eq!(store.end(Ending::One(key(2))).await.unwrap(), 0, "it has ended");
    assert_eq!(store.end(Ending::One(key(9))).await.unwrap(), 0, "it never was");
    assert_eq!(alive(&store, NOW).await, [1, 3]);
    assert_eq!(store.session(key(2), NOW).await.unwrap(), None);
}

async fn end_ends_all_of_a_subject(place: Arc<dyn Place>) {
    let given = (1..=6).map(|n| new(n, record(if n % 2 == 0 { "alice" } else { "bob" })));
    let store = store_with(&place, given).await;
    let all_of = |subject: &str| Ending::AllOf { subject: subject.into(), except: None };
    assert_eq!(store.end(all_of("carol")).await.unwrap(), 0);
    assert_eq!(store.end(all_of("alice")).await.unwrap(), 3);
    assert_eq!(store.end(all_of("alice")).await.unwrap(), 0);
    assert_eq!(alive(&store, NOW).await, [1, 3, 5]);
    // Whose sessions all ended may begin another.
    assert_eq!(store.begin(new(7, record("alice"))).await.unwrap(), 0);
    assert_eq!(alive(&store, NOW).await, [1, 3, 5, 7]);
}

async fn end_spares_one(place: Arc<dyn Place>) {
    let store = store_with(&place, (1..=4).map(|n| new(n, record("alice")))).await;
    let others = |except| Ending::AllOf { subject: "alice".into(), except: Some(except) };
    assert_eq!(store.end(others(key(3))).await.unwrap(), 3);
    assert_eq!(alive(&store, NOW).await, [3]);
    assert_eq!(store.end(others(key(3))).await.unwrap(), 0);
    assert_eq!(store.end(others(key(9))).await.unwrap(), 1, "what is spared is not there");
    assert!(alive(&store, NOW).await.is_empty());
}

async fn end_spares_nothing_of_anothers(place: Arc<dyn Place>) {
    let store = store_with(&place, [new(1, record("alice")), new(2, record("bob"))]).await;
    let ending = Ending::AllOf { subject: "alice".into(), except: Some(key(2)) };
    assert_eq!(store.end(ending).await.unwrap(), 1);
    assert_eq!(alive(&store, NOW).await, [2]);
}

async fn prune_forgets_only_what_has_ended(place: Arc<dyn Place>) {
    let ends = |n| SessionRecord { expires: at(n * MINUTE), ..record("alice") };
    let store = store_with(&place, (1..=20).map(|n| new(n, ends(n)))).await;
    assert_eq!(store.prune(at(0)).await.unwrap(), 0);
    assert_eq!(store.prune(at(5 * MINUTE)).await.unwrap(), 5);
    assert_eq!(store.prune(at(5 * MINUTE)).await.unwrap(), 0);
    assert_eq!(alive(&store, at(5 * MINUTE)).await, (6..=20).collect::<Vec<_>>());
    // What was pruned is gone by every clock.
    assert_eq!(alive(&store, NOW).await, (6..=20).collect::<Vec<_>>());
    // A touch moves the end: 20 would have ended idle.
    store.session(key(20), at(15 * MINUTE)).await.unwrap();
    let idle = SessionRecord { idle: Duration::from_mins(10), ..began("bob", at(5 * MINUTE)) };
    store.begin(new(21, idle.clone())).await.unwrap();
    store.begin(new(22, idle)).await.unwrap();
    store.session(key(22), at(14 * MINUTE)).await.unwrap();
    assert_eq!(store.prune(at(15 * MINUTE)).await.unwrap(), 11, "6 to 15 absolutely, and 21 idle");
    assert_eq!(alive(&store, at(15 * MINUTE)).await, [16, 17, 18, 19, 20, 22]);
    // Nothing of it stands in the way of what comes.
    let newest = NewSession { most: Some(6), ..new(23, began("alice", at(15 * MINUTE))) };
    assert_eq!(store.begin(newest).await.unwrap(), 0);
    let everything = Ending::AllOf { subject: "alice".into(), except: None };
    assert_eq!(store.end(everything).await.unwrap(), 6);
}

async fn times_far_away_do_not_overflow(place: Arc<dyn Place>) {
    let far = Timestamp(u64::MAX / 4);
    let forever = SessionRecord { idle: Duration::from_millis(far.0), expires: far, ..record("alice") };
    let beyond = SessionRecord { idle: Duration::MAX, expires: far, ..record("bob") };
    let early = SessionRecord { created: Timestamp(0), touched: Timestamp(0), ..record("carol") };
    let store =
        store_with(&place, [new(1, forever.clone()), new(2, beyond), new(3, early), new(4, record("d"))])
            .await;
    assert_eq!(store.session(key(1), at(1)).await.unwrap(), Some(forever));
    assert_eq!(alive(&store, at(1)).await, [1, 2, 4]);
    assert_eq!(alive(&store, Timestamp(1)).await, [1, 2, 3, 4]);
    assert_eq!(store.session(key(1), far).await.unwrap(), None);
    assert!(alive(&store, far).await.is_empty());
    assert!(store.consume(token(1), far, NOW).await.unwrap());
    assert!(!store.consume(token(1), far, at(1)).await.unwrap());
    assert!(!store.consume(token(2), far, far).await.unwrap());
    let (bucket, quota) =
        (LimitKey::named(RuleId::named(&["far"]), &[]), Quota::new(1, Duration::from_secs(1), 5));
    assert!(store.take(bucket, quota.unwrap(), 1, far).await.unwrap().allowed);
    assert!(store.prune(far).await.unwrap() >= 4);
    assert!(alive(&store, Timestamp(0)).await.is_empty());
}

async fn the_engines_questions_are_answered(place: Arc<dyn Place>) {
    questions(place, Asking::AndWaiting).await;
}

async fn what_is_answered_at_once_is_what_is_answered(place: Arc<dyn Place>) {
    questions(place, Asking::AtOnceFirst).await;
}

#[derive(Clone, Copy, PartialEq)]
enum Asking {
    AndWaiting,
    AtOnceFirst,
}

async fn questions(place: Arc<dyn Place>, asking: Asking) {
    let store = place.store().await;
    let ask = |query: Query| {
        let answered = match asking {
            Asking::AndWaiting => Err(query.clone()),
            Asking::AtOnceFirst => store.try_answer(query.clone()),
        };
        match answered {
            Ok(answer) => Box::pin(ready(answer)),
            Err(given_back) => {
                assert_eq!(given_back, query);
                store.answer(query)
            }
        }
    };
    let touched = SessionRecord { touched: at(2 * MINUTE), ..record("alice") };
    let short = SessionRecord { expires: at(30 * SECOND), ..record("carol") };
    let quota = Quota::new(1, Duration::from_secs(1), 1).unwrap();
    let bucket = LimitKey::named(RuleId::named(&["login"]), &[b"alice"]);
    let consume = Query::Consume { token: token(1), until: at(MINUTE), now: NOW };
    let take = Query::Take { key: bucket, quota, cost: 1, store: LimitStore::Shared, now: NOW };
    for (query, expected) in [
        (Query::Session { key: key(1), now: NOW }, Answer::Unknown),
        (Query::Begin(Box::new(new(1, record("alice")))), Answer::Done),
        (Query::Session { key: key(1), now: NOW }, Answer::Session(record("alice"))),
        (Query::Session { key: key(1), now: at(2 * MINUTE) }, Answer::Session(touched.clone())),
        (Query::Session { key: key(1), now: at(2 * MINUTE + 1) }, Answer::Session(touched)),
        (Query::Session { key: key(1), now: at(24 * HOUR) }, Answer::Unknown),
        // Over, and touched a moment ago.
        (Query::Begin(Box::new(new(4, short))), Answer::Done),
        (Query::Session { key: key(4), now: at(30 * SECOND) }, Answer::Unknown),
        (Query::Renew(Box::new(renewal(1, 2, record("alice")))), Answer::Done),
        (Query::Renew(Box::new(renewal(1, 3, record("alice")))), Answer::Unknown),
        (Query::Renew(Box::new(renewal(2, 1, record("alice")))), Answer::Done),
        (Query::End(Ending::One(key(1))), Answer::Done),
        (Query::Session { key: key(1), now: NOW }, Answer::Unknown),
        (consume.clone(), Answer::Fresh(true)),
        (consume, Answer::Fresh(false)),
    ] {
        assert_eq!(ask(query.clone()).await, expected, "{query:?}");
    }
    let touched = ApiKeyRecord { last_used: Some(NOW), ..api_keys::record(1) };
    assert!(store.create_api_key(api_keys::record(1)).await.unwrap());
    store.revoke_token(token(1), at(HOUR), NOW).await.unwrap();
    store.revoke_subject("bob".into(), at(MINUTE), at(HOUR), NOW).await.unwrap();
    let revocation = |jti, key, subject: &str, issued| Query::Revocation {
        jti: Some(token(jti)),
        key: Some(Box::new(token(key))),
        subject: subject.into(),
        issued: Some(at(issued)),
        now: NOW,
    };
    for (query, expected) in [
        (Query::ApiKey { id: api_keys::id(1), now: NOW }, Answer::ApiKey(Box::new(touched))),
        (Query::ApiKey { id: api_keys::id(2), now: NOW }, Answer::Unknown),
        (revocation(1, 2, "alice", 0), Answer::Revoked(true)),
        (revocation(2, 1, "alice", 0), Answer::Revoked(true)),
        (revocation(2, 3, "alice", 0), Answer::Revoked(false)),
        (revocation(2, 3, "bob", 0), Answer::Revoked(true)),
        (revocation(2, 3, "bob", MINUTE), Answer::Revoked(false)),
    ] {
        assert_eq!(ask(query.clone()).await, expected, "{query:?}");
    }
    for allowed in [true, false] {
        let Answer::Taken(taken) = ask(take.clone()).await else { panic!("no answer to {take:?}") };
        assert_eq!(taken.allowed, allowed);
    }
}
