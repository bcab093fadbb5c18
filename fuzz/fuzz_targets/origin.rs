//! Origins: what a request says it comes from, and what a policy says it trusts.

#![no_main]

use std::sync::LazyLock;

use bartizan_core::{Answer, Decision, Deployment, Engine, policy::Policy};
use bartizan_fuzz::{check_reply, decide, engine, head, is_header_value, respond, values};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    engine(
        r#"
        version = 1
        [origin]
        public = ["https://a.example.com"]
        trusted = ["https://b.example.com:8443", "https://*.c.example.org", "capacitor://localhost"]
        "#,
    )
});

fuzz_target!(|origin: &[u8]| {
    if is_header_value(origin) {
        sent(origin);
    }
    if let Ok(origin) = std::str::from_utf8(origin) {
        written(origin);
    }
});

/// An `Origin` header that is not in the set changes nothing and reads nothing.
fn sent(origin: &[u8]) {
    let headers = [(&b"host"[..], &b"a.example.com"[..]), (b"origin", origin)];
    let post = head(b"POST", b"/", headers.iter().copied());
    let allowed = match decide(&ENGINE, &post, &Answer::Unknown) {
        Decision::Allow(_) => true,
        Decision::Deny(denial) => {
            check_reply(denial.reply());
            false
        }
        Decision::Respond(reply) => panic!("a POST is no preflight: {reply:?}"),
    };
    assert_eq!(allowed, is_trusted(origin), "POST from {}", origin.escape_ascii());

    let get = head(b"GET", b"/", headers.iter().copied());
    let Decision::Allow(grant) = decide(&ENGINE, &get, &Answer::Unknown) else {
        panic!("reading is allowed to everyone: {}", origin.escape_ascii());
    };
    let response = respond(&grant, 200, &[(b"content-type", b"application/json")]);
    let told: Vec<_> = values(&response, "access-control-allow-origin").collect();
    let expected = if allowed { vec![origin] } else { vec![] };
    assert_eq!(told, expected, "GET from {}", origin.escape_ascii());
}

/// The set, said in another way.
fn is_trusted(origin: &[u8]) -> bool {
    matches!(origin, b"https://a.example.com" | b"https://b.example.com:8443" | b"capacitor://localhost")
        || origin.strip_prefix(b"https://").and_then(|rest| rest.strip_suffix(b".c.example.org")).is_some_and(
            |labels| {
                // No host is longer (RFC 1035 §2.3.4).
                let is_short = labels.len() + b".c.example.org".len() <= 253;
                is_short
                    && labels.split(|byte| *byte == b'.').all(|label| {
                        !label.is_empty()
                            && label.iter().all(|byte| {
                                byte.is_ascii_lowercase()
                                    || byte.is_ascii_digit()
                                    || matches!(byte, b'-' | b'_')
                            })
                    })
            },
        )
}

/// An entry of a policy that is accepted and has no wildcard matches itself, and not its http sibling.
fn written(entry: &str) {
    let mut policy = Policy::default();
    policy.origin.public = vec!["https://a.example.com".into()];
    policy.origin.trusted = vec![entry.into()];
    let Ok(engine) = Engine::build(&policy, &Deployment::default()) else { return };
    assert!(entry != "*" && entry != "null", "{entry}");
    for origin in ["https://evil.example", "null", "https://a.example.com.evil.example", ""] {
        if origin == entry {
            continue;
        }
        let headers = [(&b"host"[..], &b"a.example.com"[..]), (b"origin", origin.as_bytes())];
        let post = head(b"POST", b"/", headers.iter().copied());
        let allowed = matches!(decide(&engine, &post, &Answer::Unknown), Decision::Allow(_));
        let meant = entry.to_ascii_lowercase().contains("evil.example") || entry.contains('*');
        assert!(!allowed || meant, "{entry} lets {origin} in");
    }
}
