//! What the fuzz targets share: engines, requests, and what must hold of every answer.

use bartizan_core::{
    Answer, Decision, Deployment, Engine, Entropy, Form, Grant, HeaderPair, Query, Reply, RequestHead,
    ResponseEdits, ResponseHead, Scheme, Step, Timestamp,
    keys::Keys,
    policy::{PolicyInput, load_and_build},
};

/// A header as a target holds it.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// Chance without chance: the same bytes in every run.
pub struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(index % 251).unwrap_or(0);
        }
    }
}

/// The engine of a policy that is known to be good.
pub fn engine(text: &str) -> Engine {
    build(text, Deployment::default())
}

/// The same with [`keys`].
pub fn engine_with_keys(text: &str) -> Engine {
    build(text, Deployment { keys: Some(keys()), ..Deployment::default() })
}

/// The keys that the targets' tokens are made by.
pub fn keys() -> Keys {
    match Keys::new(&[b"the master key of the fuzz targets, no secret"]) {
        Ok(keys) => keys,
        Err(error) => panic!("{error}"),
    }
}

fn build(text: &str, deployment: Deployment) -> Engine {
    match load_and_build(&PolicyInput { text, ..PolicyInput::new("fuzz.toml") }, |_| Ok(deployment)) {
        Ok((engine, _)) => engine,
        Err(errors) => panic!("the target's own policy is wrong: {errors:?}"),
    }
}

/// A request over HTTPS from 127.0.0.1.
pub fn head<'r, H>(method: &'r [u8], path: &'r [u8], headers: H) -> RequestHead<'r, H>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    RequestHead {
        method,
        path,
        query: None,
        authority: None,
        scheme: Scheme::Https,
        peer: Some([127, 0, 0, 1].into()),
        http2: false,
        headers,
    }
}

/// What the engine decides, where the store gives `answer` to everything.
pub fn decide<'r, H>(engine: &Engine, head: &RequestHead<'r, H>, answer: &Answer) -> Decision
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    let mut evaluation = engine.evaluate(head, Timestamp(1_700_000_000_000), Fixed);
    // The engine asks a few questions at most; one that never ends would hang every surface.
    for _ in 0..16 {
        match evaluation.step() {
            // Else no token of ours would ever pass.
            Step::Need(Query::Revocation { .. }) => evaluation.supply(Answer::Revoked(false)),
            Step::Need(_) => evaluation.supply(answer.clone()),
            Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
            Step::Done(decision) => return decision,
        }
    }
    panic!("the engine does not stop asking");
}

/// The response's headers as a client gets them, after checking what must hold of any edits.
pub fn respond(grant: &Grant, status: u16, headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let edits = grant.respond(
        ResponseHead { status, headers: headers.iter().copied() },
        Timestamp(1_700_000_000_000),
        Fixed,
    );
    if let Some(denial) = edits.replacement() {
        check_reply(denial.reply());
        return reply_headers(denial.reply());
    }
    apply(grant, &edits, headers)
}

fn apply(grant: &Grant, edits: &ResponseEdits, headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !edits.removes(name))
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
        .collect();
    let kept = out.len();
    let prepared = grant.engine().prepared_headers();
    out.extend(edits.prepared().iter().map(|id| {
        let header = &prepared[id.index()];
        (header.name.as_str().to_owned(), header.value.as_bytes().to_vec())
    }));
    out.extend(edits.computed().iter().map(|(name, value)| (name.as_str().to_owned(), value.to_vec())));
    out.extend(edits.set_cookies().iter().map(|value| ("set-cookie".to_owned(), value.to_vec())));
    for (name, value) in &out[kept..] {
        check_value(name, value);
    }
    out
}

/// Checks a whole response of the engine's own.
pub fn check_reply(reply: &Reply) {
    assert!((200..600).contains(&reply.status), "{}", reply.status);
    for (name, value) in reply.headers() {
        check_value(name.as_str(), value);
    }
}

/// The headers of a response of the engine's own.
pub fn reply_headers(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    reply.headers().map(|(name, value)| (name.as_str().to_owned(), value.to_vec())).collect()
}

/// A value that can be sent: no byte in it may end the header or the response (RFC 9110 §5.5).
fn check_value(name: &str, value: &[u8]) {
    assert!(
        value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)),
        "{name}: {}",
        value.escape_ascii()
    );
}

/// Whether `value` could come over the wire as a header's value: what a parser in front would have refused, a
/// target does not try.
pub fn is_header_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Whether `name` could come over the wire as a header's name (RFC 9110 §5.6.2).
pub fn is_header_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// All values of a header.
pub fn values<'a>(headers: &'a [(String, Vec<u8>)], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
}
