//! Tables of cookies, and properties that another parser (the `cookie` crate) confirms.

use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

fn rules() -> CookieRules {
    CookieRules { owned: ["__Host-session".into(), "session".into()].into(), ..CookieRules::default() }
}

fn over_http() -> CookieRules {
    CookieRules { secure: false, ..rules() }
}

#[test]
fn our_own_are_known_as_a_client_would_send_them_back() {
    for (cookie, expected) in [
        ("__Host-session=x; Path=/; Secure", true),
        ("\t__Host-session \t= x", true),
        ("__Host-session=; Max-Age=0", true),
        ("__Host-session=", true),
        ("__Host-session", true),
        ("=__Host-session", true),
        ("=__Host-session=x", true),
        ("= session = x", true),
        ("__host-session=x", false),
        ("__Host-sessions=x", false),
        ("a=__Host-session", false),
        ("a=1; __Host-session=x", false),
        ("", false),
    ] {
        assert_eq!(rules().own(cookie.as_bytes()), expected, "{cookie:?}");
    }
    // Longer than a browser takes, but another client may.
    assert!(rules().own(format!("session={}", "x".repeat(5000)).as_bytes()));
    assert!(!CookieRules::default().own(b"__Host-session=x"));
}

#[track_caller]
fn check(rules: &CookieRules, cookie: &str, expected: &str) {
    let found = match harden(cookie.as_bytes(), rules) {
        Hardened::Keep => "keep".to_string(),
        Hardened::Drop(reason) => format!("{reason:?}"),
        Hardened::Replace(value) => String::from_utf8(value).unwrap(),
    };
    assert_eq!(found, expected, "{cookie:?}");
}

#[test]
fn attributes_are_added_where_they_lack() {
    for (cookie, expected) in [
        ("a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=", "a=; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; Path=/x", "a=1; Path=/x; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; Secure", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=1;httponly", "a=1;httponly; Secure; SameSite=Lax"),
        ("a=1; SECURE; hTTpONLY; samesite=LAX", "keep"),
        ("a=1; Secure=false; HttpOnly=0; SameSite=Strict", "keep"),
        ("a=1;Secure;HttpOnly;SameSite = Strict ", "keep"),
        ("a=1;", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; ", "a=1;  Secure; HttpOnly; SameSite=Lax"),
        ("a=1;;Path=/", "a=1;;Path=/; Secure; HttpOnly; SameSite=Lax"),
        // Nothing else is touched: quotes, white space, cases, unknown attributes, bytes of any kind.
        (
            " a = \"x y\" ;PATH=/ ; Partitioned;Foo=Bar; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            " a = \"x y\" ;PATH=/ ; Partitioned;Foo=Bar; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure; HttpOnly; SameSite=Lax",
        ),
        ("a=ü\t", "a=ü\t; Secure; HttpOnly; SameSite=Lax"),
        // An attribute's name inside the value or another attribute is no attribute.
        ("Secure=1", "Secure=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=HttpOnly", "a=HttpOnly; Secure; HttpOnly; SameSite=Lax"),
        (
            "a=1; xSecure; Secure2; Foo=Secure",
            "a=1; xSecure; Secure2; Foo=Secure; Secure; HttpOnly; SameSite=Lax",
        ),
        // A cookie without a name.
        ("x", "x; Secure; HttpOnly; SameSite=Lax"),
        ("=x", "=x; Secure; HttpOnly; SameSite=Lax"),
        // Attributes as long as those that matter.
        ("a=1; Priority=High; Secure; HttpOnly; SameSite=Strict", "keep"),
        ("a=1; SameSite=Strict; Priority=High; Secure; HttpOnly", "keep"),
        ("__Host-a=1; Path=/; Prio=/x; Foobar=x; Secure; HttpOnly; SameSite=Lax", "keep"),
        // Deleting a cookie works as before.
        ("a=; Max-Age=0; Path=/", "a=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"),
    ] {
        check(&rules(), cookie, expected);
    }
}

#[test]
fn readable_cookies_stay_readable() {
    for (cookie, expected) in [
        ("csrftoken=1", "csrftoken=1; Secure; SameSite=Lax"),
        ("XSRF-TOKEN=1; Path=/", "XSRF-TOKEN=1; Path=/; Secure; SameSite=Lax"),
        ("csrf_token=1; Secure; SameSite=Strict", "keep"),
        ("csrf-token=1; Secure; SameSite=Strict", "keep"),
        ("_csrf_token=1; Secure; SameSite=Strict", "keep"),
        // An explicit HttpOnly stands; names are compared with case.
        ("csrftoken=1; HttpOnly", "csrftoken=1; HttpOnly; Secure; SameSite=Lax"),
        ("xsrf-token=1; Secure; SameSite=Lax", "xsrf-token=1; Secure; SameSite=Lax; HttpOnly"),
        ("csrftoken =1; Secure; SameSite=Lax", "keep"),
    ] {
        check(&rules(), cookie, expected);
    }
    let own = CookieRules { readable: ["theme".into()].into(), ..rules() };
    check(&own, "theme=dark; Secure; SameSite=Lax", "keep");
    check(&own, "csrftoken=1; Secure; SameSite=Lax", "csrftoken=1; Secure; SameSite=Lax; HttpOnly");
}

#[test]
fn same_site() {
    const REST: &str = "Secure; HttpOnly";
    for (written, expected) in [
        ("SameSite=None", "keep"),
        ("samesite=NONE", "keep"),
        ("SameSite=Strict; SameSite=None", "keep"),
        ("SameSite=foo; SameSite=Strict", "keep"),
        ("SameSite", "SameSite=Lax"),
        ("SameSite=", "SameSite=Lax"),
        ("SameSite=foo", "SameSite=Lax"),
        ("SameSite=\"Strict\"", "SameSite=Lax"),
        ("SameSite=Lax; SameSite=foo", "SameSite=Lax"),
        ("SameSite=None; SameSite=foo", "SameSite=Lax"),
    ] {
        let expected = if expected == "keep" { expected.into() } else { format!("a=1; {REST}; {expected}") };
        check(&rules(), &format!("a=1; {written}; {REST}").replace("; ;", ";"), &expected);
    }
}

#[test]
fn over_http_nothing_gets_secure_and_none_cannot_leave() {
    for (cookie, expected) in [
        ("a=1", "a=1; HttpOnly; SameSite=Lax"),
        ("a=1; SameSite=None; HttpOnly", "a=1; HttpOnly; SameSite=Lax"),
        ("a=1; SameSite=None; Secure; HttpOnly", "keep"),
        ("a=1; HttpOnly; SameSite=Strict", "keep"),
        ("__Secure-a=1; HttpOnly; SameSite=None", "__Secure-a=1; HttpOnly; SameSite=None; Secure"),
        ("__Host-a=1; HttpOnly; SameSite=Lax", "__Host-a=1; HttpOnly; SameSite=Lax; Path=/; Secure"),
    ] {
        check(&over_http(), cookie, expected);
    }
}

#[test]
fn prefixed_names_keep_their_rules() {
    for (cookie, expected) in [
        ("__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax", "keep"),
        (
            "__Host-a=1; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax",
            "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__Host-a=1; Domain; Path=/; Domain=; Secure; HttpOnly; SameSite=Lax",
            "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__Host-a=1; Path=/x; Secure; HttpOnly; SameSite=Lax",
            "__Host-a=1; Secure; HttpOnly; SameSite=Lax; Path=/",
        ),
        (
            "__Host-a=1; Path=/; Path=/x; Secure; HttpOnly; SameSite=Lax",
            "__Host-a=1; Secure; HttpOnly; SameSite=Lax; Path=/",
        ),
        ("__Host-a=1; Path=/x; Path=/; Secure; HttpOnly; SameSite=Lax", "keep"),
        (
            "__Host-a=1; path; Secure; HttpOnly; SameSite=Lax",
            "__Host-a=1; Secure; HttpOnly; SameSite=Lax; Path=/",
        ),
        ("__hOSt-a=1; DOMAIN=x", "__hOSt-a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ("__Host-Http-a=1; domain=x", "__Host-Http-a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            "__secure-a=1; Domain=x; Path=/x",
            "__secure-a=1; Domain=x; Path=/x; Secure; HttpOnly; SameSite=Lax",
        ),
        ("__Http-a=1; Domain=x", "__Http-a=1; Domain=x; Secure; HttpOnly; SameSite=Lax"),
        // Only the beginning of a name is a prefix.
        ("a__Host-=1; Domain=x", "a__Host-=1; Domain=x; Secure; HttpOnly; SameSite=Lax"),
        ("__Host=1; Domain=x", "__Host=1; Domain=x; Secure; HttpOnly; SameSite=Lax"),
    ] {
        check(&rules(), cookie, expected);
    }
    let readable = CookieRules {
        readable: ["__Http-a".into(), "__Host-Http-a".into(), "__Host-a".into()].into(),
        ..over_http()
    };
    check(&readable, "__Http-a=1; SameSite=Lax", "__Http-a=1; SameSite=Lax; Secure; HttpOnly");
    check(
        &readable,
        "__Host-Http-a=1; SameSite=Lax; Path=/; Secure",
        "__Host-Http-a=1; SameSite=Lax; Path=/; Secure; HttpOnly",
    );
    check(&readable, "__Host-a=1; SameSite=Lax; Path=/; Secure", "keep");
}

#[test]
fn cookies_that_do_not_pass() {
    let long = "x".repeat(MAX_BYTES);
    for (cookie, expected) in [
        ("", "Empty"),
        (" \t", "Empty"),
        ("=", "Empty"),
        ("; Secure", "Empty"),
        ("session=1", "Owned"),
        (" session\t=1", "Owned"),
        ("__Host-session=1; Path=/; Secure", "Owned"),
        // Sent back these would look like ours.
        ("=session=1", "Owned"),
        ("= session =1", "Owned"),
        ("session", "Owned"),
        ("=__Host-session=1", "Owned"),
        ("=__Host-a=1", "HiddenPrefix"),
        ("=__secURE-a=1", "HiddenPrefix"),
        ("__Host-a", "HiddenPrefix"),
        ("__http-a", "HiddenPrefix"),
        ("a=\0", "ControlCharacter"),
        ("a=1\r\nSet-Cookie: b=2", "ControlCharacter"),
        ("a=1; Path=/\u{7f}", "ControlCharacter"),
        (&long, "keep-ish"),
        (&format!("a={long}"), "TooLong"),
        (&format!("{long}a="), "TooLong"),
        (&format!("{long}a"), "TooLong"),
        // Names of our own are compared with case: a browser would keep these two apart.
        ("Session=1; Secure; HttpOnly; SameSite=Lax", "keep"),
        ("__HOST-session=1; Path=/; Secure; HttpOnly; SameSite=Lax", "keep"),
    ] {
        if expected == "keep-ish" {
            assert!(matches!(harden(cookie.as_bytes(), &rules()), Hardened::Replace(_)));
        } else {
            check(&rules(), cookie, expected);
        }
    }
}

#[test]
fn attributes_do_not_count_towards_the_length() {
    let value = "x".repeat(MAX_BYTES - 1);
    check(&rules(), &format!("a={value}; Secure; HttpOnly; SameSite=Lax; Path=/long"), "keep");
}

#[test]
fn an_attribute_that_browsers_ignore_for_its_length_is_absent() {
    let long = "x".repeat(MAX_ATTRIBUTE_BYTES + 1);
    for attribute in ["Secure", "HttpOnly", "SameSite"] {
        let cookie = format!("a=1; {attribute}={long}");
        check(&rules(), &cookie, &format!("{cookie}; Secure; HttpOnly; SameSite=Lax"));
    }
    let fits = "x".repeat(MAX_ATTRIBUTE_BYTES);
    check(&rules(), &format!("a=1; Secure={fits}; HttpOnly; SameSite=Lax"), "keep");
}

#[test]
fn pairs_of_a_cookie_header() {
    let read = |value: &'static str| -> Vec<(&str, &str)> {
        pairs(value.as_bytes())
            .map(|(name, value)| (core::str::from_utf8(name).unwrap(), core::str::from_utf8(value).unwrap()))
            .collect()
    };
    assert_eq!(read(""), []);
    assert_eq!(read(" ; ;"), []);
    assert_eq!(read("a=1"), [("a", "1")]);
    assert_eq!(read("a=1;b=2; c=\"x\" ;\t d = 4 "), [("a", "1"), ("b", "2"), ("c", "\"x\""), ("d", "4")]);
    assert_eq!(read("a==; =b; c; d="), [("a", "="), ("", "b"), ("", "c"), ("d", "")]);
    assert_eq!(read("a=1; a=2"), [("a", "1"), ("a", "2")]);
}

#[test]
fn cookies_are_taken_out_by_name() {
    let drop = |name: &[u8]| name == b"x" || name == b"y";
    for (value, expected) in [
        ("a=1; b=2", "keep"),
        ("", "keep"),
        ("a=1;;b=2", "keep"),
        ("x=1", "drop"),
        (" x = 1 ;y=2;", "drop"),
        ("x=1; a=1", "a=1"),
        ("a=1; x=1", "a=1"),
        ("a=1;x=1;b=\"2 \";y=; c", "a=1; b=\"2 \"; c"),
        ("X=1; xx=2; =x=1", "keep"),
        ("a=x=1; x=2", "a=x=1"),
    ] {
        let found = match without(value.as_bytes(), drop) {
            CookieEdit::Keep => "keep".to_string(),
            CookieEdit::Drop => "drop".to_string(),
            CookieEdit::Replace(value) => String::from_utf8(value).unwrap(),
        };
        assert_eq!(found, expected, "{value:?}");
    }
}

fn any_cookie() -> impl Strategy<Value = Vec<u8>> {
    let attribute = prop_oneof![
        "(Secure|HttpOnly|SameSite|Path|Domain|Max-Age|secure|SAMESITE|Partitioned)",
        "(SameSite|samesite)=(None|Lax|Strict|foo|)",
        "(Path|path)=(/|/x|)",
        "(Domain|domain)=[a-z.]{0,6}",
        "[ -:<-~]{0,8}",
    ];
    let cookie = (
        "(__Host-|__host-|__Secure-|__Http-)?[a-z]{0,4}(=[ -:<-~]{0,6})?",
        prop::collection::vec(attribute, 0..6),
    )
        .prop_map(|(pair, attributes)| {
            let mut cookie = pair;
            for attribute in attributes {
                cookie.push_str("; ");
                cookie.push_str(&attribute);
            }
            cookie.into_bytes()
        });
    prop_oneof![4 => cookie, 1 => prop::collection::vec(any::<u8>(), 0..60), 1 => "\\PC{0,30}".prop_map(String::into_bytes)]
}

fn hardened(value: &[u8], rules: &CookieRules) -> Option<Vec<u8>> {
    match harden(value, rules) {
        Hardened::Keep => Some(value.to_vec()),
        Hardened::Replace(value) => Some(value),
        Hardened::Drop(_) => None,
    }
}

proptest! {
    #[test]
    fn hardening_twice_changes_nothing_more(value in any_cookie(), secure: bool) {
        let rules = CookieRules { secure, ..rules() };
        if let Some(once) = hardened(&value, &rules) {
            prop_assert_eq!(harden(&once, &rules), Hardened::Keep);
        }
    }

    #[test]
    fn another_parser_finds_the_attributes(value in any_cookie()) {
        let rules = rules();
        if let Some(value) = hardened(&value, &rules)
            && let Ok(text) = core::str::from_utf8(&value)
            && let Ok(cookie) = ::cookie::Cookie::parse(text)
        {
            prop_assert_eq!(cookie.secure(), Some(true));
            prop_assert!(cookie.http_only() == Some(true) || READABLE.contains(&cookie.name()));
            prop_assert!(cookie.same_site().is_some());
            prop_assert!(!rules.owned.iter().any(|name| &**name == cookie.name()));
            if cookie.name().to_ascii_lowercase().starts_with("__host-") {
                prop_assert_eq!(cookie.domain(), None);
                prop_assert_eq!(cookie.path(), Some("/"));
            }
        }
    }

    #[test]
    fn none_never_leaves_without_secure(value in any_cookie()) {
        if let Some(value) = hardened(&value, &over_http())
            && let Ok(text) = core::str::from_utf8(&value)
            && let Ok(cookie) = ::cookie::Cookie::parse(text)
            && cookie.same_site() == Some(::cookie::SameSite::None)
        {
            prop_assert_eq!(cookie.secure(), Some(true));
        }
    }

    #[test]
    fn name_and_value_stay_byte_for_byte(value in any_cookie()) {
        if let Some(hardened) = hardened(&value, &rules()) {
            let pair = |value: &[u8]| value.split(|byte| *byte == b';').next().unwrap().to_vec();
            prop_assert_eq!(pair(&hardened), pair(&value));
        }
    }

    #[test]
    fn what_was_taken_out_is_gone_and_the_rest_is_as_it_was(value in "([ax]{0,2}=?[a-z =\"]{0,4};? ?){0,6}") {
        let drop = |name: &[u8]| name == b"x";
        let left: Vec<_> = pairs(value.as_bytes())
            .filter(|(name, value)| !(drop(name) || (name.is_empty() && drop(value))))
            .collect();
        let edited = match without(value.as_bytes(), drop) {
            CookieEdit::Keep => value.clone().into_bytes(),
            CookieEdit::Drop => Vec::new(),
            CookieEdit::Replace(value) => value,
        };
        prop_assert_eq!(pairs(&edited).collect::<Vec<_>>(), left);
    }
}
