//! No fault of a policy hides another: each is told exactly once, in whatever company.

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};
use core::fmt::Write as _;

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;

/// A policy without a fault: table, key, value. `[route.2]` stands for the third `[[route]]`.
const SOUND: &[(&str, &str, &str)] = &[
    ("", "version", "1"),
    ("cors", "methods", "['GET']"),
    ("default", "pass_errors", "true"),
    ("default", "require", "'session'"),
    ("origin", "public", "['https://api.example.com']"),
    ("profile.development", "mode", "'report'"),
    ("proxy", "forwarded", "{ proto = 'x-forwarded-proto' }"),
    ("proxy", "trusted", "['10.0.0.0/8']"),
    ("route.0", "match", "'GET /a'"),
    ("route.1", "match", "'GET /b'"),
    ("route.2", "match", "'GET /c'"),
    ("route.3", "match", "'GET /d'"),
    ("server", "listen", "'0.0.0.0:8443'"),
    ("server.tls", "certificate", "'file:///c'"),
    ("server.tls", "key", "'file:///k'"),
    ("session", "idle", "'30m'"),
    ("store", "master_key", "'env://KEY'"),
    ("store", "password", "'env://PASSWORD'"),
    ("store", "url", "'redis://cache'"),
];

/// A line that makes the policy faulty, and what is told of it: path and code. A key without a value is taken out.
type Faulty = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const FAULTS: &[Faulty] = &[
    ("", "version", "", &[("", "policy.missing-key")]),
    ("", "version", "3", &[("version", "policy.invalid-value")]),
    ("", "mode", "'enforced'", &[("mode", "policy.unknown-word")]),
    ("", "colour", "'red'", &[("colour", "policy.unknown-key")]),
    ("", "jwt", "3", &[("jwt", "policy.wrong-type")]),
    // What is misspelt is read as what was meant.
    ("isolaton", "mode", "'of'", &[("isolaton", "policy.unknown-key"), ("isolaton.mode", "policy.unknown-word")]),
    ("websockt", "modes", "'off'", &[("websockt", "policy.unknown-key"), ("websockt.modes", "policy.unknown-key")]),
    ("csfr", "ambient_cookies", "['a b']",
        &[("csfr", "policy.unknown-key"), ("csfr.ambient_cookies[0]", "policy.cookie")]),
    ("origin", "public", "['http://api.example.com', 'https://api.example.com']",
        &[("origin.public[0]", "policy.insecure-origin")]),
    ("origin", "public", "'https://api.example.com'", &[("origin.public", "policy.wrong-type")]),
    ("origin", "public", "['${env:MISSING}']", &[("origin.public[0]", "policy.unset-variable")]),
    ("origin", "publik", "['https://x/y']", &[("origin.publik", "policy.unknown-key")]),
    ("origin", "trustd", "['https://x/y']", &[("origin.trustd", "policy.unknown-key"), ("origin.trustd[0]", "policy.origin")]),
    ("proxy", "forwarded", "{ proto = 1, protocol = 'x', for = 'a b' }",
        &[("proxy.forwarded.for", "policy.header"), ("proxy.forwarded.proto", "policy.wrong-type"), ("proxy.forwarded.protocol", "policy.unknown-key")]),
    ("proxy", "trusted", "['everyone', 1]",
        &[("proxy.trusted[0]", "policy.network"), ("proxy.trusted[1]", "policy.wrong-type")]),
    ("proxy", "trust", "[]", &[("proxy.trust", "policy.unknown-key")]),
    ("server", "threads", "70000", &[("server.threads", "policy.out-of-range")]),
    ("server", "upstream", "'${env:MISSING}'", &[("server.upstream", "policy.unset-variable")]),
    ("server", "health", "'/a/../b'", &[("server.health", "policy.health")]),
    ("server", "upstrem_token", "'hunter2'",
        &[("server.upstrem_token", "policy.secret-literal"), ("server.upstrem_token", "policy.unknown-key")]),
    ("server", "drain_timeout", "'soon'", &[("server.drain_timeout", "policy.invalid-value")]),
    ("server.tls", "certificate", "", &[("server.tls", "policy.missing-key")]),
    ("server.tls", "key", "'hunter2'", &[("server.tls.key", "policy.secret-literal")]),
    ("server.tls", "colour", "1", &[("server.tls.colour", "policy.unknown-key")]),
    ("request", "methods", "[3]", &[("request.methods[0]", "policy.wrong-type")]),
    ("request", "max_headers", "0", &[("request.max_headers", "policy.value")]),
    ("headers", "hsts", "{ preload = true, max_age = '1d', include_subdomains = 'yes' }",
        &[("headers.hsts.include_subdomains", "policy.wrong-type"), ("headers.hsts.preload", "policy.hsts-preload")]),
    ("headers", "mode", "'report'", &[("headers.mode", "policy.mode")]),
    ("headers", "x_xss_protection", "'1'", &[("headers.x_xss_protection", "policy.unknown-word")]),
    ("cors", "methods", "['get', 1, 'PO ST', 'PUT']",
        &[("cors.methods[0]", "policy.method"), ("cors.methods[1]", "policy.wrong-type"), ("cors.methods[2]", "policy.method")]),
    ("cors", "method", "[]", &[("cors.method", "policy.unknown-key")]),
    ("cors", "colour", "1", &[("cors.colour", "policy.unknown-key")]),
    ("cors", "max_age", "'1x'", &[("cors.max_age", "policy.invalid-value")]),
    ("cors", "heders", "['a b', 1]",
        &[("cors.heders", "policy.unknown-key"), ("cors.heders[0]", "policy.header"), ("cors.heders[1]", "policy.wrong-type")]),
    ("csp", "preset", "'strickt'", &[("csp.preset", "policy.unknown-word")]),
    ("csp.directives", "script-src", "['self', true]",
        &[("csp.directives.script-src[0]", "csp.unquoted-keyword"), ("csp.directives.script-src[1]", "policy.wrong-type")]),
    ("csp.directives", "img-src", "\"'self'\"", &[("csp.directives.img-src", "policy.wrong-type")]),
    ("csp.directives", "fnt-src", "['self']",
        &[("csp.directives.fnt-src", "csp.unknown-directive"), ("csp.directives.fnt-src[0]", "csp.unquoted-keyword")]),
    ("csp.directives", "colour-src", "[]", &[("csp.directives.colour-src", "csp.unknown-directive")]),
    ("rate_limit", "address", "{ limit = 0, per = '1m', burst = 0 }",
        &[("rate_limit.address.burst", "policy.value"), ("rate_limit.address.limit", "policy.value")]),
    ("rate_limit", "principal", "{ limit = 1, per = '33d' }", &[("rate_limit.principal", "policy.value")]),
    ("rate_limit", "failure_cots", "70000",
        &[("rate_limit.failure_cots", "policy.out-of-range"), ("rate_limit.failure_cots", "policy.unknown-key")]),
    ("rate_limit", "store", "'redis'", &[("rate_limit.store", "policy.unknown-word")]),
    ("session", "login_protection", "{ account = { limit = 0, per = '1m' }, adress = 3 }",
        &[("session.login_protection.account.limit", "policy.value"), ("session.login_protection.adress", "policy.unknown-key"), ("session.login_protection.adress", "policy.wrong-type")]),
    ("session", "idle", "30", &[("session.idle", "policy.wrong-type")]),
    ("session", "idel", "'30'", &[("session.idel", "policy.unknown-key")]),
    ("store", "url", "'redis://:hunter2@cache'", &[("store.url", "policy.invalid-value")]),
    ("store", "password", "'hunter2'", &[("store.password", "policy.secret-literal")]),
    ("store", "previous_master_keys", "['env://OLD', 'hunter2', 3]",
        &[("store.previous_master_keys[1]", "policy.secret-literal"), ("store.previous_master_keys[2]", "policy.wrong-type")]),
    ("default", "require", "", &[("default.require", "policy.default-require")]),
    ("default", "require", "'sesion'", &[("default.require", "policy.unknown-word")]),
    ("default", "require", "{ scope = 'a' }", &[("default.require", "policy.missing-key")]),
    ("default", "coop", "'x'", &[("default.coop", "policy.value")]),
    ("route.0", "match", "", &[("route[0]", "policy.missing-key")]),
    ("route.0", "coop", "'x'", &[("route[0].coop", "policy.value")]),
    ("route.0", "require", "{ any = ['session', 'api-key', 'jvt'], scop = 'a' }",
        &[("route[0].require", "policy.require"), ("route[0].require.any[2]", "policy.unknown-word"), ("route[0].require.scop", "policy.unknown-key")]),
    ("route.0", "relax", "['everything']", &[("route[0].relax[0]", "policy.unknown-word")]),
    ("route.1", "match", "3", &[("route[1].match", "policy.wrong-type")]),
    ("route.1", "cors", "{ methods = ['get'], maxage = '1h' }",
        &[("route[1].cors.maxage", "policy.unknown-key"), ("route[1].cors.methods[0]", "policy.method")]),
    ("route.1", "csrf", "'tokn'", &[("route[1].csrf", "policy.unknown-word")]),
    ("route.1", "rate_limit", "{ address = { limit = 1 }, mode = 'off' }",
        &[("route[1].rate_limit.address", "policy.missing-key"), ("route[1].rate_limit.mode", "policy.unknown-key")]),
    ("route.2", "rate_limit", "{ principal = { limit = 1, per = '0s' } }", &[("route[2].rate_limit.principal", "policy.value")]),
    ("route.3", "rate_limit", "'of'", &[("route[3].rate_limit", "policy.unknown-word")]),
    ("route.2", "match", "'GET c'", &[("route[2].match", "policy.route")]),
    ("route.2", "require", "['session']", &[("route[2].require", "policy.wrong-type")]),
    ("route.2", "max_body", "'10'", &[("route[2].max_body", "policy.invalid-value")]),
    ("route.2", "one_time", "true", &[("route[2].one_time", "policy.contradiction")]),
    // No fault by itself; what it inherits from `[cors]` is none of its own.
    ("route.2", "cors", "{ max_age = '2h' }", &[]),
    ("route.3", "colour", "1", &[("route[3].colour", "policy.unknown-key")]),
    ("route.3", "matches", "'GET /d'", &[("route[3].matches", "policy.unknown-key")]),
    ("route.3", "form_action", "['nonsense!']", &[("route[3].form_action[0]", "csp.bad-host")]),
    ("profile.development", "mode", "'enforced'", &[("profile.development.mode", "policy.unknown-word")]),
    ("profile.development.cors", "colour", "1", &[("profile.development.cors.colour", "policy.unknown-key")]),
];

/// The sound policy with these lines in it, or `None` where two of them are the same key.
fn policy(lines: &[&Faulty]) -> Option<String> {
    let mut tables: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (table, key, value) in SOUND {
        tables.entry(table).or_default().insert(key, value);
    }
    let mut written = Vec::new();
    for (table, key, value, _) in lines {
        if written.contains(&(table, key)) {
            return None;
        }
        written.push((table, key));
        // A value stands in the place of a whole table.
        let path = [table, ".", key].concat();
        let path = path.trim_start_matches('.');
        tables.retain(|name, _| {
            name.strip_prefix(path).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('.'))
        });
        let table = tables.entry(table).or_default();
        match *value {
            "" => drop(table.remove(key)),
            value => drop(table.insert(key, value)),
        }
    }
    let mut text = String::new();
    for (table, keys) in tables {
        match table.split_once('.') {
            _ if table.is_empty() => {}
            Some(("route", _)) => text.push_str("[[route]]\n"),
            _ => writeln!(text, "[{table}]").unwrap(),
        }
        for (key, value) in keys {
            writeln!(text, "{key} = {value}").unwrap();
        }
    }
    Some(text)
}

/// All of a diagnostic but where it stands, and what stands there.
type Told = (String, &'static str, String, Option<String>, Option<String>, Option<String>);

fn told(text: &str) -> Vec<Told> {
    let input = PolicyInput { text, ..PolicyInput::new("bartizan.toml") };
    let deployment = Deployment { listen: "0.0.0.0:8443".parse().ok(), ..Deployment::default() };
    let diagnostics = load_and_build(&input, |_| Ok(deployment)).err().unwrap_or_default();
    let mut told: Vec<Told> = diagnostics
        .into_iter()
        .map(|Diagnostic { code, path, message, value, hint, location, .. }| {
            let there =
                location.and_then(|at| text.get(at.offset..at.offset + at.len)).map(ToOwned::to_owned);
            (path, code, message, value, hint, there)
        })
        .collect();
    told.sort();
    told
}

/// What each of the lines gives by itself.
fn apart(lines: &[&Faulty]) -> Vec<Told> {
    let mut all: Vec<_> = lines.iter().flat_map(|line| told(&policy(&[line]).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn a_fault_by_itself() {
    assert_eq!(told(&policy(&[]).unwrap()), []);
    for line in FAULTS {
        let text = policy(&[line]).unwrap();
        let found = told(&text);
        let found: Vec<_> = found.iter().map(|told| (&*told.0, told.1)).collect();
        assert_eq!(found, line.3, "{text}");
    }
}

#[test]
fn two_faults() {
    let alone: Vec<_> = FAULTS.iter().map(|line| (line, apart(&[line]))).collect();
    for (place, (one, its)) in alone.iter().enumerate() {
        for (other, others) in alone.iter().skip(place + 1) {
            let Some(text) = policy(&[one, other]) else { continue };
            let mut apart = [its.as_slice(), others.as_slice()].concat();
            apart.sort();
            assert_eq!(told(&text), apart, "{text}");
        }
    }
}

/// What the engine concludes from a part that could not be read is not told beside it.
#[test]
fn what_follows_from_a_fault_is_no_fault() {
    const UNCLEAR: &[&[Faulty]] = &[
        &[("origin", "public", "3", &[("origin.public", "policy.wrong-type")])],
        &[("origin", "public", "[3]", &[("origin.public[0]", "policy.wrong-type")])],
        &[("", "origin", "3", &[("origin", "policy.wrong-type")])],
        &[("", "session", "3", &[("session", "policy.wrong-type")])],
        &[("", "proxy", "3", &[("proxy", "policy.wrong-type")])],
        &[("proxy", "forwarded", "3", &[("proxy.forwarded", "policy.wrong-type")])],
        &[("proxy", "trusted", "3", &[("proxy.trusted", "policy.wrong-type")])],
        &[("request", "methods", "[3]", &[("request.methods[0]", "policy.wrong-type")])],
        &[("default", "require", "{ any = 3 }", &[("default.require.any", "policy.wrong-type")])],
        &[("default", "require", "{ any = [3] }", &[("default.require.any[0]", "policy.wrong-type")])],
        &[(
            "default",
            "require",
            "{ any = ['nothing', 3], scope = 'a' }",
            &[("default.require.any[1]", "policy.wrong-type")],
        )],
        &[(
            "csp.directives",
            "script-src",
            "[\"'strict-dynamic'\", 3]",
            &[("csp.directives.script-src[1]", "policy.wrong-type")],
        )],
        &[
            ("route.1", "csrf", "'tokn'", &[("route[1].csrf", "policy.unknown-word")]),
            ("route.1", "one_time", "true", &[]),
        ],
        &[
            ("default", "csp", "{ form-action = [\"'self'\"] }", &[]),
            ("route.1", "csp", "3", &[("route[1].csp", "policy.wrong-type")]),
            ("route.1", "form_action", "[\"'self'\"]", &[]),
        ],
        &[
            ("store", "url", "'sqlite:'", &[("store.url", "policy.invalid-value")]),
            ("store", "master_key", "", &[]),
            ("store", "previous_master_keys", "['env://OLD']", &[]),
        ],
        &[("store", "master_key", "3", &[("store.master_key", "policy.wrong-type")])],
        &[
            ("store", "url", "3", &[("store.url", "policy.wrong-type")]),
            ("store", "ca", "'file:///ca.pem'", &[]),
            ("store", "cluster", "true", &[]),
            ("store", "nodes", "['rediss://b']", &[]),
            ("store", "memory", "{ tokens = 1 }", &[]),
        ],
        &[
            ("store", "cluster", "'yes'", &[("store.cluster", "policy.wrong-type")]),
            ("store", "nodes", "['redis://b']", &[]),
        ],
        &[
            ("", "proxy", "3", &[("proxy", "policy.wrong-type")]),
            ("server", "tls", "3", &[("server.tls", "policy.wrong-type")]),
        ],
    ];
    for lines in UNCLEAR {
        let lines: Vec<_> = lines.iter().collect();
        let text = policy(&lines).unwrap();
        let found = told(&text);
        let found: Vec<_> = found.iter().map(|told| (&*told.0, told.1)).collect();
        let expected: Vec<_> = lines.iter().flat_map(|line| line.3.iter().copied()).collect();
        assert_eq!(found, expected, "{text}");
    }
}

/// A file is judged whole, whatever is laid over it.
#[test]
fn what_is_replaced_is_judged_too() {
    let text = "version = 1\nmode = 'of'\n[cors]\nmax_age = '1x'\nmethod = 3\n[server]\nupstream = '${env:UNSET}'\n\
                threads = 'two'\n[[route]]\nmatch = 3\n[profile.p]\nmode = 'off'\ncors.max_age = '1h'\n\
                cors.methods = []\nserver.upstream = 'http://127.0.0.1:1'\n[[profile.p.route]]\nrequire = 'nothing'\n\
                [[profile.q.route]]\nmatch = 3\n";
    let overrides = [("BARTIZAN__SERVER__THREADS".into(), "2".into())];
    let input =
        PolicyInput { text, profile: Some("p"), overrides: &overrides, ..PolicyInput::new("bartizan.toml") };
    let found: Vec<_> = load(&input).unwrap_err().into_iter().map(|found| (found.path, found.code)).collect();
    let expected = [
        ("mode", "policy.unknown-word"),
        ("cors.max_age", "policy.invalid-value"),
        ("cors.method", "policy.unknown-key"),
        ("cors.method", "policy.wrong-type"),
        ("server.threads", "policy.wrong-type"),
        ("route[0].match", "policy.wrong-type"),
        ("route[0]", "policy.missing-key"),
        ("profile.q.route[0].match", "policy.wrong-type"),
    ];
    assert_eq!(found, expected.map(|(path, code)| (path.to_owned(), code)));
}

#[test]
fn all_faults_at_once() {
    // Of lines that are the same key the first; a few at a time, for not all are shown.
    let mut lines: Vec<&Faulty> = Vec::new();
    for line in FAULTS {
        if !lines.iter().any(|other| (other.0, other.1) == (line.0, line.1)) {
            lines.push(line);
        }
    }
    for lines in lines.chunks(30) {
        assert_eq!(told(&policy(lines).unwrap()), apart(lines));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(9), ..ProptestConfig::default() })]

    #[test]
    fn several_faults(lines in prop::sample::subsequence(FAULTS.iter().collect::<Vec<_>>(), 3..12)) {
        if let Some(text) = policy(&lines) {
            prop_assert_eq!(told(&text), apart(&lines), "{}", text);
        }
    }
}
