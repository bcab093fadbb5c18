//! Whole request heads through the engine, under several policies: it never panics, decides the same twice, and
//! what it answers can be sent.
//!
//! The input is a head as on the wire, one header per line, after a byte of switches.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bartizan_core::{
    Answer, CookieEdit, Decision, Engine, Query, Recording, RequestHead, ResponseHeader, Scheme, Step,
    Timestamp, is_protected,
    jwt::{Algorithm, VerifySignature, VerifyingKey},
    session::SessionRecord,
};
use bartizan_fuzz::{
    Fixed, Header, check_reply, decide, engine, engine_with_keys, is_header_name, is_header_value, respond,
    values,
};
use libfuzzer_sys::fuzz_target;

static ENGINES: LazyLock<[Engine; 4]> = LazyLock::new(|| {
    [
        engine(
            "version = 1\n[origin]\npublic = [\"https://a.example.com\"]\ntrusted = [\"https://app.example.com\"]\n",
        ),
        engine_with_keys(
            r#"
            version = 1
            [origin]
            public = ["https://a.example.com"]
            trusted = ["https://*.partner.example", "capacitor://localhost"]
            [proxy]
            trusted = ["127.0.0.1", "10.0.0.0/8"]
            forwarded = { for = "x-forwarded-for", proto = "x-forwarded-proto", host = "x-forwarded-host" }
            [server]
            health = "/healthz"
            [cors]
            anonymous = ["*"]
            exposed_headers = ["etag"]
            [csrf]
            ambient_cookies = ["sid"]
            [isolation]
            mode = "enforce"
            [session]
            [jwt]
            issuer = "https://a.example.com"
            audience = "api"
            [[jwt.trusted_issuer]]
            issuer = "https://login.example.net"
            audience = ["api", "b"]
            [api_keys]
            prefix = "acme"
            [default]
            require = { any = ["session", "jwt", "api-key"], scope = "use" }
            [[route]]
            match = "* /admin/**"
            require = "jwt"
            relax = ["empty-segment", "semicolon", "encoded-slash", "dot-segment"]
            [[route]]
            match = "POST /callback"
            cross_site = "anonymous"
            require = "nothing"
            [[route]]
            match = "POST /transfer"
            csrf = "token"
            [[route]]
            match = "GET /public/{id}"
            require = "nothing"
            cors = "off"
            pass_errors = true
            "#,
        ),
        engine("version = 1\nmode = \"report\"\n[origin]\npublic = [\"http://localhost\"]\n"),
        engine(
            r#"
            version = 1
            [origin]
            public = ["https://a.example.com"]
            [proxy]
            trusted = ["127.0.0.1"]
            forwarded = { for = "forwarded", proto = "forwarded", host = "forwarded" }
            [cors]
            reject_foreign = true
            [csp]
            preset = "strict"
            trusted_types = ["default"]
            [request]
            max_headers = 8
            max_header_bytes = "256B"
            "#,
        ),
    ]
});

struct Lenient;

impl VerifySignature for Lenient {
    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&switches, text)) = data.split_first() else { return };
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut request = lines.next().unwrap_or_default().splitn(2, |byte| *byte == b' ');
    let (Some(method), Some(target)) = (request.next(), request.next()) else { return };
    let (authority, target) = match target.strip_prefix(b"http://") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, target),
    };
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    let headers: Vec<Header<'_>> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .filter(|(name, value)| is_header_name(name) && is_header_value(value))
        .collect();
    let head = RequestHead {
        method,
        path: parts.next().unwrap_or_default(),
        query: parts.next(),
        authority,
        scheme: if switches & 4 == 0 { Scheme::Http } else { Scheme::Https },
        peer: match switches & 24 {
            0 => None,
            8 => Some([127, 0, 0, 1].into()),
            16 => Some([203, 0, 113, 9].into()),
            _ => Some([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1].into()),
        },
        http2: switches & 32 != 0,
        headers: headers.iter().copied(),
    };
    let answer = match switches & 192 {
        0 => Answer::Unknown,
        64 => Answer::Unavailable,
        // Whatever the token says, its signature is right.
        128 => Answer::TokenKey(VerifyingKey::new(Algorithm::Hs256, Arc::new(Lenient)).with_legacy_tokens()),
        _ => Answer::Session(SessionRecord::new(
            "alice",
            vec!["use".into()],
            Timestamp(1_700_000_000_000),
            Duration::from_secs(1800),
            Duration::from_secs(43_200),
        )),
    };
    let engine = &ENGINES[usize::from(switches & 3)];

    let decision = decide(engine, &head, &answer);
    let again = decide(engine, &head, &answer);
    match (&decision, &again) {
        (Decision::Allow(grant), Decision::Allow(twin)) => {
            assert_eq!(grant.route(), twin.route());
            assert_eq!(grant.client_ip(), twin.client_ip());
            assert_eq!(grant.nonce(), twin.nonce());
            assert_eq!(grant.reports(), twin.reports());
            allowed(grant, &headers);
        }
        (Decision::Respond(reply), Decision::Respond(twin)) => {
            assert_eq!(reply, twin);
            check_reply(reply);
        }
        (Decision::Deny(denial), Decision::Deny(twin)) => {
            assert_eq!(denial.reply(), twin.reply());
            check_reply(denial.reply());
            let reply = denial.reply();
            assert_eq!(reply.status, denial.reason().code().status());
            let nosniff = reply.header(ResponseHeader::XContentTypeOptions) == Some(b"nosniff");
            assert!(nosniff, "a refusal without the policy's headers: {denial:?}");
        }
        _ => panic!("decided {decision:?}, then {again:?}"),
    }
    traced(engine, &head, &answer, &decision);
});

/// With someone watching, it decides the same.
fn traced<'r>(
    engine: &Engine,
    head: &RequestHead<'r, impl Iterator<Item = Header<'r>> + Clone>,
    answer: &Answer,
    decision: &Decision,
) {
    // A `Recording` is a trace by itself; it is read by `explain`.
    let mut evaluation =
        engine.evaluate_traced(head, Timestamp(1_700_000_000_000), Fixed, Recording::default());
    let watched = loop {
        match evaluation.step() {
            Step::Need(Query::Revocation { .. }) => evaluation.supply(Answer::Revoked(false)),
            Step::Need(_) => evaluation.supply(answer.clone()),
            Step::NeedForm { .. } => evaluation.supply_form(bartizan_core::Form::default()),
            Step::Done(decision) => break decision,
        }
    };
    let same = matches!(
        (decision, &watched),
        (Decision::Allow(_), Decision::Allow(_))
            | (Decision::Respond(_), Decision::Respond(_))
            | (Decision::Deny(_), Decision::Deny(_))
    );
    assert!(same, "decided {decision:?}, and watched {watched:?}");
}

fn allowed(grant: &bartizan_core::Grant, headers: &[Header<'_>]) {
    let edits = grant.request_edits();
    for (name, value) in headers {
        assert!(!is_protected(name) || !edits.passes(name), "{} passes", name.escape_ascii());
        if let CookieEdit::Replace(left) = edits.cookie(value) {
            assert!(is_header_value(&left));
        }
    }
    // The request's own headers make as good a response as any, and a worse one than most.
    for status in [200, 204, 304, 404, 500] {
        let response = respond(grant, status, headers);
        let sniffed: Vec<_> = values(&response, "x-content-type-options").collect();
        assert_eq!(sniffed, [b"nosniff"], "{status}");
        assert!(values(&response, "access-control-allow-private-network").next().is_none());
        let origins = values(&response, "access-control-allow-origin").count();
        assert!(origins <= 1, "{origins} origins are told");
        let any = values(&response, "access-control-allow-origin").any(|value| value == b"*");
        let credentials = values(&response, "access-control-allow-credentials").next().is_some();
        assert!(!(any && credentials), "everyone, with credentials");
    }
}
