//! Subjects and scopes are any text: a store compares them byte by byte, and gives them back as they were.

use std::{collections::BTreeMap, sync::Arc};

use bartizan_core::session::{Ending, NewSession, SessionKey, SessionRecord};

use super::{
    Place, case_list,
    given::{NOW, alive, all, at, began, key, new, record, store_with},
};

case_list![subjects_are_any_text, scopes_are_any_text,];

/// What text a database might take for another text, or for something else.
pub(super) fn texts() -> Vec<String> {
    let short = [
        "",
        " ",
        "alice",
        "Alice",
        "alice ",
        " alice",
        "alice\n",
        "ALICE",
        "alice\0",
        "alice\0bob",
        "\0",
        "%",
        "_lice",
        "a*",
        "[a]lice",
        "{alice}",
        "alice:bob",
        "alice,bob",
        "alice bob",
        "it's",
        "\"quoted\"",
        "'; DROP TABLE session; --",
        "back\\slash",
        "\\x616c696365",
        "\\0",
        "$1",
        "?1",
        "NULL",
        "[\"json\"]",
        // Composed and not: two texts that look the same.
        "\u{e9}",
        "e\u{301}",
        // Of no width, from right to left, beyond the first plane, private, not a character, the last one.
        "alice\u{200b}",
        "\u{202e}ecila",
        "\u{1f9d1}\u{200d}\u{1f680}",
        "\u{e000}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{feff}alice",
        "straße",
        "STRASSE",
        "İ",
        "\r\n",
        "\u{7f}\u{80}\u{1}",
        "0",
        "00",
        "0.0",
        "1e0",
    ];
    let long = [("x", 10_240), ("\u{1f980}", 2_560), ("\0", 10_240), ("'", 10_240)];
    short.iter().map(ToString::to_string).chain(long.map(|(text, times)| text.repeat(times))).collect()
}

/// The start of a text, for messages.
pub(super) fn start(text: &str) -> String {
    text.chars().take(20).collect::<String>().escape_unicode().to_string()
}

async fn subjects_are_any_text(place: Arc<dyn Place>) {
    let texts = texts();
    let given = (0..).zip(&texts).map(|(number, text)| new(number, record(text)));
    let store = store_with(&place, given).await;
    for (number, text) in (0..).zip(&texts) {
        let session = store.session(key(number), NOW).await.unwrap();
        assert_eq!(session, Some(record(text)), "{}", start(text));
        assert_eq!(all(&store, Some(text), NOW).await, [(key(number), record(text))], "{}", start(text));
    }
    for (number, text) in (0..).zip(&texts) {
        // A second session of each ends the first, and nobody else's.
        let newest = NewSession { most: Some(1), ..new(500 + number, began(text, at(1))) };
        assert_eq!(store.begin(newest).await.unwrap(), 1, "{}", start(text));
    }
    let mut left: Vec<u64> = (500..).take(texts.len()).collect();
    assert_eq!(alive(&store, at(1)).await, left);
    for text in &texts {
        let ending = Ending::AllOf { subject: text.as_str().into(), except: None };
        assert_eq!(store.end(ending).await.unwrap(), 1, "{}", start(text));
        left.remove(0);
        assert_eq!(alive(&store, at(1)).await, left, "{}", start(text));
    }
}

async fn scopes_are_any_text(place: Arc<dyn Place>) {
    let owned = |scopes: &[&str]| scopes.iter().map(|scope| Box::from(*scope)).collect::<Vec<Box<str>>>();
    let mut lists = vec![
        owned(&[]),
        owned(&[""]),
        owned(&["", ""]),
        owned(&["", "read"]),
        owned(&["read", ""]),
        // The order is kept, and what is there twice is there twice.
        owned(&["write", "read", "write"]),
        owned(&["read write"]),
        owned(&["read", "write"]),
        owned(&["read,write"]),
        (0..1000).map(|number| format!("scope-{number}").into()).collect(),
    ];
    lists.extend(texts().into_iter().map(|text| vec![text.into(), "read".into()]));
    let records: BTreeMap<u64, SessionRecord> = (0..)
        .zip(lists)
        .map(|(number, scopes)| (number, SessionRecord { scopes, ..record("alice") }))
        .collect();
    let store = store_with(&place, records.iter().map(|(number, given)| new(*number, given.clone()))).await;
    for (number, given) in &records {
        assert_eq!(store.session(key(*number), NOW).await.unwrap().as_ref(), Some(given), "{number}");
    }
    let by_key: BTreeMap<SessionKey, SessionRecord> =
        records.into_iter().map(|(number, given)| (key(number), given)).collect();
    assert_eq!(all(&store, None, NOW).await, by_key.into_iter().collect::<Vec<_>>());
}
