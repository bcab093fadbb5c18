//! Content Security Policy: what a policy may say, and what is added to what a handler said.

#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use bartizan_core::{Answer, Decision, Deployment, Engine, policy::Policy};
use bartizan_fuzz::{decide, engine, head, is_header_value, respond, values};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    engine(
        "version = 1\n[origin]\npublic = [\"https://a.example.com\"]\ntrusted = [\"https://app.example.com\"]\n",
    )
});

const HOST: [(&[u8], &[u8]); 2] = [(b"host", b"a.example.com"), (b"accept", b"text/html")];

fuzz_target!(|data: &[u8]| {
    if is_header_value(data) {
        handlers(data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        written(text);
    }
});

/// The handler's policy stands, and whatever it is, nobody frames, rebases or embeds.
fn handlers(value: &[u8]) {
    let Decision::Allow(grant) = decide(&ENGINE, &head(b"GET", b"/", HOST.into_iter()), &Answer::Unknown)
    else {
        panic!("a plain GET is allowed");
    };
    let sent = [(&b"content-type"[..], &b"text/html"[..]), (b"content-security-policy", value)];
    let response = respond(&grant, 200, &sent);
    let policies: Vec<_> = values(&response, "content-security-policy").collect();
    if !directives(value).is_empty() {
        assert!(policies.contains(&value), "the handler's policy is gone: {}", value.escape_ascii());
    }
    let named: BTreeSet<_> = policies.iter().flat_map(|policy| directives(policy)).collect();
    for needed in ["base-uri", "object-src", "frame-ancestors"] {
        assert!(named.contains(needed), "{needed} is lacking beside {}", value.escape_ascii());
    }
}

/// The names of the directives of all policies in a header's value (CSP3 §2.2.1).
fn directives(value: &[u8]) -> BTreeSet<String> {
    value
        .split(|byte| matches!(byte, b',' | b';'))
        .filter_map(|directive| directive.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()))
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect()
}

/// One directive per line, sources after a blank: whatever is accepted cannot add a directive of its own.
fn written(text: &str) {
    let mut policy = Policy::default();
    policy.origin.public = vec!["https://a.example.com".into()];
    for line in text.lines().take(32) {
        let mut words = line.split(' ').map(str::to_owned);
        let name = words.next().unwrap_or_default();
        policy.csp.directives.insert(name, words.collect());
    }
    let Ok(engine) = Engine::build(&policy, &Deployment::default()) else { return };
    let Decision::Allow(grant) = decide(&engine, &head(b"GET", b"/", HOST.into_iter()), &Answer::Unknown)
    else {
        panic!("a plain GET is allowed");
    };
    let response = respond(&grant, 200, &[(b"content-type", b"text/html")]);
    let sent: Vec<_> = values(&response, "content-security-policy").collect();
    let [sent] = sent[..] else { panic!("one policy is sent: {sent:?}") };
    let preset = "default-src script-src style-src img-src font-src connect-src manifest-src worker-src object-src \
                  base-uri form-action frame-ancestors";
    let allowed: BTreeSet<String> = preset
        .split_ascii_whitespace()
        .map(str::to_owned)
        .chain(policy.csp.directives.keys().map(|name| name.to_ascii_lowercase()))
        .collect();
    let names = directives(sent);
    assert!(names.is_subset(&allowed), "{} from {text:?}", sent.escape_ascii());
    assert_eq!(
        names.len(),
        sent.split(|byte| *byte == b';').filter(|part| !part.trim_ascii().is_empty()).count(),
        "a directive twice: {}",
        sent.escape_ascii()
    );
}
