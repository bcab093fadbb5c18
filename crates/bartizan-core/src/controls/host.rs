//! Host: which names are served here (RFC 9110 §7.2, §15.5.20; ASVS 4.2). Against DNS rebinding, cache poisoning
//! and links made from a host that a stranger chose.

use alloc::{boxed::Box, format, vec::Vec};

use super::Finding;
use crate::{
    DenialCode, Deployment, PolicyErrorKind, Scheme,
    error::Problems,
    facts::Facts,
    origin::{Authority, OriginPattern},
    policy::Policy,
};

/// The hosts that are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Vec<Host>);

#[derive(Clone, Debug)]
struct Host {
    /// In lower case, without a trailing dot.
    name: Box<str>,
    port: Port,
    /// Whether this host is reached by https only.
    https_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// This one; `None` is the scheme's default.
    Exactly(Option<u16>),
    /// Whatever the client wrote: loopback names, which a stranger's DNS cannot claim.
    Any,
}

/// The port of an https origin, where it is not 443.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpsPort(pub(crate) Option<u16>);

/// The names of a machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Hosts {
    pub(crate) fn compile(
        policy: &Policy,
        public: &[OriginPattern],
        deployment: &Deployment,
        problems: &mut Problems,
    ) -> Self {
        let mut hosts = Vec::new();
        for origin in public {
            let https_only = origin.http_scheme() == Some(Scheme::Https)
                && !public
                    .iter()
                    .any(|other| other.host() == origin.host() && other.http_scheme() == Some(Scheme::Http));
            hosts.push(Host { name: origin.host().into(), port: Port::Exactly(origin.port()), https_only });
        }
        let https_only =
            !public.is_empty() && public.iter().all(|origin| origin.http_scheme() == Some(Scheme::Https));
        for (index, text) in policy.server.hosts.iter().enumerate() {
            let Some(authority) = Authority::parse(text.as_bytes()) else {
                problems.error(format!("server.hosts[{index}]"), Some(text), PolicyErrorKind::InvalidHost);
                continue;
            };
            let name = core::str::from_utf8(authority.host).unwrap_or_default().to_ascii_lowercase();
            hosts.push(Host { name: name.into(), port: Port::Exactly(authority.port), https_only });
        }
        if deployment.listen.is_some_and(|listen| listen.ip().to_canonical().is_loopback()) {
            hosts.extend(LOOPBACK.map(|name| Host { name: name.into(), port: Port::Any, https_only: false }));
        } else if public.is_empty() && policy.origin.public.is_empty() {
            problems.error("origin.public", None, PolicyErrorKind::NoPublicOrigin);
        }
        Self(hosts)
    }

    fn find(&self, authority: Authority<'_>, scheme: Scheme) -> Option<&Host> {
        self.0.iter().find(|host| {
            (host.name.as_bytes() == authority.host
                || host.name.as_bytes().eq_ignore_ascii_case(authority.host))
                && match host.port {
                    Port::Any => true,
                    Port::Exactly(port) => {
                        port == authority.explicit_port(scheme) || (port.is_some() && port == authority.port)
                    }
                }
        })
    }

    /// The authority of a request whose only name for its host is one that is served on the scheme's own port,
    /// letter for letter: nearly every request. All others need [`authority`] and [`decide`](Self::decide).
    pub(crate) fn as_written<'r>(
        &self,
        facts: &Facts<'r>,
        forwarded: Option<&[u8]>,
    ) -> Option<Authority<'r>> {
        let host = facts.host.only().filter(|_| facts.authority.is_none() && forwarded.is_none())?;
        let is_served = |known: &Host| {
            matches!(known.port, Port::Any | Port::Exactly(None)) && known.name.as_bytes() == host
        };
        self.0.iter().any(is_served).then_some(Authority { host, port: None })
    }

    /// The https port of a host that is reached by https only; `None` for all others.
    pub(crate) fn https_port(&self, authority: Authority<'_>, scheme: Scheme) -> Option<HttpsPort> {
        let host = self.find(authority, scheme).filter(|host| host.https_only)?;
        Some(match host.port {
            Port::Exactly(port) => HttpsPort(port),
            Port::Any => HttpsPort(None),
        })
    }

    /// Judges whether the host is served.
    pub(crate) fn decide<'r>(&self, authority: Authority<'r>, scheme: Scheme) -> Finding<'r> {
        if self.find(authority, scheme).is_some() {
            Finding::Pass("the host is served here")
        } else {
            Finding::refuse(
                DenialCode::HostUnknown,
                authority.host,
                "the host is in neither origin.public nor server.hosts",
            )
        }
    }
}

/// The one authority that the request names; all that are present must agree. This has no mode: without it,
/// nothing behind it knows which host was asked for.
pub(crate) fn authority<'r>(
    facts: &Facts<'r>,
    forwarded: Option<&'r [u8]>,
    scheme: Scheme,
) -> Result<Authority<'r>, Finding<'r>> {
    use DenialCode as Code;
    let refuse = Finding::refuse;
    if facts.host.is_repeated() {
        return Err(refuse(Code::AuthorityInvalid, b"", "Host came more than once (RFC 9112 §3.2)"));
    }
    let parse = |text: &'r [u8]| {
        Authority::parse(text)
            .ok_or_else(|| refuse(Code::AuthorityInvalid, text, "the host is not `host[:port]`"))
    };
    let host = facts.host.value().map(parse).transpose()?;
    let target = facts.authority.map(parse).transpose()?;
    if let (Some(host), Some(target)) = (host, target)
        && !host.agrees(target, scheme)
    {
        let text = facts.host.value().unwrap_or_default();
        return Err(refuse(
            Code::AuthorityMismatch,
            text,
            "Host and the target name two hosts (RFC 9112 §3.2.2)",
        ));
    }
    let asked = target.or(host).ok_or(refuse(Code::AuthorityMissing, b"", "the request names no host"))?;
    // A trusted proxy may have asked us by another name than it was asked by.
    forwarded.map_or(Ok(asked), parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;
    use alloc::string::ToString;

    fn hosts(public: &[&str], extra: &[&str], listen: Option<&str>) -> Hosts {
        let mut policy = Policy::default();
        policy.origin.public = public.iter().map(ToString::to_string).collect();
        policy.server.hosts = extra.iter().map(ToString::to_string).collect();
        let origins: Vec<_> = public.iter().map(|text| OriginPattern::parse_public(text).unwrap()).collect();
        let deployment =
            Deployment { listen: listen.map(|text| text.parse().unwrap()), ..Deployment::default() };
        let mut problems = Problems::default();
        let hosts = Hosts::compile(&policy, &origins, &deployment, &mut problems);
        assert_eq!(problems.finish(), Ok([].into()));
        hosts
    }

    #[test]
    fn a_host_as_written_is_what_parsing_would_give() {
        let hosts = hosts(
            &["https://api.example.com", "https://[::1]:8443"],
            &["internal", "Bare."],
            Some("127.0.0.1:80"),
        );
        for host in ["api.example.com", "[::1]", "internal", "bare", "localhost", "127.0.0.1"] {
            let headers = [("host", host)];
            let written = hosts.as_written(&facts("GET", &headers), None);
            assert!(written.is_some(), "{host}");
            assert_eq!(written, authority(&facts("GET", &headers), None, Scheme::Https).ok());
            assert_eq!(hosts.as_written(&facts("GET", &headers), Some(b"other")), None);
        }
        for host in ["api.example.com.", "api.example.com:443", "API.example.com", "evil.example", ""] {
            assert_eq!(hosts.as_written(&facts("GET", &[("host", host)]), None), None, "{host}");
        }
        let twice = [("host", "internal"), ("host", "internal")];
        assert_eq!(hosts.as_written(&facts("GET", &twice), None), None);
    }

    #[test]
    fn only_named_hosts_are_served() {
        let named = hosts(
            &["https://api.example.com", "https://other.example:8443"],
            &["internal:8080", "Bare."],
            None,
        );
        let local = hosts(&[], &[], Some("127.0.0.1:8080"));
        for (hosts, host, scheme, served) in [
            (&named, "api.example.com", Scheme::Https, true),
            (&named, "API.Example.COM.", Scheme::Https, true),
            (&named, "api.example.com:443", Scheme::Https, true),
            (&named, "api.example.com", Scheme::Http, true),
            (&named, "api.example.com:80", Scheme::Http, true),
            (&named, "api.example.com:8080", Scheme::Https, false),
            (&named, "other.example:8443", Scheme::Https, true),
            (&named, "other.example", Scheme::Https, false),
            (&named, "internal:8080", Scheme::Http, true),
            (&named, "internal", Scheme::Http, false),
            (&named, "bare", Scheme::Http, true),
            (&named, "evil.example", Scheme::Https, false),
            (&named, "localhost", Scheme::Http, false),
            (&local, "localhost:8080", Scheme::Http, true),
            (&local, "127.0.0.1:9999", Scheme::Http, true),
            (&local, "[::1]", Scheme::Http, true),
            (&local, "rebound.example:8080", Scheme::Http, false),
            (&local, "127.0.0.2", Scheme::Http, false),
        ] {
            let authority = Authority::parse(host.as_bytes()).unwrap();
            let expected = if served { None } else { Some("host.unknown") };
            assert_eq!(hosts.decide(authority, scheme).code(), expected, "{host} by {scheme:?}");
        }
    }

    #[test]
    fn https_only_is_a_property_of_the_host() {
        let mixed = hosts(
            &[
                "https://api.example.com",
                "http://localhost:3000",
                "https://both.example",
                "http://both.example",
            ],
            &["x"],
            None,
        );
        for (host, expected) in
            [("api.example.com", true), ("localhost:3000", false), ("both.example", false), ("x", false)]
        {
            let authority = Authority::parse(host.as_bytes()).unwrap();
            assert_eq!(mixed.https_port(authority, Scheme::Http).is_some(), expected, "{host}");
        }
        let strict = hosts(&["https://api.example.com"], &["x"], None);
        assert!(strict.https_port(Authority::parse(b"x").unwrap(), Scheme::Http).is_some());
    }

    #[test]
    fn all_authorities_agree() {
        for (headers, target, expected) in [
            (&[("host", "a.example")][..], None, Ok("a.example")),
            (&[("host", "A.example:80")], Some("a.example"), Ok("a.example")),
            (&[], Some("a.example"), Ok("a.example")),
            (&[("host", "a.example")], Some("b.example"), Err("authority.mismatch")),
            (&[("host", "a.example:81")], Some("a.example"), Err("authority.mismatch")),
            (&[], None, Err("authority.missing")),
            (&[("host", "")], None, Err("authority.invalid")),
            (&[("host", "u@a.example")], None, Err("authority.invalid")),
            (&[("host", "a.example")], Some("u@a.example"), Err("authority.invalid")),
            (&[("host", "a.example"), ("host", "a.example")], None, Err("authority.invalid")),
            (&[("host", "a.example, b.example")], None, Err("authority.invalid")),
        ] {
            let mut facts = facts("GET", headers);
            facts.authority = target.map(str::as_bytes);
            let found = authority(&facts, None, Scheme::Http);
            match expected {
                Ok(host) => assert!(found.unwrap().host.eq_ignore_ascii_case(host.as_bytes()), "{headers:?}"),
                Err(code) => assert_eq!(found.unwrap_err().code(), Some(code), "{headers:?}"),
            }
        }
        let facts = facts("GET", &[("host", "inside")]);
        assert_eq!(
            authority(&facts, Some(b"api.example.com"), Scheme::Http).unwrap().host,
            b"api.example.com"
        );
        assert_eq!(
            authority(&facts, Some(b"a b"), Scheme::Http).unwrap_err().code(),
            Some("authority.invalid")
        );
    }

    #[test]
    fn an_open_listener_needs_a_public_origin() {
        for (listen, refused) in [
            (Some("0.0.0.0:80"), true),
            (None, true),
            (Some("127.0.0.1:80"), false),
            (Some("[::1]:80"), false),
        ] {
            let deployment =
                Deployment { listen: listen.map(|text| text.parse().unwrap()), ..Deployment::default() };
            let mut problems = Problems::default();
            Hosts::compile(&Policy::default(), &[], &deployment, &mut problems);
            assert_eq!(problems.finish().is_err(), refused, "{listen:?}");
        }
    }
}
