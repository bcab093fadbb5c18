//! What stands in front of us: trusted proxies, the headers that are believed from them, and the inbound
//! headers that no handler sees.

use alloc::{boxed::Box, format, vec::Vec};
use core::net::{IpAddr, Ipv6Addr};

use arrayvec::ArrayVec;
use ipnet::IpNet;

use crate::{PolicyErrorKind, Scheme, error::Problems, facts::list, policy::ProxyConfig};

/// Who is believed, and about what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxy {
    trusted: Vec<IpNet>,
    pub(crate) client: Option<Box<[u8]>>,
    pub(crate) proto: Option<Box<[u8]>>,
    pub(crate) host: Option<Box<[u8]>>,
}

/// What a request says of its way here, after the trusted proxies were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way<'r> {
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) scheme: Scheme,
    /// The host that a trusted proxy was asked for.
    pub(crate) host: Option<&'r [u8]>,
}

/// What the trusted proxies forwarded: the values of the headers that the policy names, from a trusted peer only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forwarded<'r> {
    /// In the order of the lines.
    client: ArrayVec<&'r [u8], 8>,
    proto: Option<&'r [u8]>,
    host: Option<&'r [u8]>,
}

impl<'r> Forwarded<'r> {
    /// Takes a header's value, if the policy names it and the peer is trusted. Whether it is named.
    pub(crate) fn add(&mut self, name: &[u8], value: &'r [u8], proxy: &Proxy, trusted: bool) -> bool {
        let is = |configured: &Option<Box<[u8]>>| {
            configured.as_ref().is_some_and(|configured| same_name(name, configured))
        };
        let (client, proto, host) = (is(&proxy.client), is(&proxy.proto), is(&proxy.host));
        if trusted && !name.contains(&b'_') {
            if client {
                if self.client.is_full() {
                    // The rightmost lines are the nearest proxies'; the oldest line is the least believable.
                    self.client.remove(0);
                }
                self.client.push(value);
            }
            if proto {
                self.proto = Some(value);
            }
            if host {
                self.host = Some(value);
            }
        }
        client || proto || host
    }
}

impl Proxy {
    pub(crate) fn compile(config: &ProxyConfig, problems: &mut Problems) -> Self {
        let mut trusted = Vec::new();
        for (index, text) in config.trusted.iter().enumerate() {
            let path = format!("proxy.trusted[{index}]");
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) if network.prefix_len() == 0 => {
                    problems.error(path, Some(text), PolicyErrorKind::EveryoneTrusted);
                }
                Ok(network) => trusted.push(network),
                Err(_) => problems.error(path, Some(text), PolicyErrorKind::InvalidNetwork),
            }
        }
        let mut header = |fact: &str, name: &Option<alloc::string::String>| {
            let name = name.as_deref()?;
            if !is_header_name(name) {
                problems.error(
                    format!("proxy.forwarded.{fact}"),
                    Some(name),
                    PolicyErrorKind::InvalidHeaderName,
                );
                return None;
            }
            Some(name.to_ascii_lowercase().into_bytes().into_boxed_slice())
        };
        let forwarded = &config.forwarded;
        let (client, proto, host) = (
            header("for", &forwarded.client),
            header("proto", &forwarded.proto),
            header("host", &forwarded.host),
        );
        if trusted.is_empty() && (client.is_some() || proto.is_some() || host.is_some()) {
            problems.warn(
                "proxy.forwarded",
                "forwarded headers are named, but `proxy.trusted` is empty: nobody is believed",
            );
        }
        Self { trusted, client, proto, host }
    }

    /// Whether `name` carries a forwarded fact; handlers see ours instead.
    pub(crate) fn names(&self, name: &[u8]) -> bool {
        [&self.client, &self.proto, &self.host]
            .into_iter()
            .any(|header| header.as_ref().is_some_and(|header| same_name(name, header)))
    }

    /// Whether forwarded headers are believed from `peer`.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| {
            let peer = normalised(peer);
            self.trusted.iter().any(|network| network.contains(&peer))
        })
    }

    /// The client's address: the rightmost that is not a trusted proxy's own.
    ///
    /// Everything left of it was written by someone we do not know. A list of proxies only gives its leftmost,
    /// and so does a list in which an entry is no address: the proxy that passed that on is all that is known.
    fn client_ip(&self, forwarded: &Forwarded<'_>, peer: Option<IpAddr>) -> Option<IpAddr> {
        let mut client = peer.map(normalised);
        for line in forwarded.client.iter().rev() {
            let standard = self.client.as_deref() == Some(b"forwarded");
            for entry in line.rsplit(|&byte| byte == b',') {
                let entry = entry.trim_ascii();
                if entry.is_empty() {
                    continue;
                }
                let node = if standard { parameter(entry, b"for") } else { Some(entry) };
                let Some(address) = node.and_then(parse_address) else { return client };
                client = Some(normalised(address));
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }

    /// What is believed of a request that a trusted proxy passed on.
    pub(crate) fn way<'r>(&self, forwarded: &Forwarded<'r>, peer: Option<IpAddr>, scheme: Scheme) -> Way<'r> {
        let last = |header: &Option<Box<[u8]>>, value: Option<&'r [u8]>, name: &[u8]| {
            let entry = list(value?).last()?;
            if header.as_deref() == Some(b"forwarded") { parameter(entry, name) } else { Some(entry) }
        };
        let scheme = match (self.proto.is_some(), last(&self.proto, forwarded.proto, b"proto")) {
            (true, Some(proto)) if proto.eq_ignore_ascii_case(b"https") => Scheme::Https,
            // The proxy terminates TLS and says so on every request; where it does not, the request was plain.
            (true, _) => Scheme::Http,
            (false, _) => scheme,
        };
        let host = last(&self.host, forwarded.host, b"host");
        Way { client_ip: self.client_ip(forwarded, peer), scheme, host }
    }
}

/// The peer of a request that came without a trusted proxy.
pub(crate) fn direct(peer: Option<IpAddr>, scheme: Scheme) -> Way<'static> {
    Way { client_ip: peer.map(normalised), scheme, host: None }
}

/// IPv4-mapped IPv6 addresses as the IPv4 addresses that they are.
fn normalised(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// An address as proxies write it: bare, with a port, in brackets, in quotes.
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(entry).ok()?.trim_matches('"');
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let port_is_number =
            after.is_empty() || after.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        return port_is_number.then(|| address.parse::<Ipv6Addr>().ok()).flatten().map(IpAddr::V6);
    }
    let (address, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    address.parse().ok().filter(IpAddr::is_ipv4)
}

/// A parameter of one element of `Forwarded` (RFC 7239 §4), without quotes.
fn parameter<'r>(element: &'r [u8], name: &[u8]) -> Option<&'r [u8]> {
    element.split(|&byte| byte == b';').find_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (key, value) = pair.split_at(equals);
        if !key.trim_ascii().eq_ignore_ascii_case(name) {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}

/// Whether `name` is a header name (RFC 9110 §5.1).
pub(crate) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a header name is ours to assert: `bartizan-…`, with `_` counted as `-`.
///
/// Such a header is removed wherever a stranger or an upstream could have set it: from requests, responses and
/// trailers. CGI-like interfaces turn `-` into `_`, so both are the same name to an application.
///
/// ```
/// assert!(bartizan_core::is_protected(b"Bartizan_Assertion"));
/// assert!(!bartizan_core::is_protected(b"x-bartizan"));
/// ```
pub fn is_protected(name: &[u8]) -> bool {
    match name.split_at_checked(8) {
        Some((start, [b'-' | b'_', ..])) => start.eq_ignore_ascii_case(b"bartizan"),
        _ => false,
    }
}

/// Whether a header concerns one connection only, and is not passed on (RFC 9110 §7.6.1).
///
/// `TE: trailers` is the exception that a proxy writes itself.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    let is = |expected: &[u8]| name.eq_ignore_ascii_case(expected);
    match name.len() {
        2 => is(b"te"),
        7 => is(b"upgrade"),
        10 => is(b"connection") || is(b"keep-alive"),
        16 => is(b"proxy-connection"),
        17 => is(b"transfer-encoding"),
        18 => is(b"proxy-authenticate"),
        19 => is(b"proxy-authorization"),
        25 => is(b"proxy-authentication-info"),
        _ => false,
    }
}

/// Headers by which a client could pass for another, ask for another method, or for another path, with
/// applications that believe them. Sorted by nothing; the first letter and the length decide first.
const STRIPPED: &[&[u8]] = &[
    b"forwarded",
    b"forwarded-for",
    b"x-forwarded",
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-originating-ip",
    b"x-remote-ip",
    b"x-remote-addr",
    b"x-original-for",
    b"x-original-forwarded-for",
    b"x-original-host",
    b"x-original-proto",
    b"x-original-url",
    b"x-original-uri",
    b"x-rewrite-url",
    b"x-envoy-external-address",
    b"x-host",
    b"x-http-host-override",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"fastly-client-ip",
];

/// Whether an inbound header never reaches a handler as it came, whoever sent it.
///
/// `_` counts as `-`. Ours (`bartizan-…`), everything a proxy asserts of the client, and the overrides of method
/// and path. What else a policy and a request take away, [`RequestEdits`](crate::RequestEdits) says, of headers and of
/// trailers.
pub fn is_stripped(name: &[u8]) -> bool {
    let [first, second, ..] = name else { return false };
    let is_listed = || STRIPPED.iter().any(|stripped| same_name(name, stripped));
    // Two letters tell them from nearly all that browsers send.
    match (first.to_ascii_lowercase(), second.to_ascii_lowercase()) {
        (b'b', b'a') => is_protected(name),
        (b'x', b'-' | b'_') => {
            name.split_at_checked(12).is_some_and(|(start, _)| same_name(start, b"x-forwarded-"))
                || is_listed()
        }
        (b'f', b'o' | b'a') | (b't', b'r') | (b'c', b'f') => is_listed(),
        _ => false,
    }
}

/// Whether two header names are one to an application that writes `_` for `-`.
pub(crate) fn same_name(name: &[u8], other: &[u8]) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == other.len() && name.iter().zip(other).all(|(&a, &b)| fold(a) == fold(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ForwardedConfig;

    /// What a trusted peer forwarded.
    fn forwarded<'r>(proxy: &Proxy, headers: &[(&'r str, &'r str)]) -> Forwarded<'r> {
        let mut forwarded = Forwarded::default();
        for (name, value) in headers {
            forwarded.add(name.as_bytes(), value.as_bytes(), proxy, true);
        }
        forwarded
    }

    fn proxy(client: &str, proto: Option<&str>, host: Option<&str>) -> Proxy {
        let mut problems = Problems::default();
        let proxy = Proxy::compile(
            &ProxyConfig {
                trusted: ["10.0.0.0/8".into(), "::1".into(), "2001:db8::/32".into()].into(),
                forwarded: ForwardedConfig {
                    client: Some(client.into()),
                    proto: proto.map(Into::into),
                    host: host.map(Into::into),
                },
            },
            &mut problems,
        );
        assert_eq!(problems.finish(), Ok([].into()));
        proxy
    }

    #[test]
    fn the_rightmost_untrusted_address_wins() {
        for (header, lines, expected) in [
            ("x-forwarded-for", &["203.0.113.9"][..], Some("203.0.113.9")),
            ("x-forwarded-for", &["198.51.100.1, 203.0.113.9"], Some("203.0.113.9")),
            ("x-forwarded-for", &["203.0.113.9, 10.1.2.3"], Some("203.0.113.9")),
            ("x-forwarded-for", &["198.51.100.1", "203.0.113.9, 10.1.2.3"], Some("203.0.113.9")),
            ("x-forwarded-for", &["203.0.113.9, ::ffff:10.1.2.3"], Some("203.0.113.9")),
            ("x-forwarded-for", &["10.0.0.2, 10.0.0.3"], Some("10.0.0.2")),
            ("x-forwarded-for", &["203.0.113.9:4711"], Some("203.0.113.9")),
            ("x-forwarded-for", &["[2001:db9::7]:4711"], Some("2001:db9::7")),
            ("x-forwarded-for", &["[2001:db9::7]"], Some("2001:db9::7")),
            ("x-forwarded-for", &["2001:db9::7"], Some("2001:db9::7")),
            ("x-forwarded-for", &["[2001:db9::7]4711"], Some("10.0.0.1")),
            ("x-forwarded-for", &["[2001:db9::7]:x"], Some("10.0.0.1")),
            ("x-forwarded-for", &["203.0.113.9:x"], Some("10.0.0.1")),
            ("x-forwarded-for", &[], Some("10.0.0.1")),
            ("x-forwarded-for", &["203.0.113.9, unknown"], Some("10.0.0.1")),
            ("x-forwarded-for", &["203.0.113.9, unknown, 10.1.2.3"], Some("10.1.2.3")),
            ("x-forwarded-for", &["evil', 203.0.113.9"], Some("203.0.113.9")),
            ("x-forwarded-for", &[""], Some("10.0.0.1")),
            ("x-real-ip", &["203.0.113.9"], Some("203.0.113.9")),
            (
                "forwarded",
                &["for=198.51.100.1, for=\"[2001:db9::7]:47\";proto=https;by=10.0.0.1"],
                Some("2001:db9::7"),
            ),
            ("forwarded", &["for=_hidden"], Some("10.0.0.1")),
            ("forwarded", &["proto=https"], Some("10.0.0.1")),
        ] {
            let proxy = proxy(header, None, None);
            let headers: Vec<_> = lines.iter().map(|line| (header, *line)).collect();
            let way = proxy.way(&forwarded(&proxy, &headers), "10.0.0.1".parse().ok(), Scheme::Http);
            assert_eq!(way.client_ip, expected.map(|text| text.parse().unwrap()), "{header}: {lines:?}");
        }
    }

    #[test]
    fn scheme_and_host_come_from_the_named_headers_only() {
        let proxy = proxy("x-forwarded-for", Some("X-Forwarded-Proto"), Some("x-forwarded-host"));
        for (headers, scheme, host) in [
            (
                &[("x-forwarded-proto", "https"), ("x-forwarded-host", "api.example.com")][..],
                Scheme::Https,
                Some("api.example.com"),
            ),
            (&[("x-forwarded-proto", "http, HTTPS")], Scheme::Https, None),
            (&[("x-forwarded-proto", "https, http")], Scheme::Http, None),
            (&[("x-forwarded-scheme", "https"), ("forwarded", "proto=https;host=x")], Scheme::Http, None),
            (&[], Scheme::Http, None),
        ] {
            let way = proxy.way(&forwarded(&proxy, headers), "10.0.0.1".parse().ok(), Scheme::Https);
            assert_eq!((way.scheme, way.host), (scheme, host.map(str::as_bytes)), "{headers:?}");
        }
    }

    #[test]
    fn trust_is_by_address() {
        let proxy = proxy("x-forwarded-for", None, None);
        for (peer, expected) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("127.0.0.1", false),
            ("2001:db8:1::1", true),
        ] {
            assert_eq!(proxy.trusts(peer.parse().ok()), expected, "{peer}");
        }
        assert!(!proxy.trusts(None));
    }

    #[test]
    fn stripped_names() {
        for (name, expected) in [
            ("Bartizan-Assertion", true),
            ("bartizan_csp_nonce", true),
            ("bartizan", false),
            ("X-Forwarded-For", true),
            ("x_forwarded_anything", true),
            ("X-Forwarded", true),
            ("Forwarded", true),
            ("X_Real_IP", true),
            ("X-HTTP-Method-Override", true),
            ("X-Original-URL", true),
            ("CF-Connecting-IP", true),
            ("True-Client-IP", true),
            ("Fastly-Client-IP", true),
            ("x-real-ipx", false),
            ("x-forwardeds", false),
            ("x-request-id", false),
            ("content-type", false),
            ("cookie", false),
            ("te", false),
            ("", false),
        ] {
            assert_eq!(is_stripped(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn hop_by_hop_names() {
        for name in [
            "Connection",
            "keep-alive",
            "TE",
            "Transfer-Encoding",
            "Upgrade",
            "Proxy-Connection",
            "Proxy-Authorization",
            "Proxy-Authenticate",
            "Proxy-Authentication-Info",
        ] {
            assert!(is_hop_by_hop(name.as_bytes()), "{name}");
        }
        assert!(!is_hop_by_hop(b"trailer") && !is_hop_by_hop(b"host"));
    }

    #[test]
    fn everyone_cannot_be_trusted() {
        let mut problems = Problems::default();
        let trusted = ["0.0.0.0/0".into(), "::/0".into(), "10.0.0.0/33".into(), "proxy".into()].into();
        Proxy::compile(&ProxyConfig { trusted, forwarded: ForwardedConfig::default() }, &mut problems);
        let kinds: Vec<_> =
            problems.finish().unwrap_err().into_iter().map(|error| error.kind.code()).collect();
        assert_eq!(kinds, ["policy.network"; 4]);
    }

    #[test]
    fn forwarded_headers_that_nobody_is_believed_in_are_warned_of() {
        let named = |client: Option<&str>, proto: Option<&str>, host: Option<&str>| ForwardedConfig {
            client: client.map(Into::into),
            proto: proto.map(Into::into),
            host: host.map(Into::into),
        };
        for (trusted, forwarded, warned) in [
            ("", named(None, None, None), false),
            ("", named(Some("x-forwarded-for"), None, None), true),
            ("", named(None, Some("x-forwarded-proto"), None), true),
            ("", named(None, None, Some("x-forwarded-host")), true),
            ("10.0.0.1", named(Some("x-forwarded-for"), None, None), false),
        ] {
            let trusted = trusted.split_ascii_whitespace().map(Into::into).collect();
            let config = ProxyConfig { trusted, forwarded };
            let mut problems = Problems::default();
            Proxy::compile(&config, &mut problems);
            assert_eq!(problems.finish().unwrap().len(), usize::from(warned), "{config:?}");
        }
    }

    #[test]
    fn named_headers() {
        let proxy = proxy("x-client", Some("x-proto"), None);
        for (name, expected) in
            [("X_Client", true), ("x-proto", true), ("x-forwarded-host", false), ("x-clients", false)]
        {
            assert_eq!(proxy.names(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn header_names() {
        for (name, expected) in [
            ("x-forwarded-for", true),
            ("!#$%&'*+-.^_`|~09AZaz", true),
            ("", false),
            ("a b", false),
            ("a:", false),
            ("ä", false),
        ] {
            assert_eq!(is_header_name(name), expected, "{name}");
        }
        assert!(is_header_name(&"a".repeat(128)) && !is_header_name(&"a".repeat(129)));
    }
}
