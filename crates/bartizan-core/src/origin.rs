//! Origins and authorities: `scheme://host[:port]` (RFC 6454, WHATWG HTML) and `host[:port]` (RFC 3986 §3.2).
//!
//! One [`OriginSet`] serves CORS, CSRF and WebSocket, so that an origin cannot be trusted by one and foreign to
//! another by mistake.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::Scheme;

/// What a request's `Host`, `:authority` or absolute target names: a host, and a port if it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'r> {
    /// Without a trailing dot; in the case in which it was sent; IPv6 in its brackets.
    pub(crate) host: &'r [u8],
    pub(crate) port: Option<u16>,
}

impl<'r> Authority<'r> {
    /// Reads `host[:port]`; `None` for userinfo, an empty host, and every character that a host cannot have.
    pub(crate) fn parse(text: &'r [u8]) -> Option<Self> {
        let (host, port) = if text.first() == Some(&b'[') {
            let end = text.iter().position(|&byte| byte == b']')?;
            let (host, rest) = text.split_at_checked(end + 1)?;
            let inner = core::str::from_utf8(host.get(1..end)?).ok()?;
            inner.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        } else {
            let end = text.iter().position(|&byte| byte == b':').unwrap_or(text.len());
            let (host, rest) = text.split_at_checked(end)?;
            let host = host.strip_suffix(b".").unwrap_or(host);
            let is_name = !host.is_empty()
                && host.len() <= 253
                && host.first() != Some(&b'.')
                && host.last() != Some(&b'.')
                && host
                    .iter()
                    .all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
            (is_name.then_some(host)?, rest)
        };
        let port = match port {
            // "host:" with an empty port is allowed by RFC 3986 §3.2.3 and means the default.
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(parse_port(digits)?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Whether both name the same host and port on `scheme`.
    pub(crate) fn agrees(self, other: Self, scheme: Scheme) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.explicit_port(scheme) == other.explicit_port(scheme)
    }

    /// The port, unless it is the scheme's default.
    pub(crate) fn explicit_port(self, scheme: Scheme) -> Option<u16> {
        self.port.filter(|port| *port != scheme.default_port())
    }
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    digits.iter().try_fold(0_u16, |port, digit| {
        digit.is_ascii_digit().then(|| port.checked_mul(10)?.checked_add(u16::from(digit - b'0')))?
    })
}

/// What is wrong with an origin in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OriginError {
    /// No `scheme://`.
    #[error("an origin is written `scheme://host`, with `:port` where it is not the scheme's own")]
    NoScheme,
    /// A path, query, fragment or userinfo; also a trailing slash.
    #[error("an origin ends with its host or port: no path, no trailing slash, no user")]
    NotOnlyOrigin,
    /// Not a host name, an IPv4 address or an IPv6 address in brackets.
    #[error("the host is not a name or an address; write names of other alphabets in punycode (`xn--…`)")]
    InvalidHost,
    /// Not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    InvalidPort,
    /// `null`, the origin of sandboxed frames and local files, which anyone can take on.
    #[error("`null` is the origin of every sandboxed frame and local file: it cannot be trusted")]
    Null,
    /// `*`: every origin.
    #[error(
        "every origin cannot be trusted with credentials; `cors.anonymous = [\"*\"]` shares without them"
    )]
    Everyone,
    /// A wildcard that is not the whole first label.
    #[error("a wildcard stands for whole labels at the beginning: `https://*.example.com`")]
    MisplacedWildcard,
    /// A wildcard over a public suffix, below which anyone can register a name.
    #[error("anyone can register a name under `{0}`: a wildcard needs a domain of your own")]
    PublicSuffix(String),
    /// A wildcard where one origin has to be named.
    #[error("where this API is reached is named exactly, without a wildcard")]
    WildcardPublic,
    /// A scheme other than http and https where browsers reach the API.
    #[error("an API is reached by http or https")]
    PublicScheme,
}

/// One entry of a set: an exact origin, or every origin below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginPattern {
    scheme: Box<str>,
    /// In lower case, without a wildcard's `*.`.
    host: Box<str>,
    /// Only where it is not the scheme's default.
    port: Option<u16>,
    wildcard: bool,
    /// As browsers write it: `https://app.example.com`.
    text: Box<str>,
}

impl OriginPattern {
    /// Reads `scheme://host[:port]` or `scheme://*.host[:port]`.
    pub(crate) fn parse(text: &str) -> Result<Self, OriginError> {
        match text {
            "null" => return Err(OriginError::Null),
            "*" => return Err(OriginError::Everyone),
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::NoScheme)?;
        let valid_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !valid_scheme {
            return Err(OriginError::NoScheme);
        }
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(OriginError::NotOnlyOrigin);
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host_text, wildcard) = rest.strip_prefix("*.").map_or((rest, false), |host| (host, true));
        if host_text.contains('*') {
            return Err(OriginError::MisplacedWildcard);
        }
        if let Some((_, port)) = host_text.rsplit_once(':')
            && !host_text.ends_with(']')
            && parse_port(port.as_bytes()).is_none_or(|port| port == 0)
        {
            return Err(OriginError::InvalidPort);
        }
        let authority = Authority::parse(host_text.as_bytes()).ok_or(OriginError::InvalidHost)?;
        let host = core::str::from_utf8(authority.host).unwrap_or_default().to_ascii_lowercase();
        if wildcard {
            if host.parse::<Ipv4Addr>().is_ok() || host.starts_with('[') {
                return Err(OriginError::MisplacedWildcard);
            }
            if registrable_domain(&host).is_none() {
                return Err(OriginError::PublicSuffix(host));
            }
        }
        let default_port = match &*scheme {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        let port = authority.port.filter(|port| Some(*port) != default_port);
        let star = if wildcard { "*." } else { "" };
        let text = match port {
            Some(port) => format!("{scheme}://{star}{host}:{port}"),
            None => format!("{scheme}://{star}{host}"),
        };
        Ok(Self { scheme: scheme.into(), host: host.into(), port, wildcard, text: text.into() })
    }

    /// Reads where an API is reached: exact, http or https.
    pub(crate) fn parse_public(text: &str) -> Result<Self, OriginError> {
        let origin = Self::parse(text)?;
        if origin.wildcard {
            return Err(OriginError::WildcardPublic);
        }
        if origin.http_scheme().is_none() {
            return Err(OriginError::PublicScheme);
        }
        Ok(origin)
    }

    pub(crate) fn http_scheme(&self) -> Option<Scheme> {
        match &*self.scheme {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    pub(crate) const fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// As browsers write it in `Origin`.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether pages of this host are on the machine that they are looked at on.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }

    /// Whether both are of one site (HTML: schemefully same site).
    pub(crate) fn is_same_site(&self, other: &Self) -> bool {
        self.scheme == other.scheme && site(&self.host) == site(&other.host)
    }

    /// Whether the value of an `Origin` header is this origin.
    ///
    /// Browsers write origins in one way only (HTML: serialisation of an origin), so bytes are compared.
    fn matches(&self, origin: &[u8]) -> bool {
        if !self.wildcard {
            return origin == self.text.as_bytes();
        }
        let Some(rest) =
            origin.strip_prefix(self.scheme.as_bytes()).and_then(|rest| rest.strip_prefix(b"://"))
        else {
            return false;
        };
        let Some(authority) = Authority::parse(rest) else { return false };
        let Some(labels) =
            authority.host.strip_suffix(self.host.as_bytes()).and_then(|labels| labels.strip_suffix(b"."))
        else {
            return false;
        };
        // What stands before the domain must be whole, non-empty labels; `evil-example.com` has no dot there.
        authority.port == self.port
            && labels.split(|&byte| byte == b'.').all(|label| !label.is_empty())
            && !labels.iter().any(u8::is_ascii_uppercase)
    }
}

/// A match of an `Origin` header with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginMatch {
    /// The exact entry of this index.
    Exact(usize),
    /// A wildcard entry.
    Wildcard,
}

/// Origins that belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct OriginSet {
    entries: Vec<OriginPattern>,
    /// Whether it names origins that differ, so that there is something to share across origins. The names of
    /// one machine for itself are one origin in this sense.
    pub(crate) crosses: bool,
}

impl OriginSet {
    pub(crate) fn push(&mut self, origin: OriginPattern) {
        if !self.entries.contains(&origin) {
            self.entries.push(origin);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &OriginPattern> {
        self.entries.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry that `origin` matches, for a request that came by `scheme`.
    ///
    /// An `http` entry never matches a request that came by https: whoever can answer for the insecure origin
    /// (anyone on its network) could otherwise act on the secure one.
    pub(crate) fn find(&self, origin: &[u8], scheme: Scheme) -> Option<OriginMatch> {
        let (index, entry) = self.entries.iter().enumerate().find(|(_, entry)| {
            entry.matches(origin) && !(scheme == Scheme::Https && entry.http_scheme() == Some(Scheme::Http))
        })?;
        Some(if entry.wildcard { OriginMatch::Wildcard } else { OriginMatch::Exact(index) })
    }

    pub(crate) fn contains(&self, origin: &[u8], scheme: Scheme) -> bool {
        self.find(origin, scheme).is_some()
    }
}

/// Whether `host` can only be this machine: `localhost`, a name below it, 127.0.0.0/8, `[::1]`.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// The registrable domain that `host` is or is below of (`example.co.uk` of `api.example.co.uk`); `None` for
/// addresses, public suffixes and single labels.
pub(crate) fn registrable_domain(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    psl::domain_str(host)
}

/// The site of a host (HTML: obtain a site): its registrable domain, or itself where there is none.
fn site(host: &str) -> &str {
    registrable_domain(host).unwrap_or(host)
}

/// A set of origins without credentials: all, or a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnonymousOrigins {
    pub(crate) everyone: bool,
    pub(crate) listed: OriginSet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for (text, expected) in [
            ("example.com", Some(("example.com", None))),
            ("Example.COM.", Some(("Example.COM", None))),
            ("example.com:8080", Some(("example.com", Some(8080)))),
            ("example.com:65535", Some(("example.com", Some(65535)))),
            ("example.com:65536", None),
            ("example.com:000080", None),
            ("example.com:", Some(("example.com", None))),
            ("[::1]:80", Some(("[::1]", Some(80)))),
            ("127.0.0.1", Some(("127.0.0.1", None))),
            ("", None),
            (".", None),
            (".a", None),
            ("a..", None),
            ("user@example.com", None),
            ("example.com:x", None),
            ("example.com:99999", None),
            ("example.com:1:2", None),
            ("exa mple.com", None),
            ("example.com/", None),
            ("[::1", None),
            ("[::g]", None),
            ("[::1]x", None),
            ("ex%61mple.com", None),
        ] {
            let parsed = Authority::parse(text.as_bytes())
                .map(|authority| (core::str::from_utf8(authority.host).unwrap(), authority.port));
            assert_eq!(parsed, expected, "{text}");
        }
        for (length, accepted) in [(252, true), (253, true), (254, false)] {
            let name = "a".repeat(length);
            assert_eq!(Authority::parse(name.as_bytes()).is_some(), accepted, "{length}");
        }
    }

    #[test]
    fn written_origins() {
        for (text, expected) in [
            ("https://API.example.com:443", Ok("https://api.example.com")),
            ("http://localhost:3000", Ok("http://localhost:3000")),
            ("http://a.example:80", Ok("http://a.example")),
            ("wss://a.example:443", Ok("wss://a.example")),
            ("capacitor://localhost", Ok("capacitor://localhost")),
            ("capacitor://localhost:443", Ok("capacitor://localhost:443")),
            ("https://*.example.com", Ok("https://*.example.com")),
            ("https://[::1]:8443", Ok("https://[::1]:8443")),
            ("null", Err(OriginError::Null)),
            ("*", Err(OriginError::Everyone)),
            ("example.com", Err(OriginError::NoScheme)),
            ("1http://example.com", Err(OriginError::NoScheme)),
            ("ht tp://example.com", Err(OriginError::NoScheme)),
            ("https://example.com/", Err(OriginError::NotOnlyOrigin)),
            ("https://user@example.com", Err(OriginError::NotOnlyOrigin)),
            ("https://*.co.uk", Err(OriginError::PublicSuffix("co.uk".into()))),
            ("https://*.github.io", Err(OriginError::PublicSuffix("github.io".into()))),
            ("https://*.com", Err(OriginError::PublicSuffix("com".into()))),
            ("https://a*.example.com", Err(OriginError::MisplacedWildcard)),
            ("https://*.10.0.0.1", Err(OriginError::MisplacedWildcard)),
            ("https://*.[::1]", Err(OriginError::MisplacedWildcard)),
            ("https://bücher.example", Err(OriginError::InvalidHost)),
            ("https://example.com:0", Err(OriginError::InvalidPort)),
            ("https://example.com:", Err(OriginError::InvalidPort)),
            ("https://", Err(OriginError::InvalidHost)),
        ] {
            assert_eq!(
                OriginPattern::parse(text).as_ref().map(OriginPattern::as_str),
                expected.as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn matching_is_exact_and_never_downgrades() {
        let mut set = OriginSet::default();
        for entry in ["https://app.example.com", "http://old.example.com", "https://*.example.org:8443"] {
            set.push(OriginPattern::parse(entry).unwrap());
        }
        for (origin, scheme, expected) in [
            ("https://app.example.com", Scheme::Https, true),
            ("https://app.example.com", Scheme::Http, true),
            ("https://APP.example.com", Scheme::Https, false),
            ("https://app.example.com:443", Scheme::Https, false),
            ("https://app.example.com.", Scheme::Https, false),
            ("https://app.example.com.evil.example", Scheme::Https, false),
            ("http://app.example.com", Scheme::Https, false),
            ("http://old.example.com", Scheme::Http, true),
            ("http://old.example.com", Scheme::Https, false),
            ("https://a.example.org:8443", Scheme::Https, true),
            ("https://a.b.example.org:8443", Scheme::Https, true),
            ("https://example.org:8443", Scheme::Https, false),
            ("https://a.example.org", Scheme::Https, false),
            ("https://evilexample.org:8443", Scheme::Https, false),
            ("https://.example.org:8443", Scheme::Https, false),
            ("https://a..example.org:8443", Scheme::Https, false),
            ("https://a.example.org:8443/", Scheme::Https, false),
            ("null", Scheme::Https, false),
            ("", Scheme::Https, false),
        ] {
            assert_eq!(set.contains(origin.as_bytes(), scheme), expected, "{origin} by {scheme:?}");
        }
    }

    #[test]
    fn where_an_api_is_reached() {
        for (text, expected) in [
            ("https://api.example.com", None),
            ("http://localhost:3000", None),
            ("https://*.example.com", Some(OriginError::WildcardPublic)),
            ("capacitor://localhost", Some(OriginError::PublicScheme)),
        ] {
            assert_eq!(OriginPattern::parse_public(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn names_of_this_machine() {
        for (text, expected) in [
            ("http://localhost:3000", true),
            ("http://app.localhost", true),
            ("http://127.1.2.3", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
            ("http://[::2]", false),
            ("http://notlocalhost", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(OriginPattern::parse(text).unwrap().is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn registrable_domains() {
        assert_eq!(registrable_domain("api.example.co.uk"), Some("example.co.uk"));
        for host in ["co.uk", "localhost", "10.0.0.1", "[::1]"] {
            assert_eq!(registrable_domain(host), None, "{host}");
        }
    }

    #[test]
    fn a_set_holds_an_origin_once() {
        let mut set = OriginSet::default();
        assert!(set.is_empty());
        for text in ["https://a.example.com", "https://A.example.com:443", "https://*.example.org"] {
            set.push(OriginPattern::parse(text).unwrap());
        }
        assert!(!set.is_empty());
        let texts: Vec<_> = set.iter().map(OriginPattern::as_str).collect();
        assert_eq!(texts, ["https://a.example.com", "https://*.example.org"]);
        assert_eq!(set.find(b"https://a.example.com", Scheme::Https), Some(OriginMatch::Exact(0)));
        assert_eq!(set.find(b"https://b.example.org", Scheme::Https), Some(OriginMatch::Wildcard));
    }

    #[test]
    fn sites() {
        for (a, b, expected) in [
            ("https://app.example.com", "https://api.example.com", true),
            ("https://app.example.com", "http://api.example.com", false),
            ("https://a.github.io", "https://b.github.io", false),
            ("http://localhost:1", "http://localhost:2", true),
            ("http://localhost", "http://127.0.0.1", false),
        ] {
            let (a, b) = (OriginPattern::parse(a).unwrap(), OriginPattern::parse(b).unwrap());
            assert_eq!(a.is_same_site(&b), expected, "{a:?} {b:?}");
        }
    }
}
