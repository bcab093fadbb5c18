//! What is no session, however near it comes to one; and requests that come while an id is exchanged for another.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bartizan::{
    OsClock, Store as _,
    session::{Ending, NewSession, SessionKey, SessionRecord},
};
use bartizan_core::{Clock as _, Timestamp};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use tokio::{sync::Barrier, task::JoinSet};

use crate::sessions::{cookie, get_with, server};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn nothing_but_the_id_itself_is_the_id() {
    let (server, store) = server().await;
    let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
    let id = alice.strip_prefix("Cookie: __Host-session=").unwrap();
    assert_eq!(get_with(&server, "/profile", &alice).await, (200, "alice".into()));

    let mut others = Vec::new();
    // Each byte another one; also the last, of whose six bits base64url uses four.
    for at in 0..id.len() {
        for byte in [b'A', b'B', b'-', b'_'] {
            let mut other = id.as_bytes().to_vec();
            other[at] = byte;
            others.push(String::from_utf8(other).unwrap());
        }
        let flipped =
            if id.as_bytes()[at].is_ascii_lowercase() { id.to_uppercase() } else { id.to_lowercase() };
        others.push(format!("{}{}{}", &id[..at], &flipped[at..=at], &id[at + 1..]));
    }
    others.retain(|other| other != id);
    assert!(others.len() > 4 * id.len());
    // More or less of it, and what base64 lets stand for the same bits.
    others.extend([&id[1..], &id[..id.len() - 1]].map(str::to_owned));
    others.extend([format!("{id}="), format!("{id}A"), format!("{id}{id}"), format!("%41{id}")]);

    // What the store knows it by: whoever reads that has no id, however he writes it.
    let [listed] = &store.sessions(None, None, 10, OsClock.now()).await.unwrap().sessions[..] else {
        panic!()
    };
    assert_eq!(listed.key, SessionKey::of(id.as_bytes()));
    let key = listed.key.as_bytes();
    let hex = key.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    others.extend([hex.to_uppercase(), hex, URL_SAFE_NO_PAD.encode(key), STANDARD.encode(key)]);
    others.extend([listed.key.to_string(), "alice".into(), String::new()]);

    for other in others {
        let (status, code) = get_with(&server, "/profile", &format!("Cookie: __Host-session={other}")).await;
        assert!(status == 401 && code.starts_with("auth."), "{other} is {status} {code}");
        let greeting = get_with(&server, "/open/greeting", &format!("Cookie: __Host-session={other}")).await;
        assert_eq!(greeting, (200, "stranger".into()), "{other}");
    }
    assert_eq!(get_with(&server, "/profile", &alice).await.0, 200, "it is none the worse for it");
}

#[tokio::test]
async fn what_has_ended_is_no_session() {
    let (server, store) = server().await;
    let now = OsClock.now();
    let ago = |span: Duration| Timestamp(now.0 - u64::try_from(span.as_millis()).unwrap());
    for (name, created, touched, idle, life, expected) in [
        ("alive", ago(HOUR), now, HOUR, 2 * HOUR, 200),
        ("idle for too long", ago(3 * HOUR), ago(2 * HOUR), HOUR, 12 * HOUR, 401),
        ("too old, though it was used just now", ago(3 * HOUR), now, HOUR, 2 * HOUR, 401),
    ] {
        let id = URL_SAFE_NO_PAD.encode(SessionKey::of(name.as_bytes()).as_bytes());
        let record = SessionRecord {
            touched,
            ..SessionRecord::new("alice", ["read".into()].into(), created, idle, life)
        };
        let key = SessionKey::of(id.as_bytes());
        store.begin(NewSession { key, record, replaces: None, most: None }).await.unwrap();
        let cookie = format!("Cookie: __Host-session={id}");
        assert_eq!(get_with(&server, "/profile", &cookie).await.0, expected, "{name}");
        store.end(Ending::One(key)).await.unwrap();
        assert_eq!(
            get_with(&server, "/profile", &cookie).await,
            (401, "auth.invalid".into()),
            "{name}, revoked"
        );
    }
}

/// A new id takes the old one's place in one step: a request with the old one is judged before it or after it, and
/// nothing else comes of it. The client that has the new one is never refused.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_while_the_id_is_exchanged_are_judged_before_or_after() {
    let (server, store) = server().await;
    let server = Arc::new(server);
    let mut current = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
    for round in 0..10 {
        let start = Arc::new(Barrier::new(21));
        let mut requests = JoinSet::new();
        for number in 0..20 {
            let (server, start, old) = (Arc::clone(&server), Arc::clone(&start), current.clone());
            // Where a session is required, and where it is only known.
            let path = if number % 2 == 0 { "/profile" } else { "/open/greeting" };
            requests.spawn(async move {
                start.wait().await;
                get_with(&server, path, &old).await
            });
        }
        start.wait().await;
        let rotate = format!("POST /open/logout/rotate\nSec-Fetch-Site: same-origin\n{current}");
        let response = server.request(&rotate).await;
        // From when the answer is there on, whatever is still under way.
        let fresh = cookie(&response);
        assert_ne!(fresh, current);
        assert_eq!(
            get_with(&server, "/profile", &current).await,
            (401, "auth.invalid".into()),
            "round {round}"
        );
        assert_eq!(get_with(&server, "/profile", &fresh).await, (200, "alice".into()), "round {round}");
        for (status, said) in requests.join_all().await {
            let expected = [(200, "alice"), (200, "stranger"), (401, "auth.invalid")];
            assert!(expected.contains(&(status, &*said)), "round {round}: {status} {said}");
        }
        assert_eq!(store.sessions(None, None, 10, OsClock.now()).await.unwrap().sessions.len(), 1);
        current = fresh;
    }
}

#[tokio::test]
async fn of_rotations_that_race_one_has_a_session() {
    let (server, store) = server().await;
    let server = Arc::new(server);
    for round in 0..10 {
        let alice = cookie(&server.request("POST /open/login/alice\nSec-Fetch-Site: same-origin").await);
        let start = Arc::new(Barrier::new(10));
        let mut requests = JoinSet::new();
        for number in 0..10 {
            let (server, start, alice) = (Arc::clone(&server), Arc::clone(&start), alice.clone());
            // Where a session is required, and where it is only known.
            let path = if number % 2 == 0 { "/logout/rotate" } else { "/open/logout/rotate" };
            requests.spawn(async move {
                start.wait().await;
                server.request(&format!("POST {path}\nSec-Fetch-Site: same-origin\n{alice}")).await
            });
        }
        let responses = requests.join_all().await;
        let fresh: Vec<String> =
            responses.iter().filter(|one| one.header("set-cookie").is_some()).map(cookie).collect();
        let [fresh] = &fresh[..] else { panic!("round {round}: {responses:?}") };
        assert_eq!(get_with(&server, "/profile", fresh).await, (200, "alice".into()), "round {round}");
        let sessions = store.sessions(None, None, 20, OsClock.now()).await.unwrap().sessions;
        assert_eq!(sessions.len(), 1, "round {round}");
        store.end(Ending::One(sessions[0].key)).await.unwrap();
    }
}
