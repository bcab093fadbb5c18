//! What is refused and warned of, where it was written.

use super::*;
use crate::{
    Engine,
    policy::{PolicyInput, load},
};

fn problems(policy: &str) -> Result<Vec<String>, Vec<String>> {
    let text = format!("version = 1\n{policy}");
    let policy = load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
    let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
    match Engine::build(&policy, &deployment) {
        Ok(engine) => Ok(engine.warnings().iter().map(|warning| warning.path.clone()).collect()),
        Err(errors) => {
            Err(errors.into_iter().map(|error| format!("{} {}", error.path, error.kind.code())).collect())
        }
    }
}

#[test]
fn a_fault_is_told_once_and_where_it_was_written() {
    for (policy, expected) in [
        ("cors.methods = ['get']\nroute = [{ match = '* /a' }]", &["cors.methods[0] policy.method"][..]),
        (
            "default.coop = 'x'\ndefault.csp = { img-src = ['self'] }\nroute = [{ match = '* /a' }, { match = '* /b', coop = 'y' }]",
            &[
                "default.csp.img-src[0] csp.unquoted-keyword",
                "default.coop policy.value",
                "route[1].coop policy.value",
            ],
        ),
        ("default.require = 'session'\nroute = [{ match = '* /a' }]", &["default.require policy.require"]),
        ("route = [{ match = '* /a', one_time = true }]", &["route[0].one_time policy.contradiction"]),
        ("session = {}", &["default.require policy.default-require"]),
        (
            "origin.public = ['https://example.com']\nproxy = { trusted = ['10.0.0.1'], forwarded = { proto = 'x-forwarded-proto' } }",
            &["headers.hsts.include_subdomains policy.hsts-domain"],
        ),
        ("origin.public = ['https://api.example.com']", &["origin.public[0] policy.https-unreachable"]),
        ("origin.public = ['http://api.example.com']", &["origin.public[0] policy.insecure-origin"]),
        ("server.upstream_token = 'hunter2'", &["server.upstream_token policy.secret-literal"]),
        ("headers.hsts = { preload = true, max_age = '1d' }", &["headers.hsts.preload policy.hsts-preload"]),
        ("server.health = '/a/../b'", &["server.health policy.health"]),
        ("csrf.token_path = 'csrf-token'", &["csrf.token_path policy.token-path"]),
        ("csrf.token_path = '/a?b'", &["csrf.token_path policy.token-path"]),
        ("csrf.token_path = '/a'\nserver.health = '/a'", &["csrf.token_path policy.contradiction"]),
        ("csrf.field = 'csrf token'", &["csrf.field policy.field"]),
        ("csrf.field = ''", &["csrf.field policy.field"]),
        ("cookies.mode = 'report'", &["cookies.mode policy.mode"]),
        (
            "rate_limit.address = { limit = 0, per = '1s' }\nroute = [{ match = '* /a', rate_limit = { principal = { limit = 1, per = '33d' } } }]",
            &["rate_limit.address.limit policy.value", "route[0].rate_limit.principal policy.value"],
        ),
        (
            "cors.methods = ['get']\ndefault.cors = { methods = ['GET'] }\nroute = [{ match = '* /a', cors = { max_age = '1h' } }, { match = '* /b', cors = { headers = ['*'] } }]",
            &["cors.methods[0] policy.method", "route[1].cors.headers[0] policy.header"],
        ),
    ] {
        assert_eq!(problems(policy).unwrap_err(), expected, "{policy}");
    }
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    for (policy, expected) in [
        ("", &[][..]),
        ("route = [{ match = '* /a/**' }, { match = 'GET /a/b' }]", &["route[1].match"]),
        (
            "origin = { public = ['http://localhost:8080'], trusted = ['http://127.0.0.1:9'] }",
            &["origin.trusted[0]"],
        ),
        ("origin = { public = ['http://localhost:8080'], trusted = ['http://localhost:9'] }", &[]),
        ("proxy.forwarded.for = 'x-forwarded-for'", &["proxy.forwarded"]),
        (
            "rate_limit.principal = { limit = 1, per = '1s' }\nroute = [{ match = '* /a', rate_limit.principal = { limit = 1, per = '1s' } }]",
            &["rate_limit.principal", "route[0].rate_limit.principal"],
        ),
    ] {
        assert_eq!(problems(policy).unwrap(), expected, "{policy}");
    }
}

#[test]
fn a_path_that_is_guarded_for_some_methods_is_warned_of_where_the_others_get_less() {
    const NOTHING: &str = "'nothing'";
    const ADMIN: &str = "{ any = ['session'], scope = 'admin' }";
    for (default, routes, expected) in [
        // It only opens, or demands what all others get.
        ("'session'", &[("GET /a", "'nothing'")][..], &[][..]),
        ("'session'", &[("POST /a", "'session'")], &[]),
        ("'session'", &[("POST /a", "{ any = ['session', 'jwt'] }")], &[]),
        (ADMIN, &[("POST /a", "'session'")], &[]),
        (NOTHING, &[("* /a", "'session'")], &[]),
        // It demands what others do not.
        (NOTHING, &[("POST /a", "'session'")], &["route[0].match: GET, HEAD, PUT, PATCH, DELETE"]),
        ("'session'", &[("POST /a", ADMIN)], &["route[0].match: GET, HEAD, PUT, PATCH, DELETE"]),
        ("'session'", &[("POST /a", "'jwt'")], &["route[0].match: GET, HEAD, PUT, PATCH, DELETE"]),
        (
            "{ any = ['session', 'jwt'] }",
            &[("GET /a", "'session'")],
            &["route[0].match: POST, PUT, PATCH, DELETE"],
        ),
        (NOTHING, &[("GET,POST,PUT,PATCH /a", "'session'")], &["route[0].match: DELETE"]),
        (NOTHING, &[("GET,POST,PUT,PATCH,DELETE /a", "'session'")], &[]),
        // The others were thought of.
        (NOTHING, &[("POST /a", "'session'"), ("* /a", "'nothing'")], &[]),
        (
            NOTHING,
            &[("POST /a", "'session'"), ("GET /a", "'nothing'")],
            &["route[0].match: PUT, PATCH, DELETE"],
        ),
        // They get what a wider route demands, the first that has them.
        (NOTHING, &[("POST /a/b", "'session'"), ("* /a/**", "'session'")], &[]),
        (
            "'session'",
            &[("POST /a/b", "'session'"), ("GET /a/**", "'nothing'"), ("* /a/**", ADMIN)],
            &["route[0].match: GET, HEAD"],
        ),
        (
            NOTHING,
            &[("POST /a/**", "'session'"), ("* /a/b", "'session'")],
            &["route[0].match: GET, HEAD, PUT, PATCH, DELETE"],
        ),
    ] {
        let routes: Vec<String> = routes
            .iter()
            .map(|(path, require)| format!("{{ match = '{path}', require = {require} }}"))
            .collect();
        let policy = format!(
            "version = 1\nsession = {{}}\njwt = {{ issuer = 'https://a.example', audience = 'a' }}\n\
             default.require = {default}\nroute = [{}]",
            routes.join(", ")
        );
        assert_eq!(half_guarded(&policy), expected, "{policy}");
    }
    // Only what comes in at all.
    let methods = "request.methods = ['GET', 'PROPFIND', 'OPTIONS']\n";
    let policy = "version = 1\nsession = {}\ndefault.require = 'nothing'\nroute = [{ match = 'GET /a', require = 'session' }]";
    assert_eq!(half_guarded(&format!("{methods}{policy}")), ["route[0].match: PROPFIND"]);
}

/// Where methods get less than those that a route names, and which.
fn half_guarded(policy: &str) -> Vec<String> {
    let policy = load(&PolicyInput { text: policy, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
    let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
    let engine = Engine::build(&policy, &deployment).unwrap();
    let warnings = engine.warnings().iter().map(|warning| {
        let (_, methods) = warning.message.split_once("others of this path (").unwrap_or(("", "?)"));
        format!("{}: {}", warning.path, methods.trim_end_matches(')'))
    });
    warnings.collect()
}
