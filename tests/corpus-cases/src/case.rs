//! Cases as they are run, read from the files.

use std::{
    collections::BTreeSet,
    fmt, fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_core::{Scheme, limit::Taken};
use serde::Deserialize;

use crate::{Expect, StoreAnswer, text, written};

/// A surface that runs the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// The engine itself.
    Engine,
    /// The tower layer.
    Tower,
    /// The gateway, over a socket.
    Gateway,
}

impl Surface {
    /// All surfaces.
    pub const ALL: [Self; 3] = [Self::Engine, Self::Tower, Self::Gateway];
}

/// A way for the handler or upstream to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The handler panics.
    Panic,
    /// Nobody listens at the upstream's address.
    Unreachable,
    /// The upstream closes the connection without an answer.
    Closed,
    /// The upstream answers something that is not HTTP.
    Garbage,
    /// The upstream never answers.
    Silent,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name, without folder.
    pub file: String,
    /// What the case shows.
    pub name: String,
    /// The text of the policy.
    pub policy: String,
    /// Denial codes and presets that it is for.
    pub covers: Vec<String>,
    /// The profile that is chosen.
    pub profile: Option<String>,
    /// Where the request comes from.
    pub peer: IpAddr,
    /// How it reaches the listener.
    pub scheme: Scheme,
    /// The request.
    pub request: Request,
    /// The surfaces that can see it.
    pub seen_by: BTreeSet<Surface>,
    /// What the handler answers.
    pub response: Response,
    /// What the store answers.
    pub answer: StoreAnswer,
    /// Whether a one-time token was not used before; `None` where the store cannot say.
    pub fresh: Option<bool>,
    /// Whether the deployment has keys.
    pub has_keys: bool,
    /// What it answers to whoever takes from a bucket, each time the next, the last for good.
    pub taken: Vec<Taken>,
    /// What must come of it.
    pub expect: Expect,
}

/// A request: its head, for every surface, or its bytes, for a socket.
#[derive(Clone, Debug)]
pub enum Request {
    /// The head, and a body.
    Head(Head),
    /// Everything that is sent.
    Bytes(Vec<u8>),
}

/// A request's head.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: String,
    /// The target.
    pub target: Vec<u8>,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the handler answers.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it fails instead.
    pub fault: Option<Fault>,
}

impl Response {
    /// The headers, with `{handoff}` as the nonce that the request carried to the upstream; nothing where there was
    /// none.
    pub fn handed_off(&self, nonce: Option<&str>) -> Vec<(String, Vec<u8>)> {
        let own = |value: &[u8]| {
            let text: String = value.iter().copied().map(char::from).collect();
            text.replace("{handoff}", nonce.unwrap_or_default()).chars().map(|c| c as u8).collect()
        };
        self.headers.iter().map(|(name, value)| (name.clone(), own(value))).collect()
    }
}

/// All cases.
#[derive(Clone, Debug)]
pub struct Corpus {
    pub(crate) cases: Vec<Case>,
}

/// What is wrong with the files: one line per fault, each with the file and the case's name.
pub struct CorpusError(pub Vec<String>);

impl Corpus {
    /// Reads `tests/corpus/*.toml` of this repository.
    pub fn load() -> Result<Self, CorpusError> {
        Self::load_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus"))
    }

    /// Reads the `*.toml` files of `folder`.
    pub fn load_from(folder: &Path) -> Result<Self, CorpusError> {
        let mut cases = Vec::new();
        let mut errors = Vec::new();
        let unreadable = |error| CorpusError(vec![format!("{}: {error}", folder.display())]);
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .map_err(unreadable)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        paths.sort();
        for path in paths {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match fs::read_to_string(&path) {
                Ok(text) => read_file(&file, &text, &mut cases, &mut errors),
                Err(error) => errors.push(format!("{file}: {error}")),
            }
        }
        if errors.is_empty() { Ok(Self { cases }) } else { Err(CorpusError(errors)) }
    }

    /// The cases that `surface` can see.
    pub fn cases(&self, surface: Surface) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |case| case.seen_by.contains(&surface))
    }
}

fn read_file(file: &str, text: &str, cases: &mut Vec<Case>, errors: &mut Vec<String>) {
    let written: written::File = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            // The message brings line, column and the source; name the case too, for files are long.
            let place = error.span().and_then(|span| text.get(..span.start)).and_then(name_before);
            let case = place.map_or_else(String::new, |name| format!(": near case {name}"));
            errors.push(format!("{file}{case}: {error}"));
            return;
        }
    };
    let mut names = BTreeSet::new();
    for case in written.case {
        let name = case.name.clone();
        if !names.insert(name.clone()) {
            errors.push(format!("{file}: `{name}`: another case of this file has that name"));
        }
        match read_case(file, written.policy.as_deref(), &written.headers, case) {
            Ok(case) => cases.push(case),
            Err(error) => errors.push(format!("{file}: `{name}`: {error}")),
        }
    }
}

/// The last `name = …` in `text`.
fn name_before(text: &str) -> Option<&str> {
    text.lines().rev().find_map(|line| line.strip_prefix("name = "))
}

fn read_case(
    file: &str,
    policy: Option<&str>,
    headers: &[(String, String)],
    case: written::Case,
) -> Result<Case, String> {
    let peer = case.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let scheme = match case.scheme {
        Some(written::Scheme::Https) => Scheme::Https,
        Some(written::Scheme::Http) | None => Scheme::Http,
    };
    let request = match (case.head, case.bytes) {
        (Some(head), None) => Request::Head(read_head(headers, head)?),
        (None, Some(raw)) => Request::Bytes(text::bytes(&raw)?),
        _ => return Err("write either `head` or `bytes`".into()),
    };
    let seen_by: BTreeSet<_> =
        case.seen_by.map_or(Surface::ALL.into(), |seen_by| seen_by.into_iter().collect());
    if seen_by.len() < Surface::ALL.len() && case.because.is_none() {
        return Err("not all surfaces see it: say why, `because = \"…\"`".into());
    }
    let socket = seen_by.contains(&Surface::Gateway);
    if socket && (scheme == Scheme::Https || peer != IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        return Err("the gateway's client speaks plain HTTP from 127.0.0.1: leave `gateway` out".into());
    }
    if matches!(request, Request::Bytes(_)) && seen_by != [Surface::Gateway].into() {
        return Err("only a socket sees `bytes`: `seen_by = [\"gateway\"]`".into());
    }
    match case.response.fault {
        Some(Fault::Panic) if seen_by != [Surface::Tower].into() => {
            return Err("only a handler panics: `seen_by = [\"tower\"]`".into());
        }
        Some(Fault::Unreachable | Fault::Closed | Fault::Garbage | Fault::Silent)
            if seen_by != [Surface::Gateway].into() =>
        {
            return Err("only the gateway has an upstream: `seen_by = [\"gateway\"]`".into());
        }
        _ => {}
    }
    Ok(Case {
        file: file.to_owned(),
        name: case.name,
        policy: case.policy.as_deref().or(policy).ok_or("neither it nor its file has a `policy`")?.to_owned(),
        covers: case.covers,
        profile: case.profile,
        peer,
        scheme,
        request,
        seen_by,
        response: read_response(case.response)?,
        answer: read_answer(case.answer),
        fresh: case.fresh,
        has_keys: case.keys.unwrap_or(true),
        taken: case.taken.into_iter().map(read_taken).collect(),
        expect: Expect::read(case.expect)?,
    })
}

fn read_head(headers: &[(String, String)], head: written::Head) -> Result<Head, String> {
    let shared = if head.bare { &[] } else { headers };
    let mut all = Vec::new();
    for (name, value) in shared.iter().chain(&head.headers) {
        all.push((name.clone(), text::bytes(value)?));
    }
    all.extend((0..head.filler).map(|index| (format!("x-filler-{index}"), b"1".to_vec())));
    Ok(Head {
        method: head.method.unwrap_or_else(|| "GET".into()),
        target: text::bytes(head.target.as_deref().unwrap_or("/"))?,
        headers: all,
        body: text::bytes(head.body.as_deref().unwrap_or_default())?,
    })
}

fn read_response(response: written::Response) -> Result<Response, String> {
    let headers = response
        .headers
        .unwrap_or_else(|| vec![("content-type".into(), "application/json".into())])
        .into_iter()
        .map(|(name, value)| Ok((name, text::bytes(&value)?)))
        .collect::<Result<_, String>>()?;
    Ok(Response {
        status: response.status.unwrap_or(200),
        headers,
        body: text::bytes(response.body.as_deref().unwrap_or("{}"))?,
        fault: response.fault,
    })
}

fn read_answer(answer: Option<written::Answer>) -> StoreAnswer {
    match answer {
        Some(written::Answer::Principal(written::PrincipalAnswer { subject, scopes, kind, key, token })) => {
            StoreAnswer::Principal { subject, scopes, kind, key, token }
        }
        Some(written::Answer::Word(written::AnswerWord::Unknown)) => StoreAnswer::Unknown,
        Some(written::Answer::Word(written::AnswerWord::Unavailable)) | None => StoreAnswer::Unavailable,
    }
}

fn read_taken(taken: written::Taken) -> Taken {
    Taken {
        allowed: taken.allowed,
        remaining: taken.remaining,
        retry_after: Duration::from_secs_f64(taken.retry_after),
        reset_after: Duration::from_secs_f64(taken.reset_after),
    }
}

impl Head {
    /// The target's parts: authority of an absolute form, path, query (RFC 9112 §3.2).
    pub fn split_target(&self) -> (Option<&[u8]>, &[u8], Option<&[u8]>) {
        let (authority, rest) = match self.target.windows(3).position(|window| window == b"://") {
            Some(end) if !self.target.starts_with(b"/") => {
                let rest = &self.target[end + 3..];
                let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                (Some(&rest[..path]), &rest[path..])
            }
            _ => (None, &self.target[..]),
        };
        let (path, query) = match rest.iter().position(|byte| *byte == b'?') {
            Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
            None => (rest, None),
        };
        // The path of `http://host` is `/` (RFC 9110 §4.2.3).
        (authority, if path.is_empty() && authority.is_some() { b"/" } else { path }, query)
    }
}

impl fmt::Debug for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the corpus cannot be read:\n{}", self.0.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_file_is_reported_with_its_case() {
        let mut errors = Vec::new();
        let text = r#"
            [[case]]
            name = "no policy"
            head = {}
            expect = { decision = "allow" }
            [[case]]
            name = "no reason"
            policy = ""
            head = {}
            seen_by = ["engine"]
            expect = { decision = "allow" }
            [[case]]
            name = "no code"
            policy = ""
            head = {}
            expect = { decision = "deny" }
        "#;
        read_file("x.toml", text, &mut Vec::new(), &mut errors);
        let starts = ["x.toml: `no policy`: neither", "x.toml: `no reason`: not all", "x.toml: `no code`: "];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let mut errors = Vec::new();
        let text =
            "[[case]]\nname = \"typo\"\nhead = { metod = \"GET\" }\nexpect = { decision = \"allow\" }\n";
        read_file("x.toml", text, &mut Vec::new(), &mut errors);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("unknown field `metod`") && errors[0].contains("typo"), "{}", errors[0]);
    }

    #[test]
    fn targets_are_split_at_their_delimiters_only() {
        for (target, expected) in [
            ("/a?b?c", (None, "/a", Some("b?c"))),
            ("/a://b", (None, "/a://b", None)),
            ("*", (None, "*", None)),
            ("http://h:1?q", (Some("h:1"), "/", Some("q"))),
            ("http://h//x", (Some("h"), "//x", None)),
        ] {
            let head = Head { method: String::new(), target: target.into(), headers: vec![], body: vec![] };
            let (authority, path, query) = head.split_target();
            let expected =
                (expected.0.map(str::as_bytes), expected.1.as_bytes(), expected.2.map(str::as_bytes));
            assert_eq!((authority, path, query), expected, "{target}");
        }
    }
}
