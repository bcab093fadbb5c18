//! Cookies: hardened on their way out, ours cut out on their way in.

#![no_main]

use std::sync::LazyLock;

use bartizan_core::{Answer, CookieEdit, Decision, Engine};
use bartizan_fuzz::{decide, engine, head, is_header_value, respond, values};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    engine(
        r#"
        version = 1
        [origin]
        public = ["https://a.example.com"]
        [session]
        [default]
        require = "nothing"
        [request]
        mode = "off"
        [cookies]
        readable = ["readable"]
        "#,
    )
});

fuzz_target!(|value: &[u8]| {
    if !is_header_value(value) {
        return;
    }
    outbound(value);
    inbound(value);
});

fn outbound(value: &[u8]) {
    let headers = [(&b"host"[..], &b"a.example.com"[..])];
    let Decision::Allow(grant) = decide(&ENGINE, &head(b"GET", b"/", headers.into_iter()), &Answer::Unknown)
    else {
        panic!("a plain GET is allowed");
    };
    let harden = |value: &[u8]| -> Option<Vec<u8>> {
        let response = respond(&grant, 200, &[(b"content-type", b"text/css"), (b"set-cookie", value)]);
        let cookies: Vec<_> = values(&response, "set-cookie").map(<[u8]>::to_vec).collect();
        assert!(cookies.len() <= 1, "one cookie became {cookies:?}");
        cookies.into_iter().next()
    };
    let Some(hardened) = harden(value) else { return };
    let shown = hardened.escape_ascii();
    assert_eq!(harden(&hardened).as_ref(), Some(&hardened), "hardening twice changes {shown}");

    let mut parts = hardened.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let pair = parts.next().unwrap_or_default();
    let first = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    assert_eq!(pair, first, "the pair changed: {shown}");
    // Names are case-sensitive (RFC 6265bis §5.7), ours too.
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    assert!(name != b"__Host-session", "the upstream sets our session: {shown}");
    let attributes: Vec<Vec<u8>> = parts.map(<[u8]>::to_ascii_lowercase).collect();
    let has = |name: &[u8]| {
        attributes.iter().any(|attribute| {
            attribute.split(|byte| *byte == b'=').next().is_some_and(|first| first.trim_ascii() == name)
        })
    };
    assert!(has(b"secure"), "{shown}");
    assert!(has(b"samesite"), "{shown}");
    assert!(has(b"httponly") || name == b"readable", "{shown}");
    if name.to_ascii_lowercase().starts_with(b"__host-") {
        assert!(!has(b"domain"), "{shown}");
    }
}

fn inbound(value: &[u8]) {
    let headers = [(&b"host"[..], &b"a.example.com"[..]), (b"cookie", value)];
    let grant = match decide(&ENGINE, &head(b"GET", b"/", headers.into_iter()), &Answer::Unknown) {
        Decision::Allow(grant) => grant,
        Decision::Deny(_) => return,
        Decision::Respond(reply) => panic!("nothing answers by itself here: {reply:?}"),
    };
    let edits = grant.request_edits();
    let left = match edits.cookie(value) {
        CookieEdit::Keep => value.to_vec(),
        CookieEdit::Drop => vec![],
        CookieEdit::Replace(left) => left,
    };
    assert!(is_header_value(&left));
    let (before, after) = (pairs(value), pairs(&left));
    assert!(!after.iter().any(|pair| is_ours(pair)), "from {}", value.escape_ascii());
    // What has no name may go or stay where its value spells ours.
    let theirs = |pairs: &[&[u8]]| -> Vec<Vec<u8>> {
        let kept = pairs.iter().filter(|pair| !is_ours(pair) && !is_nameless(pair));
        kept.map(|pair| pair.to_vec()).collect()
    };
    assert_eq!(theirs(&after), theirs(&before), "from {}", value.escape_ascii());
}

/// The pairs of a `Cookie` header, as lenient servers split them.
fn pairs(value: &[u8]) -> Vec<&[u8]> {
    value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).collect()
}

/// Whether a pair has our session's name, with or without a value.
fn is_ours(pair: &[u8]) -> bool {
    pair.split(|byte| *byte == b'=').next().is_some_and(|name| name.trim_ascii() == b"__Host-session")
}

/// Whether a pair has no name, and our session's for its value.
fn is_nameless(pair: &[u8]) -> bool {
    pair.strip_prefix(b"=").is_some_and(|value| value.trim_ascii() == b"__Host-session")
}
