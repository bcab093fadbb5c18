//! What is read of a head, and heads for the tables of other tests.

use super::*;
use crate::Scheme;
use alloc::vec;

pub(crate) const NO_NAMES: Names<'static> = Names {
    session_cookie: None,
    tokens: None,
    ambient_cookies: &[],
    proxy: None,
    trusted: false,
    api_keys: false,
    max_cookie_bytes: 0,
};

pub(crate) const TOKENS: TokenCookies =
    TokenCookies { pre_session: b"__Host-presession", token: b"__Host-csrf-token" };

/// The facts of a request to `/`, for tables of tests.
pub(crate) fn facts<'r>(method: &'r str, headers: &'r [(&'r str, &'r str)]) -> Facts<'r> {
    facts_with(method, "/", headers, NO_NAMES)
}

pub(crate) fn facts_with<'r>(
    method: &'r str,
    path: &'r str,
    headers: &'r [(&'r str, &'r str)],
    names: Names<'_>,
) -> Facts<'r> {
    let head = RequestHead {
        method: method.as_bytes(),
        path: path.as_bytes(),
        query: None,
        authority: None,
        scheme: Scheme::Http,
        peer: None,
        http2: false,
        headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    };
    let mut facts = Facts::of_target(&head);
    facts.scan(head.headers, &names, &mut Forwarded::default());
    facts
}

#[test]
fn cookies_are_counted_over_all_lines() {
    let ambient = [b"legacy".as_slice().into()];
    let names = Names { session_cookie: Some(b"__Host-session"), ambient_cookies: &ambient, ..NO_NAMES };
    let lines = [("cookie", "a=1; __Host-session=one"), ("Cookie", "legacy=x;__Host-session=two")];
    let found = facts_with("GET", "/", &lines, names);
    assert_eq!(found.session_copies, 2);
    assert!(found.has_ambient_cookie && found.has_stripped);
    assert_eq!(found.cookie_bytes, 23 + 27);
    assert_eq!(found.longest_cookie, 17);
    let bare = facts_with("GET", "/", &[("cookie", "a=1; __Host-session; __Host-session=")], names);
    assert_eq!((bare.session_copies, bare.session, bare.has_stripped), (2, None, true));
    let other = facts_with("GET", "/", &[("cookie", "legacy2=x; __host-session=no")], names);
    assert!(!other.has_ambient_cookie && other.session.is_none());
}

#[test]
fn the_cookies_of_tokens_are_ours_where_tokens_can_be_made() {
    let lines = [("cookie", "__Host-presession=one; __Host-csrf-token=a"), ("cookie", "__Host-csrf-token")];
    let found = facts_with("GET", "/", &lines, Names { tokens: Some(TOKENS), ..NO_NAMES });
    assert_eq!((found.pre_session, found.session), (Some(&b"one"[..]), None));
    assert!(found.has_stripped && found.has_own_cookie() && found.repeats_own_cookie());
    let once = facts_with("GET", "/", &lines[..1], Names { tokens: Some(TOKENS), ..NO_NAMES });
    assert!(once.has_own_cookie() && !once.repeats_own_cookie());
    let without = facts("GET", &lines);
    assert!(!without.has_own_cookie() && !without.has_stripped);
}

#[test]
fn a_token_of_ours_is_known_by_its_form_and_read_by_one_name() {
    const TOKEN: &str = "655.BwcHBwcHBwcHBwcHBwcHBw.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (name, value, read, ours) in [
        ("X-CSRF-Token", TOKEN, true, true),
        ("x_csrf_token", TOKEN, false, true),
        ("X-Csrf_Token", TOKEN, false, true),
        ("x-csrf-token", "IjEyMyI.ZXhhbXBsZQ.django", true, false),
        ("x-csrftoken", TOKEN, false, false),
    ] {
        let headers = [(name, value)];
        let found = facts_with("POST", "/", &headers, Names { tokens: Some(TOKENS), ..NO_NAMES });
        assert_eq!(found.csrf_token.value().is_some(), read, "{name}");
        assert_eq!((found.has_csrf_token, found.has_stripped), (ours, ours), "{name}: {value}");
        assert!(!facts("POST", &headers).has_stripped, "{name}");
    }
}

#[test]
fn names_are_read_in_any_case() {
    for (name, is_read) in [
        ("sec-fetch-site", true),
        ("Sec-Fetch-Site", true),
        ("sec-fetch-sitE", true),
        ("SEC-FETCH-SITE", true),
        ("sec_fetch_site", false),
        ("sec-fetch-sites", false),
        ("sec-fetch-sitd", false),
    ] {
        let headers = [(name, "none")];
        let found = facts("GET", &headers);
        assert_eq!(found.fetch_site.value().is_some(), is_read, "{name}");
    }
    let long = "X".repeat(LONGEST_NAME + 1);
    assert_eq!(facts("GET", &[(&long, "x")]).header_count, 1);
    assert!(facts("GET", &[("ACCESS-CONTROL-REQUEST-HEADERS", "x")]).preflight_headers.len() == 1);
}

#[test]
fn every_name_is_as_long_as_its_arm_says() {
    for name in [
        "host",
        "accept",
        "cookie",
        "origin",
        "upgrade",
        "referer",
        "x-api-key",
        "connection",
        "user-agent",
        "content-type",
        "x-csrf-token",
        "authorization",
        "sec-fetch-site",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "content-length",
        "accept-encoding",
        "accept-language",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "access-control-request-method",
        "access-control-request-headers",
    ] {
        let names = Names { api_keys: true, tokens: Some(TOKENS), ..NO_NAMES };
        assert!(facts("GET", &[]).read(name.as_bytes(), b"x", &names), "{name}");
    }
}

#[test]
fn a_plain_name_has_no_capital_and_no_underscore_anywhere() {
    for length in 0..=40 {
        let plain = vec![b'a'; length];
        assert!(is_plain(&plain));
        for at in 0..length {
            for (byte, expected) in
                [(b'A', false), (b'Z', false), (b'_', false), (b'-', true), (b'z', true), (b'0', true)]
            {
                let mut name = plain.clone();
                name[at] = byte;
                assert_eq!(is_plain(&name), expected, "{byte} at {at} of {length}");
            }
        }
    }
}

#[test]
fn a_page_is_asked_for_by_accept_or_destination() {
    for (headers, expected) in [
        (&[("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")][..], true),
        (&[("accept", "application/json"), ("accept", "TEXT/HTML ; q=1")], true),
        (&[("accept", "*/*")], false),
        (&[("accept", "text/html-sandboxed")], false),
        (&[("sec-fetch-dest", "iframe")], true),
        (&[("sec-fetch-dest", "empty")], false),
        (&[], false),
    ] {
        assert_eq!(facts("GET", headers).asks_for_page(), expected, "{headers:?}");
    }
}
