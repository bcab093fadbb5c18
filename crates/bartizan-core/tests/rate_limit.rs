//! Rate limits over many requests, on a driven clock: the engine's questions are answered from buckets that are kept.

use std::{collections::HashMap, sync::Arc};

use bartizan_core::{
    Answer, Decision, Denial, Deployment, Engine, Entropy, Form, Grant, NoTrace, Query, Recording, Reply,
    RequestHead, ResponseHead, ResponseHeader, Scheme, Step, Timestamp, Trace,
    api_key::{ApiKeyRecord, Grantor, KeyId, NewKey},
    jwt::{Algorithm, HmacKey, VerifyingKey},
    keys::Keys,
    limit::{self, LimitKey},
    policy::{PolicyInput, load_and_build},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// All of one number.
struct All(u8);

impl Entropy for All {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Keeps buckets, and knows everybody's key but that of `wrong`.
struct World {
    engine: Engine,
    buckets: HashMap<LimitKey, u64>,
    api_keys: HashMap<KeyId, ApiKeyRecord>,
    /// How often a bucket was asked for.
    takes: u32,
    /// Whether buckets can be asked for.
    away: bool,
}

fn secret() -> HmacKey {
    HmacKey::new(&[7; 32]).unwrap()
}

/// A token of `name`, signed with the key of that name.
fn token_of(name: &str) -> String {
    let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{name}"}}"#);
    let claims = format!(r#"{{"iss":"https://a.example","aud":"a","sub":"{name}","exp":9999999999}}"#);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(secret().sign(signed.as_bytes())))
}

/// What came of a request: its status, `RateLimit`, `RateLimit-Policy` and `Retry-After`.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    limit: Option<String>,
    policy: Option<String>,
    retry_after: Option<String>,
    reports: Vec<String>,
}

impl World {
    fn new(policy: &str) -> Self {
        let text = format!("version = 1\norigin.public = ['http://localhost']\n{policy}");
        let input = PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") };
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).ok();
        let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), keys, ..Deployment::default() };
        let (engine, _) = load_and_build(&input, |_| Ok(deployment)).unwrap();
        Self { engine, buckets: HashMap::new(), api_keys: HashMap::new(), takes: 0, away: false }
    }

    /// A key of `owner`: another for each number.
    fn issue(&mut self, owner: &str, number: u8) -> String {
        let new = NewKey { owner: owner.into(), name: "n".into(), scopes: Vec::new(), expires: None };
        let keys = self.engine.api_keys().unwrap();
        let issued = keys.issue(new, Grantor::Operator, Timestamp(0), &mut All(number)).unwrap();
        self.api_keys.insert(issued.record.id, issued.record);
        issued.key.expose().to_owned()
    }

    /// Sends a request at `millis`.
    fn send(&mut self, millis: u64, target: &str, peer: Option<&str>, token: Option<&str>) -> Outcome {
        self.send_traced(millis, target, peer, token, NoTrace)
    }

    fn send_traced(
        &mut self,
        millis: u64,
        target: &str,
        peer: Option<&str>,
        token: Option<&str>,
        trace: impl Trace,
    ) -> Outcome {
        let authorization = token.map(|name| match name {
            key if key.contains("_live_") => format!("Bearer {key}"),
            name => format!("Bearer {}", token_of(name)),
        });
        let headers = [("host", "localhost")].into_iter();
        let headers = headers.chain(authorization.as_deref().map(|value| ("authorization", value)));
        let head = RequestHead {
            method: b"GET",
            path: target.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: peer.map(|peer| peer.parse().unwrap()),
            http2: false,
            headers: headers.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let engine = self.engine.clone();
        let mut evaluation = engine.evaluate_traced(&head, Timestamp(1_000_000 + millis), Zeros, trace);
        loop {
            match evaluation.step() {
                Step::Need(query) => evaluation.supply(self.answer(query)),
                Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
                Step::Done(Decision::Allow(grant)) => return allowed(&grant),
                Step::Done(Decision::Deny(denial)) => return refused(&denial),
                Step::Done(Decision::Respond(reply)) => return replied(&reply),
            }
        }
    }

    fn answer(&mut self, query: Query) -> Answer {
        match query {
            Query::TokenKey { kid, .. } if kid.as_deref() == Some("wrong") => Answer::Unknown,
            Query::TokenKey { .. } => {
                Answer::TokenKey(VerifyingKey::new(Algorithm::Hs256, Arc::new(secret())))
            }
            Query::Revocation { .. } => Answer::Revoked(false),
            Query::ApiKey { id, .. } => {
                self.api_keys.get(&id).map_or(Answer::Unknown, |record| Answer::ApiKey(record.clone().into()))
            }
            Query::Take { .. } if self.away => Answer::Unavailable,
            Query::Take { key, quota, cost, now, .. } => {
                self.takes += 1;
                let tat = self.buckets.entry(key).or_default();
                let (taken, kept) = limit::take(*tat, now, quota, cost);
                *tat = kept;
                Answer::Taken(taken)
            }
            query => panic!("{query:?}"),
        }
    }
}

fn allowed(grant: &Grant) -> Outcome {
    let headers = [(&b"content-type"[..], &b"application/json"[..])];
    let edits =
        grant.respond(ResponseHead { status: 200, headers: headers.into_iter() }, Timestamp(0), Zeros);
    let all = grant.engine().prepared_headers();
    let prepared = edits.prepared().iter().map(|id| &all[id.index()]);
    let prepared = prepared.map(|header| (header.name, header.value.as_bytes()));
    let computed = edits.computed().iter().map(|(name, value)| (*name, &**value));
    let reports = grant.reports().iter().map(|reason| reason.code().to_string()).collect();
    Outcome { reports, ..outcome(200, prepared.chain(computed)) }
}

fn refused(denial: &Denial) -> Outcome {
    replied(denial.reply())
}

fn replied(reply: &Reply) -> Outcome {
    outcome(reply.status, reply.headers())
}

fn outcome<'a>(status: u16, headers: impl Iterator<Item = (ResponseHeader, &'a [u8])>) -> Outcome {
    let headers: Vec<_> = headers.collect();
    let find = |wanted| {
        let mut values = headers.iter().filter(|(name, _)| *name == wanted);
        let value = values.next().map(|(_, value)| std::str::from_utf8(value).unwrap().to_owned());
        assert!(values.next().is_none(), "{wanted:?} twice");
        value
    };
    Outcome {
        status,
        limit: find(ResponseHeader::RateLimit),
        policy: find(ResponseHeader::RateLimitPolicy),
        retry_after: find(ResponseHeader::RetryAfter),
        reports: Vec::new(),
    }
}

const ALICE: Option<&str> = Some("192.0.2.1");
const BOB: Option<&str> = Some("192.0.2.2");

#[test]
fn where_nothing_is_limited_nobody_is_asked() {
    let mut world = World::new("");
    let outcome = world.send(0, "/", ALICE, None);
    assert_eq!(
        outcome,
        Outcome { status: 200, limit: None, policy: None, retry_after: None, reports: vec![] }
    );
    let mut off = World::new("rate_limit = { mode = 'off', address = { limit = 1, per = '1m' } }");
    assert_eq!([off.send(0, "/", ALICE, None).status, off.send(0, "/", ALICE, None).status], [200, 200]);
    assert_eq!((world.takes, off.takes), (0, 0));
}

#[test]
fn an_address_may_send_a_burst_and_then_one_each_interval() {
    let mut world = World::new("rate_limit.address = { limit = 6, per = '1m', burst = 2 }");
    for (millis, peer, status, limit, retry_after) in [
        (0, ALICE, 200, "r=1;t=10", None),
        (0, ALICE, 200, "r=0;t=20", None),
        (0, ALICE, 429, "r=0;t=10", Some("10")),
        (0, BOB, 200, "r=1;t=10", None),
        (8_999, ALICE, 429, "r=0;t=2", Some("2")),
        (9_999, ALICE, 429, "r=0;t=1", Some("1")),
        (10_000, ALICE, 200, "r=0;t=20", None),
        (60_000, ALICE, 200, "r=1;t=10", None),
    ] {
        let outcome = world.send(millis, "/", peer, None);
        let told = (outcome.status, outcome.limit.as_deref(), outcome.retry_after.as_deref());
        assert_eq!(told, (status, Some(&*format!("\"address\";{limit}")), retry_after), "{millis} {peer:?}");
        assert_eq!(outcome.policy.as_deref(), Some("\"address\";q=2;w=20"), "{millis}");
    }
}

#[test]
fn the_addresses_of_one_ipv6_subscriber_are_one() {
    let mut world = World::new("rate_limit.address = { limit = 1, per = '1m' }");
    for (peer, status) in [
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::1", 200),
        ("::ffff:192.0.2.1", 200),
        ("192.0.2.1", 429),
    ] {
        assert_eq!(world.send(0, "/", Some(peer), None).status, status, "{peer}");
    }
}

#[test]
fn a_principal_is_counted_wherever_it_comes_from_and_after_the_address() {
    let mut world = World::new(
        "jwt = { issuer = 'https://a.example', audience = 'a' }\ndefault.require = 'jwt'\n[rate_limit]\naddress = { limit = 3, per = '1h' }\nprincipal = { limit = 2, per = '1h' }",
    );
    for (peer, token, status, limit) in [
        (ALICE, "alice", 200, "\"address\";r=2;t=1200, \"principal\";r=1;t=1800"),
        (BOB, "alice", 200, "\"address\";r=2;t=1200, \"principal\";r=0;t=3600"),
        (BOB, "alice", 429, "\"address\";r=1;t=2400, \"principal\";r=0;t=1800"),
        (BOB, "bob", 200, "\"address\";r=0;t=3600, \"principal\";r=1;t=1800"),
        // Refused by the address, before anybody is asked who this is.
        (BOB, "carol", 429, "\"address\";r=0;t=1200"),
        (ALICE, "carol", 200, "\"address\";r=1;t=2400, \"principal\";r=1;t=1800"),
    ] {
        let outcome = world.send(0, "/", peer, Some(token));
        assert_eq!((outcome.status, outcome.limit.as_deref()), (status, Some(limit)), "{peer:?} {token}");
        let both = outcome.policy.as_deref() == Some("\"address\";q=3;w=3600, \"principal\";q=2;w=3600");
        assert_eq!(both, limit.contains("principal"), "{peer:?} {token}");
    }
    // A refusal of the requirement tells the counts too.
    let outcome = world.send(0, "/", Some("192.0.2.3"), None);
    assert_eq!((outcome.status, outcome.limit.as_deref()), (401, Some("\"address\";r=2;t=1200")));
}

#[test]
fn a_busy_key_leaves_its_owners_others_theirs() {
    let mut world = World::new(
        "api_keys = {}\njwt = { issuer = 'https://a.example', audience = 'a' }\ndefault.require = { any = ['api-key', 'jwt'] }\nrate_limit.principal = { limit = 2, per = '1h' }",
    );
    let [busy, other, bobs] =
        [("alice", 1), ("alice", 2), ("bob", 3)].map(|(owner, number)| world.issue(owner, number));
    for (token, status, limit) in [
        (&*busy, 200, "\"principal\";r=1;t=1800"),
        (&busy, 200, "\"principal\";r=0;t=3600"),
        (&busy, 429, "\"principal\";r=0;t=1800"),
        (&other, 200, "\"principal\";r=1;t=1800"),
        (&bobs, 200, "\"principal\";r=1;t=1800"),
        ("alice", 200, "\"principal\";r=1;t=1800"),
        (&busy, 429, "\"principal\";r=0;t=1800"),
    ] {
        let outcome = world.send(0, "/", ALICE, Some(token));
        assert_eq!((outcome.status, outcome.limit.as_deref()), (status, Some(limit)), "{token}");
    }
}

#[test]
fn a_route_of_its_own_is_counted_by_itself() {
    let mut world = World::new(
        "[rate_limit]\naddress = { limit = 2, per = '1h' }\n[[route]]\nmatch = '* /own/**'\nrate_limit.address = { limit = 1, per = '1h' }\n[[route]]\nmatch = '* /other/**'\nrate_limit.address = { limit = 1, per = '1h' }\n[[route]]\nmatch = '* /free/**'\nrate_limit = 'off'\n[[route]]\nmatch = '* /shared/**'\n",
    );
    for (target, status) in [
        ("/own/a", 200),
        ("/own/b", 429),
        ("/other/a", 200),
        ("/shared/a", 200),
        ("/b", 200),
        ("/shared/b", 429),
        ("/c", 429),
        ("/free/a", 200),
        ("/free/a", 200),
    ] {
        assert_eq!(world.send(0, target, ALICE, None).status, status, "{target}");
    }
}

#[test]
fn a_credential_that_is_not_valid_charges_the_address() {
    const POLICY: &str = "jwt = { issuer = 'https://a.example', audience = 'a' }\ndefault.require = 'jwt'\nrate_limit.address = { limit = 20, per = '20m' }";
    // By default as five requests more.
    let mut world = World::new(POLICY);
    let wrong = |world: &mut World, millis| {
        let outcome = world.send(millis, "/", ALICE, Some("wrong"));
        (outcome.status, outcome.limit.unwrap())
    };
    assert_eq!(wrong(&mut world, 0), (401, "\"address\";r=14;t=360".to_owned()));
    assert_eq!(world.send(0, "/", ALICE, Some("alice")).limit.unwrap(), "\"address\";r=13;t=420");
    assert_eq!(wrong(&mut world, 0), (401, "\"address\";r=7;t=780".to_owned()));
    assert_eq!(wrong(&mut world, 0), (401, "\"address\";r=1;t=1140".to_owned()));
    // As much as is left, not nothing because it is too little.
    assert_eq!(world.send(60_000, "/", ALICE, Some("alice")).limit.unwrap(), "\"address\";r=1;t=1140");
    assert_eq!(wrong(&mut world, 60_000), (401, "\"address\";r=0;t=1200".to_owned()));
    assert_eq!(wrong(&mut world, 60_000).0, 429);
    assert_eq!(world.send(0, "/", BOB, Some("bob")).status, 200);

    let mut free = World::new(&format!("{POLICY}\nrate_limit.failure_cost = 0"));
    assert_eq!(wrong(&mut free, 0), (401, "\"address\";r=19;t=60".to_owned()));
    // Nobody is charged for a credential that was not shown.
    assert_eq!(free.send(0, "/", ALICE, None).limit.unwrap(), "\"address\";r=18;t=120");
}

#[test]
fn mode_report_counts_and_lets_pass_and_tells_the_client_nothing() {
    let mut world = World::new("rate_limit = { mode = 'report', address = { limit = 1, per = '1m' } }");
    let silent = |reports: &[&str]| Outcome {
        status: 200,
        limit: None,
        policy: None,
        retry_after: None,
        reports: reports.iter().map(|code| (*code).to_owned()).collect(),
    };
    assert_eq!(world.send(0, "/", ALICE, None), silent(&[]));
    assert_eq!(world.send(0, "/", ALICE, None), silent(&["rate.limited"]));
    assert_eq!(world.takes, 2);
    world.away = true;
    assert_eq!(world.send(0, "/", ALICE, None), silent(&["store.unavailable"]));
}

#[test]
fn who_counts_and_does_not_answer_lets_nobody_through() {
    let mut world = World::new("rate_limit.address = { limit = 9, per = '1m' }");
    world.away = true;
    let outcome = world.send(0, "/", ALICE, None);
    assert_eq!((outcome.status, outcome.retry_after.as_deref()), (503, Some("5")));
}

#[test]
fn a_client_without_an_address_is_not_counted_by_it() {
    let mut world = World::new("rate_limit.address = { limit = 1, per = '1m' }");
    for _ in 0..2 {
        let mut trace = Recording::default();
        assert_eq!(world.send_traced(0, "/", None, None, &mut trace).status, 200);
        let note = trace.0.iter().find(|note| note.control == "rate_limit").unwrap();
        assert_eq!(
            (note.verdict.as_str(), &*note.why),
            ("skip", "no address is known of a client on a Unix socket")
        );
    }
    assert_eq!(world.takes, 0);
}

#[test]
fn the_store_that_the_policy_names_is_asked_for() {
    for (store, expected) in [("", "Local"), ("store = 'local'", "Local"), ("store = 'shared'", "Shared")] {
        let world = World::new(&format!(
            "[rate_limit]\n{store}\naddress = {{ limit = 1, per = '1m' }}\n[[route]]\nmatch = '* /own'\nrate_limit.address = {{ limit = 1, per = '1m' }}"
        ));
        for target in ["/", "/own"] {
            let head = RequestHead {
                method: b"GET",
                path: target.as_bytes(),
                query: None,
                authority: None,
                scheme: Scheme::Http,
                peer: "192.0.2.1".parse().ok(),
                http2: false,
                headers: [(&b"host"[..], &b"localhost"[..])].into_iter(),
            };
            let step = world.engine.evaluate(&head, Timestamp(0), Zeros).step();
            let Step::Need(Query::Take { store, cost, .. }) = step else { panic!("{step:?}") };
            assert_eq!((format!("{store:?}"), cost), (expected.to_owned(), 1), "{target}");
        }
    }
}
