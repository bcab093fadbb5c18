//! What an upstream's hand-off makes the engine ask of the store, and about whose session.

use std::time::Duration;

use bartizan_core::{
    Answer, Decision, Deployment, Engine, Entropy, Grant, Query, RequestHead, ResponseHead, Scheme, Step,
    Timestamp, limit,
    policy::{PolicyInput, load_and_build},
    session::{Ending, SessionKey, SessionRecord},
};

const POLICY: &str = r#"
version = 1
[origin]
public = ["https://api.example.com"]
[session]
max_per_subject = 3
handoff = { login = ["POST /login", "POST /both", "POST /foreign"], logout = ["POST /logout", "POST /both", "POST /foreign"] }
[default]
require = "nothing"
[[route]]
match = "POST /foreign"
cross_site = "anonymous"
"#;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DAY: Duration = Duration::from_hours(24);

/// Bytes that differ from call to call.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(109).wrapping_add(89);
            *byte = self.0;
        }
    }
}

fn engine() -> Engine {
    let input = PolicyInput { text: POLICY, ..PolicyInput::new("bartizan.toml") };
    load_and_build(&input, |_| Ok(Deployment { tls: true, ..Deployment::default() })).unwrap().0
}

/// A request to `path`, of the session `cookie` where one is given: alice's, if the store knows it.
fn granted(engine: &Engine, path: &str, cookie: Option<&str>, is_known: bool, seed: u8) -> Grant {
    granted_from("same-origin", engine, path, cookie, is_known, seed)
}

/// The same of a page of this `site`.
fn granted_from(
    site: &str,
    engine: &Engine,
    path: &str,
    cookie: Option<&str>,
    is_known: bool,
    seed: u8,
) -> Grant {
    let cookie = cookie.map(|cookie| format!("__Host-session={cookie}"));
    let own = [("host", "api.example.com"), ("sec-fetch-site", site)];
    let headers = own.into_iter().chain(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    let head = RequestHead {
        method: b"POST",
        path: path.as_bytes(),
        query: None,
        authority: None,
        scheme: Scheme::Https,
        peer: None,
        http2: false,
        headers: headers.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    };
    let mut evaluation = engine.evaluate(&head, NOW, Counter(seed));
    loop {
        match evaluation.step() {
            Step::Need(Query::Session { now, .. }) => evaluation.supply(if is_known {
                Answer::Session(SessionRecord::new("alice", Vec::new(), now, DAY, DAY))
            } else {
                Answer::Unknown
            }),
            Step::Done(Decision::Allow(grant)) => return grant,
            step => panic!("{path}: {step:?}"),
        }
    }
}

/// What is asked of the sessions where the upstream answers with this header.
fn asked(grant: &Grant, header: &str, value: &str) -> Option<Query> {
    let headers = [(header.as_bytes(), value.as_bytes())];
    let head = ResponseHead { status: 200, headers: headers.into_iter() };
    let mut edits = grant.respond(head, NOW, Counter(101));
    assert!(edits.removes(header.as_bytes()), "{header} reaches the client");
    assert_eq!(edits.set_cookies().len(), 0, "a cookie before the store has answered");
    loop {
        match edits.take_query() {
            // Nobody has failed to sign in.
            Some(Query::Take { quota, cost, now, .. }) => {
                let taken = Answer::Taken(limit::take(0, now, quota, cost).0);
                grant.supply(&mut edits, &taken, Counter(151));
            }
            other => return other,
        }
    }
}

#[test]
fn a_hand_off_is_about_the_session_that_came() {
    let engine = engine();
    let key = SessionKey::of(b"abc");
    let one = Some(Query::End(Ending::One(key)));
    let all_but = |except| Some(Query::End(Ending::AllOf { subject: "alice".into(), except }));
    for (path, cookie, is_known, value, expected) in [
        ("/logout", Some("abc"), true, "current", one.clone()),
        // It may be alive in a store that does not answer now, or end in this moment.
        ("/logout", Some("abc"), false, "current", one.clone()),
        ("/logout", None, false, "current", None),
        ("/logout", Some("abc"), true, "all", all_but(None)),
        ("/logout", Some("abc"), true, "others", all_but(Some(key))),
        // Of nobody there is nothing to end.
        ("/logout", Some("abc"), false, "all", None),
        ("/logout", Some("abc"), false, "others", None),
        ("/logout", None, false, "others", None),
        ("/both", Some("abc"), true, "current", one),
        ("/login", Some("abc"), true, "current", None),
        ("/other", Some("abc"), true, "current", None),
    ] {
        let grant = granted(&engine, path, cookie, is_known, 1);
        let value = format!("{} {value}", grant.handoff_nonce().unwrap_or_default());
        assert_eq!(
            asked(&grant, "bartizan-logout", &value),
            expected,
            "{path} {cookie:?} {is_known} {value}"
        );
    }
}

#[test]
fn a_login_takes_the_place_of_the_session_that_came() {
    let engine = engine();
    for (path, cookie, is_known, begins) in [
        ("/login", None, false, true),
        ("/login", Some("planted"), true, true),
        // A dead one ends too: that nobody knows it now says nothing of the next moment.
        ("/login", Some("planted"), false, true),
        ("/both", Some("planted"), true, true),
        ("/logout", None, false, false),
        ("/other", None, false, false),
    ] {
        let grant = granted(&engine, path, cookie, is_known, 1);
        let value = format!("{} bob; scope=\"read\"", grant.handoff_nonce().unwrap_or_default());
        let new = match asked(&grant, "bartizan-login", &value) {
            Some(Query::Begin(new)) => Some(new),
            None => None,
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(new.is_some(), begins, "{path}");
        if let Some(new) = new {
            let expected = cookie.map(|cookie| SessionKey::of(cookie.as_bytes()));
            assert_eq!((new.replaces, new.most), (expected, Some(3)), "{path}");
            assert_eq!(&*new.record.subject, "bob");
        }
    }
}

/// A form on a sibling host, whose request brings `SameSite=Lax` cookies along.
#[test]
fn who_comes_in_without_identity_ends_no_session() {
    let engine = engine();
    for (site, replaced) in [("same-origin", Some(SessionKey::of(b"abc"))), ("same-site", None)] {
        let grant = granted_from(site, &engine, "/foreign", Some("abc"), true, 1);
        let nonce = grant.handoff_nonce().unwrap();
        let ended = asked(&grant, "bartizan-logout", &format!("{nonce} current"));
        assert_eq!(ended, replaced.map(|key| Query::End(Ending::One(key))), "{site}");
        let Some(Query::Begin(new)) = asked(&grant, "bartizan-login", &format!("{nonce} bob")) else {
            panic!("{site}")
        };
        assert_eq!(new.replaces, replaced, "{site}");
        assert_eq!(grant.session_of([&b"__Host-session=abc"[..]].into_iter()), replaced, "{site}");
    }
}

#[test]
fn another_header_of_ours_hands_nothing_off() {
    let engine = engine();
    let grant = granted(&engine, "/both", Some("abc"), true, 1);
    let nonce = grant.handoff_nonce().unwrap();
    for name in
        ["bartizan-l0gin", "bartizan-log0ut", "bartizan-login-fai1ed", "bartizan_login", "bartizan-loginn"]
    {
        for value in ["alice", "current"] {
            assert_eq!(asked(&grant, name, &format!("{nonce} {value}")), None, "{name}: {value}");
        }
    }
}

#[test]
fn the_session_that_cookies_name_is_one_or_none() {
    let grant = granted(&engine(), "/other", None, false, 1);
    let abc = Some(SessionKey::of(b"abc"));
    for (lines, expected) in [
        (&["__Host-session=abc"][..], abc),
        (&["a=1; __Host-session=abc", "b=2"], abc),
        (&["__Host-session="], None),
        (&["__Host-session=abc; __Host-session=abc"], None),
        (&["__Host-session=abc", "__Host-session=x"], None),
        (&["session=abc"], None),
        (&[], None),
    ] {
        assert_eq!(grant.session_of(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
    }
}

#[test]
fn a_nonce_is_good_for_one_request() {
    let engine = engine();
    let (first, second) =
        (granted(&engine, "/both", None, false, 1), granted(&engine, "/both", None, false, 2));
    let nonce = |grant: &Grant| grant.handoff_nonce().unwrap().to_owned();
    assert_ne!(nonce(&first), nonce(&second));
    for (grant, nonce, is_good) in [
        (&first, nonce(&first), true),
        (&first, nonce(&second), false),
        (&second, nonce(&first), false),
        (&second, nonce(&second), true),
    ] {
        assert_eq!(asked(grant, "bartizan-login", &format!("{nonce} alice")).is_some(), is_good);
    }
    assert_eq!(granted(&engine, "/other", None, false, 3).handoff_nonce(), None);
}
