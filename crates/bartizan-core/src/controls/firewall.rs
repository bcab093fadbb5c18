//! The request firewall: refuses what two programs could read in two ways; it never normalises (ASVS 4.1, 4.2).

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::Finding;
use crate::{
    DenialCode, PolicyErrorKind,
    error::Problems,
    facts::Facts,
    path::{self, Findings},
    policy::{ByteSize, FirewallConfig},
    route::is_method,
};

/// The limits and the allowed methods.
#[derive(Clone, Debug)]
pub(crate) struct Firewall {
    methods: Vec<Box<[u8]>>,
    /// Whether GET, which nearly every request is, is among them.
    allows_get: bool,
    /// The `Allow` header of a 405.
    pub(crate) allow: Box<str>,
    max_headers: usize,
    max_header_bytes: usize,
    pub(crate) max_cookie_bytes: usize,
    max_cookies_bytes: usize,
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Firewall {
    pub(crate) fn compile(config: &FirewallConfig, problems: &mut Problems) -> Self {
        let written: Vec<&str> = config
            .methods
            .as_ref()
            .map_or_else(|| METHODS.to_vec(), |methods| methods.iter().map(String::as_str).collect());
        for (index, method) in written.iter().enumerate() {
            let path = || format!("request.methods[{index}]");
            if !is_method(method) {
                problems.error(path(), Some(method), PolicyErrorKind::InvalidMethod);
            } else if matches!(*method, "CONNECT" | "TRACE" | "TRACK") {
                problems.error(path(), Some(method), PolicyErrorKind::ForbiddenMethod);
            }
        }
        if written.is_empty() {
            problems.error(
                "request.methods",
                Some("[]"),
                PolicyErrorKind::OutOfRange("no method could come in"),
            );
        }
        let mut size = |name: &str, value: Option<ByteSize>, default: u64, most: u64| {
            let value = value.map_or(default, |size| size.0);
            if value == 0 || value > most {
                problems.error(
                    format!("request.{name}"),
                    None,
                    PolicyErrorKind::OutOfRange("a size from 1 byte to 1 MiB"),
                );
            }
            usize::try_from(value).unwrap_or(usize::MAX)
        };
        Self {
            max_header_bytes: size("max_header_bytes", config.max_header_bytes, 32 << 10, 1 << 20),
            max_cookie_bytes: size("max_cookie_bytes", config.max_cookie_bytes, 4096, 1 << 20),
            max_cookies_bytes: size("max_cookies_bytes", config.max_cookies_bytes, 16 << 10, 1 << 20),
            max_headers: match config.max_headers {
                Some(0) => {
                    problems.error(
                        "request.max_headers",
                        Some("0"),
                        PolicyErrorKind::OutOfRange("at least 1"),
                    );
                    0
                }
                most => most.unwrap_or(100) as usize,
            },
            allows_get: written.contains(&"GET"),
            allow: written.join(", ").into(),
            methods: written.iter().map(|method| method.as_bytes().into()).collect(),
        }
    }

    /// Judges the method and the number and size of headers and cookies.
    pub(crate) fn decide<'r>(&self, facts: &Facts<'r>) -> Finding<'r> {
        use DenialCode as Code;
        let refuse = Finding::refuse;
        let is_allowed = if facts.method == b"GET" {
            self.allows_get
        } else {
            self.methods.iter().any(|method| **method == *facts.method)
        };
        if !is_allowed {
            return refuse(Code::RequestMethod, facts.method, "the method is not in the allow list");
        }
        if !(facts.path.starts_with(b"/") || (facts.path == b"*" && facts.method == b"OPTIONS")) {
            return refuse(
                Code::RequestTarget,
                facts.path,
                "the target is neither a path nor `*` with OPTIONS",
            );
        }
        if facts.header_count > self.max_headers || facts.overflow {
            return refuse(Code::HeadersTooMany, b"", "there are more headers than the policy allows");
        }
        if facts.header_bytes > self.max_header_bytes {
            return refuse(Code::HeadersTooLarge, b"", "the headers are longer than the policy allows");
        }
        if facts.longest_cookie > self.max_cookie_bytes {
            return refuse(Code::CookieTooLarge, b"", "a cookie is longer than the policy allows");
        }
        if facts.cookie_bytes > self.max_cookies_bytes {
            return refuse(Code::CookiesTooLarge, b"", "the cookies are longer than the policy allows");
        }
        if facts.repeats_own_cookie() {
            return refuse(
                Code::CookieDuplicate,
                b"",
                "a cookie of ours came twice; one of them was planted",
            );
        }
        if facts.authorization.is_repeated() {
            return refuse(
                Code::AuthorizationDuplicate,
                b"",
                "two Authorization headers: two programs could pick two",
            );
        }
        Finding::Pass("method, headers and cookies are within the limits")
    }

    /// Judges the path; `relaxed` is what the route lets through.
    pub(crate) fn decide_path<'r>(facts: &Facts<'r>, found: Findings, relaxed: Findings) -> Finding<'r> {
        match found.without(relaxed).code() {
            Some(code) => Finding::refuse(code, facts.path, "two programs could read this path in two ways"),
            None if found.is_empty() => Finding::Pass("the path has one reading"),
            None => Finding::Pass("the route lets this path pass"),
        }
    }
}

/// Looks for what the firewall knows; `*` has nothing to look at.
pub(crate) fn look(facts: &Facts<'_>) -> Findings {
    if facts.path.starts_with(b"/") { path::scan(facts.path) } else { Findings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Names,
        tests::{NO_NAMES, facts, facts_with},
    };

    fn firewall(config: &FirewallConfig) -> Firewall {
        let mut problems = Problems::default();
        let firewall = Firewall::compile(config, &mut problems);
        assert_eq!(problems.finish(), Ok([].into()));
        firewall
    }

    #[test]
    fn methods_are_case_sensitive() {
        let firewall = firewall(&FirewallConfig::default());
        for (method, expected) in [
            ("GET", None),
            ("OPTIONS", None),
            ("DELETE", None),
            ("get", Some("request.method")),
            ("TRACE", Some("request.method")),
            ("CONNECT", Some("request.method")),
            ("PROPFIND", Some("request.method")),
            ("", Some("request.method")),
        ] {
            assert_eq!(firewall.decide(&facts(method, &[])).code(), expected, "{method}");
        }
        assert_eq!(&*firewall.allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }

    #[test]
    fn targets() {
        let firewall = firewall(&FirewallConfig::default());
        for (method, path, expected) in [
            ("OPTIONS", "*", None),
            ("GET", "*", Some("request.target")),
            ("GET", "", Some("request.target")),
            ("GET", "a", Some("request.target")),
        ] {
            assert_eq!(
                firewall.decide(&facts_with(method, path, &[], NO_NAMES)).code(),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let config = FirewallConfig {
            max_headers: Some(3),
            max_header_bytes: Some(ByteSize(40)),
            max_cookie_bytes: Some(ByteSize(5)),
            max_cookies_bytes: Some(ByteSize(12)),
            ..FirewallConfig::default()
        };
        let firewall = firewall(&config);
        let names = Names { session_cookie: Some(b"s"), ..NO_NAMES };
        for (headers, expected) in [
            (&[("a", ""), ("b", ""), ("c", "")][..], None),
            (&[("a", ""), ("b", ""), ("c", ""), ("d", "")], Some("headers.too-many")),
            (&[("a", "123456789012345678901234567890123456789")], None),
            (&[("a", "1234567890123456789012345678901234567890")], Some("headers.too-large")),
            (&[("cookie", "a=1234")], None),
            (&[("cookie", "a=12345")], Some("cookie.too-large")),
            (&[("cookie", "a=12;b=1;c=2")], None),
            (&[("cookie", "a=12;b=1;c=23")], Some("cookie.total-too-large")),
            (&[("cookie", "s=1")], None),
            (&[("cookie", "s=1;s=2")], Some("cookie.duplicate")),
            (&[("authorization", "a"), ("authorization", "a")], Some("authorization.duplicate")),
        ] {
            assert_eq!(
                firewall.decide(&facts_with("GET", "/", headers, names)).code(),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn wrong_configurations() {
        let config = FirewallConfig {
            methods: Some(["get".into(), "TRACE".into(), "GET".into()].into()),
            max_headers: Some(0),
            max_header_bytes: Some(ByteSize(0)),
            max_cookie_bytes: Some(ByteSize(2 << 20)),
            ..FirewallConfig::default()
        };
        let mut problems = Problems::default();
        Firewall::compile(&config, &mut problems);
        let paths: Vec<_> = problems.finish().unwrap_err().into_iter().map(|error| error.path).collect();
        assert_eq!(
            paths,
            [
                "request.methods[0]",
                "request.methods[1]",
                "request.max_header_bytes",
                "request.max_cookie_bytes",
                "request.max_headers"
            ]
        );
    }

    #[test]
    fn sizes_have_a_bound_of_their_own() {
        for (bytes, accepted) in [(1, true), (1 << 20, true), ((1 << 20) + 1, false), (0, false)] {
            let config =
                FirewallConfig { max_header_bytes: Some(ByteSize(bytes)), ..FirewallConfig::default() };
            let mut problems = Problems::default();
            Firewall::compile(&config, &mut problems);
            assert_eq!(problems.finish().is_ok(), accepted, "{bytes}");
        }
    }

    #[test]
    fn paths_pass_only_what_is_relaxed() {
        use crate::policy::Relaxation;
        let strict = Findings::default();
        let relaxed = Findings::of(&[Relaxation::EncodedSlash]);
        for (path, allowed, expected) in [
            ("/a/b", strict, Ok("the path has one reading")),
            ("/a/b", relaxed, Ok("the path has one reading")),
            ("/a%2fb", strict, Err("path.encoded-slash")),
            ("/a%2fb", relaxed, Ok("the route lets this path pass")),
            ("/a//b", relaxed, Err("path.empty-segment")),
        ] {
            let facts = facts_with("GET", path, &[], NO_NAMES);
            let found = match Firewall::decide_path(&facts, look(&facts), allowed) {
                Finding::Skip(why) | Finding::Pass(why) => Ok(why),
                Finding::Refuse { code, .. } => Err(code.as_str()),
            };
            assert_eq!(found, expected, "{path}");
        }
    }
}
