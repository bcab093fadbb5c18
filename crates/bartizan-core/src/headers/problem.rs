//! Refusals as problem documents (RFC 9457), or as a small page where a person would see it.
//!
//! Anyone can have as many refusals as they like, so a body is put together from finished parts, in one allocation.

use alloc::{boxed::Box, format, string::String};

use crate::{Reason, RequestId};

/// What a client is told: the code and an id to ask about, never internals.
pub(crate) fn json(reason: &Reason, status: u16, id: RequestId, development: bool) -> Box<[u8]> {
    let code = reason.code();
    let hint = allow_line(reason, development).map_or_else(String::new, |line| {
        let hint = serde_json::Value::from(format!("this policy line would allow it: {line}"));
        format!(",\"hint\":{hint}")
    });
    // No code and no title has a character that JSON escapes; a test holds that.
    [
        b"{\"code\":\"",
        code.as_str().as_bytes(),
        b"\"",
        hint.as_bytes(),
        b",\"request_id\":\"",
        &id.digits(),
        b"\",\"status\":",
        &digits(status),
        b",\"title\":\"",
        code.title().as_bytes(),
        b"\",\"type\":\"urn:bartizan:denial:",
        code.as_str().as_bytes(),
        b"\"}",
    ]
    .concat()
    .into()
}

/// The same for a person.
pub(crate) fn html(reason: &Reason, status: u16, id: RequestId, development: bool) -> Box<[u8]> {
    let code = reason.code();
    let hint = allow_line(reason, development).map_or_else(String::new, |line| {
        format!("<p>This policy line would allow it:</p>\n<pre>{}</pre>\n", escape(&line))
    });
    let status = &digits(status)[..];
    [
        b"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
          <meta name=\"viewport\" content=\"width=device-width\">\n<title>",
        status,
        b"</title>\n<h1>",
        code.title().as_bytes(),
        b"</h1>\n",
        hint.as_bytes(),
        b"<p>",
        status,
        b" <code>",
        code.as_str().as_bytes(),
        b"</code>, request <code>",
        &id.digits(),
        b"</code></p>\n</html>\n",
    ]
    .concat()
    .into()
}

fn allow_line(reason: &Reason, development: bool) -> Option<String> {
    if development { reason.allow_line() } else { None }
}

/// A status code, which has three digits (RFC 9110 §15).
fn digits(status: u16) -> [u8; 3] {
    [status / 100, status / 10, status].map(|digit| b'0' + (digit % 10).to_le_bytes()[0])
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// What `Content-Type` goes with each.
pub(crate) const JSON: &str = "application/problem+json";
/// The small page's.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DenialCode;
    use alloc::string::ToString as _;
    use serde_json::json;

    #[test]
    fn no_part_needs_escaping() {
        for &code in DenialCode::ALL {
            let reason = Reason::with_value(code, b"a\"\\<\n");
            for (status, development) in [(code.status(), false), (507, true)] {
                let mut expected = json!({
                    "type": format!("urn:bartizan:denial:{code}"),
                    "title": code.title(),
                    "status": status,
                    "code": code.as_str(),
                    "request_id": "00c0ffee00c0ffee",
                });
                if let Some(line) = reason.allow_line().filter(|_| development) {
                    expected["hint"] = format!("this policy line would allow it: {line}").into();
                }
                let body = json(&reason, status, RequestId(0x00c0_ffee_00c0_ffee), development);
                assert_eq!(core::str::from_utf8(&body).unwrap(), expected.to_string());
            }
            assert_eq!(escape(code.title()), code.title());
            assert_eq!(escape(code.as_str()), code.as_str());
        }
    }

    #[test]
    fn a_client_learns_the_code_and_no_more() {
        let reason = Reason::with_value(DenialCode::HostUnknown, b"<evil>");
        let document: serde_json::Value =
            serde_json::from_slice(&json(&reason, 421, RequestId(7), false)).unwrap();
        assert_eq!(
            document,
            json!({
                "type": "urn:bartizan:denial:host.unknown",
                "title": "This host is not served here.",
                "status": 421,
                "code": "host.unknown",
                "request_id": "0000000000000007",
            })
        );
        let page = String::from_utf8(html(&reason, 421, RequestId(7), false).into()).unwrap();
        assert_eq!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>421</title>\n\
             <h1>This host is not served here.</h1>\n\
             <p>421 <code>host.unknown</code>, request <code>0000000000000007</code></p>\n</html>\n"
        );
        let page = String::from_utf8(html(&reason, 421, RequestId(7), true).into()).unwrap();
        assert!(
            page.contains("[server] hosts = [&quot;&lt;evil&gt;&quot;]") && !page.contains("<evil>"),
            "{page}"
        );
    }

    #[test]
    fn development_says_what_would_allow_it() {
        let reason = Reason::with_value(DenialCode::CsrfOrigin, b"https://evil.example");
        let document: serde_json::Value =
            serde_json::from_slice(&json(&reason, 403, RequestId(7), true)).unwrap();
        assert_eq!(
            document["hint"],
            "this policy line would allow it: [origin] trusted = [\"https://evil.example\"]"
        );
    }
}
