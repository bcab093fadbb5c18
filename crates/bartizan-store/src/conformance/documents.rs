//! Documents: each change is made by exactly one, and wholly.

use std::sync::Arc;

use super::{
    Place, case_list,
    given::NOW,
    races::{poll_and_drop, race, two_nodes},
};
use crate::{BoxFuture, Document, DocumentName, Store, StoreError};

case_list![
    a_document_comes_back_as_it_was_given,
    a_document_is_replaced_only_by_who_knows_its_version,
    documents_of_other_names_are_others,
    a_body_may_have_256_kib,
    one_of_100_tasks_makes_the_document,
    one_of_100_tasks_replaces_each_version,
    counts_that_race_are_all_counted,
    replacements_that_are_dropped_are_done_wholly_or_not_at_all,
    documents_outlive_a_restart,
];

const LONGEST: usize = 256 * 1024;

fn name(text: &str) -> DocumentName {
    DocumentName::parse(text).unwrap()
}

fn put<'a>(
    store: &'a Arc<dyn Store>,
    text: &str,
    expected: Option<u64>,
    body: &[u8],
) -> BoxFuture<'a, Result<bool, StoreError>> {
    store.replace_document(name(text), expected, body.into())
}

async fn read(store: &Arc<dyn Store>, text: &str) -> Option<(u64, Vec<u8>)> {
    let found = store.document(name(text)).await.unwrap();
    found.map(|Document { version, body }| (version, body.into_vec()))
}

async fn a_document_comes_back_as_it_was_given(place: Arc<dyn Place>) {
    let store = place.store().await;
    assert_eq!(read(&store, "ring").await, None);
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies =
        [&b""[..], b"{}", b"\0", b"\0\0", &every_byte, b"\xff\xfe", "{\"k\": \"\u{1f980}\"}".as_bytes(), b""];
    for (expected, body) in (0..).zip(bodies) {
        let expected = Some(expected).filter(|version| *version > 0);
        assert!(put(&store, "ring", expected, body).await.unwrap(), "{expected:?}");
        let version = expected.unwrap_or(0) + 1;
        assert_eq!(read(&store, "ring").await, Some((version, body.to_vec())), "{expected:?}");
    }
    // It never ends.
    store.prune(bartizan_core::Timestamp(u64::MAX / 4)).await.unwrap();
    assert_eq!(read(&store, "ring").await, Some((8, Vec::new())));
}

async fn a_document_is_replaced_only_by_who_knows_its_version(place: Arc<dyn Place>) {
    let store = place.store().await;
    for (expected, body, done) in [
        (Some(0), "none", false),
        (Some(1), "none", false),
        (Some(u64::MAX), "none", false),
        (None, "first", true),
        (None, "again", false),
        (Some(0), "older", false),
        (Some(2), "newer", false),
        (Some(u64::MAX), "newer", false),
        (Some(1), "second", true),
        (Some(1), "late", false),
        (None, "late", false),
        (Some(2), "third", true),
    ] {
        assert_eq!(
            put(&store, "ring", expected, body.as_bytes()).await.unwrap(),
            done,
            "{expected:?} {body}"
        );
    }
    assert_eq!(read(&store, "ring").await, Some((3, b"third".to_vec())));
}

async fn documents_of_other_names_are_others(place: Arc<dyn Place>) {
    let store = place.store().await;
    let longest = "z".repeat(64);
    let names = ["a", "b", "a-b", "-", "0", "00", &longest, &longest[..63]];
    for text in names {
        assert!(put(&store, text, None, text.as_bytes()).await.unwrap(), "{text}");
    }
    assert!(put(&store, "a", Some(1), b"changed").await.unwrap());
    for text in &names[1..] {
        assert_eq!(read(&store, text).await, Some((1, text.as_bytes().to_vec())), "{text}");
    }
}

async fn a_body_may_have_256_kib(place: Arc<dyn Place>) {
    let store = place.store().await;
    let body: Vec<u8> = (0..LONGEST).map(|at| u8::try_from(at % 251).unwrap()).collect();
    assert!(put(&store, "ring", None, &body).await.unwrap());
    for expected in [None, Some(1), Some(7)] {
        let refused = put(&store, "ring", expected, &[&body[..], b"x"].concat()).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::TooLong { length, limit: LONGEST, .. } if length == LONGEST + 1),
            "{refused:?}"
        );
        assert_eq!(
            refused.to_string(),
            "the document ring would have 262145 bytes, and may have 262144; take out what is not needed"
        );
    }
    assert_eq!(read(&store, "ring").await, Some((1, body)));
}

async fn one_of_100_tasks_makes_the_document(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    for round in 0..3 {
        let text = format!("ring-{round}");
        let done = race(&nodes, 100, |store, number| {
            let text = text.clone();
            async move { (put(&store, &text, None, &number.to_be_bytes()).await.unwrap(), number) }
        });
        let winners: Vec<u64> =
            done.await.into_iter().filter_map(|(done, number)| done.then_some(number)).collect();
        let [winner] = winners[..] else { panic!("{winners:?} have won in round {round}") };
        assert_eq!(read(&nodes[0], &text).await, Some((1, winner.to_be_bytes().to_vec())));
    }
}

async fn one_of_100_tasks_replaces_each_version(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    assert!(put(&nodes[0], "ring", None, b"first").await.unwrap());
    for version in 1..=5 {
        let done = race(&nodes, 100, |store, number| async move {
            (put(&store, "ring", Some(version), &number.to_be_bytes()).await.unwrap(), number)
        });
        let winners: Vec<u64> =
            done.await.into_iter().filter_map(|(done, number)| done.then_some(number)).collect();
        let [winner] = winners[..] else { panic!("{winners:?} have won over version {version}") };
        for node in &nodes {
            assert_eq!(read(node, "ring").await, Some((version + 1, winner.to_be_bytes().to_vec())));
        }
    }
}

/// As the key ring is changed: read, change, replace, and from the start where another was faster.
async fn counts_that_race_are_all_counted(place: Arc<dyn Place>) {
    let nodes = two_nodes(&place).await;
    race(&nodes, 20, |store, _| async move {
        for _ in 0..5 {
            loop {
                let known = read(&store, "count").await;
                let count = known
                    .as_ref()
                    .map_or(0, |(_, body)| u64::from_be_bytes(body.as_slice().try_into().unwrap()));
                let expected = known.map(|(version, _)| version);
                if put(&store, "count", expected, &(count + 1).to_be_bytes()).await.unwrap() {
                    break;
                }
            }
        }
    })
    .await;
    assert_eq!(read(&nodes[1], "count").await, Some((100, 100_u64.to_be_bytes().to_vec())));
}

async fn replacements_that_are_dropped_are_done_wholly_or_not_at_all(place: Arc<dyn Place>) {
    let store = place.store().await;
    // Each body says its version, from its beginning to its end.
    let body = |version: u64| version.to_be_bytes().repeat(2000);
    assert!(put(&store, "ring", None, &body(1)).await.unwrap());
    let mut version = 1;
    for times in 0..60 {
        poll_and_drop(put(&store, "ring", Some(version), &body(version + 1)), times % 5).await;
        let (now, found) = read(&store, "ring").await.unwrap();
        assert!(now == version || now == version + 1, "{now} after {version}");
        assert!(found == body(now), "the body of version {now} is that of another");
        version = now;
    }
    assert!(store.session(super::given::key(1), NOW).await.is_ok(), "it is none the worse for it");
}

async fn documents_outlive_a_restart(place: Arc<dyn Place>) {
    let store = place.store().await;
    assert!(put(&store, "ring", None, b"first").await.unwrap());
    assert!(put(&store, "ring", Some(1), b"second").await.unwrap());
    drop(store);
    let Some(restarted) = place.restart() else { return };
    restarted.await;
    let store = place.store().await;
    assert_eq!(read(&store, "ring").await, Some((2, b"second".to_vec())));
    assert!(!put(&store, "ring", Some(1), b"late").await.unwrap());
    assert!(put(&store, "ring", Some(2), b"third").await.unwrap());
}
