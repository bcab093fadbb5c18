//! CSRF over every mix of method, Origin, `Sec-Fetch-Site`, cookies, token and route, against a table that was written
//! from the requirements and not from the code. The sentences that it follows stand at its branches.

use std::{fmt, time::Duration};

use bartizan_core::{
    Answer, CookieEdit, Decision, Deployment, Engine, Entropy, Form, Grant, Query, RequestHead, Scheme, Step,
    Timestamp,
    csrf_token::{Binding, mint},
    keys::{Keys, PERIOD},
    policy::{PolicyInput, load_and_build},
    session::{SessionKey, SessionRecord},
};

const POLICY: &str = r#"
version = 1
[origin]
public = ["https://api.example.com"]
trusted = ["https://app.example.com"]
[csrf]
ambient_cookies = ["sid"]
[session]
[jwt]
issuer = "https://api.example.com"
audience = "api"
[default]
require = "nothing"
[[route]]
match = "* /token"
csrf = "token"
[[route]]
match = "* /once"
csrf = "token"
one_time = true
[[route]]
match = "* /callback"
cross_site = "anonymous"
[[route]]
match = "* /callback-token"
cross_site = "anonymous"
csrf = "token"
[[route]]
match = "* /skip"
dangerously_skip_csrf = true
[[route]]
match = "* /machine"
require = "jwt"
[[route]]
match = "* /account"
require = "session"
[[route]]
match = "* /account-once"
require = "session"
csrf = "token"
one_time = true
"#;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

const METHODS: [&str; 4] = ["GET", "OPTIONS", "POST", "DELETE"];

const ROUTES: [&str; 9] = [
    "/plain",
    "/token",
    "/once",
    "/callback",
    "/callback-token",
    "/skip",
    "/machine",
    "/account",
    "/account-once",
];

const ORIGINS: [Option<&str>; 6] = [
    None,
    Some("https://api.example.com"),
    Some("https://app.example.com"),
    Some("http://app.example.com"),
    Some("https://evil.example"),
    Some("null"),
];

const SITES: [Option<&str>; 5] =
    [None, Some("same-origin"), Some("none"), Some("same-site"), Some("cross-site")];

/// What the session cookie of the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    None,
    Alive,
    Ended,
}

/// Which token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of the session whose cookie may be there.
    Session,
    /// The same, made with the key before the current one.
    SessionPrevious,
    /// The same, made with the key before that.
    SessionExpired,
    /// Of the pre-session whose cookie may be there.
    PreSession,
    /// Of somebody else's session.
    Others,
    Garbage,
}

/// Where it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Form,
    /// In a cookie, and nowhere else.
    Cookie,
}

/// A request, and what the store says of one-time tokens.
#[derive(Clone, Copy)]
struct Mix {
    method: &'static str,
    route: &'static str,
    origin: Option<&'static str>,
    site: Option<&'static str>,
    session: Session,
    pre_session: bool,
    ambient: bool,
    token: Option<(Kind, Place)>,
    fresh: bool,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(&'static str),
    Passes {
        /// Whether it acts for a signed-in person.
        signed_in: bool,
        /// Whether the handler sees the application's login cookie.
        login_cookie: bool,
        /// Whether the token was used up.
        used_up: bool,
    },
}

/// The table.
fn expected(mix: &Mix) -> Outcome {
    use Outcome::Refused;
    let has_session = mix.session != Session::None;
    let requires_session = mix.route.starts_with("/account");
    let requires_token = matches!(mix.route, "/token" | "/once" | "/callback-token" | "/account-once");
    let one_time = matches!(mix.route, "/once" | "/account-once");
    let lets_foreign_in = mix.route.starts_with("/callback");

    // "on the raw transport method: (1) GET, HEAD, OPTIONS pass"; "Routes that accept only explicit credentials (JWT,
    // API key) need no CSRF".
    let is_judged =
        !matches!(mix.method, "GET" | "HEAD" | "OPTIONS") && !matches!(mix.route, "/skip" | "/machine");
    // "it must be in the set, scheme included; null is refused"
    let in_set = matches!(mix.origin, Some("https://api.example.com" | "https://app.example.com"));
    let mut refusal = None;
    let mut nothing_tells = false;
    if is_judged {
        match (mix.site, mix.origin) {
            // "(2) same-origin or none pass"
            (Some("same-origin" | "none"), _) => {}
            // "(3) Any other value passes only if Origin is in the set"
            (Some(_), _) => refusal = (!in_set).then_some("csrf.cross-site"),
            // "(4) No such header but an Origin: it must be in the set"
            (None, Some(_)) => refusal = (!in_set).then_some("csrf.origin"),
            // "(5) Neither"
            (None, None) => nothing_tells = true,
        }
    }
    // "lets foreign POSTs in with our session and Basic identity removed first"
    let is_anonymous = refusal.is_some() && lets_foreign_in;
    if let Some(code) = refusal.filter(|_| !is_anonymous) {
        return Refused(code);
    }

    // Authentication: only where the route needs its answer. A dead session is refused there.
    let signed_in = requires_session && mix.session == Session::Alive;
    if requires_session && mix.session == Session::Ended {
        return Refused("auth.invalid");
    }

    // "with an ambient credential a token is required"; "Ambient: our session cookie and the upstream's cookies named";
    // "demands a token from everyone"
    let needs_token = is_judged && (requires_token || (nothing_tells && (has_session || mix.ambient)));
    if needs_token {
        // "from X-CSRF-Token or a form field, never from a cookie alone"
        let Some((kind, Place::Header | Place::Form)) = mix.token else {
            return Refused("csrf.token-missing");
        };
        // "bound to the session, or to an anonymous pre-session before login"; "previous keys accepted"
        let is_good = if has_session && !is_anonymous {
            matches!(kind, Kind::Session | Kind::SessionPrevious)
        } else {
            mix.pre_session && kind == Kind::PreSession
        };
        if !is_good {
            return Refused("csrf.token-invalid");
        }
    }

    if mix.route == "/machine" || (requires_session && !signed_in) {
        return Refused("auth.required");
    }
    // "good for one request"; "one-time token consumed (last)"
    let used_up = needs_token && one_time;
    if used_up && !mix.fresh {
        return Refused("csrf.token-used");
    }
    Outcome::Passes { signed_in, login_cookie: mix.ambient && !is_anonymous, used_up }
}

#[test]
fn every_mix_is_decided_as_the_table_says() {
    let tester = Tester::new();
    let (mut count, mut wrong) = (0_u32, Vec::new());
    for mix in mixes() {
        let (expected, found) = (expected(&mix), tester.decide(&mix));
        count += 1;
        if expected != found {
            wrong.push(format!("{mix}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    println!("{count} mixes");
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {count} mixes differ, such as\n{shown}", wrong.len());
    assert!(count > 50_000, "{count}");
}

/// The table can refuse for each of its reasons, or it would show little.
#[test]
fn the_table_has_every_outcome() {
    let mut codes: Vec<_> = mixes()
        .filter_map(|mix| match expected(&mix) {
            Outcome::Refused(code) => Some(code),
            Outcome::Passes { .. } => None,
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let all = [
        "auth.invalid",
        "auth.required",
        "csrf.cross-site",
        "csrf.origin",
        "csrf.token-invalid",
        "csrf.token-missing",
        "csrf.token-used",
    ];
    assert_eq!(codes, all);
}

fn mixes() -> impl Iterator<Item = Mix> {
    let heads = METHODS.iter().flat_map(|method| ROUTES.iter().map(move |route| (*method, *route)));
    let from = || ORIGINS.iter().flat_map(|origin| SITES.iter().map(move |site| (*origin, *site)));
    heads.flat_map(move |(method, route)| {
        from().flat_map(move |(origin, site)| {
            cookies().flat_map(move |(session, pre_session, ambient)| {
                tokens().map(move |(token, fresh)| Mix {
                    method,
                    route,
                    origin,
                    site,
                    session,
                    pre_session,
                    ambient,
                    token,
                    fresh,
                })
            })
        })
    })
}

fn cookies() -> impl Iterator<Item = (Session, bool, bool)> {
    let sessions = [Session::None, Session::Alive, Session::Ended].into_iter();
    sessions.flat_map(|session| {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(pre_session, ambient)| (session, pre_session, ambient))
    })
}

fn tokens() -> impl Iterator<Item = (Option<(Kind, Place)>, bool)> {
    [
        (None, true),
        (Some((Kind::Session, Place::Header)), true),
        (Some((Kind::Session, Place::Header)), false),
        (Some((Kind::Session, Place::Form)), true),
        (Some((Kind::Session, Place::Cookie)), true),
        (Some((Kind::SessionPrevious, Place::Header)), true),
        (Some((Kind::SessionExpired, Place::Header)), true),
        (Some((Kind::PreSession, Place::Header)), true),
        (Some((Kind::PreSession, Place::Form)), false),
        (Some((Kind::Others, Place::Form)), true),
        (Some((Kind::Garbage, Place::Header)), true),
    ]
    .into_iter()
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, route, origin, site, session, pre_session, ambient, token, fresh } = self;
        write!(
            f,
            "{method} {route}, Origin {origin:?}, site {site:?}, session {session:?}, pre-session {pre_session}, \
             ambient {ambient}, token {token:?}, fresh {fresh}"
        )
    }
}

/// An engine, and what its clients hold.
struct Tester {
    engine: Engine,
    tokens: Vec<(Kind, String)>,
}

/// Bytes of a client, none of them secret.
const SESSION: &str = "the-session-of-alice";
const PRE_SESSION: &str = "7bSWv6fSCxeXwkYHxJ2bQyyHZMTG2PqV3Kz4mX1oFzQ";

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

impl Tester {
    fn new() -> Self {
        let keys = Keys::new(&[b"the master key of this table, which is no secret"]).unwrap();
        let session = |cookie: &str| Binding::Session(SessionKey::of(cookie.as_bytes()));
        let period = u64::try_from(PERIOD.as_millis()).unwrap();
        let made = |kind, binding, periods: u64| {
            let then = Timestamp(NOW.0 - periods * period);
            (kind, mint(&keys, &binding, then, &mut Fixed).unwrap())
        };
        let tokens = vec![
            made(Kind::Session, session(SESSION), 0),
            made(Kind::SessionPrevious, session(SESSION), 1),
            made(Kind::SessionExpired, session(SESSION), 2),
            made(Kind::PreSession, Binding::pre_session(PRE_SESSION.as_bytes()).unwrap(), 0),
            made(Kind::Others, session("the-session-of-eve"), 0),
            (Kind::Garbage, "655.abc.def".to_owned()),
        ];
        let deployment = Deployment { tls: true, keys: Some(keys), ..Deployment::default() };
        let input = PolicyInput { text: POLICY, ..PolicyInput::new("bartizan.toml") };
        let (engine, _) = load_and_build(&input, |_| Ok(deployment)).unwrap();
        Self { engine, tokens }
    }

    fn token(&self, kind: Kind) -> &str {
        self.tokens.iter().find(|(other, _)| *other == kind).map(|(_, token)| token).unwrap()
    }

    fn decide(&self, mix: &Mix) -> Outcome {
        let mut headers = vec![("host", "api.example.com".to_owned())];
        headers.extend(mix.origin.map(|origin| ("origin", origin.to_owned())));
        headers.extend(mix.site.map(|site| ("sec-fetch-site", site.to_owned())));
        let mut cookies = vec!["theme=dark".to_owned()];
        if mix.session != Session::None {
            cookies.push(format!("__Host-session={SESSION}"));
        }
        if mix.pre_session {
            cookies.push(format!("__Host-presession={PRE_SESSION}"));
        }
        if mix.ambient {
            cookies.push("sid=1".to_owned());
        }
        let mut body = String::new();
        if let Some((kind, place)) = mix.token {
            let token = self.token(kind);
            match place {
                Place::Header => headers.push(("x-csrf-token", token.to_owned())),
                Place::Cookie => cookies.push(format!("__Host-csrf-token={token}")),
                Place::Form => {
                    headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
                    body = format!("to=bob&csrf_token={token}");
                }
            }
        }
        headers.push(("cookie", cookies.join("; ")));
        let head = RequestHead {
            method: mix.method.as_bytes(),
            path: mix.route.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Https,
            peer: None,
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let mut evaluation = self.engine.evaluate(&head, NOW, Fixed);
        let mut used_up = false;
        loop {
            match evaluation.step() {
                Step::Need(Query::Session { key, .. }) => {
                    assert_eq!(key, SessionKey::of(SESSION.as_bytes()));
                    evaluation.supply(answer(mix.session));
                }
                Step::Need(Query::Consume { now, until, .. }) => {
                    assert!(now == NOW && until > now);
                    used_up = true;
                    evaluation.supply(Answer::Fresh(mix.fresh));
                }
                Step::Need(query) => panic!("{mix}: {query:?}"),
                Step::NeedForm { .. } => {
                    evaluation.supply_form(Form { body: body.clone().into_bytes(), truncated: false });
                }
                Step::Done(Decision::Deny(denial)) => {
                    return Outcome::Refused(denial.reason().code().as_str());
                }
                Step::Done(Decision::Allow(grant)) => {
                    let cookie = headers.last().map(|(_, cookie)| cookie.as_str()).unwrap();
                    return passes(mix, &grant, cookie, used_up);
                }
                Step::Done(Decision::Respond(reply)) => panic!("{mix}: {reply:?}"),
            }
        }
    }
}

fn answer(session: Session) -> Answer {
    match session {
        Session::Alive => {
            let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
            Answer::Session(SessionRecord::new("alice", Vec::new(), NOW, idle, absolute))
        }
        Session::Ended | Session::None => Answer::Unknown,
    }
}

fn passes(mix: &Mix, grant: &Grant, cookie: &str, used_up: bool) -> Outcome {
    let left = match grant.request_edits().cookie(cookie.as_bytes()) {
        CookieEdit::Keep => cookie.to_owned(),
        CookieEdit::Drop => String::new(),
        CookieEdit::Replace(left) => String::from_utf8(left).unwrap(),
    };
    assert!(!left.contains("__Host-"), "{mix}: our cookies are nobody's to see: {left}");
    let has_token = matches!(mix.token, Some((kind, Place::Header)) if kind != Kind::Garbage);
    assert!(
        !(has_token && grant.request_edits().passes(b"x-csrf-token")),
        "{mix}: the token is nobody's to see"
    );
    Outcome::Passes { signed_in: grant.principal().is_some(), login_cookie: left.contains("sid="), used_up }
}
