//! What a surface saw when it sent a case.

use std::net::IpAddr;

/// What came of a case. What a surface cannot know is `None` and not compared.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The status that the client got.
    pub status: u16,
    /// The denial code that the client was told.
    pub code: Option<String>,
    /// The headers that the client got, names in any case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body that the client got.
    pub body: Vec<u8>,
    /// What reached the handler; `None` if the request did not.
    pub handled: Option<Handled>,
    /// The codes that mode `report` would have refused with.
    pub reports: Option<Vec<String>>,
}

/// What the handler was given.
#[derive(Clone, Debug, Default)]
pub struct Handled {
    /// The target.
    pub target: Option<String>,
    /// The request's headers and trailers, names in any case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The request's body.
    pub body: Option<Vec<u8>>,
    /// The client's address.
    pub client_ip: Option<Option<IpAddr>>,
    /// The pattern of the route that matched.
    pub route: Option<Option<String>>,
    /// The principal's subject.
    pub principal: Option<Option<String>>,
    /// The nonce.
    pub nonce: Option<String>,
}

/// The denial code in a body that the client got: the member `code` of a problem document (RFC 9457), or the
/// one word with a dot inside (`csrf.cross-site`) of a small HTML page.
pub fn problem_code(content_type: Option<&[u8]>, body: &[u8]) -> Option<String> {
    match content_type?.split(|byte| *byte == b';').next()?.trim_ascii() {
        b"application/problem+json" => {
            let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
            problem.get("code")?.as_str().map(str::to_owned)
        }
        b"text/html" => std::str::from_utf8(body)
            .ok()?
            .split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '.' | '-')))
            .find(|word| {
                word.split_once('.').is_some_and(|(control, reason)| {
                    !control.is_empty()
                        && !reason.is_empty()
                        && control.bytes().all(|byte| byte.is_ascii_lowercase())
                        && reason
                            .bytes()
                            .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'0'..=b'9'))
                })
            })
            .map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_both_kinds_of_refusal() {
        assert_eq!(
            problem_code(Some(b"application/problem+json"), br#"{"code":"host.unknown"}"#).as_deref(),
            Some("host.unknown")
        );
        assert_eq!(
            problem_code(Some(b"text/html; charset=utf-8"), b"<p>Refused here.</p><code>csrf.origin</code>")
                .as_deref(),
            Some("csrf.origin")
        );
        assert_eq!(problem_code(Some(b"application/json"), br#"{"code":"host.unknown"}"#), None);
        assert_eq!(problem_code(None, b""), None);
    }
}
