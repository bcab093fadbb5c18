//! Runs the corpus against the engine itself.

use std::{ops::RangeFrom, time::Duration};

use bartizan_core::{
    Answer, CookieEdit, Decision, Denial, Deployment, Engine, Entropy, Form, Grant, Principal, Query, Reply,
    RequestHead, ResponseHead, Scheme, Step, Timestamp,
    csrf_token::{self, Binding},
    keys::{Keys, PERIOD},
    limit::{self, Taken},
    policy::{CredentialKind, LimitStore, PolicyInput, load_and_build},
    session::{SessionKey, SessionRecord},
};
use bartizan_corpus::{
    Case, Corpus, Handled, Head, KeyAge, MASTER_KEY, Observed, Owner, Request, StoreAnswer, Surface, Token,
    problem_code,
};

#[test]
fn the_engine_agrees() {
    let corpus = Corpus::load().unwrap();
    match corpus.check(Surface::Engine, |token| mint(token, NOW), send) {
        Ok(count) => println!("{count} cases"),
        Err(report) => panic!("{report}"),
    }
}

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

fn send(case: &Case) -> Result<Observed, String> {
    let Request::Head(request) = &case.request else { return Err("bytes are for a socket".into()) };
    let engine = build(case)?;
    let (authority, path, query) = request.split_target();
    let head = RequestHead {
        method: request.method.as_bytes(),
        path,
        query,
        authority,
        scheme: match case.scheme {
            bartizan_corpus::Scheme::Http => Scheme::Http,
            bartizan_corpus::Scheme::Https => Scheme::Https,
        },
        peer: Some(case.peer),
        http2: false,
        headers: request.headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])),
    };
    let mut evaluation = engine.evaluate(&head, NOW, Counter(1));
    let mut turns = 0..;
    loop {
        match evaluation.step() {
            Step::Need(Query::Principal(credential)) => {
                evaluation.supply(answer(case, credential.kind(), NOW));
            }
            Step::Need(Query::Session { now, .. }) => {
                evaluation.supply(answer(case, CredentialKind::Session, now));
            }
            Step::Need(Query::Consume { .. }) => {
                evaluation.supply(case.fresh.map_or(Answer::Unavailable, Answer::Fresh));
            }
            Step::Need(query @ Query::Take { .. }) => evaluation.supply(taken(case, &query, &mut turns)),
            Step::Need(query) => return Err(format!("the store is asked {query:?}")),
            Step::NeedForm { limit } => {
                let body = request.body[..request.body.len().min(limit)].to_vec();
                evaluation.supply_form(Form { body, truncated: request.body.len() > limit });
            }
            Step::Done(Decision::Allow(grant)) => return Ok(handle(case, request, &grant, turns)),
            Step::Done(Decision::Respond(reply)) => return Ok(observed(None, &reply)),
            Step::Done(Decision::Deny(denial)) => return refused(&denial),
        }
    }
}

fn build(case: &Case) -> Result<Engine, String> {
    let profile = case.profile.as_deref();
    let input = PolicyInput { text: &case.policy, profile, ..PolicyInput::new("bartizan.toml") };
    let deployment = Deployment {
        development: profile == Some("development"),
        keys: case.has_keys.then(keys),
        ..Deployment::default()
    };
    load_and_build(&input, |_| Ok(deployment)).map(|(engine, _)| engine).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the policy is not accepted: {}", errors.join("; "))
    })
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The tokens that a case names, by the keys that its deployment has.
fn mint(token: Token<'_>, now: Timestamp) -> String {
    let binding = match token.owner {
        Owner::Session(cookie) => Binding::Session(SessionKey::of(cookie.as_bytes())),
        Owner::PreSession(cookie) => Binding::pre_session(cookie.as_bytes()).expect("a pre-session's id"),
    };
    let period = u64::try_from(PERIOD.as_millis()).unwrap();
    let made = match token.key {
        KeyAge::Current => now.0,
        KeyAge::Previous => now.0 - period,
        KeyAge::Expired => now.0 - 2 * period,
        // More than the clock of another node can be ahead.
        KeyAge::Future => now.0 + 2 * period,
    };
    csrf_token::mint(&keys(), &binding, Timestamp(made), &mut Counter(7)).unwrap()
}

fn keys() -> Keys {
    Keys::new(&[MASTER_KEY]).unwrap()
}

fn answer(case: &Case, asked: CredentialKind, now: Timestamp) -> Answer {
    match &case.answer {
        StoreAnswer::Unknown => Answer::Unknown,
        StoreAnswer::Unavailable => Answer::Unavailable,
        StoreAnswer::Principal { kind: Some(kind), .. } if kind != word(asked) => Answer::Unknown,
        StoreAnswer::Principal { subject, scopes, .. } => {
            let subject = subject.as_str().into();
            let scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
            if asked == CredentialKind::Session {
                let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
                Answer::Session(SessionRecord::new(subject, scopes, now, idle, absolute))
            } else {
                Answer::Principal(Principal { subject, kind: asked, scopes })
            }
        }
    }
}

/// What the case says came of taking from a bucket for the next time. Where a process counts by itself, the bucket is new.
fn taken(case: &Case, query: &Query, turns: &mut RangeFrom<usize>) -> Answer {
    if let &Query::Take { quota, cost, store: LimitStore::Local, now, .. } = query {
        return Answer::Taken(limit::take(0, now, quota, cost).0);
    }
    turns.next().and_then(|turn| case.taken(turn)).map_or(Answer::Unavailable, |taken| {
        Answer::Taken(Taken {
            allowed: taken.allowed,
            remaining: taken.remaining,
            retry_after: taken.retry_after,
            reset_after: taken.reset_after,
        })
    })
}

fn word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Nothing => "nothing",
        CredentialKind::Session => "session",
        CredentialKind::Jwt => "jwt",
        CredentialKind::ApiKey => "api-key",
    }
}

/// What a surface does with an allowed request: edit it, hand it over, edit the response.
fn handle(case: &Case, request: &Head, grant: &Grant, turns: RangeFrom<usize>) -> Observed {
    let edits = grant.request_edits();
    let mut headers = Vec::new();
    for (name, value) in &request.headers {
        if !edits.passes(name.as_bytes()) {
            continue;
        }
        let value = if name.eq_ignore_ascii_case("cookie") {
            match edits.cookie(value) {
                CookieEdit::Keep => value.clone(),
                CookieEdit::Drop => continue,
                CookieEdit::Replace(value) => value,
            }
        } else {
            value.clone()
        };
        headers.push((name.clone(), value));
    }
    if edits.is_empty() {
        assert_eq!(headers, request.headers, "edits that are empty change nothing");
    }
    let handled = Handled {
        target: Some(request.target.iter().copied().map(char::from).collect()),
        headers,
        body: Some(request.body.clone()),
        client_ip: Some(grant.client_ip()),
        route: Some(grant.route().map(str::to_owned)),
        principal: Some(grant.principal().map(|principal| principal.subject.to_string())),
        nonce: grant.nonce().map(str::to_owned),
    };
    let mut observed = Observed { handled: Some(handled), ..respond(case, grant, turns) };
    let reports = grant.reports().iter().map(|reason| reason.code().as_str().to_owned());
    observed.reports.get_or_insert_default().extend(reports);
    observed
}

fn respond(case: &Case, grant: &Grant, mut turns: RangeFrom<usize>) -> Observed {
    let response = &case.response;
    let handed = case.response.handed_off(grant.handoff_nonce());
    let mut edits = grant.respond(
        ResponseHead {
            status: response.status,
            headers: handed.iter().map(|(name, value)| (name.as_bytes(), &value[..])),
        },
        NOW,
        Counter(101),
    );
    while let Some(query) = edits.take_query() {
        let answer = match query {
            Query::Take { .. } => taken(case, &query, &mut turns),
            Query::Begin(_) | Query::End(_) if !matches!(case.answer, StoreAnswer::Unavailable) => {
                Answer::Done
            }
            _ => Answer::Unavailable,
        };
        grant.supply(&mut edits, &answer, Counter(151));
    }
    if let Some(denial) = edits.take_replacement() {
        return observed(Some(&denial), denial.reply());
    }
    let prepared = grant.engine().prepared_headers();
    let mut headers: Vec<(String, Vec<u8>)> =
        response.headers.iter().filter(|(name, _)| !edits.removes(name.as_bytes())).cloned().collect();
    headers.extend(edits.prepared().iter().map(|id| {
        let header = &prepared[id.index()];
        (header.name.as_str().to_owned(), header.value.as_bytes().to_vec())
    }));
    headers.extend(edits.computed().iter().map(|(name, value)| (name.as_str().to_owned(), value.to_vec())));
    headers.extend(edits.set_cookies().iter().map(|value| ("set-cookie".to_owned(), value.to_vec())));
    let reports = edits.reports().iter().map(|reason| reason.code().as_str().to_owned()).collect();
    Observed {
        status: response.status,
        headers,
        body: response.body.clone(),
        reports: Some(reports),
        ..Observed::default()
    }
}

/// A refusal, which must tell the client the code that it is logged with.
fn refused(denial: &Denial) -> Result<Observed, String> {
    let observed = observed(Some(denial), denial.reply());
    let content_type = observed.headers.iter().find(|(name, _)| name == "content-type");
    let told = problem_code(content_type.map(|(_, value)| &value[..]), &observed.body);
    if told != observed.code {
        return Err(format!("refused for {:?}, but the client is told {told:?}", observed.code));
    }
    Ok(observed)
}

fn observed(denial: Option<&Denial>, reply: &Reply) -> Observed {
    Observed {
        status: reply.status,
        code: denial.map(|denial| denial.reason().code().as_str().to_owned()),
        headers: reply.headers().map(|(name, value)| (name.as_str().to_owned(), value.to_vec())).collect(),
        body: reply.body.to_vec(),
        handled: None,
        reports: None,
    }
}
