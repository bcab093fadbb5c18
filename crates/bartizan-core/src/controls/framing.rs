//! Framing: how long the request is must have one answer (RFC 9112 §6, RFC 9113 §8). It has no mode.
//!
//! Two programs that disagree about where a request ends can be made to see two different requests (request
//! smuggling). A parser in front of the engine often refuses first; what it lets through is judged here again.

use super::Finding;
use crate::{
    DenialCode,
    facts::{Facts, list},
};

/// Judges `Content-Length` and `Transfer-Encoding`.
#[inline]
pub(crate) fn decide<'r>(facts: &Facts<'r>) -> Finding<'r> {
    let length = facts.content_length;
    if let Some(coding) = facts.transfer_encoding.value() {
        if facts.http2 {
            return Finding::refuse(
                DenialCode::FramingUnsupported,
                coding,
                "HTTP/2 has no transfer codings (RFC 9113 §8.2.2)",
            );
        }
        if length.value().is_some() {
            return Finding::refuse(
                DenialCode::FramingAmbiguous,
                coding,
                "both a length and a transfer coding were sent (RFC 9112 §6.1)",
            );
        }
        if facts.transfer_encoding.is_repeated() || !coding.eq_ignore_ascii_case(b"chunked") {
            return Finding::refuse(
                DenialCode::FramingUnsupported,
                coding,
                "the only transfer coding of a request is a single `chunked` (RFC 9112 §6.1)",
            );
        }
    }
    match length.value() {
        Some(value) if length.is_contradictory() || !is_length(value) => Finding::refuse(
            DenialCode::FramingAmbiguous,
            value,
            "the content length is not one number (RFC 9112 §6.3)",
        ),
        _ => Finding::Pass("the length of the request is unambiguous"),
    }
}

/// Digits only, and one member only; `+5`, `5, 5` and the empty value are read differently by different programs.
fn is_length(value: &[u8]) -> bool {
    (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) && list(value).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;

    #[test]
    fn table() {
        for (headers, expected) in [
            (&[][..], None),
            (&[("content-length", "5")][..], None),
            (&[("content-length", "5"), ("Content-Length", "5")], None),
            (&[("transfer-encoding", "Chunked")], None),
            (&[("content-length", "5"), ("content-length", "6")], Some("framing.ambiguous")),
            (&[("content-length", "5, 5")], Some("framing.ambiguous")),
            (&[("content-length", "+5")], Some("framing.ambiguous")),
            (&[("content-length", "")], Some("framing.ambiguous")),
            (&[("content-length", "99999999999999999999")], Some("framing.ambiguous")),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], Some("framing.ambiguous")),
            (&[("transfer-encoding", "gzip, chunked")], Some("framing.unsupported")),
            (&[("transfer-encoding", "identity")], Some("framing.unsupported")),
            (
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                Some("framing.unsupported"),
            ),
            (&[("transfer-encoding", "xchunked")], Some("framing.unsupported")),
        ] {
            assert_eq!(decide(&facts("POST", headers)).code(), expected, "{headers:?}");
        }
        let mut http2 = facts("POST", &[("transfer-encoding", "chunked")]);
        http2.http2 = true;
        assert_eq!(decide(&http2).code(), Some("framing.unsupported"));
    }
}
