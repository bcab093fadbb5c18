//! Restarts: what was acknowledged is there afterwards.

use std::{sync::Arc, time::Duration};

use bartizan_core::{
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession},
};

use super::{
    Place, case_list,
    given::{HOUR, MINUTE, NOW, alive, at, began, key, new, record, token},
};

case_list![what_was_acknowledged_outlives_a_restart, a_store_opens_where_others_opened_it_before,];

async fn what_was_acknowledged_outlives_a_restart(place: Arc<dyn Place>) {
    let quota = Quota::new(1, Duration::from_mins(1), 2).unwrap();
    let bucket = LimitKey::named(RuleId::named(&["restart"]), &[b"alice"]);
    let store = place.store().await;
    for number in 1..=5 {
        store.begin(new(number, record("alice"))).await.unwrap();
    }
    store.session(key(1), at(MINUTE)).await.unwrap();
    store.end(Ending::One(key(2))).await.unwrap();
    let renewed = NewSession { replaces: Some(key(3)), most: Some(3), ..new(6, began("alice", at(1))) };
    assert_eq!(store.begin(renewed).await.unwrap(), 1);
    let left = alive(&store, at(MINUTE)).await;
    assert!(store.consume(token(1), at(HOUR), NOW).await.unwrap());
    assert!(store.take(bucket, quota, 2, NOW).await.unwrap().allowed);
    drop(store);
    let Some(restarted) = place.restart() else { return };
    restarted.await;

    let store = place.store().await;
    assert_eq!(alive(&store, at(MINUTE)).await, left);
    if left.contains(&1) {
        let session = store.session(key(1), at(MINUTE)).await.unwrap();
        assert_eq!(session.map(|record| record.touched), Some(at(MINUTE)));
    }
    assert!(!store.consume(token(1), at(HOUR), at(1)).await.unwrap());
    let taken = store.take(bucket, quota, 1, NOW).await.unwrap();
    assert!(!taken.allowed, "{taken:?}");
}

async fn a_store_opens_where_others_opened_it_before(place: Arc<dyn Place>) {
    // All at once, as when many nodes start on an empty back end: one of them makes the tables.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let place = Arc::clone(&place);
        tasks.spawn(async move {
            let store = place.store().await;
            store.begin(new(number, record("alice"))).await.unwrap();
        });
    }
    tasks.join_all().await;
    let store = place.store().await;
    assert_eq!(alive(&store, NOW).await, (0..8).collect::<Vec<_>>());
    drop(store);
    if let Some(restarted) = place.restart() {
        restarted.await;
        assert_eq!(alive(&place.store().await, NOW).await, (0..8).collect::<Vec<_>>());
    }
}
