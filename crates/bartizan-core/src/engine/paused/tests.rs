//! An evaluation that pauses asks the same and comes to the same as one that does not, wherever it pauses.

use alloc::{boxed::Box, collections::BTreeSet, format, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    Decision, DenialCode, Deployment, Form, Query, Scheme, Step,
    api_key::{Grantor, Issued, NewKey},
    csrf_token::{Binding, mint},
    jwt::{Algorithm, VerifySignature, VerifyingKey},
    keys::Keys,
    limit::Taken,
    policy::{PolicyInput, load},
    session::{SessionKey, SessionRecord},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// With all that can be asked about, and a form that a token may come in.
const POLICY: &str = "version = 1
[origin]
public = ['https://api.example.com']
[csrf]
token_path = '/csrf-token'
[session]
handoff = { login = ['POST /login'] }
[jwt]
issuer = 'https://api.example.com'
audience = 'api'
[[jwt.trusted_issuer]]
issuer = 'https://login.example.net'
audience = 'api'
[api_keys]
[rate_limit]
store = 'shared'
address = { limit = 600, per = '1m' }
principal = { limit = 60, per = '1m' }
[default]
require = { any = ['session', 'jwt', 'api-key'] }
[[route]]
match = 'POST /pay'
csrf = 'token'
one_time = true
[[route]]
match = 'POST /login'
require = 'nothing'
csrf = 'token'
[[route]]
match = '* /watched/**'
rate_limit = 'report'
";

const PATHS: [&str; 6] = ["/", "/pay", "/login", "/watched/x", "/csrf-token", "/.well-known/jwks.json"];

#[derive(Clone, Copy)]
struct Sevens;
impl Entropy for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct Believes;
impl VerifySignature for Believes {
    fn verify(&self, _message: &[u8], _signature: &[u8]) -> bool {
        true
    }
}

/// Numbers that look random, the same for the same seed.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

struct World {
    engine: Engine,
    api_key: Issued,
    csrf_token: String,
    jwts: [String; 2],
}

impl World {
    fn new() -> Self {
        let policy = load(&PolicyInput { text: POLICY, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        let deployment = Deployment { keys: Some(keys.clone()), ..Deployment::default() };
        let engine = Engine::build(&policy, &deployment).unwrap();
        let new = NewKey { owner: "robot".into(), name: "n".into(), scopes: Vec::new(), expires: None };
        let api_key = engine.api_keys().unwrap().issue(new, Grantor::Operator, NOW, &mut Sevens).unwrap();
        let binding = Binding::Session(SessionKey::of(b"abc"));
        let csrf_token = mint(&keys, &binding, NOW, &mut Sevens).unwrap();
        let jwts = ["https://api.example.com", "https://login.example.net"].map(jwt);
        Self { engine, api_key, csrf_token, jwts }
    }

    /// The headers and the body of one of many requests.
    fn request(&self, choices: &mut Choices) -> (Vec<(&'static str, String)>, String) {
        let mut headers = Vec::from([("host", String::from("api.example.com"))]);
        let mut body = String::new();
        match choices.below(5) {
            0 => {}
            1 => headers.push(("authorization", format!("Bearer {}", self.jwts[0]))),
            2 => headers.push(("authorization", format!("Bearer {}", self.jwts[1]))),
            3 => headers.push(("x-api-key", self.api_key.key.expose().into())),
            _ => headers.push(("cookie", "a=1; __Host-session=abc".into())),
        }
        match choices.below(3) {
            0 => {}
            1 => headers.push(("x-csrf-token", self.csrf_token.clone())),
            _ => {
                headers.push(("content-type", "application/x-www-form-urlencoded".into()));
                body = format!("csrf_token={}", self.csrf_token);
            }
        }
        let site = ["same-origin", "cross-site"][usize::from(choices.below(4) == 0)];
        headers.extend([("sec-fetch-site", site.into()), ("connection", "x-own".into())]);
        (headers, body)
    }

    /// What the one who is asked may say: mostly what is good for the request.
    fn answer(&self, query: &Query, choices: &mut Choices) -> Answer {
        let others =
            [Answer::Unknown, Answer::Unavailable, Answer::Done, Answer::Revoked(true), Answer::Fresh(false)];
        if let Some(other) = usize::try_from(choices.below(40)).ok().and_then(|place| others.get(place)) {
            return other.clone();
        }
        match query {
            Query::TokenKey { .. } => {
                Answer::TokenKey(VerifyingKey::new(Algorithm::EdDsa, Arc::new(Believes)))
            }
            Query::Revocation { .. } => Answer::Revoked(false),
            Query::ApiKey { .. } => Answer::ApiKey(Box::new(self.api_key.record.clone())),
            Query::PublicKeys { .. } => Answer::PublicKeys(["{}".into()].into()),
            Query::Session { .. } => {
                let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
                Answer::Session(SessionRecord::new("alice", Vec::new(), NOW, idle, absolute))
            }
            Query::Consume { .. } => Answer::Fresh(true),
            Query::Take { .. } => {
                let allowed = choices.below(20) > 0;
                let remaining = u32::try_from(choices.below(30)).unwrap();
                let (retry_after, reset_after) = (Duration::from_secs(1), Duration::from_secs(2));
                Answer::Taken(Taken { allowed, remaining, retry_after, reset_after })
            }
            _ => Answer::Done,
        }
    }

    /// All that was asked, and what it came to, of the request and the answers that `seed` chooses.
    fn decide(&self, seed: u64, pauses: u64, stages: &mut BTreeSet<String>) -> Vec<String> {
        let mut choices = Choices(seed);
        let path = PATHS[usize::try_from(choices.below(6)).unwrap()];
        let method: &[u8] = if choices.below(3) == 0 { b"GET" } else { b"POST" };
        let (headers, body) = self.request(&mut choices);
        let head = RequestHead {
            method,
            path: path.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Https,
            peer: "192.0.2.1".parse().ok(),
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let mut run = Run { world: self, body: &body, choices, pauses, stages, told: Vec::new() };
        run.go_on(self.engine.evaluate(&head, NOW, Sevens), &head);
        run.told
    }
}

/// One evaluation on its way.
struct Run<'a> {
    world: &'a World,
    body: &'a str,
    choices: Choices,
    /// A bit for each place at which it may pause.
    pauses: u64,
    stages: &'a mut BTreeSet<String>,
    told: Vec<String>,
}

impl Run<'_> {
    fn pauses_here(&mut self) -> bool {
        let pauses = self.pauses & 1 == 1;
        self.pauses >>= 1;
        pauses
    }

    fn go_on<'r, H>(&mut self, evaluation: Evaluation<'_, 'r, H, Sevens, NoTrace>, head: &RequestHead<'r, H>)
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
    {
        let (mut before, mut asking, mut answered);
        let mut evaluation = evaluation;
        if self.pauses_here() {
            before = evaluation.pause();
            evaluation = before.resume(head, Sevens);
        }
        let step = evaluation.step();
        self.stages.extend(format!("{:?}", evaluation.stage).split('(').next().map(Into::into));
        if let Step::Done(decision) = step {
            self.told.push(told(&decision));
            return;
        }
        self.told.push(format!("{step:?}"));
        if self.pauses_here() {
            asking = evaluation.pause();
            evaluation = asking.resume(head, Sevens);
        }
        match step {
            Step::Need(query) => evaluation.supply(self.world.answer(&query, &mut self.choices)),
            _ => evaluation.supply_form(Form { body: self.body.into(), truncated: false }),
        }
        if self.pauses_here() {
            answered = evaluation.pause();
            evaluation = answered.resume(head, Sevens);
        }
        self.go_on(evaluation, head);
    }
}

fn told(decision: &Decision) -> String {
    let reply = |reply: &crate::Reply| {
        let headers: Vec<_> = reply.headers().collect();
        format!("{} {headers:?} {:?}", reply.status, reply.body)
    };
    match decision {
        Decision::Allow(grant) => format!("allowed {:?} {:?}", grant.context, grant.verified),
        Decision::Respond(answered) => format!("answered {}", reply(answered)),
        Decision::Deny(denial) => format!("refused {:?} {}", denial.reason, reply(&denial.reply)),
    }
}

fn jwt(issuer: &str) -> String {
    let now = NOW.0 / 1000;
    let header = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"api","sub":"carol","iat":{},"exp":{},"jti":"7","client_id":"c"}}"#,
        now - 60,
        now + 600
    );
    let [header, claims, signature] =
        [header.as_bytes(), claims.as_bytes(), &[7; 64]].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.{signature}")
}

#[test]
fn wherever_it_pauses_it_asks_and_decides_the_same() {
    let world = World::new();
    let (mut stages, mut outcomes) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..2000 {
        let straight = world.decide(seed, 0, &mut stages);
        let mut places = Choices(seed);
        for pauses in [u64::MAX, places.below(1 << 30), places.below(1 << 30)] {
            assert_eq!(world.decide(seed, pauses, &mut stages), straight, "seed {seed}, pauses {pauses:b}");
        }
        outcomes.extend(straight.last().and_then(|last| last.split(' ').next()).map(String::from));
    }
    let asked = [
        "AddressCounted",
        "Answer",
        "Decided",
        "FailureCharged",
        "LoginAsked",
        "PrincipalCounted",
        "PublicKeys",
        "Revocation",
        "Token",
        "Used",
    ];
    assert!(stages.iter().eq(&asked), "{stages:?}");
    assert!(outcomes.iter().eq(&["allowed", "answered", "refused"]), "{outcomes:?}");
}

#[test]
fn it_goes_on_once() {
    let world = World::new();
    let headers = [("host", "api.example.com"), ("cookie", "__Host-session=abc")];
    let head = RequestHead {
        method: b"GET",
        path: b"/",
        query: None,
        authority: None,
        scheme: Scheme::Https,
        peer: None,
        http2: false,
        headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    };
    for steps in 0..2 {
        let mut evaluation = world.engine.evaluate(&head, NOW, Sevens);
        for _ in 0..steps {
            assert!(matches!(evaluation.step(), Step::Need(Query::Session { .. })));
        }
        let mut paused = evaluation.pause();
        drop(paused.resume(&head, Sevens));
        let Step::Done(Decision::Deny(denial)) = paused.resume(&head, Sevens).step() else {
            panic!("it goes on after {steps} steps")
        };
        assert_eq!(denial.reason.code(), DenialCode::StoreUnavailable);
    }
}
