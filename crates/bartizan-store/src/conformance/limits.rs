//! Rate limits: a store's buckets do what [`limit::take`](bartizan_core::limit::take) says.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use bartizan_core::{
    Timestamp,
    limit::{self, LimitKey, Quota, RuleId},
};

use super::{
    Place, case_list,
    given::{Draws, HOUR, MINUTE, NOW, SECOND, at},
};

case_list![
    a_bucket_does_as_the_algorithm_says,
    buckets_do_as_the_algorithm_says_in_any_order,
    a_cost_of_zero_only_looks,
    a_cost_above_the_burst_is_refused_and_takes_nothing,
    buckets_of_other_rules_and_clients_are_others,
    prune_forgets_only_empty_buckets,
];

fn quota(limit: u32, seconds: u64, burst: u32) -> Quota {
    Quota::new(limit, Duration::from_secs(seconds), burst).unwrap()
}

fn bucket(name: &str) -> LimitKey {
    LimitKey::named(RuleId::named(&["conformance"]), &[name.as_bytes()])
}

async fn a_bucket_does_as_the_algorithm_says(place: Arc<dyn Place>) {
    let store = place.store().await;
    let (key, quota) = (bucket("alice"), quota(10, 10, 3));
    let mut tat = 0;
    for (now, allowed) in [
        (0, true),
        (0, true),
        (0, true),
        (0, false),
        (999, false),
        (1000, true),
        (1000, false),
        (2000, true),
        (10 * SECOND, true),
        // A clock that stepped back finds the bucket exhausted, and no more than that.
        (5 * SECOND, false),
        (6 * SECOND, true),
        (6 * SECOND, false),
        (HOUR, true),
    ] {
        let (expected, kept) = limit::take(tat, at(now), quota, 1);
        tat = kept;
        assert_eq!(expected.allowed, allowed, "this table is wrong at {now}");
        assert_eq!(store.take(key, quota, 1, at(now)).await.unwrap(), expected, "{now}");
    }
}

/// Also across a reload, by which the same bucket has another size.
async fn buckets_do_as_the_algorithm_says_in_any_order(place: Arc<dyn Place>) {
    let store = place.store().await;
    let quotas = [
        quota(1, 1, 1),
        quota(5, 1, 5),
        quota(60, 60, 10),
        quota(1000, 1, 1),
        quota(7, 3, 20),
        quota(1_000_000, 1, 1000),
        quota(1, 32 * 86_400, 1),
        quota(3, 86_400, 90),
    ];
    let keys = ["a", "b", "c", "d"].map(bucket);
    for seed in 0..4 {
        let mut draws = Draws(seed);
        let mut tats: HashMap<LimitKey, u64> = HashMap::new();
        // Far enough from the seed before for every bucket to be empty again.
        let start = at(seed * 100 * 24 * HOUR);
        let mut now = start;
        for step in 0..150 {
            let longest = draws.of(&[0, 1, 10, 200, SECOND, 10 * SECOND, MINUTE]);
            let span = draws.below(longest + 1);
            // Now and then the clock steps back.
            let back = draws.below(10) == 0;
            now = if back { Timestamp(now.0 - span).max(start) } else { Timestamp(now.0 + span) };
            let (key, quota, cost) = (draws.of(&keys), draws.of(&quotas), draws.of(&[0, 1, 1, 1, 2, 5, 30]));
            let tat = tats.entry(key).or_default();
            let (expected, kept) = limit::take(*tat, now, quota, cost);
            *tat = kept;
            let taken = store.take(key, quota, cost, now).await.unwrap();
            assert_eq!(taken, expected, "seed {seed}, step {step}: {cost} of {quota:?} at {now:?}");
        }
    }
}

async fn a_cost_of_zero_only_looks(place: Arc<dyn Place>) {
    let store = place.store().await;
    let (key, quota) = (bucket("alice"), quota(1, 10, 2));
    for (cost, allowed, remaining) in
        [(0, true, 2), (0, true, 2), (1, true, 1), (0, true, 1), (1, true, 0), (0, true, 0), (1, false, 0)]
    {
        let taken = store.take(key, quota, cost, NOW).await.unwrap();
        assert_eq!((taken.allowed, taken.remaining), (allowed, remaining), "{cost}");
    }
}

async fn a_cost_above_the_burst_is_refused_and_takes_nothing(place: Arc<dyn Place>) {
    let store = place.store().await;
    let (key, quota) = (bucket("alice"), quota(1, 10, 3));
    for (cost, allowed, remaining) in [(4, false, 3), (u32::MAX, false, 3), (3, true, 0), (4, false, 0)] {
        let taken = store.take(key, quota, cost, NOW).await.unwrap();
        assert_eq!((taken.allowed, taken.remaining), (allowed, remaining), "{cost}");
    }
}

async fn buckets_of_other_rules_and_clients_are_others(place: Arc<dyn Place>) {
    let store = place.store().await;
    let quota = quota(1, 10, 1);
    let address = |rule: &str, address: &str| {
        LimitKey::address(RuleId::named(&[rule]), address.parse::<IpAddr>().unwrap())
    };
    for (key, allowed) in [
        (address("a", "192.0.2.1"), true),
        (address("a", "192.0.2.1"), false),
        (address("a", "192.0.2.2"), true),
        (address("b", "192.0.2.1"), true),
        (address("b", "192.0.2.1"), false),
        (address("a", "2001:db8::1"), true),
        (address("a", "2001:db8::2"), false),
        (address("a", "0.0.0.0"), true),
        (address("a", "::"), true),
    ] {
        assert_eq!(store.take(key, quota, 1, NOW).await.unwrap().allowed, allowed, "{key:?}");
    }
}

async fn prune_forgets_only_empty_buckets(place: Arc<dyn Place>) {
    let store = place.store().await;
    let quota = quota(1, 60, 20);
    let names: Vec<LimitKey> = (1..=20).map(|minutes| bucket(&minutes.to_string())).collect();
    for (key, minutes) in names.iter().zip(1..) {
        assert!(store.take(*key, quota, minutes, NOW).await.unwrap().allowed);
    }
    let forgotten = |count| if place.forgets_by_itself() { 0..=count } else { count..=count };
    for (now, count) in [(NOW, 0), (at(10 * MINUTE), 10), (at(10 * MINUTE), 0), (at(11 * MINUTE - 1), 0)] {
        let pruned = store.prune(now).await.unwrap();
        assert!(forgotten(count).contains(&pruned), "{pruned} at {now:?}, not {count}");
    }
    for (key, minutes) in names.iter().zip(1_u64..).skip(10) {
        let taken = store.take(*key, quota, 0, at(10 * MINUTE)).await.unwrap();
        assert_eq!(taken.reset_after, Duration::from_mins(minutes - 10), "{minutes}");
    }
}
