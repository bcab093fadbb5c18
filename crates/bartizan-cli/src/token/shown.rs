//! What is in a token, for a person to read: whatever can be read of it, good or not.

use std::fmt::Write as _;

use bartizan_core::Timestamp;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{
    terminal::{BOLD, DIM, paint, printable},
    when::{ago, ahead, minute},
};

/// The claims and parameters that stand first, in this order.
const FIRST: [&str; 12] =
    ["alg", "typ", "kid", "iss", "sub", "aud", "scope", "iat", "nbf", "exp", "jti", "client_id"];

/// The claims that are points in time (RFC 7519 §4.1; RFC 9068 §2.2.1).
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// What a token says of itself. Nobody has verified it.
pub(super) struct Said {
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
}

impl Said {
    /// As much of it as can be read.
    pub(super) fn of(token: &str) -> Self {
        let mut parts = token.split('.');
        let mut object = || {
            let json = URL_SAFE_NO_PAD.decode(parts.next()?.trim_end_matches('=')).ok()?;
            serde_json::from_slice(&json).ok()
        };
        Self { header: object(), claims: object() }
    }

    /// In lines, with times in words.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for (name, members) in [("header", &self.header), ("claims", &self.claims)] {
            match members {
                Some(members) => {
                    let _ = writeln!(text, "{}", paint(BOLD, name));
                    self::members(&mut text, members, now);
                }
                None => {
                    let _ = writeln!(text, "{}  cannot be read", paint(BOLD, name));
                }
            }
        }
        text
    }
}

fn members(text: &mut String, members: &Map<String, Value>, now: Timestamp) {
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut members: Vec<_> = members.iter().map(|(name, value)| (printable(name), value)).collect();
    members.sort_by_key(|(name, _)| place(name));
    let width = members.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in members {
        let shown = match value {
            Value::String(text) => printable(text),
            other => printable(&other.to_string()),
        };
        let words = TIMES.contains(&name.as_str()).then(|| words(value, now)).flatten();
        let words = words.map(|words| paint(DIM, format!("  {words}"))).unwrap_or_default();
        let _ = writeln!(text, "  {name:width$}  {shown}{words}");
    }
}

/// `2026-01-31 12:00 UTC, 5 min ago`, of seconds since 1970 (RFC 7519 §2).
fn words(value: &Value, now: Timestamp) -> Option<String> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far from the end"
    )]
    let at = Timestamp((seconds * 1000.0) as u64);
    Some(format!("{}, {}", minute(at), if at <= now { ago(at, now) } else { ahead(at, now) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_769_860_800_000);

    fn said(header: &str, claims: &str) -> String {
        let token =
            format!("{}.{}.signature", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        anstream::adapter::strip_str(&Said::of(&token).text(NOW)).to_string()
    }

    #[test]
    fn what_it_says_is_shown_in_order_and_times_in_words() {
        let claims = r#"{"tenant":"acme","exp":1769861100,"iat":1769860740.5,"sub":"alice","aud":["api","b"],"exp2":1}"#;
        insta::assert_snapshot!(said(r#"{"kid":"a","typ":"at+jwt","alg":"EdDSA"}"#, claims));
    }

    #[test]
    fn what_cannot_be_read_and_what_drives_a_terminal_does_no_harm() {
        insta::assert_snapshot!(said(
            "[]",
            r#"{"sub":"a\u001b[2J","exp":"soon","iat":-1,"x\u0007":{"y":"\u001b"}}"#
        ));
        for text in ["", ".", "a", "a.b.c.d.e", "ÿ.ÿ", "e30=.e30=."] {
            Said::of(text).text(NOW);
        }
    }
}
