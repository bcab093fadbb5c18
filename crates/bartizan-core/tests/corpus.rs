//! Runs the corpus against the engine itself.

use bartizan_core::{
    CookieEdit, Decision, Denial, Deployment, Entropy, Evaluation, Form, Grant, HeaderPair, NoTrace, Reply,
    RequestHead, ResponseHead, Step, Timestamp,
};
use bartizan_corpus::{Case, CaseStore, Corpus, Handled, Head, Observed, Request, Surface, problem_code};

#[test]
fn the_engine_agrees() {
    let corpus = Corpus::load().unwrap();
    match corpus.check(Surface::Engine, NOW, |case| send(case, Asking::Straight)) {
        Ok(count) => println!("{count} cases"),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn to_pause_changes_nothing() {
    let corpus = Corpus::load().unwrap();
    if let Err(report) = corpus.check(Surface::Engine, NOW, |case| send(case, Asking::WithPauses)) {
        panic!("{report}");
    }
}

/// How an evaluation is asked for its decision.
#[derive(Clone, Copy, PartialEq)]
enum Asking {
    Straight,
    /// It pauses with every question, and once more with the answer.
    WithPauses,
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

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

fn send(case: &Case, asking: Asking) -> Result<Observed, String> {
    let Request::Head(request) = &case.request else { return Err("bytes are for a socket".into()) };
    let (engine, _) = case.build(Deployment::default())?;
    let mut store = case.store();
    let (authority, path, query) = request.split_target();
    let head = RequestHead {
        method: request.method.as_bytes(),
        path,
        query,
        authority,
        scheme: case.scheme,
        peer: Some(case.peer),
        http2: false,
        headers: request.headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])),
    };
    let evaluation = engine.evaluate(&head, NOW, Counter(1));
    match decide(evaluation, &head, request, &mut store, asking) {
        Decision::Allow(grant) => Ok(handle(case, request, &grant, &mut store)),
        Decision::Respond(reply) => Ok(observed(None, &reply)),
        Decision::Deny(denial) => refused(&denial),
    }
}

fn decide<'r, H>(
    evaluation: Evaluation<'_, 'r, H, Counter, NoTrace>,
    head: &RequestHead<'r, H>,
    request: &Head,
    store: &mut CaseStore,
    asking: Asking,
) -> Decision
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    let (mut paused, mut again);
    let mut evaluation = evaluation;
    let step = evaluation.step();
    if let Step::Done(decision) = step {
        return decision;
    }
    if asking == Asking::WithPauses {
        paused = evaluation.pause();
        evaluation = paused.resume(head, Counter(1));
    }
    match step {
        Step::Need(query) => evaluation.supply(store.answer(&query)),
        Step::NeedForm { limit } => {
            let body = request.body[..request.body.len().min(limit)].to_vec();
            evaluation.supply_form(Form { body, truncated: request.body.len() > limit });
        }
        Step::Done(_) => {}
    }
    if asking == Asking::WithPauses {
        again = evaluation.pause();
        evaluation = again.resume(head, Counter(1));
    }
    decide(evaluation, head, request, store, asking)
}

/// What a surface does with an allowed request: edit it, hand it over, edit the response.
fn handle(case: &Case, request: &Head, grant: &Grant, store: &mut CaseStore) -> Observed {
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
    let mut observed = Observed { handled: Some(handled), ..respond(case, grant, store) };
    let reports = grant.reports().iter().map(|reason| reason.code().as_str().to_owned());
    observed.reports.get_or_insert_default().extend(reports);
    observed
}

fn respond(case: &Case, grant: &Grant, store: &mut CaseStore) -> Observed {
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
        grant.supply(&mut edits, &store.answer(&query), Counter(151));
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
