//! What the engine lets through, other parsers read the same way: the `url` crate (the URL standard, as browsers
//! read), and `http::Uri` (as hyper reads). A request that two parsers read differently is how a policy for one
//! path is walked around by another.

use bartizan_core::{
    Answer, Decision, Deployment, Engine, Entropy, Form, RequestHead, Scheme, Step, Timestamp,
    policy::{PolicyInput, load_and_build},
};
use http::Uri;
use proptest::prelude::*;
use url::Url;

struct Zero;

impl Entropy for Zero {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Each segment of a path is named by a route of its own, so that the route says what the engine read.
const POLICY: &str = r#"
version = 1
[origin]
public = ["https://a.example.com", "https://b.example.com:8443"]
[session]
[default]
require = "nothing"
[[route]]
match = "* /admin/**"
require = "nothing"
[[route]]
match = "* /caf%C3%A9/{id}"
require = "nothing"
[[route]]
match = "* /one"
require = "nothing"
[[route]]
match = "* /{a}/two/**"
require = "nothing"
"#;

fn engine() -> Engine {
    let input = PolicyInput { text: POLICY, ..PolicyInput::new("bartizan.toml") };
    load_and_build(&input, |_| Ok(Deployment::default())).unwrap().0
}

/// What the engine says to a request: the route's pattern if it passes, `default` if no route names it.
fn decide(engine: &Engine, path: &str, query: Option<&str>, host: &str) -> Option<String> {
    let headers = [(&b"host"[..], host.as_bytes())];
    let head = RequestHead {
        method: b"GET",
        path: path.as_bytes(),
        query: query.map(str::as_bytes),
        authority: None,
        scheme: Scheme::Https,
        peer: None,
        http2: false,
        headers: headers.iter().copied(),
    };
    let mut evaluation = engine.evaluate(&head, Timestamp(0), Zero);
    loop {
        match evaluation.step() {
            Step::Done(Decision::Allow(grant)) => return Some(grant.route().unwrap_or("default").to_owned()),
            Step::Done(_) => return None,
            Step::Need(_) => evaluation.supply(Answer::Unknown),
            Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
        }
    }
}

/// The segments of a path, each decoded once.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let segments = path.strip_prefix('/').expect("an absolute path").split('/');
    segments.map(|segment| percent_decoded(segment.as_bytes())).collect()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(u8::try_from(hex(*high).unwrap() * 16 + hex(*low).unwrap()).unwrap());
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// The route that these segments select, by the words of the policy above.
fn route_of(segments: &[Vec<u8>]) -> &'static str {
    let segments: Vec<&[u8]> = segments.iter().map(|segment| &segment[..]).collect();
    match segments[..] {
        [b"admin", ..] => "* /admin/**",
        [b"caf\xc3\xa9", id] if !id.is_empty() => "* /caf%C3%A9/{id}",
        [b"one"] => "* /one",
        [first, b"two", ..] if !first.is_empty() => "* /{a}/two/**",
        _ => "default",
    }
}

/// Pieces of paths on which parsers are known to differ, and plain ones.
fn path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "admin", "one", "two", "caf%C3%A9", "caf%c3%a9", "%61dmin", "adm%69n", "7", "a.b", "...", "~x", "-", "a:b",
            "@", "a=b&c", "(x)", "*", "!$'", "+", "a,b", "%20", "%7e", "[x]", "a^b", "a|b",
        ]),
        2 => prop::sample::select(vec![
            "..", ".", "%2e%2e", ".%2E", "%2f", "%5c", "\\", ";", ";x=1", "..;", "%3b", "%25", "%252e", "%00", "%0a", "%",
            "%zz", "%c3", "%ff", "%c0%af", "{x}", "\"", "`", "<", "#", " ", "é", "\t",
        ]).prop_map(|piece| piece),
    ];
    let segment = prop_oneof![
        6 => piece.prop_map(str::to_owned),
        1 => Just(String::new()),
        1 => "[ -~]{0,6}",
        1 => "(%[0-9a-fA-F]{2}){1,4}",
    ];
    prop::collection::vec(segment, 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn query() -> impl Strategy<Value = Option<String>> {
    // No `#`, which would begin a fragment and never reaches a server, and no `"<>`, which clients encode.
    prop::option::of("[!$-;=?-_a-~]{0,12}")
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "a.example.com", "A.Example.COM", "a.example.com.", "a.example.com:443", "b.example.com:8443", "a.example.com:",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "b.example.com", "a.example.com:8443", "user@a.example.com", "a.example.com@evil.example", "evil.example",
            "a.example.com/evil", "a.example.com\\evil", "a.example.com#evil", "a.example.com,evil", "a%2eexample.com",
            "a.example.com:0443", "a.example.com:443x", "a.example.com..", "[::1]", "a.example.com:65979", "",
        ]).prop_map(str::to_owned),
        1 => "[a-z.:@%-]{1,16}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn browsers_and_hyper_read_what_passes_as_the_engine_does(path in path(), query in query(), host in host()) {
        thread_local!(static ENGINE: Engine = engine());
        let Some(route) = ENGINE.with(|engine| decide(engine, &path, query.as_deref(), &host)) else {
            return Ok(());
        };
        let ours = segments(&path);
        prop_assert_eq!(&route, route_of(&ours), "the engine's route for {}", path);

        let target = query.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let uri: Uri = target.parse().map_err(|error| TestCaseError::fail(format!("{target}: {error}")))?;
        prop_assert_eq!(uri.path(), &path, "http::Uri splits {}", target);
        prop_assert_eq!(uri.query(), query.as_deref(), "http::Uri splits {}", target);

        let url = Url::parse(&format!("https://{host}{target}"))
            .map_err(|error| TestCaseError::fail(format!("{host}{target}: {error}")))?;
        prop_assert_eq!(segments(url.path()), ours, "the URL standard reads {}", path);
        let theirs = url.query().map(|query| percent_decoded(query.as_bytes()));
        prop_assert_eq!(theirs, query.map(|query| percent_decoded(query.as_bytes())));
        prop_assert_eq!(url.fragment(), None);
        prop_assert!(url.username().is_empty() && url.password().is_none());

        let authority: http::uri::Authority =
            host.parse().map_err(|error| TestCaseError::fail(format!("{host}: {error}")))?;
        let name = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
        let read = (name(url.host_str().unwrap()), url.port_or_known_default());
        prop_assert_eq!(&(name(authority.host()), authority.port_u16().or(Some(443))), &read, "the host {}", host);
        let served = [("a.example.com".to_owned(), Some(443)), ("b.example.com".to_owned(), Some(8443))];
        prop_assert!(served.contains(&read), "{} is served as {:?}", host, read);
    }

    #[test]
    fn a_path_that_passes_is_read_the_same_after_one_more_parser(path in path()) {
        thread_local!(static ENGINE: Engine = engine());
        let allowed = ENGINE.with(|engine| decide(engine, &path, None, "a.example.com"));
        let Some(route) = allowed else { return Ok(()) };
        // What a proxy behind us would send on, having parsed and written it again.
        let again = Url::parse(&format!("https://a.example.com{path}")).unwrap().path().to_owned();
        let allowed = ENGINE.with(|engine| decide(engine, &again, None, "a.example.com"));
        prop_assert_eq!(allowed, Some(route), "{} became {}", path, again);
    }
}

#[test]
fn enough_of_the_generated_requests_pass() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let engine = engine();
    let mut runner = TestRunner::deterministic();
    let strategy = (path(), query(), host());
    let passed = (0..2_000)
        .filter(|_| {
            let (path, query, host) = strategy.new_tree(&mut runner).unwrap().current();
            decide(&engine, &path, query.as_deref(), &host).is_some()
        })
        .count();
    assert!(passed > 200, "only {passed} of 2000 pass, so the properties say little");
}
