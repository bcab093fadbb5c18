//! CSRF tokens from where they are had to where they are used, and what a surface can do wrong in between.

use std::time::Duration;

use bartizan_core::{
    Answer, Decision, Deployment, Engine, Entropy, Evaluation, Form, Grant, HeaderPair, NoTrace, Query,
    Recording, RequestHead, ResponseHead, ResponseHeader, Scheme, Step, Timestamp, TokenDigest,
    csrf_token::{Binding, IssuedToken},
    keys::Keys,
    policy::{PolicyInput, load_and_build},
    session::SessionRecord,
};

const POLICY: &str = r#"
version = 1
[origin]
public = ["https://api.example.com"]
[csrf]
token_path = "/csrf-token"
[session]
[default]
require = "nothing"
[[route]]
match = "POST /transfer"
csrf = "token"
[[route]]
match = "POST /pay"
csrf = "token"
one_time = true
[[route]]
match = "* /account"
require = "session"
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

fn engine(keys: bool) -> Engine {
    let keys = keys.then(|| Keys::new(&[b"the master key of these tests, no secret"]).unwrap());
    let deployment = Deployment { tls: true, keys, ..Deployment::default() };
    let input = PolicyInput { text: POLICY, ..PolicyInput::new("bartizan.toml") };
    load_and_build(&input, |_| Ok(deployment)).unwrap().0
}

fn head<'r>(
    method: &'r str,
    path: &'r str,
    headers: &'r [(&'r str, &'r str)],
) -> RequestHead<'r, impl Iterator<Item = HeaderPair<'r>> + Clone> {
    let host = [("host", "api.example.com")];
    RequestHead {
        method: method.as_bytes(),
        path: path.as_bytes(),
        query: None,
        authority: None,
        scheme: Scheme::Https,
        peer: None,
        http2: false,
        headers: host
            .into_iter()
            .chain(headers.iter().copied())
            .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    }
}

/// Goes on to the end. The session is alice's, and each one-time token is fresh.
fn decide<'r, H: Iterator<Item = HeaderPair<'r>> + Clone>(
    mut evaluation: Evaluation<'_, 'r, H, Counter, NoTrace>,
) -> Decision {
    loop {
        match evaluation.step() {
            Step::Need(Query::Session { now, .. }) => {
                evaluation.supply(Answer::Session(SessionRecord::new("alice", Vec::new(), now, DAY, DAY)));
            }
            Step::Need(Query::Consume { .. }) => evaluation.supply(Answer::Fresh(true)),
            Step::Need(query) => panic!("{query:?}"),
            Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
            Step::Done(decision) => return decision,
        }
    }
}

fn ask(
    engine: &Engine,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    now: Timestamp,
    seed: u8,
) -> Decision {
    decide(engine.evaluate(&head(method, path, headers), now, Counter(seed)))
}

fn code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) => "allowed",
        Decision::Respond(_) => "answered",
        Decision::Deny(denial) => denial.reason().code().as_str(),
    }
}

fn granted(engine: &Engine, path: &str, headers: &[(&str, &str)]) -> Grant {
    match ask(engine, "GET", path, headers, NOW, 1) {
        Decision::Allow(grant) => grant,
        other => panic!("{other:?}"),
    }
}

/// The value of the cookie in a `Set-Cookie`.
fn value(set_cookie: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(set_cookie).unwrap();
    let pair = text.split(';').next().unwrap();
    pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
}

/// What the token path gives to a client that has nothing: pre-session and token.
fn visit(engine: &Engine, now: Timestamp, seed: u8) -> (String, String) {
    let Decision::Respond(reply) = ask(engine, "GET", "/csrf-token", &[], now, seed) else {
        panic!("no answer")
    };
    let cookies: Vec<_> = reply
        .headers()
        .filter(|(name, _)| *name == ResponseHeader::SetCookie)
        .map(|(_, value)| value)
        .collect();
    let [pre_session, readable] = cookies[..] else { panic!("{cookies:?}") };
    let token = value(readable, "__Host-csrf-token").unwrap();
    assert_eq!(reply.body, format!("{{\"csrf_token\":\"{token}\"}}\n").into_bytes().into());
    (value(pre_session, "__Host-presession").unwrap(), token)
}

#[test]
fn a_token_that_was_had_is_good_where_it_was_had_and_while_its_key_is() {
    let engine = engine(true);
    let (mine, token) = visit(&engine, NOW, 1);
    let (others, _) = visit(&engine, NOW, 2);
    assert_ne!(mine, others);
    for (cookie, days, expected) in [
        (&mine, 0, "allowed"),
        (&mine, 29, "allowed"),
        (&mine, 61, "csrf.token-invalid"),
        (&others, 0, "csrf.token-invalid"),
    ] {
        let cookie = format!("__Host-presession={cookie}");
        let headers = [("cookie", &*cookie), ("x-csrf-token", &token)];
        let decision = ask(&engine, "POST", "/transfer", &headers, NOW.after(days * DAY), 3);
        assert_eq!(code(&decision), expected, "{cookie} {days}");
    }
}

#[test]
fn a_token_survives_a_restart_and_another_node() {
    let (mine, token) = visit(&engine(true), NOW, 1);
    let cookie = format!("__Host-presession={mine}");
    let decision =
        ask(&engine(true), "POST", "/transfer", &[("cookie", &cookie), ("x-csrf-token", &token)], NOW, 2);
    assert_eq!(code(&decision), "allowed");
}

#[test]
fn a_handler_has_tokens_made_for_its_client() {
    let engine = engine(true);
    let (visitor, _) = visit(&engine, NOW, 1);
    let pre_session = format!("__Host-presession={visitor}");
    let both = format!("{pre_session}; __Host-session=abc");
    let from =
        |site, mode, dest| [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
    for (path, headers, expected) in [
        ("/page", &[][..], Some(true)),
        ("/page", &[("cookie", &*pre_session)], Some(false)),
        ("/page", &[("cookie", "__Host-session=abc")], Some(false)),
        ("/account", &[("cookie", &both)], Some(false)),
        ("/page", &from("same-origin", "cors", "empty"), Some(true)),
        // A link on a page of another site: the person's own pre-session would have come with it.
        ("/page", &from("cross-site", "navigate", "document"), Some(true)),
        ("/page", &from("cross-site", "navigate", "iframe"), None),
        ("/page", &from("cross-site", "no-cors", "image"), None),
        ("/page", &from("same-site", "cors", "empty"), None),
        ("/page", &[("origin", "https://evil.example")], None),
        ("/page", &[("origin", "https://api.example.com")], Some(true)),
    ] {
        let issued = granted(&engine, path, headers).csrf_token(NOW, Counter(9));
        let begins = issued.as_ref().map(|issued| issued.set_cookie.is_some());
        assert_eq!(begins, expected, "{path} {headers:?}");
        let Some(IssuedToken { token, set_cookie, .. }) = issued else { continue };
        // The client comes back with what it has now.
        let cookie = match set_cookie {
            Some(set_cookie) => {
                format!("__Host-presession={}", value(&set_cookie, "__Host-presession").unwrap())
            }
            None => headers.iter().find(|(name, _)| *name == "cookie").unwrap().1.to_owned(),
        };
        let back = [("sec-fetch-site", "same-origin"), ("cookie", &*cookie), ("x-csrf-token", &token)];
        assert_eq!(code(&ask(&engine, "POST", "/transfer", &back, NOW, 4)), "allowed", "{path} {headers:?}");
    }
    let keyless = granted(&self::engine(false), "/page", &[]);
    assert_eq!(keyless.csrf_token(NOW, Counter(9)), None);
}

#[test]
fn a_handler_cannot_set_what_is_ours() {
    let grant = granted(&engine(true), "/page", &[]);
    let set = grant.csrf_token(NOW, Counter(9)).unwrap().set_cookie.unwrap();
    let headers = [(&b"content-type"[..], &b"text/html"[..]), (b"set-cookie", &set)];
    let edits =
        grant.respond(ResponseHead { status: 200, headers: headers.into_iter() }, Timestamp(0), Counter(1));
    assert_eq!((edits.set_cookies().len(), edits.dropped_cookies()), (0, 1));
}

/// What an evaluation of a token is asked and told, step by step.
fn steps(
    path: &str,
    headers: &[(&str, &str)],
    mut surface: impl FnMut(&str) -> Option<Reply>,
) -> Vec<String> {
    let engine = engine(true);
    let head = head("POST", path, headers);
    let mut evaluation = engine.evaluate(&head, NOW, Counter(1));
    let mut steps = Vec::new();
    while steps.len() < 6 {
        let step = match evaluation.step() {
            Step::Need(Query::Consume { token: TokenDigest(_), .. }) => "consume",
            Step::Need(_) => "need",
            Step::NeedForm { limit } => {
                assert_eq!(limit, 64 << 10);
                "form"
            }
            Step::Done(decision) => {
                steps.push(code(&decision).to_owned());
                break;
            }
        };
        steps.push(step.to_owned());
        match surface(step) {
            Some(Reply::Forms(bodies)) => {
                for body in bodies {
                    evaluation.supply_form(Form { body: body.into(), truncated: false });
                }
            }
            Some(Reply::Answer(answer)) => evaluation.supply(answer),
            None => {}
        }
    }
    steps
}

enum Reply {
    Forms(Vec<String>),
    Answer(Answer),
}

#[test]
fn a_surface_that_makes_a_mistake_lets_nothing_through() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    let (mine, token) = visit(&engine(true), NOW, 1);
    let cookie = format!("__Host-presession={mine}");
    let cookie = ("cookie", &*cookie);
    let header = [cookie, ("x-csrf-token", &*token)];
    let body = format!("csrf_token={token}");
    let form = || Some(Reply::Forms(vec![body.clone()]));

    assert_eq!(steps("/transfer", &[cookie, FORM], |_| form()), ["form", "allowed"]);
    // It does not answer, or twice, or something else.
    assert_eq!(steps("/transfer", &[cookie, FORM], |_| None), ["form", "csrf.token-missing"]);
    let twice = |_: &str| Some(Reply::Forms(vec![String::new(), body.clone()]));
    assert_eq!(steps("/transfer", &[cookie, FORM], twice), ["form", "store.unavailable"]);
    let done = |_: &str| Some(Reply::Answer(Answer::Fresh(true)));
    assert_eq!(steps("/transfer", &[cookie, FORM], done), ["form", "store.unavailable"]);

    assert_eq!(steps("/pay", &header, done), ["consume", "allowed"]);
    assert_eq!(
        steps("/pay", &header, |_| Some(Reply::Answer(Answer::Fresh(false)))),
        ["consume", "csrf.token-used"]
    );
    for answer in [Answer::Done, Answer::Unknown, Answer::Unavailable] {
        let surface = |_: &str| Some(Reply::Answer(answer.clone()));
        assert_eq!(steps("/pay", &header, surface), ["consume", "store.unavailable"], "{answer:?}");
    }
    assert_eq!(steps("/pay", &header, |_| None), ["consume", "store.unavailable"]);
    assert_eq!(steps("/pay", &header, |_| form()), ["consume", "store.unavailable"]);
    // Both, one after the other.
    let surface = |step: &str| if step == "form" { form() } else { done(step) };
    assert_eq!(steps("/pay", &[cookie, FORM], surface), ["form", "consume", "allowed"]);
}

#[test]
fn the_store_is_told_a_hash_and_when_to_forget_it() {
    let engine = engine(true);
    let (mine, token) = visit(&engine, NOW, 1);
    let cookie = format!("__Host-presession={mine}");
    let headers = [("cookie", &*cookie), ("x-csrf-token", &*token)];
    let head = head("POST", "/pay", &headers);
    let asked = || match engine.evaluate(&head, NOW, Counter(1)).step() {
        Step::Need(Query::Consume { token, until, now }) => (token, until, now),
        other => panic!("{other:?}"),
    };
    let (digest, until, now) = asked();
    assert_eq!(now, NOW);
    assert_eq!(asked().0, digest);
    // To the last moment it is remembered, and no longer.
    let at = |now| code(&ask(&engine, "POST", "/pay", &headers, now, 5));
    assert_eq!(at(Timestamp(until.0 - 1)), "allowed");
    assert_eq!(at(until), "csrf.token-invalid");
    // Nothing of the token or of its owner can be read from it.
    let hash = |text: &str| match Binding::pre_session(text.as_bytes()) {
        Some(Binding::PreSession(hash)) => hash,
        other => panic!("{other:?}"),
    };
    assert_ne!(digest.0, hash(&mine));
}

#[test]
fn no_trace_and_no_reason_shows_a_token() {
    let engine = engine(true);
    let (mine, token) = visit(&engine, NOW, 1);
    let (others, _) = visit(&engine, NOW, 2);
    for cookie in [mine, others] {
        let cookie = format!("__Host-presession={cookie}");
        let headers = [("cookie", &*cookie), ("x-csrf-token", &*token)];
        let mut trace = Recording::default();
        let head = head("POST", "/transfer", &headers);
        let step = engine.evaluate_traced(&head, NOW, Counter(1), &mut trace).step();
        let told = format!("{step:?} {trace:?}");
        let secrets = token.split('.').skip(1).chain(cookie.split('=').skip(1));
        for secret in secrets {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn the_field_of_a_form_has_a_plain_name() {
    let (longest, longer) = ("a".repeat(64), "a".repeat(65));
    for (field, is_good) in [
        ("_csrf-1", true),
        (&longest[..], true),
        (&longer, false),
        ("", false),
        ("a b", false),
        ("a=b", false),
    ] {
        let text = POLICY.replace("[csrf]", &format!("[csrf]\nfield = \"{field}\""));
        let input = PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") };
        let built = load_and_build(&input, |_| Ok(Deployment { tls: true, ..Deployment::default() }));
        assert_eq!(built.is_ok(), is_good, "{field}");
    }
}
