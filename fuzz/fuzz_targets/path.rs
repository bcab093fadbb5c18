//! Paths: with every rule relaxed, no path is let through that some server could read as one under /admin.
//!
//! The readings here are made by other code than the engine's, on purpose, and are more than it promises.

#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use bartizan_core::{Answer, Decision, Engine};
use bartizan_fuzz::{check_reply, decide, engine, head};
use libfuzzer_sys::fuzz_target;

static STRICT: LazyLock<Engine> = LazyLock::new(|| engine(&policy("")));
static RELAXED: LazyLock<Engine> = LazyLock::new(|| {
    engine(&policy(
        r#"relax = ["empty-segment", "semicolon", "backslash", "encoded-slash", "encoded-dot",
        "encoded-percent", "dot-segment", "control", "utf8"]"#,
    ))
});

fn policy(relax: &str) -> String {
    format!(
        r#"
        version = 1
        [origin]
        public = ["https://a.example.com"]
        [session]
        [default]
        require = "nothing"
        {relax}
        [[route]]
        match = "* /admin/**"
        require = "session"
        [[route]]
        match = "* /public/**"
        require = "nothing"
        "#
    )
}

fuzz_target!(|path: &[u8]| {
    let headers = [(&b"host"[..], &b"a.example.com"[..])];
    let head = head(b"GET", path, headers.iter().copied());
    match decide(&STRICT, &head, &Answer::Unknown) {
        Decision::Allow(_) => {
            assert!(!reaches_admin(path), "let through: {}", path.escape_ascii());
            check_strict(path);
        }
        Decision::Deny(denial) => check_reply(denial.reply()),
        Decision::Respond(reply) => panic!("nothing answers by itself here: {reply:?}"),
    }
    match decide(&RELAXED, &head, &Answer::Unknown) {
        Decision::Allow(_) => assert!(!reaches_admin(path), "relaxed, let through: {}", path.escape_ascii()),
        Decision::Deny(denial) => check_reply(denial.reply()),
        Decision::Respond(reply) => panic!("nothing answers by itself here: {reply:?}"),
    }
});

/// What the firewall must not let through, said in another way.
fn check_strict(path: &[u8]) {
    if path == b"*" {
        return;
    }
    assert_eq!(path.first(), Some(&b'/'), "{}", path.escape_ascii());
    assert!(path.iter().all(|byte| byte.is_ascii_graphic()), "{}", path.escape_ascii());
    let decoded = decode(path);
    assert!(std::str::from_utf8(&decoded).is_ok(), "{}", path.escape_ascii());
    assert_eq!(decoded, decode(&decoded), "decoding twice differs: {}", path.escape_ascii());
    assert!(!decoded.iter().any(|byte| byte.is_ascii_control() || matches!(byte, b';' | b'\\')));
    assert_eq!(count(path), count(&decoded), "decoding makes segments: {}", path.escape_ascii());
    let mut segments = decoded[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        assert!(!matches!(segment, b"." | b".."), "{}", path.escape_ascii());
        assert!(!segment.is_empty() || segments.peek().is_none(), "{}", path.escape_ascii());
    }
}

fn count(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

/// What one program does to a path.
type Step = fn(&[u8]) -> Vec<u8>;

/// Whether any reading of `path` has `admin` for its first segment: any number of programs, one behind the other,
/// each doing what it does, in any order; decoding twice at most.
fn reaches_admin(path: &[u8]) -> bool {
    const STEPS: [Step; 4] = [parameters_removed, slashes_merged, dots_resolved, backslashes_turned];
    let mut readings = BTreeSet::new();
    let mut fresh = vec![(path.to_vec(), 0)];
    while let Some((reading, decodings)) = fresh.pop() {
        if reading.strip_prefix(b"/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            return true;
        }
        if !readings.insert((reading.clone(), decodings)) {
            continue;
        }
        fresh.extend(STEPS.iter().map(|step| (step(&reading), decodings)));
        if decodings < 2 {
            fresh.push((decode(&reading), decodings + 1));
        }
    }
    false
}

/// Each `%xx` becomes its byte; anything else stays.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

fn segments(path: &[u8]) -> Vec<&[u8]> {
    path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/').collect()
}

fn join(segments: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    out
}

/// `/a;x=1/b` → `/a/b`
fn parameters_removed(path: &[u8]) -> Vec<u8> {
    let segments = segments(path);
    let bare = segments.iter().map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
    join(&bare.collect::<Vec<_>>())
}

/// `//a///b` → `/a/b`
fn slashes_merged(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for &byte in path {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    out
}

/// `/a/../b/./c` → `/b/c` (RFC 3986 §5.2.4)
fn dots_resolved(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    for segment in segments(path) {
        match segment {
            b"." => {}
            b".." => {
                out.pop();
            }
            _ => out.push(segment),
        }
    }
    join(&out)
}

/// `\a\b` → `/a/b`
fn backslashes_turned(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect()
}
