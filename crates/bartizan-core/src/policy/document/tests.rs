//! The loader as a whole.

use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{
    PolicyErrorKind,
    policy::{CorsChoice, CredentialKind, Mode, RequireConfig},
};

/// The example of the manual.
const EXAMPLE: &str = include_str!("testdata/example.toml");
/// A policy with one mistake of every kind.
const WRONG: &str = include_str!("testdata/wrong.toml");

fn env(name: &str) -> Option<String> {
    match name {
        "API_HOST" => Some("api.example.com".to_owned()),
        "LITERAL" => Some("hunter2".to_owned()),
        "NESTED" => Some("${env:API_HOST}".to_owned()),
        "WORD" => Some("sometimes".to_owned()),
        _ => None,
    }
}

fn input(text: &str) -> PolicyInput<'_> {
    PolicyInput { text, env: &env, ..PolicyInput::new("bartizan.toml") }
}

fn overrides(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// All fields of the diagnostics, one under the other.
fn report(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for Diagnostic { code, path, message, value, hint, location, source } in diagnostics {
        let place = location.map_or_else(
            || "not in the file".to_owned(),
            |Location { line, column, len, .. }| format!("{line}:{column} (+{len})"),
        );
        writeln!(text, "{code} at `{path}`, {place}, {source}\n  {message}").unwrap();
        for (name, field) in [("value", value), ("hint", hint)] {
            if let Some(field) = field {
                writeln!(text, "  {name}: {field}").unwrap();
            }
        }
    }
    text
}

fn reported(input: &PolicyInput<'_>) -> String {
    load(input).map_or_else(|diagnostics| report(&diagnostics), |_| "fine".to_owned())
}

#[test]
fn the_example_loads() {
    let document = load(&input(EXAMPLE)).unwrap();
    let policy = &document.policy;
    assert_eq!(policy.origin.public, ["https://api.example.com"]);
    assert_eq!(policy.proxy.as_ref().unwrap().forwarded.client.as_deref(), Some("x-forwarded-for"));
    assert_eq!(policy.route.len(), 2);
    assert_eq!(
        policy.route[0].require,
        Some(RequireConfig::Any {
            any: vec![CredentialKind::Session, CredentialKind::Jwt],
            scope: Some("admin".to_owned())
        })
    );
    assert_eq!(policy.route[1].require, Some(RequireConfig::One(CredentialKind::Nothing)));
    assert!(!document.development());
    assert!(policy.profile.is_empty());

    let development = load(&PolicyInput { profile: Some("development"), ..input(EXAMPLE) }).unwrap();
    assert!(development.development());
    assert_eq!(development.policy.origin.public, ["http://localhost:8080"]);
    assert_eq!(development.policy.origin.trusted, ["https://app.example.com"]);
    assert!(matches!(
        development.origin_of("origin.public[0]"),
        Provenance::Profile { name, line: 45, .. } if name == "development"
    ));
}

#[test]
fn every_mistake_is_told_at_once() {
    let overrides = overrides(&[
        ("BARTIZAN__CORS__MAX_AGE", "soon"),
        ("BARTIZAN__JWT__ISUER", "https://api.example.com"),
        ("BARTIZAN__ROUTE__9__MATCH", "GET /"),
        ("BARTIZAN__MODE__CORS", "off"),
        ("BARTIZAN__ORIGIN__TRUSTED", "[\"a\""),
        ("BARTIZAN____X", "1"),
        ("BARTIZAN__PROFILE__DEVELOPMENT__MODE", "off"),
    ]);
    let input = PolicyInput { profile: Some("develpment"), overrides: &overrides, ..input(WRONG) };
    insta::assert_snapshot!(reported(&input));
}

#[test]
fn syntax_errors_come_with_the_rest() {
    insta::assert_snapshot!(reported(&input(include_str!("testdata/syntax.toml"))));
}

#[test]
fn where_every_value_came_from() {
    let overrides =
        overrides(&[("BARTIZAN__JWT__AUDIENCE", "8080"), ("BARTIZAN__ROUTE__1__PASS_ERRORS", "true")]);
    let text = format!(
        "{EXAMPLE}\nserver.upstream_token = \"${{env:LITERAL}}\"\njwt.issuer = \"https://${{env:API_HOST}}\"\n"
    );
    let input = PolicyInput { profile: Some("development"), overrides: &overrides, ..input(&text) };
    let mut rows = String::new();
    for (path, value, origin) in load(&input).unwrap().provenance() {
        writeln!(rows, "{path} = {value}  # {origin}").unwrap();
    }
    insta::assert_snapshot!(rows);
}

#[test]
fn what_is_shown_does_not_steer_the_terminal() {
    let found = load(&input("version = 1\nmode = \"\\u001b[2J\"\n")).unwrap_err();
    assert_eq!(found[0].message, "unknown word `\\u{1b}[2J`");
    assert_eq!(found[0].value.as_deref(), Some("\\u{1b}[2J"));
}

#[test]
fn single_faults() {
    for (text, expected) in [
        ("", "1:1: the key `version` is missing"),
        ("version = 2", "1:11: version: this build reads `version = 1`"),
        ("version = \"1\"", "1:11: version: expected a whole number from 0 to 4294967295, found a string"),
        ("version = 1\nroute = [{}]", "2:10: route[0]: the key `match` is missing"),
        ("version = 1\ncors = [\"a\"]", "2:8: cors: expected a table, found an array"),
        (
            "version = 1\nserver.threads = 70000",
            "2:18: server.threads: expected a whole number from 0 to 65535, found a number outside of that",
        ),
        (
            "version = 1\nserver.threads = -1",
            "2:18: server.threads: expected a whole number from 0 to 65535, found a number outside of that",
        ),
        (
            "version = 1\nserver.threads = 99999999999999999999",
            "2:18: server.threads: expected a whole number from 0 to 65535, found a number outside of that",
        ),
        (
            "version = 1\nserver.threads = 1.5",
            "2:18: server.threads: expected a whole number from 0 to 65535, found a number with a fraction",
        ),
        (
            "version = 1\nserver.threads = 2024-01-01",
            "2:18: server.threads: expected a whole number from 0 to 65535, found a date",
        ),
        (
            "version = 1\nserver.header_timeout = 30",
            "2:25: server.header_timeout: expected a duration such as \"30s\", found a whole number",
        ),
        (
            "version = 1\ndefault.require = 3",
            "2:19: default.require: expected a kind of credential such as \"session\", or `{ any = [\"session\", \"jwt\"] }`, found a whole number",
        ),
        ("version = 1\ndefault.require = \"sesion\"", "2:19: default.require: unknown word `sesion`"),
        (
            "version = 1\ndefault.require = { any = [\"session\", \"jvt\"] }",
            "2:39: default.require.any[1]: unknown word `jvt`",
        ),
        (
            "version = 1\ndefault.require = { scope = \"a\" }",
            "2:19: default.require: the key `any` is missing",
        ),
        (
            "version = 1\ndefault.require = { any = [\"jwt\"], scop = \"a\" }",
            "2:36: default.require.scop: unknown key `scop`",
        ),
        ("version = 1\ndefault.cors = \"of\"", "2:16: default.cors: unknown word `of`"),
        (
            "version = 1\ndefault.cors = { max_age = \"1x\" }",
            "2:28: default.cors.max_age: `1x` is not a duration: write a whole number with a unit, such as \"30s\", \"5m\", \"12h\" or \"7d\"",
        ),
        (
            "version = 1\nmode = true",
            "2:8: mode: expected one of `off`, `report`, `enforce`, found a boolean",
        ),
        (
            "version = 1\nmode = \"${env:WORD}\"",
            "2:8: mode: unknown word `sometimes` (from the environment variable WORD)",
        ),
        ("version = 1\nprofile = 3", "2:11: profile: expected a table, found a whole number"),
        ("version = 1\nprofile.a = 3", "2:13: profile.a: expected a table, found a whole number"),
        ("version = 1\n[profile.a.profile.b]", "2:12: profile.a.profile: unknown key `profile`"),
        ("version = 1\n[profile.a.cors]\nmethod = []", "3:1: profile.a.cors.method: unknown key `method`"),
        ("version = 1\n[profile.a.cors]\nmax_age = \"${env:AGE}\"\nmode = \"${env:MODE}\"", "fine"),
        ("version = 1\n[profile.a]\nserver.tls = { key = \"env://A\" }", "fine"),
    ] {
        let found = load(&input(text)).map_or_else(
            |found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            |_| "fine".to_owned(),
        );
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn overlays_merge_tables_and_replace_the_rest() {
    let text = "version = 1\n[cors]\nmax_age = \"1h\"\nheaders = [\"a\", \"b\"]\n\
                [[route]]\nmatch = \"GET /a\"\n[[route]]\nmatch = \"GET /b\"\n\
                [profile.staging]\ncors.headers = [\"c\"]\nmode = \"report\"\n\
                [[profile.staging.route]]\nmatch = \"GET /c\"\n";
    let document = load(&PolicyInput { profile: Some("staging"), ..input(text) }).unwrap();
    assert_eq!(document.policy.cors.headers.as_deref(), Some(&["c".to_owned()][..]));
    assert!(document.policy.cors.max_age.is_some());
    assert_eq!(document.policy.mode, Some(Mode::Report));
    assert_eq!(document.policy.route.len(), 1);
    assert_eq!(document.policy.route[0].pattern, "GET /c");

    // Where none is named, production holds.
    let text = &format!("{text}[profile.production]\nmode = \"off\"\n");
    assert_eq!(load(&input(text)).unwrap().policy.mode, Some(Mode::Off));

    for (profile, fine) in
        [(None, true), (Some("production"), true), (Some("development"), true), (Some("stagging"), false)]
    {
        assert_eq!(load(&PolicyInput { profile, ..input(text) }).is_ok(), fine, "{profile:?}");
    }
}

#[test]
fn overrides_reach_everything() {
    let overrides = overrides(&[
        ("BARTIZAN__ORIGIN__PUBLIC", "[\"https://${env:API_HOST}\"]"),
        ("BARTIZAN__CORS", "{ mode = \"off\" }"),
        ("BARTIZAN__CORS__MAX_AGE", "2h"),
        ("BARTIZAN__JWT__ISSUER", "8080"),
        ("BARTIZAN__HEADERS__X_XSS_PROTECTION", "0"),
        ("BARTIZAN__SERVER__THREADS", "2"),
        ("BARTIZAN__ROUTE__1__REQUIRE", "nothing"),
        ("BARTIZAN__ROUTE__0__CORS", "off"),
        ("BARTIZAN__CSP__DIRECTIVES__SCRIPT-SRC", "[\"'none'\"]"),
    ]);
    let document = load(&PolicyInput { overrides: &overrides, ..input(EXAMPLE) }).unwrap();
    let policy = &document.policy;
    assert_eq!(policy.origin.public, ["https://api.example.com"]);
    assert_eq!(policy.origin.trusted, ["https://app.example.com"]);
    assert_eq!(policy.cors.mode, Some(Mode::Off));
    assert_eq!(policy.cors.max_age.unwrap().0.as_secs(), 7200);
    assert!(policy.cors.methods.is_some());
    assert_eq!(policy.jwt.as_ref().unwrap().issuer, "8080");
    assert!(policy.headers.x_xss_protection.is_some());
    assert_eq!(policy.server.threads, Some(2));
    assert_eq!(policy.route[1].require, Some(RequireConfig::One(CredentialKind::Nothing)));
    assert_eq!(policy.route[0].cors, Some(CorsChoice::Mode(Mode::Off)));
    assert_eq!(policy.csp.directives["script-src"], ["'none'"]);
    assert_eq!(
        document.origin_of("origin.public[0]"),
        Provenance::Override { variable: "BARTIZAN__ORIGIN__PUBLIC".to_owned() }
    );
    assert_eq!(document.origin_of("server.max_connections"), Provenance::Default);
}

#[test]
fn the_environment_is_not_rescanned() {
    let document = load(&input("version = 1\nserver.health = \"${env:NESTED}$$\"\n")).unwrap();
    assert_eq!(document.policy.server.health.as_deref(), Some("${env:API_HOST}$"));
    assert_eq!(
        document.origin_of("server.health"),
        Provenance::Environment { variable: "NESTED".to_owned(), line: 2, column: 17 }
    );
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        "server.upstream_token = \"hunter2\"\nmode = 1",
        "server.upstream_token = \"${env:LITERAL}\"\nmode = 1",
        "server.upstream_token = \"hunter2${env:MISSING}\"",
        "server.upstream_token = \"${env:MISSING:-hunter2\"",
        "server.upstream_token = \"${MISSING:-hunter2}\"",
        "server.upstream_token = [\"hunter2\"]",
        "server.upstrem_token = \"hunter2\"",
        "server.upstrem_token = [\"hunter2\"]",
        "server.password = \"hunter2\"",
        "servr.tls = \"hunter2\"",
        "servr.tls.kye = { literal = \"hunter2\" }",
        "servr.tls = { kye = \"hunter2\", certificate = \"hunter2\" }",
        "api_key = \"hunter2\"",
        "server.tls = \"hunter2\"",
        "server.tls = [\"hunter2\"]",
        "server.tls.key = { literal = \"hunter2\" }",
        "server = \"hunter2\"",
        "server.tls.key = \"hunter2\"",
        "profile = \"hunter2\"",
        "profile.a = \"hunter2\"",
        "profile.a.server.upstream_token = [\"hunter2\"]",
        "server.upstream_token = hunter2",
    ] {
        let text = format!("version = 1\n{text}\n");
        let found = load_and_build(&input(&text), |_| Ok(Deployment::default())).unwrap_err();
        assert!(!format!("{found:?}").contains("hunter2"), "{text}: {found:?}");
    }
    let overrides = overrides(&[
        ("BARTIZAN__SERVER__UPSTREAM_TOKEN", "[\"hunter2\""),
        ("BARTIZAN__SERVER__UPSTREM_TOKEN", "hunter2"),
        ("BARTIZAN__SERVER__TLS__KEY__X", "hunter2"),
    ]);
    let found = load(&PolicyInput { overrides: &overrides, ..input("version = 1") }).unwrap_err();
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");

    let text = "version = 1\nserver.upstream_token = \"hunter2\"\nserver.tls = { key = \"hunter2\", certificate = \"file:///c\" }\n";
    let document = load(&input(text)).unwrap();
    let rows: Vec<_> = document.provenance().collect();
    assert!(!format!("{rows:?}{document:?}{:?}", input(text)).contains("hunter2"));
    assert!(format!("{rows:?}").contains("file:///c"));
}

#[test]
fn size_is_bounded() {
    let text = "#".repeat(MAX_BYTES + 1);
    assert_eq!(load(&input(&text)).unwrap_err()[0].code, "policy.too-large");
    let text = format!("version = 1\n{}", "#".repeat(MAX_BYTES - 20));
    assert!(load(&input(&text)).is_ok());
    let text = (0..1000).fold("version = 1\n".to_owned(), |text, at| format!("{text}key{at} = 1\n"));
    let found = load(&input(&text)).unwrap_err();
    assert_eq!((found.len(), found.last().unwrap().code), (MAX_FAULTS + 1, "policy.too-many-faults"));

    // What costs many turns, and what nests, ends early.
    let routes = "[[route]]\nmatch = \"${env:MISSING}\"\n".repeat(20_000);
    let overlays = "[[profile.x.route]]\nmatch = \"GET /\"\nmax_body = \"${env:MISSING}\"\n".repeat(15_000);
    let text = format!("version = 1\n{routes}");
    assert_eq!(load(&input(&text)).unwrap_err().len(), MAX_FAULTS + 1);
    assert!(load(&input(&format!("version = 1\n{overlays}"))).is_ok());
    let deep = format!("BARTIZAN{}", "__A".repeat(50_000));
    let overrides = overrides(&[(&deep, "1")]);
    let found = load(&PolicyInput { overrides: &overrides, ..input("version = 1") }).unwrap_err();
    assert_eq!((found.len(), found[0].code), (1, "policy.bad-override"));
    assert!(found[0].message.len() < 500);
}

#[test]
fn form_and_sense_are_told_together_in_the_order_of_the_file() {
    let text = "version = 1\n[origin]\npublik = [\"x\"]\ntrusted = [\"y\", 3, \"z\"]\n[cors]\nheaders = [\"a\"]\n\
                [[route]]\nmatch = \"GET /\"\nrelax = \"all\"\n[server]\nupstream_token = \"hunter2\"\n";
    let mut draft = Draft::read(&input(text));
    let error = |path: &str, value: &str| crate::PolicyError {
        path: path.to_owned(),
        value: Some(value.to_owned()),
        kind: PolicyErrorKind::NoPublicOrigin,
    };
    draft.add(vec![
        error("origin.public", "of the misspelt key"),
        error("origin", "above what was told"),
        error("origin.trusted[1]", "z"),
        error("cors.headers[0]", "a"),
        error("cors.max_age", "in its table"),
        error("route[0].relax[0]", "below what was told"),
        error("server.upstream_token", "hunter2"),
        error("https.mode", "nowhere"),
    ]);
    let found = draft.finish().unwrap_err();
    let brief: Vec<_> = found
        .iter()
        .map(|found| {
            let place = found.location.map(|location| (location.line, location.column));
            (place, found.path.as_str(), found.value.as_deref())
        })
        .collect();
    assert_eq!(
        brief,
        [
            (Some((3, 1)), "origin.publik", Some("publik")),
            (Some((3, 10)), "origin.publik", Some("of the misspelt key")),
            (Some((4, 17)), "origin.trusted[1]", Some("3")),
            (Some((4, 20)), "origin.trusted[2]", Some("z")),
            (Some((5, 1)), "cors.max_age", Some("in its table")),
            (Some((6, 12)), "cors.headers[0]", Some("a")),
            (Some((9, 9)), "route[0].relax", Some("all")),
            (Some((11, 18)), "server.upstream_token", Some("[literal]")),
            (None, "https.mode", Some("nowhere")),
        ]
    );
}

#[test]
fn the_engine_finds_fault_in_the_same_list() {
    let text = include_str!("testdata/senseless.toml");
    let deployment = Deployment { listen: "0.0.0.0:8080".parse().ok(), ..Deployment::default() };
    let found = load_and_build(&input(text), |_| Ok(deployment)).unwrap_err();
    insta::assert_snapshot!(report(&found));
}

#[test]
fn a_policy_that_can_be_read_is_built() {
    let mut asked = 0;
    let built = load_and_build(&input(EXAMPLE), |policy| {
        asked += 1;
        assert_eq!(policy.server.listen.as_deref(), Some("0.0.0.0:8443"));
        Err(crate::PolicyError {
            path: "server.listen".to_owned(),
            value: None,
            kind: PolicyErrorKind::NoPublicOrigin,
        })
    });
    let found = built.unwrap_err();
    assert!(found.iter().any(|found| found.path == "server.listen" && found.location.is_some()));
    assert_eq!(asked, 1);
    // Without any policy there is nothing to build.
    assert!(load_and_build(&input(&"[".repeat(99)), |_| unreachable!()).is_err());
}

/// Texts that are nearly policies.
fn nearly() -> impl Strategy<Value = String> {
    let cuts = proptest::collection::vec(
        (any::<prop::sample::Index>(), 0..3_usize, "[\\[\\]{}=\".,\n$a-z0-9é'-]{0,3}"),
        1..6,
    );
    (prop::sample::select(vec![EXAMPLE, WRONG]), cuts).prop_map(|(text, cuts)| {
        cuts.iter().fold(text.to_owned(), |text, (at, removed, added)| {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len() + 1);
            let rest = chars.iter().skip(at + removed);
            chars.iter().take(at).copied().chain(added.chars()).chain(rest.copied()).collect()
        })
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![".{0,200}", "[\\[\\]{}=\".,\n$a-c1 #'\\\\-]{0,200}", nearly()], profile in prop::option::of("[a-d]{0,3}|development")) {
        let overrides = [("BARTIZAN__ROUTE__0__REQUIRE".to_owned(), text.clone())];
        let input = PolicyInput { profile: profile.as_deref(), overrides: &overrides, ..input(&text) };
        if let Err(diagnostics) = load_and_build(&input, |_| Ok(Deployment::default())) {
            prop_assert!(!diagnostics.is_empty());
            for found in diagnostics {
                if let Some(Location { offset, len, .. }) = found.location {
                    prop_assert!(text.get(offset..offset + len).is_some(), "{found:?}");
                }
            }
        }
        prop_assert_eq!(redacted_source(&text).len(), text.len());
    }

    #[test]
    fn any_override_is_applied_or_refused(name in "(BARTIZAN)?[A-Z_0-9]{0,20}|BARTIZAN__(ROUTE|CORS|SERVER)(__[A-Z0-9]{0,7}){0,3}", value in ".{0,30}") {
        let overrides = [(name, value)];
        let _ = load(&PolicyInput { overrides: &overrides, ..input(EXAMPLE) });
    }
}
