//! Listing: in the order of the keys, page by page, of all subjects or one.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_core::session::{Ending, SessionKey, SessionRecord};

use super::{
    Place, case_list,
    given::{MINUTE, NOW, all, at, key, new, record, store_with},
};
use crate::{ListedSession, SessionPage, Store};

case_list![
    an_empty_store_has_an_empty_page,
    pages_follow_one_another,
    pages_leave_out_what_has_ended,
    pages_are_at_most_1000_long,
    thousands_are_listed_by_page_and_subject,
];

/// The sessions of these numbers, as they are listed.
fn listed(sessions: impl IntoIterator<Item = (u64, SessionRecord)>) -> Vec<ListedSession> {
    let by_key: BTreeMap<SessionKey, SessionRecord> =
        sessions.into_iter().map(|(number, record)| (key(number), record)).collect();
    by_key.into_iter().map(|(key, record)| ListedSession { key, record }).collect()
}

async fn an_empty_store_has_an_empty_page(place: Arc<dyn Place>) {
    let store = place.store().await;
    for subject in [None, Some("alice".into())] {
        for after in [None, Some(key(1))] {
            let page = store.sessions(subject.clone(), after, 10, NOW).await.unwrap();
            assert_eq!(page, SessionPage::default());
        }
    }
}

async fn pages_follow_one_another(place: Arc<dyn Place>) {
    let given = || (0..7).map(|n| (n, record("alice")));
    let store = store_with(&place, given().map(|(n, record)| new(n, record))).await;
    let expected = listed(given());
    for subject in [None, Some("alice".into())] {
        for (after, most, range, more) in [
            (None, 3, 0..3, true),
            (Some(expected[2].key), 3, 3..6, true),
            (Some(expected[5].key), 3, 6..7, false),
            (Some(expected[6].key), 3, 7..7, false),
            (None, 7, 0..7, false),
            (None, 6, 0..6, true),
            (None, 8, 0..7, false),
            (Some(expected[3].key), 1, 4..5, true),
            (Some(expected[5].key), 1, 6..7, false),
            (Some(SessionKey::from_bytes([0; 32])), 2, 0..2, true),
            (Some(SessionKey::from_bytes([0xff; 32])), 2, 7..7, false),
        ] {
            let page = store.sessions(subject.clone(), after, most, NOW).await.unwrap();
            let expected = SessionPage { sessions: expected[range].to_vec(), more };
            assert_eq!(page, expected, "{most} after {after:?}");
        }
    }
    // A page goes on after a key whose session has ended meanwhile.
    store.end(Ending::One(expected[2].key)).await.unwrap();
    let page = store.sessions(None, Some(expected[2].key), 3, NOW).await.unwrap();
    assert_eq!(page.sessions, expected[3..6]);
}

async fn pages_leave_out_what_has_ended(place: Arc<dyn Place>) {
    // Of each three that follow one another, only the first lives on.
    let mut numbers: Vec<u64> = (0..30).collect();
    numbers.sort_by_key(|number| key(*number));
    let ends = |place: usize| if place.is_multiple_of(3) { at(20 * MINUTE) } else { at(10 * MINUTE) };
    let given: Vec<(u64, SessionRecord)> = (0..)
        .zip(numbers)
        .map(|(place, number)| (number, SessionRecord { expires: ends(place), ..record("alice") }))
        .collect();
    let store = store_with(&place, given.iter().cloned().map(|(n, record)| new(n, record))).await;
    let expected = listed(given.into_iter().filter(|(_, record)| record.expires == at(20 * MINUTE)));
    for subject in [None, Some("alice".into())] {
        let now = at(10 * MINUTE);
        let first = store.sessions(subject.clone(), None, 6, now).await.unwrap();
        assert_eq!(first, SessionPage { sessions: expected[..6].to_vec(), more: true });
        let second = store.sessions(subject, Some(expected[5].key), 4, now).await.unwrap();
        // Only what has ended comes after it.
        assert_eq!(second, SessionPage { sessions: expected[6..].to_vec(), more: false });
    }
}

async fn pages_are_at_most_1000_long(place: Arc<dyn Place>) {
    let store = place.store().await;
    begin_many(&store, (0..1001).map(|n| (n, record("alice")))).await;
    for (most, long) in [(1000, 1000), (1001, 1000), (u32::MAX, 1000), (1, 1), (0, 1)] {
        let page = store.sessions(None, None, most, NOW).await.unwrap();
        assert_eq!((page.sessions.len(), page.more), (long, true), "{most}");
    }
}

async fn thousands_are_listed_by_page_and_subject(place: Arc<dyn Place>) {
    let store = place.store().await;
    let whose = |number: u64| match number % 10 {
        0 => "alice",
        1..=6 => "bob",
        _ => "carol",
    };
    let given = || (0..2500).map(|n| (n, record(whose(n))));
    begin_many(&store, given()).await;
    for (subject, long) in [(None, 2500), (Some("alice"), 250), (Some("bob"), 1500), (Some("carol"), 750)] {
        let found = all(&store, subject, NOW).await;
        let wanted = given().filter(|(_, record)| subject.is_none_or(|subject| *record.subject == *subject));
        let expected = listed(wanted).into_iter().map(|listed| (listed.key, listed.record));
        assert_eq!(found.len(), long, "{subject:?}");
        assert!(found.into_iter().eq(expected), "{subject:?} is listed otherwise");
    }
    let ending = Ending::AllOf { subject: "bob".into(), except: None };
    assert_eq!(store.end(ending).await.unwrap(), 1500);
    assert_eq!(all(&store, None, NOW).await.len(), 1000);
}

/// Many at a time, for a store that waits for its disk.
async fn begin_many(store: &Arc<dyn Store>, sessions: impl Iterator<Item = (u64, SessionRecord)>) {
    let sessions: Vec<(u64, SessionRecord)> = sessions.collect();
    let mut tasks = tokio::task::JoinSet::new();
    for part in sessions.chunks(sessions.len().div_ceil(16)) {
        let (store, part) = (Arc::clone(store), part.to_vec());
        tasks.spawn(async move {
            for (number, record) in part {
                assert_eq!(store.begin(new(number, record)).await.unwrap(), 0);
            }
        });
    }
    tasks.join_all().await;
}
