//! One-time tokens: used once, remembered until they would be refused for their age.

use std::sync::Arc;

use bartizan_core::{Timestamp, TokenDigest};

use super::{
    Place, case_list,
    given::{HOUR, MINUTE, NOW, at, token},
};

case_list![
    a_token_is_fresh_once,
    a_token_whose_time_has_passed_is_not_fresh,
    a_token_is_remembered_until_its_time,
    prune_forgets_only_tokens_whose_time_has_passed,
    tokens_that_differ_by_a_bit_are_two,
];

async fn a_token_is_fresh_once(place: Arc<dyn Place>) {
    let store = place.store().await;
    for (number, until, now, fresh) in [
        (1, HOUR, NOW, true),
        (1, HOUR, NOW, false),
        (2, HOUR, NOW, true),
        (1, HOUR, at(MINUTE), false),
        // Another node's clock is behind, and another end is claimed.
        (1, HOUR, Timestamp(NOW.0 - HOUR), false),
        (1, 2 * HOUR, at(MINUTE), false),
        (1, MINUTE, NOW, false),
        (2, HOUR, at(HOUR - 1), false),
    ] {
        assert_eq!(
            store.consume(token(number), at(until), now).await.unwrap(),
            fresh,
            "{number} {until} {now:?}"
        );
    }
}

async fn a_token_whose_time_has_passed_is_not_fresh(place: Arc<dyn Place>) {
    let store = place.store().await;
    for (number, now, fresh) in [
        (1, at(MINUTE - 1), true),
        (2, at(MINUTE), false),
        (2, at(HOUR), false),
        // It was refused, and so not used.
        (2, at(MINUTE - 1), true),
        (3, Timestamp(u64::MAX / 4), false),
    ] {
        assert_eq!(store.consume(token(number), at(MINUTE), now).await.unwrap(), fresh, "{number} {now:?}");
    }
}

async fn a_token_is_remembered_until_its_time(place: Arc<dyn Place>) {
    let store = place.store().await;
    assert!(store.consume(token(1), at(MINUTE), NOW).await.unwrap());
    assert!(!store.consume(token(1), at(HOUR), at(MINUTE - 1)).await.unwrap());
    // What has ended is as if it were not there, although nobody pruned it.
    assert!(store.consume(token(1), at(HOUR), at(MINUTE)).await.unwrap());
    assert!(!store.consume(token(1), at(HOUR), at(MINUTE)).await.unwrap());
    assert!(!store.consume(token(1), at(HOUR), at(HOUR - 1)).await.unwrap());
}

async fn prune_forgets_only_tokens_whose_time_has_passed(place: Arc<dyn Place>) {
    let store = place.store().await;
    for number in 1..=20 {
        assert!(store.consume(token(number), at(number * MINUTE), NOW).await.unwrap());
    }
    let forgotten = |count| if place.forgets_by_itself() { 0..=count } else { count..=count };
    for (now, count) in [(NOW, 0), (at(10 * MINUTE), 10), (at(10 * MINUTE), 0), (at(11 * MINUTE - 1), 0)] {
        let pruned = store.prune(now).await.unwrap();
        assert!(forgotten(count).contains(&pruned), "{pruned} at {now:?}, not {count}");
    }
    for number in 11..=20 {
        for now in [at(10 * MINUTE), NOW] {
            assert!(
                !store.consume(token(number), at(number * MINUTE), now).await.unwrap(),
                "{number} {now:?}"
            );
        }
    }
    assert!(store.consume(token(1), at(HOUR), at(10 * MINUTE)).await.unwrap());
}

async fn tokens_that_differ_by_a_bit_are_two(place: Arc<dyn Place>) {
    let store = place.store().await;
    let mut digests = vec![[0; 32], [0xff; 32]];
    for bit in 0..256 {
        let mut digest = [0; 32];
        digest[bit / 8] = 1_u8 << (bit % 8);
        digests.push(digest);
    }
    for fresh in [true, false] {
        for digest in &digests {
            let token = TokenDigest(*digest);
            assert_eq!(store.consume(token, at(HOUR), NOW).await.unwrap(), fresh, "{digest:?}");
        }
    }
}
