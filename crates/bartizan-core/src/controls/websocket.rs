//! WebSocket handshakes (RFC 6455 §4.2.1, §10.2): browsers open them across origins with cookies and without
//! asking, so the server has to look at the origin.

use super::Finding;
use crate::{DenialCode, Scheme, facts::Facts, origin::OriginSet};

/// Whether the handshake is one.
pub(crate) fn decide_handshake<'r>(facts: &Facts<'r>) -> Finding<'r> {
    let upgrade = facts.upgrade.value().unwrap_or_default();
    let is_valid = facts.method == b"GET"
        && !facts.upgrade.is_repeated()
        && upgrade.trim_ascii().eq_ignore_ascii_case(b"websocket")
        && facts.connection_names(b"upgrade")
        && facts.websocket_version == Some(b"13")
        && !facts.websocket_key.is_repeated()
        && facts.websocket_key.value().is_some_and(is_key)
        && facts.transfer_encoding.value().is_none()
        && facts.content_length.value().is_none_or(|length| length == b"0");
    if is_valid {
        Finding::Pass("the WebSocket handshake is well-formed")
    } else {
        Finding::refuse(DenialCode::WebSocketInvalid, upgrade, "not a WebSocket handshake (RFC 6455 §4.2.1)")
    }
}

/// Whether this origin may open one.
pub(crate) fn decide_origin<'r>(facts: &Facts<'r>, origins: &OriginSet, scheme: Scheme) -> Finding<'r> {
    match facts.origin.value() {
        Some(origin) if !facts.origin.is_repeated() && origins.contains(origin, scheme) => {
            Finding::Pass("the handshake's Origin is in the set")
        }
        Some(origin) => {
            Finding::refuse(DenialCode::WebSocketOrigin, origin, "the handshake's Origin is not in the set")
        }
        None if facts.session.is_some() || facts.has_ambient_cookie => Finding::refuse(
            DenialCode::WebSocketOrigin,
            b"",
            "a login without an Origin: nothing says which page opens this",
        ),
        None => Finding::Pass("no browser, and no login that one would have sent by itself"),
    }
}

/// 16 bytes in base64: 22 characters and `==`.
fn is_key(key: &[u8]) -> bool {
    match key.split_at_checked(22) {
        Some((digits, b"==")) => {
            digits.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facts::{
            Names,
            tests::{NO_NAMES, facts, facts_with},
        },
        origin::OriginPattern,
    };
    use alloc::vec::Vec;

    const HANDSHAKE: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn handshakes() {
        assert_eq!(decide_handshake(&facts("GET", &HANDSHAKE)).code(), None);
        assert_eq!(decide_handshake(&facts("POST", &HANDSHAKE)).code(), Some("websocket.invalid"));
        for (index, value) in [
            (0, "keep-alive"),
            (1, "websocket, h2c"),
            (1, "h2c"),
            (2, "8"),
            (2, "13, 8"),
            (3, ""),
            (3, "dGhlIHNhbXBsZSBub25jZQ"),
            (3, "dGhlIHNhbXBsZSBub25jZ!=="),
            (3, "dGhlIHNhbXBsZSBub25jZQAA=="),
        ] {
            let mut headers = HANDSHAKE;
            headers[index].1 = value;
            assert_eq!(
                decide_handshake(&facts("GET", &headers)).code(),
                Some("websocket.invalid"),
                "{headers:?}"
            );
        }
        for extra in [
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
        ] {
            let headers: Vec<_> = HANDSHAKE.into_iter().chain([extra]).collect();
            assert_eq!(
                decide_handshake(&facts("GET", &headers)).code(),
                Some("websocket.invalid"),
                "{extra:?}"
            );
        }
    }

    #[test]
    fn origins() {
        let mut set = OriginSet::default();
        set.push(OriginPattern::parse("https://app.example.com").unwrap());
        let names = Names { session_cookie: Some(b"__Host-session"), ..NO_NAMES };
        for (headers, expected) in [
            (&[("origin", "https://app.example.com"), ("cookie", "__Host-session=x")][..], None),
            (&[("origin", "https://evil.example")], Some("websocket.origin")),
            (&[("origin", "null")], Some("websocket.origin")),
            (
                &[("origin", "https://app.example.com"), ("origin", "https://evil.example")],
                Some("websocket.origin"),
            ),
            (&[("cookie", "__Host-session=x")], Some("websocket.origin")),
            (&[("cookie", "theme=dark")], None),
            (&[], None),
        ] {
            assert_eq!(
                decide_origin(&facts_with("GET", "/", headers, names), &set, Scheme::Https).code(),
                expected,
                "{headers:?}"
            );
        }
    }
}
