//! Limits of logins by hand-off, over many requests: what is asked before one is forwarded and when its response tells how
//! the login went. The questions are answered from buckets that are kept.

use std::{collections::HashMap, time::Duration};

use bartizan_core::{
    Answer, Decision, Denial, Deployment, Engine, Entropy, Grant, Query, RequestHead, ResponseEdits,
    ResponseHead, ResponseHeader, Scheme, Step, Timestamp,
    limit::{self, LimitKey},
    policy::{PolicyInput, load_and_build},
};

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Every nonce, of this entropy.
const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const ROUTES: &str = "handoff = { login = ['POST /login', 'GET /callback'], logout = ['POST /logout'] }";

struct World {
    engine: Engine,
    buckets: HashMap<LimitKey, u64>,
    now: Timestamp,
    /// How often a bucket was asked for, and how often a session began.
    takes: u32,
    begun: u32,
    /// Whether buckets can be asked for.
    away: bool,
}

/// What a client gets: status, `Retry-After`, cookies; and what else there is to it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    code: Option<&'static str>,
    retry_after: Option<String>,
    cookies: usize,
    delay: Duration,
    reports: Vec<String>,
}

fn passed(status: u16, cookies: usize) -> Outcome {
    Outcome { status, code: None, retry_after: None, cookies, delay: Duration::ZERO, reports: Vec::new() }
}

fn refused(status: u16, code: &'static str, retry_after: &str) -> Outcome {
    Outcome { code: Some(code), retry_after: Some(retry_after.into()), ..passed(status, 0) }
}

fn limited(retry_after: &str) -> Outcome {
    refused(429, "rate.limited", retry_after)
}

impl World {
    fn new(session: &str) -> Self {
        let text = format!(
            "version = 1\norigin.public = ['http://localhost']\n[session]\n{ROUTES}\n{session}\n[default]\n\
             require = 'nothing'"
        );
        let input = PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") };
        let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
        let (engine, _) = load_and_build(&input, |_| Ok(deployment)).unwrap();
        Self {
            engine,
            buckets: HashMap::new(),
            now: Timestamp(1_700_000_000_000),
            takes: 0,
            begun: 0,
            away: false,
        }
    }

    /// What comes of a request before it is forwarded.
    fn ask(&mut self, line: &str, peer: &str, headers: &[(&str, &str)]) -> Result<Grant, Box<Denial>> {
        let (method, path) = line.split_once(' ').unwrap();
        let headers = [("host", "localhost")].iter().chain(headers);
        let head = RequestHead {
            method: method.as_bytes(),
            path: path.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: peer.parse().ok(),
            http2: false,
            headers: headers.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let engine = self.engine.clone();
        let mut evaluation = engine.evaluate(&head, self.now, Zeros);
        loop {
            match evaluation.step() {
                Step::Need(query) => evaluation.supply(self.answer(query)),
                Step::Done(Decision::Allow(grant)) => return Ok(grant),
                Step::Done(Decision::Deny(denial)) => return Err(Box::new(denial)),
                step => panic!("{step:?}"),
            }
        }
    }

    /// What comes of the upstream's answer.
    fn respond(&mut self, grant: &Grant, status: u16, headers: &[(&str, &str)]) -> Outcome {
        let mut edits = self.edits(grant, status, headers);
        while let Some(query) = edits.take_query() {
            let answer = self.answer(query);
            grant.supply(&mut edits, &answer, Zeros);
        }
        let mut outcome = match edits.take_replacement() {
            Some(denial) => of(&denial),
            None => passed(status, edits.set_cookies().len()),
        };
        outcome.delay = edits.delay();
        outcome.reports.extend(edits.reports().iter().map(|reason| reason.code().to_string()));
        outcome
    }

    fn edits(&self, grant: &Grant, status: u16, headers: &[(&str, &str)]) -> ResponseEdits {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        grant.respond(ResponseHead { status, headers }, self.now, Zeros)
    }

    /// A whole attempt, and whether the upstream looked at it.
    fn attempt(&mut self, account: &str, peer: &str, is_right: bool) -> (Outcome, bool) {
        let grant = match self.ask("POST /login", peer, &[]) {
            Ok(grant) => grant,
            Err(denial) => return (of(&denial), false),
        };
        (self.tell(&grant, account, is_right), true)
    }

    /// How a login went, as the upstream says.
    fn tell(&mut self, grant: &Grant, account: &str, is_right: bool) -> Outcome {
        let value = format!("{NONCE} {account}");
        if is_right {
            self.respond(grant, 303, &[("set-cookie", "theme=dark"), ("bartizan-login", &value)])
        } else {
            self.respond(
                grant,
                401,
                &[("content-type", "application/json"), ("bartizan-login-failed", &value)],
            )
        }
    }

    fn answer(&mut self, query: Query) -> Answer {
        match query {
            Query::Take { .. } if self.away => Answer::Unavailable,
            Query::Take { key, quota, cost, now, .. } => {
                self.takes += 1;
                let tat = self.buckets.entry(key).or_default();
                let (taken, kept) = limit::take(*tat, now, quota, cost);
                *tat = kept;
                Answer::Taken(taken)
            }
            Query::Begin(_) => {
                self.begun += 1;
                Answer::Done
            }
            Query::End(_) => Answer::Done,
            query => panic!("{query:?}"),
        }
    }
}

fn of(denial: &Denial) -> Outcome {
    let reply = denial.reply();
    let values: Vec<_> = reply
        .headers()
        .filter(|(name, _)| *name == ResponseHeader::RetryAfter)
        .map(|(_, value)| value)
        .collect();
    assert!(values.len() <= 1, "Retry-After comes once");
    Outcome {
        code: Some(denial.reason().code().as_str()),
        retry_after: values.first().map(|value| String::from_utf8_lossy(value).into_owned()),
        ..passed(reply.status, 0)
    }
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

#[test]
fn after_five_failures_the_right_password_looks_like_a_wrong_one() {
    let mut world = World::new("");
    assert_eq!(
        world.attempt("alice", HERE, true),
        (passed(303, 2), true),
        "the upstream's own cookie, and ours"
    );
    for _ in 0..5 {
        assert_eq!(world.attempt("alice", HERE, false), (passed(401, 0), true));
    }
    assert_eq!(world.attempt("alice", HERE, false), (limited("180"), true));
    assert_eq!(
        world.attempt("alice", HERE, true),
        (limited("180"), true),
        "no cookie, not even the upstream's"
    );
    assert_eq!(world.begun, 1);
    assert_eq!(world.attempt("bob", HERE, true), (passed(303, 2), true));
    assert_eq!(world.attempt("alice", THERE, true).0.cookies, 2);
    assert_eq!(world.begun, 3);
}

#[test]
fn after_twenty_failures_the_upstream_is_not_even_asked() {
    let mut world = World::new("");
    for number in 0..20 {
        assert_eq!(world.attempt(&format!("user{number}"), HERE, false), (passed(401, 0), true), "{number}");
    }
    assert_eq!(world.attempt("alice", HERE, true), (limited("45"), false));
    // Whatever else may carry a login; and nothing else.
    assert!(world.ask("GET /callback", HERE, &[]).is_err());
    for line in ["GET /login", "POST /logout", "POST /other"] {
        let takes = world.takes;
        assert!(world.ask(line, HERE, &[]).is_ok(), "{line}");
        assert_eq!(world.takes, takes, "{line}");
    }
    assert_eq!(world.attempt("alice", THERE, true), (passed(303, 2), true));
    world.now = world.now.after(Duration::from_secs(45));
    assert_eq!(world.attempt("alice", HERE, true), (passed(303, 2), true));
}

#[test]
fn of_a_hundred_attempts_at_once_as_many_count_as_of_those_in_turn() {
    let mut world = World::new("");
    let grants: Vec<Grant> = (0..100).map(|_| world.ask("POST /login", HERE, &[]).unwrap()).collect();
    let (last, others) = grants.split_last().unwrap();
    let outcomes: Vec<Outcome> = others.iter().map(|grant| world.tell(grant, "alice", false)).collect();
    let told = outcomes.iter().filter(|outcome| outcome.status == 401).count();
    assert_eq!((told, outcomes.iter().filter(|outcome| **outcome == limited("180")).count()), (5, 94));
    assert_eq!(world.tell(last, "alice", true), limited("180"));
    assert_eq!(world.begun, 0);
}

#[test]
fn failures_from_everywhere_put_the_answers_off_be_they_yes_or_no() {
    let mut world = World::new("");
    let mut delays = Vec::new();
    for number in 0..10 {
        delays.push(world.attempt("alice", &format!("198.51.100.{number}"), false).0.delay.as_millis());
    }
    assert_eq!(delays, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000]);
    let (outcome, _) = world.attempt("alice", HERE, true);
    assert_eq!(outcome, Outcome { delay: Duration::from_secs(4), ..passed(303, 2) });
    assert_eq!(world.attempt("bob", HERE, true), (passed(303, 2), true));
}

#[test]
fn what_does_not_come_with_this_requests_nonce_counts_nothing() {
    let mut world = World::new("");
    for value in ["alice", "BAAAAAAAAAAAAAAAAAAAAA alice", ""] {
        for _ in 0..30 {
            let grant = world.ask("POST /login", HERE, &[]).unwrap();
            let outcome = world.respond(&grant, 401, &[("bartizan-login-failed", value)]);
            assert_eq!(
                outcome,
                Outcome { reports: vec!["handoff.refused".into()], ..passed(401, 0) },
                "{value}"
            );
        }
    }
    let grant = world.ask("POST /logout", HERE, &[]).unwrap();
    let value = format!("{NONCE} alice");
    assert_eq!(world.respond(&grant, 401, &[("bartizan-login-failed", &value)]).reports, ["handoff.refused"]);
}

#[test]
fn a_failure_counts_whatever_takes_the_place_of_its_response() {
    let value = format!("{NONCE} alice");
    let foreign: &[(&str, &str)] = &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    for (line, asked_with, status, code) in
        [("GET /callback", foreign, 403, "isolation.cross-site"), ("POST /login", &[], 500, "upstream.error")]
    {
        let mut world = World::new("[isolation]\nmode = 'enforce'");
        let grant = world.ask(line, HERE, asked_with).unwrap();
        let answer = if status == 403 { 401 } else { status };
        let headers = [("bartizan-login-failed", &*value)];
        for _ in 0..5 {
            let outcome = world.respond(&grant, answer, &headers);
            assert_eq!((outcome.status, outcome.code), (status, Some(code)), "{line}");
        }
        assert_eq!(world.respond(&grant, answer, &headers), limited("180"), "{line}");
        assert_eq!(world.attempt("alice", HERE, true).0, limited("180"), "{line}");
    }
}

#[test]
fn mode_report_refuses_nobody_and_says_so() {
    let mut world = World::new("login_protection.mode = 'report'");
    for number in 0..30 {
        let (outcome, _) = world.attempt("alice", HERE, false);
        let reports = if number < 5 { vec![] } else { vec!["rate.limited".to_owned()] };
        assert_eq!(outcome, Outcome { reports, ..passed(401, 0) }, "{number}");
    }
    let grant = world.ask("POST /login", HERE, &[]).unwrap();
    let reasons: Vec<_> = grant.reports().iter().filter_map(|reason| reason.value()).collect();
    assert_eq!(reasons, ["session.login_protection.address"]);
    let outcome = world.tell(&grant, "alice", true);
    assert_eq!(outcome, Outcome { reports: vec!["rate.limited".into()], ..passed(303, 2) });
}

#[test]
fn where_it_is_off_nobody_is_asked() {
    let mut world = World::new("login_protection.mode = 'off'");
    for _ in 0..30 {
        assert_eq!(world.attempt("alice", HERE, false), (passed(401, 0), true));
    }
    assert_eq!(world.attempt("alice", HERE, true), (passed(303, 2), true));
    assert_eq!(world.takes, 0);
}

#[test]
fn without_whoever_counts_no_login_is_looked_at_and_none_counts() {
    let unavailable = || refused(503, "store.unavailable", "5");
    let mut world = World::new("");
    let (right, wrong) =
        (world.ask("POST /login", HERE, &[]).unwrap(), world.ask("POST /login", HERE, &[]).unwrap());
    world.away = true;
    assert_eq!(world.attempt("alice", HERE, true), (unavailable(), false));
    assert_eq!(world.tell(&right, "alice", true), unavailable());
    assert_eq!(world.tell(&wrong, "alice", false), unavailable());
    assert_eq!(world.begun, 0);
}

#[test]
fn a_surface_that_does_not_ask_lets_nothing_out() {
    let mut world = World::new("");
    let value = format!("{NONCE} alice");
    for (header, asked) in [("bartizan-login-failed", 3), ("bartizan-login", 4)] {
        for answered in 0..asked {
            let grant = world.ask("POST /login", HERE, &[]).unwrap();
            let mut edits = world.edits(&grant, 200, &[("content-type", "text/plain"), (header, &value)]);
            for _ in 0..answered {
                let answer = world.answer(edits.take_query().unwrap());
                grant.supply(&mut edits, &answer, Zeros);
            }
            let code = edits.replacement().map(|denial| denial.reason().code().as_str());
            assert_eq!(code, Some("store.unavailable"), "{header}: {answered} of {asked}");
            // And an answer that is none is no.
            edits.take_query();
            grant.supply(&mut edits, &Answer::Unknown, Zeros);
            while edits.take_query().is_some() {
                grant.supply(&mut edits, &Answer::Unknown, Zeros);
            }
            let denial = edits.take_replacement().expect("a refusal");
            assert_eq!(
                denial.reason().code().as_str(),
                "store.unavailable",
                "{header}: {answered} of {asked}"
            );
            assert!(edits.set_cookies().is_empty(), "{header}");
        }
    }
}
