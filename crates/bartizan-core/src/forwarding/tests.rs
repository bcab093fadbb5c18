//! Who is believed, about what, and which names nobody brings in.

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
    let kinds: Vec<_> = problems.finish().unwrap_err().into_iter().map(|error| error.kind.code()).collect();
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
