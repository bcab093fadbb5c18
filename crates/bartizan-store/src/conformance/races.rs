//! Races: of any number of tasks on two nodes, each sees the steps of the others wholly or not at all.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use bartizan_core::{
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession},
};

use super::{
    Place, case_list,
    given::{HOUR, MINUTE, NOW, SECOND, alive, all, at, began, key, new, record, renewal, token, touched},
};
use crate::{BoxFuture, Store};

case_list![
    one_of_100_tasks_gets_the_token,
    each_of_100_tasks_gets_its_own_token,
    ten_of_100_tasks_pass_a_burst_of_ten,
    logins_that_race_leave_as_many_as_may_be,
    a_session_that_ends_is_not_touched_back_to_life,
    touches_that_race_never_go_back_in_time,
    logins_that_race_end_the_old_session,
    a_renewal_is_seen_wholly_or_not_at_all,
    what_one_node_does_another_sees,
    calls_that_are_dropped_are_done_wholly_or_not_at_all,
];

/// Runs `step` in so many tasks at once, every other one on another node, and gives back what came of each.
pub(super) async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    nodes: &[Arc<dyn Store>; 2],
    tasks: u64,
    step: impl Fn(Arc<dyn Store>, u64) -> F,
) -> Vec<T> {
    let start = Arc::new(tokio::sync::Barrier::new(usize::try_from(tasks).unwrap()));
    let mut set = tokio::task::JoinSet::new();
    for number in 0..tasks {
        let work = step(Arc::clone(&nodes[usize::from(number % 2 == 1)]), number);
        let start = Arc::clone(&start);
        set.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    set.join_all().await
}

pub(super) async fn two_nodes(place: &Arc<dyn Place>) -> [Arc<dyn Store>; 2] {
    [place.store().await, place.store().await]
}

async fn one_of_100_tasks_gets_the_token(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..5 {
        let fresh = race(&nodes, 100, |store, number| async move {
            store.consume(token(round), at(HOUR + number), at(number)).await.unwrap()
        });
        assert_eq!(fresh.await.into_iter().filter(|fresh| *fresh).count(), 1, "round {round}");
    }
}

async fn each_of_100_tasks_gets_its_own_token(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    let fresh = race(&nodes, 100, |store, number| async move {
        store.consume(token(number), at(HOUR), NOW).await.unwrap()
    });
    assert_eq!(fresh.await, [true; 100]);
}

async fn ten_of_100_tasks_pass_a_burst_of_ten(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    let quota = Quota::new(1, Duration::from_mins(1), 10).unwrap();
    for round in 0..5_u8 {
        let bucket = LimitKey::named(RuleId::named(&["race"]), &[&[round]]);
        let taken =
            race(&nodes, 100, |store, _| async move { store.take(bucket, quota, 1, NOW).await.unwrap() });
        let mut remaining: Vec<u32> =
            taken.await.into_iter().filter(|taken| taken.allowed).map(|taken| taken.remaining).collect();
        remaining.sort_unstable();
        assert_eq!(remaining, (0..10).collect::<Vec<_>>(), "round {round}");
    }
}

async fn logins_that_race_leave_as_many_as_may_be(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    let ended = race(&nodes, 50, |store, number| async move {
        let login = NewSession { most: Some(3), ..new(number, began("alice", at(number))) };
        store.begin(login).await.unwrap()
    });
    assert_eq!(ended.await.into_iter().sum::<u32>(), 47);
    assert_eq!(alive(&nodes[0], at(SECOND)).await.len(), 3);
}

async fn a_session_that_ends_is_not_touched_back_to_life(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..20 {
        nodes[0].begin(new(round, record("alice"))).await.unwrap();
        let ended = race(&nodes, 10, |store, number| async move {
            match number {
                3 if round % 2 == 0 => store.end(Ending::One(key(round))).await.unwrap(),
                3 => store.end(Ending::AllOf { subject: "alice".into(), except: None }).await.unwrap(),
                _ => store.session(key(round), at(10 * MINUTE)).await.map(|_| 0).unwrap(),
            }
        });
        assert_eq!(ended.await.into_iter().sum::<u64>(), 1, "round {round}");
        for node in &nodes {
            assert_eq!(node.session(key(round), at(10 * MINUTE)).await.unwrap(), None, "round {round}");
            assert!(alive(node, at(10 * MINUTE)).await.is_empty(), "round {round}");
        }
    }
}

async fn touches_that_race_never_go_back_in_time(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..10 {
        nodes[0].begin(new(round, record("alice"))).await.unwrap();
        let seen = race(&nodes, 20, |store, number| async move {
            let now = at(MINUTE + (number * 7 % 20) * 61 * SECOND);
            store.session(key(round), now).await.unwrap().map(|record| record.touched)
        });
        let latest = seen.await.into_iter().max().unwrap();
        // Whoever touched it came back with what was written; nothing that was seen is undone.
        assert_eq!(touched(&nodes[0], round, at(MINUTE)).await, latest, "round {round}");
    }
}

async fn logins_that_race_end_the_old_session(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    nodes[0].begin(new(100, record("alice"))).await.unwrap();
    let ended = race(&nodes, 10, |store, number| async move {
        let renewed = NewSession { replaces: Some(key(100)), ..new(number, record("alice")) };
        store.begin(renewed).await.unwrap()
    });
    assert_eq!(ended.await, [0; 10]);
    assert_eq!(alive(&nodes[0], NOW).await, (0..10).collect::<Vec<_>>());
}

async fn a_renewal_is_seen_wholly_or_not_at_all(place: Arc<dyn Place>) {
    let [one, two] = two_nodes(&place).await;
    one.begin(new(0, record("alice"))).await.unwrap();
    let seen = Arc::new(AtomicU32::new(0));
    let enough = Arc::clone(&seen);
    // On a thread of its own, so that the two go on at once also where no step waits.
    let runtime = tokio::runtime::Handle::current();
    let renewing = tokio::task::spawn_blocking(move || {
        let mut number = 0;
        // Until it was looked at often enough, or whoever looks has seen too much and is gone.
        while number < 100 || enough.load(Relaxed) < 500 && Arc::strong_count(&enough) > 1 {
            number += 1;
            // By turns the old one is renewed, replaced, and one too many.
            let record = began("alice", at(number));
            let (replaces, most) = match number % 3 {
                0 => {
                    assert!(runtime.block_on(one.renew(renewal(number - 1, number, record))).unwrap());
                    continue;
                }
                1 => (Some(key(number - 1)), None),
                _ => (None, Some(1)),
            };
            let login = NewSession { replaces, most, ..new(number, record) };
            runtime.block_on(one.begin(login)).unwrap();
        }
    });
    let mut last = 0;
    while !renewing.is_finished() {
        for subject in [None, Some("alice")] {
            let [(_, record)] = &all(&two, subject, at(MINUTE)).await[..] else { panic!("not one session") };
            assert!(record.created.0 >= last, "it goes back");
            last = record.created.0;
        }
        seen.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
    }
    renewing.await.unwrap();
}

async fn what_one_node_does_another_sees(place: Arc<dyn Place>) {
    let [one, two] = two_nodes(&place).await;
    one.begin(new(1, record("alice"))).await.unwrap();
    assert_eq!(two.session(key(1), at(MINUTE)).await.unwrap().map(|record| record.touched), Some(at(MINUTE)));
    assert_eq!(one.session(key(1), at(MINUTE)).await.unwrap().map(|record| record.touched), Some(at(MINUTE)));
    assert!(two.consume(token(1), at(HOUR), NOW).await.unwrap());
    assert!(!one.consume(token(1), at(HOUR), NOW).await.unwrap());
    assert_eq!(two.end(Ending::One(key(1))).await.unwrap(), 1);
    assert_eq!(one.session(key(1), at(MINUTE)).await.unwrap(), None);
    assert_eq!(one.end(Ending::One(key(1))).await.unwrap(), 0);
}

/// A client that goes away drops the call of its request at any point.
async fn calls_that_are_dropped_are_done_wholly_or_not_at_all(place: Arc<dyn Place>) {
    let store = place.store().await;
    store.begin(new(0, record("alice"))).await.unwrap();
    let mut current = 0;
    for number in 1..=100 {
        let renewed =
            NewSession { replaces: Some(key(current)), most: Some(1), ..new(number, record("alice")) };
        poll_and_drop(store.begin(renewed), number % 4).await;
        poll_and_drop(store.consume(token(number), at(HOUR), NOW), number % 4).await;
        poll_and_drop(store.session(key(current), at(MINUTE)), number % 4).await;
        // What was dropped may still be under way; at every moment one session is there, and only one.
        let [left] = alive(&store, NOW).await[..] else { panic!("not one session after {number}") };
        current = left;
    }
    // The store is none the worse for it.
    store.begin(new(200, record("bob"))).await.unwrap();
    assert_eq!(store.session(key(200), NOW).await.unwrap(), Some(record("bob")));
    let used = store.consume(token(1), at(HOUR), NOW).await.unwrap();
    assert!(!store.consume(token(1), at(HOUR), NOW).await.unwrap(), "after {used}");
}

/// Polls so many times, with turns for other tasks between, and drops what is not done by then.
pub(super) async fn poll_and_drop<T>(call: BoxFuture<'_, T>, times: u64) {
    let mut call = pin!(call);
    for _ in 0..times {
        let done = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        if done {
            return;
        }
        tokio::task::yield_now().await;
    }
}
