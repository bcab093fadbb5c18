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
        (
            "session = {}\ndefault.require = 'session'\nroute = [{ match = 'GET /a', require = 'nothing' }]",
            &["route[0].match"],
        ),
        ("proxy.forwarded.for = 'x-forwarded-for'", &["proxy.forwarded"]),
        (
            "rate_limit.principal = { limit = 1, per = '1s' }\nroute = [{ match = '* /a', rate_limit.principal = { limit = 1, per = '1s' } }]",
            &["rate_limit.principal", "route[0].rate_limit.principal"],
        ),
    ] {
        assert_eq!(problems(policy).unwrap(), expected, "{policy}");
    }
}
