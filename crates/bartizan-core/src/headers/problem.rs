//! Refusals as problem documents (RFC 9457), or as a small page where a person would see it.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
};

use serde_json::json;

use crate::{Reason, RequestId};

/// What a client is told: the code and an id to ask about, never internals.
pub(crate) fn json(reason: &Reason, status: u16, id: RequestId, development: bool) -> Box<[u8]> {
    let code = reason.code();
    let mut problem = json!({
        "type": format!("urn:bartizan:denial:{code}"),
        "title": code.title(),
        "status": status,
        "code": code.as_str(),
        "request_id": id.to_string(),
    });
    if development
        && let Some(line) = reason.allow_line()
        && let Some(problem) = problem.as_object_mut()
    {
        problem.insert("hint".into(), format!("this policy line would allow it: {line}").into());
    }
    problem.to_string().into_bytes().into()
}

/// The same for a person.
pub(crate) fn html(reason: &Reason, status: u16, id: RequestId, development: bool) -> Box<[u8]> {
    let code = reason.code();
    let hint = reason.allow_line().filter(|_| development).map_or_else(String::new, |line| {
        format!("<p>This policy line would allow it:</p>\n<pre>{}</pre>\n", escape(&line))
    });
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{status}</title>\n\
         <h1>{title}</h1>\n{hint}<p>{status} <code>{code}</code>, request <code>{id}</code></p>\n</html>\n",
        title = escape(code.title()),
    )
    .into_bytes()
    .into()
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
