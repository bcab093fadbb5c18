//! The examples of docs/denials are true: each is refused with the code of its page, and the policy that the page
//! gives lets it through.

use std::{fs, path::Path, sync::Arc};

use bartizan_core::{
    Answer, Decision, DenialCode, Deployment, Entropy, Form, Grant, Query, RequestHead, ResponseHead, Scheme,
    Step, Timestamp,
    csrf_token::{Binding, mint},
    jwt::{Algorithm, HmacKey, VerifyingKey},
    keys::Keys,
    policy::{PolicyInput, load_and_build},
};

/// What docs/denials/README.md says the examples are for.
const POLICY: &str = r#"
version = 1
[origin]
public = ["https://api.example.com"]
trusted = ["https://app.example.com"]
"#;

/// What the tokens of the examples are made with, at the beginning of time.
const MASTER_KEY: &[u8] = b"the master key of the examples in docs/denials";

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// A fenced block of a page: what its fence says, and its text.
type Block<'a> = (&'a str, &'a str);

#[test]
fn every_example_is_refused_as_its_page_says() {
    let mut wrong = Vec::new();
    let mut shown = 0;
    for (code, page) in pages() {
        let example = blocks(section(&page, "Example"));
        let Some(request) = request(&example) else { continue };
        shown += 1;
        let decided = decide(&policy(&[&example]), request);
        if decided != code.as_str() {
            wrong.push(format!("{code}: {decided}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(shown > 30, "only {shown} pages have a request");
}

#[test]
fn the_policy_of_a_page_lets_its_example_through() {
    let mut wrong = Vec::new();
    let mut shown = 0;
    for (code, page) in pages() {
        let (allow, example) = (blocks(section(&page, "How to allow it")), blocks(section(&page, "Example")));
        let Some(request) = request(&example) else { continue };
        if allow.iter().any(|(fence, _)| *fence == "toml") {
            shown += 1;
            let decided = decide(&policy(&[&allow, &example]), request);
            if decided != "allowed" {
                wrong.push(format!("{code}: {decided}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(shown > 15, "only {shown} pages have a policy");
}

fn pages() -> impl Iterator<Item = (DenialCode, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/denials");
    DenialCode::ALL.iter().map(move |&code| {
        let page = folder.join(format!("{code}.md"));
        (code, fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display())))
    })
}

fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

fn blocks(section: &str) -> Vec<Block<'_>> {
    section.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

fn request<'b, 'a>(blocks: &'b [Block<'a>]) -> Option<&'b Block<'a>> {
    blocks.iter().find(|(fence, _)| fence.split(' ').next() == Some("http"))
}

/// The pages' policy with the TOML of `parts` laid over it. The first part's routes come first.
fn policy(parts: &[&[Block<'_>]]) -> String {
    use toml::Value::{Array, Table};

    let mut whole: toml::Table = toml::from_str(POLICY).unwrap();
    for (_, text) in parts.iter().copied().flatten().filter(|(fence, _)| *fence == "toml") {
        for (key, value) in toml::from_str::<toml::Table>(text).unwrap() {
            match (whole.get_mut(&key), value) {
                (Some(Array(routes)), Array(more)) => routes.extend(more),
                (Some(Table(table)), Table(more)) => table.extend(more),
                (_, value) => drop(whole.insert(key, value)),
            }
        }
    }
    toml::to_string(&whole).unwrap()
}

/// `allowed`, a redirect's status, or the code of the refusal. By https, unless the fence says otherwise.
fn decide(policy: &str, (fence, request): &Block<'_>) -> String {
    let input = PolicyInput { text: policy, ..PolicyInput::new("bartizan.toml") };
    let keys = (!fence.ends_with("keys=none")).then(|| Keys::new(&[MASTER_KEY]).unwrap());
    let deployment = Deployment { tls: true, keys, ..Deployment::default() };
    let (engine, _) =
        load_and_build(&input, |_| Ok(deployment)).unwrap_or_else(|errors| panic!("{errors:?}\n{policy}"));
    let mut lines = request.lines();
    let start = lines.next().unwrap();
    let (method, target) = start.strip_suffix(" HTTP/1.1").unwrap().split_once(' ').unwrap();
    let (authority, path) = match target.strip_prefix("https://").and_then(|rest| rest.split_once('/')) {
        Some((authority, path)) => (Some(authority.as_bytes()), format!("/{path}")),
        None => (None, target.to_owned()),
    };
    let headers: Vec<(&[u8], &[u8])> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let head = RequestHead {
        method: method.as_bytes(),
        path: path.as_bytes(),
        query: None,
        authority,
        scheme: if fence.ends_with("scheme=http") { Scheme::Http } else { Scheme::Https },
        peer: "203.0.113.9".parse().ok(),
        http2: false,
        headers: headers.iter().copied(),
    };
    let mut evaluation = engine.evaluate(&head, Timestamp(0), Zeros);
    loop {
        match evaluation.step() {
            Step::Done(Decision::Allow(grant)) => return respond(&grant),
            Step::Done(Decision::Respond(reply)) if reply.status < 300 => return "allowed".to_owned(),
            Step::Done(Decision::Respond(reply)) => return reply.status.to_string(),
            Step::Done(Decision::Deny(denial)) => return denial.reason().code().to_string(),
            // Whatever token it is, it was used before.
            Step::Need(Query::Consume { .. }) => evaluation.supply(Answer::Fresh(false)),
            // The tokens of the pages are signed with one key, and were all revoked.
            Step::Need(Query::TokenKey { kid, .. }) if kid.as_deref() == Some("example") => {
                let key = Arc::new(HmacKey::new(MASTER_KEY).unwrap());
                evaluation.supply(Answer::TokenKey(VerifyingKey::new(Algorithm::Hs256, key)));
            }
            // Whatever other key it is, nobody knows it.
            Step::Need(Query::TokenKey { .. } | Query::ApiKey { .. }) => evaluation.supply(Answer::Unknown),
            Step::Need(Query::Revocation { .. }) => evaluation.supply(Answer::Revoked(true)),
            Step::Need(_) => evaluation.supply(Answer::Unavailable),
            Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
        }
    }
}

/// What becomes of a JSON response: some refusals can only be told by the kind of it.
fn respond(grant: &Grant) -> String {
    let headers = [(&b"content-type"[..], &b"application/json"[..])];
    let edits =
        grant.respond(ResponseHead { status: 200, headers: headers.into_iter() }, Timestamp(0), Zeros);
    edits.replacement().map_or_else(|| "allowed".to_owned(), |denial| denial.reason().code().to_string())
}

/// The pages' tokens are of these two pre-sessions; the first is the cookie of the requests.
#[test]
fn the_tokens_of_the_pages_are_of_their_key() {
    let keys = Keys::new(&[MASTER_KEY]).unwrap();
    for (code, cookie) in [
        (DenialCode::CsrfTokenUsed, "7bSWv6fSCxeXwkYHxJ2bQyyHZMTG2PqV3Kz4mX1oFzQ"),
        (DenialCode::CsrfTokenInvalid, "c9bQ2mZt0uGqJr5yX8sW1nVhKfLd3PiEoTaYxR7zU6k"),
    ] {
        let token = mint(&keys, &Binding::pre_session(cookie.as_bytes()).unwrap(), Timestamp(0), &mut Zeros);
        let line = format!("X-CSRF-Token: {}", token.unwrap());
        let (_, page) = pages().find(|(other, _)| *other == code).unwrap();
        assert!(page.contains(&line), "{code} has to say\n{line}");
    }
}
