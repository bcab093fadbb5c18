//! HTTPS: plain http to a host that is reached by https is redirected or refused (ASVS 4.1.2).
//!
//! Only a person's navigation is redirected. A client that sent a credential has already shown it to everyone on
//! the way; a redirect would hide that, so it gets an error that somebody will see.

use alloc::{boxed::Box, vec::Vec};

use super::Finding;
use crate::{
    DenialCode, Scheme,
    controls::host::{Hosts, HttpsPort},
    facts::Facts,
    origin::Authority,
};

/// What becomes of a request that came by `scheme`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'r> {
    /// What was found, if it is not a redirect.
    Finding(Finding<'r>),
    /// 308 to this location.
    Redirect(Box<[u8]>),
}

/// Judges the scheme.
#[inline]
pub(crate) fn decide<'r>(
    hosts: &Hosts,
    facts: &Facts<'r>,
    authority: Authority<'r>,
    scheme: Scheme,
) -> Outcome<'r> {
    if scheme == Scheme::Https {
        return Outcome::Finding(Finding::Pass("the request came by https"));
    }
    let Some(HttpsPort(port)) = hosts.https_port(authority, scheme) else {
        return Outcome::Finding(Finding::Skip("this host is reached by plain http"));
    };
    let has_credential = facts.authorization.value().is_some() || facts.api_key.is_some();
    if matches!(facts.method, b"GET" | b"HEAD")
        && facts.is_navigation()
        && !has_credential
        && facts.path.starts_with(b"/")
        && let Some(location) = location(authority, port, facts)
    {
        return Outcome::Redirect(location);
    }
    Outcome::Finding(Finding::refuse(
        DenialCode::HttpsRequired,
        authority.host,
        "plain http, and not a navigation without credentials that could be redirected",
    ))
}

/// The same resource by https; `None` where the target has bytes that a header cannot carry.
fn location(authority: Authority<'_>, port: Option<u16>, facts: &Facts<'_>) -> Option<Box<[u8]>> {
    let mut location = Vec::with_capacity(64);
    location.extend_from_slice(b"https://");
    location.extend(authority.host.iter().map(u8::to_ascii_lowercase));
    if let Some(port) = port {
        location.extend_from_slice(alloc::format!(":{port}").as_bytes());
    }
    location.extend_from_slice(facts.path);
    if let Some(query) = facts.query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    location.iter().all(u8::is_ascii_graphic).then(|| location.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deployment, error::Problems, facts::tests::facts, origin::OriginPattern, policy::Policy};
    use alloc::borrow::ToOwned as _;

    fn hosts() -> Hosts {
        let mut policy = Policy::default();
        policy.origin.public =
            ["https://api.example.com:8443".to_owned(), "http://localhost:3000".to_owned()].into();
        let public: Vec<_> =
            policy.origin.public.iter().map(|text| OriginPattern::parse_public(text).unwrap()).collect();
        Hosts::compile(&policy, &public, &Deployment::default(), &mut Problems::default())
    }

    #[test]
    fn table() {
        let redirect = Err("https://api.example.com:8443/");
        for (method, headers, host, scheme, expected) in [
            ("GET", &[("accept", "text/html")][..], "API.example.com:8443", Scheme::Http, redirect),
            ("HEAD", &[("sec-fetch-mode", "navigate")], "api.example.com:8443", Scheme::Http, redirect),
            ("GET", &[("accept", "text/html")], "api.example.com:8443", Scheme::Https, Ok(None)),
            ("GET", &[("accept", "text/html")], "localhost:3000", Scheme::Http, Ok(None)),
            (
                "POST",
                &[("accept", "text/html")],
                "api.example.com:8443",
                Scheme::Http,
                Ok(Some("https.required")),
            ),
            ("GET", &[("accept", "*/*")], "api.example.com:8443", Scheme::Http, Ok(Some("https.required"))),
            (
                "GET",
                &[("accept", "text/html"), ("sec-fetch-mode", "cors")],
                "api.example.com:8443",
                Scheme::Http,
                Ok(Some("https.required")),
            ),
            (
                "GET",
                &[("accept", "text/html"), ("authorization", "Bearer x")],
                "api.example.com:8443",
                Scheme::Http,
                Ok(Some("https.required")),
            ),
        ] {
            let facts = facts(method, headers);
            let outcome = decide(&hosts(), &facts, Authority::parse(host.as_bytes()).unwrap(), scheme);
            match (expected, outcome) {
                (Ok(code), Outcome::Finding(found)) => {
                    assert_eq!(found.code(), code, "{method} {headers:?} {host}");
                }
                (Err(location), Outcome::Redirect(found)) => {
                    assert_eq!(&*found, location.as_bytes());
                }
                (expected, outcome) => panic!("{method} {headers:?} {host}: {expected:?}, {outcome:?}"),
            }
        }
    }

    #[test]
    fn the_query_goes_along() {
        let mut facts = facts("GET", &[("accept", "text/html")]);
        facts.path = b"/a%20b";
        facts.query = Some(b"x=1&y");
        let outcome =
            decide(&hosts(), &facts, Authority::parse(b"api.example.com:8443").unwrap(), Scheme::Http);
        assert_eq!(outcome, Outcome::Redirect(b"https://api.example.com:8443/a%20b?x=1&y".as_slice().into()));
        facts.query = Some(b"\xff");
        let outcome =
            decide(&hosts(), &facts, Authority::parse(b"api.example.com:8443").unwrap(), Scheme::Http);
        assert!(matches!(outcome, Outcome::Finding(Finding::Refuse { .. })));
    }

    #[test]
    fn an_api_key_or_a_target_without_a_path_is_not_redirected() {
        let headers = [("accept", "text/html")];
        let plain = facts("GET", &headers);
        let key = Facts { api_key: Some(b"k"), ..plain.clone() };
        let asterisk = Facts { path: b"*", ..plain.clone() };
        for (facts, redirected) in [(plain, true), (key, false), (asterisk, false)] {
            let outcome =
                decide(&hosts(), &facts, Authority::parse(b"api.example.com:8443").unwrap(), Scheme::Http);
            assert_eq!(matches!(outcome, Outcome::Redirect(_)), redirected, "{facts:?}");
        }
    }
}
