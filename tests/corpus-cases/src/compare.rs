//! What must come of a case, and how it differs from what was observed.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    Observed,
    text::{self, shown},
    written::{self, Decision, Lines},
};

/// What must come of a case.
#[derive(Clone, Debug)]
pub struct Expect {
    decision: Decision,
    handled: bool,
    code: Option<String>,
    status: u16,
    headers: Vec<(String, Vec<u8>, bool)>,
    absent: Vec<String>,
    containing: BTreeMap<String, Vec<String>>,
    lacking: BTreeMap<String, Vec<String>>,
    set_cookies: Option<Vec<String>>,
    body: Option<Vec<u8>>,
    body_lacks: Vec<String>,
    reports: Option<Vec<String>>,
    client_ip: Option<IpAddr>,
    route: Option<String>,
    principal: Option<String>,
    upstream: Upstream,
}

#[derive(Clone, Debug)]
struct Upstream {
    present: Vec<(String, Vec<u8>)>,
    absent: Vec<String>,
    without: BTreeMap<String, String>,
    target: Option<String>,
    body: Option<Vec<u8>>,
}

/// What the lines of a header are joined with, and what separates lines that are expected one by one.
const JOINT: &[u8] = b", ";
const LINE: &[u8] = b"\n";

impl Expect {
    pub(crate) fn read(written: written::Expect) -> Result<Self, String> {
        match (written.decision, &written.code, written.status) {
            (Decision::Deny, None, _) => return Err("`deny` needs the `code`".into()),
            (Decision::Deny | Decision::Respond, _, None) => return Err("write the `status`".into()),
            (Decision::Respond | Decision::Allow, Some(_), _) => {
                return Err("only `deny` has a `code`".into());
            }
            _ => {}
        }
        let mut headers = Vec::new();
        for (name, lines) in written.headers {
            headers.push(match lines {
                Lines::Joined(value) => (name, text::bytes(&value)?, false),
                Lines::Each(lines) => (name, text::bytes(&lines.join("\n"))?, true),
            });
        }
        let upstream = written.upstream;
        let present = upstream
            .present
            .into_iter()
            .map(|(name, value)| Ok((name, text::bytes(&value)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self {
            decision: written.decision,
            handled: written.handled.unwrap_or(written.decision == Decision::Allow),
            code: written.code,
            status: written.status.unwrap_or(200),
            headers,
            absent: written.absent,
            containing: written.containing,
            lacking: written.lacking,
            set_cookies: written.set_cookies.as_deref().map(texts).transpose()?,
            body: written.body.as_deref().map(text::bytes).transpose()?,
            body_lacks: written.body_lacks,
            reports: written.reports,
            client_ip: written.client_ip,
            route: written.route,
            principal: written.principal,
            upstream: Upstream {
                present,
                absent: upstream.absent,
                without: upstream.without,
                target: upstream.target,
                body: upstream.body.as_deref().map(text::bytes).transpose()?,
            },
        })
    }

    /// What the client must get.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The denial code that the client must be told.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What the handler must see of the request's headers and body.
    pub(crate) fn texts_at_handler(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        let Upstream { present, body, .. } = &mut self.upstream;
        present.iter_mut().map(|(_, value)| value).chain(body)
    }

    /// Every difference between what must be and what was observed.
    pub(crate) fn differences(&self, observed: &Observed) -> Vec<String> {
        let mut out = Vec::new();
        match (self.handled, &observed.handled) {
            (true, None) => out.push("the handler was not reached".into()),
            (false, Some(_)) => out.push("the handler was reached".into()),
            _ => {}
        }
        differ(
            &mut out,
            "code",
            &self.code.as_deref().unwrap_or("none"),
            &observed.code.as_deref().unwrap_or("none"),
        );
        differ(&mut out, "status", &self.status, &observed.status);
        self.response_differences(observed, &mut out);
        self.handler_differences(observed, &mut out);
        out
    }

    fn response_differences(&self, observed: &Observed, out: &mut Vec<String>) {
        for (name, expected, each) in &self.headers {
            let found = lines(&observed.headers, name, if *each { LINE } else { JOINT });
            let nonce = observed.handled.as_ref().and_then(|handled| handled.nonce.as_deref());
            match found {
                None => out.push(format!("header {name}: missing; expected {}", shown(expected))),
                Some(found) if !matches_with_nonce(expected, &found, nonce) => {
                    out.push(format!(
                        "header {name}:\n      expected {}\n      found    {}",
                        shown(expected),
                        shown(&found)
                    ));
                }
                Some(_) => {}
            }
        }
        for name in &self.absent {
            if let Some(found) = lines(&observed.headers, name, LINE) {
                out.push(format!("header {name}: must be absent; found {}", shown(&found)));
            }
        }
        for (name, expected) in &self.containing {
            let found = members(&observed.headers, name);
            for member in
                expected.iter().filter(|member| !found.iter().any(|f| f.eq_ignore_ascii_case(member)))
            {
                out.push(format!("header {name}: lacks `{member}`; found {found:?}"));
            }
        }
        for (name, unwanted) in &self.lacking {
            let found = members(&observed.headers, name);
            let has = |member: &str| {
                found
                    .iter()
                    .any(|f| f.split(['=', ' ']).next().is_some_and(|f| f.eq_ignore_ascii_case(member)))
            };
            for member in unwanted.iter().filter(|member| has(member)) {
                out.push(format!("header {name}: must not have `{member}`; found {found:?}"));
            }
        }
        if let Some(expected) = &self.set_cookies {
            let found: Vec<_> =
                values(&observed.headers, "set-cookie").map(|value| cookie(&latin1(value))).collect();
            let expected: Vec<_> = expected.iter().map(|expected| cookie(expected)).collect();
            let found = masked(found, &expected);
            let agree = |((expected, attributes), (found, others)): (&(String, _), &(String, _))| {
                matches_with_tokens(expected, found) && attributes == others
            };
            if expected.len() != found.len() || !expected.iter().zip(&found).all(agree) {
                differ(out, "set-cookie", &expected, &found);
            }
        }
        if let Some(body) = &self.body
            && !matches_with_tokens(&latin1(body), &latin1(&observed.body))
        {
            out.push(format!(
                "body:\n      expected {}\n      found    {}",
                shown(body),
                shown(&observed.body)
            ));
        }
        let body = latin1(&observed.body);
        for unwanted in self.body_lacks.iter().filter(|unwanted| body.contains(&**unwanted)) {
            out.push(format!("body: must not have `{unwanted}`; found {}", shown(&observed.body)));
        }
        if let (Some(expected), Some(found)) = (&self.reports, &observed.reports) {
            let (mut expected, mut found) = (expected.clone(), found.clone());
            expected.sort();
            found.sort();
            differ(out, "reports", &expected, &found);
        }
    }

    fn handler_differences(&self, observed: &Observed, out: &mut Vec<String>) {
        let Some(handled) = &observed.handled else { return };
        if let (Some(expected), Some(found)) = (self.client_ip, handled.client_ip) {
            differ(out, "client_ip", &Some(expected), &found);
        }
        if let (Some(expected), Some(found)) = (&self.route, &handled.route) {
            differ(out, "route", &Some(expected), &found.as_ref());
        }
        if let (Some(expected), Some(found)) = (&self.principal, &handled.principal) {
            differ(out, "principal", &Some(expected), &found.as_ref());
        }
        if let (Some(expected), Some(found)) = (&self.upstream.target, &handled.target) {
            differ(out, "target at the handler", &expected, &found);
        }
        if let (Some(expected), Some(found)) = (&self.upstream.body, &handled.body) {
            differ(out, "body at the handler", &shown(expected), &shown(found));
        }
        for (name, expected) in &self.upstream.present {
            match lines(&handled.headers, name, JOINT) {
                Some(found) if found == *expected => {}
                found => out.push(format!(
                    "request header {name} at the handler: expected {}; found {}",
                    shown(expected),
                    found.as_deref().map_or("none".into(), shown)
                )),
            }
        }
        for name in &self.upstream.absent {
            if let Some(found) = lines(&handled.headers, name, LINE) {
                out.push(format!(
                    "request header {name} at the handler: must be absent; found {}",
                    shown(&found)
                ));
            }
        }
        for (name, unwanted) in &self.upstream.without {
            if let Some(found) =
                lines(&handled.headers, name, LINE).filter(|found| latin1(found).contains(unwanted))
            {
                out.push(format!(
                    "request header {name} at the handler: must not have `{unwanted}`; found {}",
                    shown(&found)
                ));
            }
        }
    }
}

/// Each text with its repetitions written out.
fn texts(texts: &[String]) -> Result<Vec<String>, String> {
    texts.iter().map(|text| text::bytes(text).map(|bytes| latin1(&bytes))).collect()
}

fn differ<T: PartialEq + std::fmt::Debug + ?Sized>(
    out: &mut Vec<String>,
    what: &str,
    expected: &T,
    found: &T,
) {
    if expected != found {
        out.push(format!("{what}: expected {expected:?}; found {found:?}"));
    }
}

fn values<'a>(headers: &'a [(String, Vec<u8>)], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
}

fn lines(headers: &[(String, Vec<u8>)], name: &str, joint: &[u8]) -> Option<Vec<u8>> {
    let values: Vec<_> = values(headers, name).collect();
    (!values.is_empty()).then(|| values.join(joint))
}

fn members(headers: &[(String, Vec<u8>)], name: &str) -> Vec<String> {
    values(headers, name)
        .flat_map(|value| {
            latin1(value).split([',', ';']).map(|member| member.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

/// A cookie as its pair and its attributes.
type Cookie = (String, Vec<String>);

/// `found`, with `*` for a value of 43 characters of base64url where that is what is expected.
fn masked(found: Vec<Cookie>, expected: &[Cookie]) -> Vec<Cookie> {
    let mask = |(place, (pair, attributes)): (usize, Cookie)| {
        let name = expected.get(place).and_then(|(pair, _)| pair.strip_suffix("=*"));
        let value = name.and_then(|name| pair.strip_prefix(name)?.strip_prefix('='));
        let is_secret = value.is_some_and(|value| {
            value.len() == 43
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        (if is_secret { format!("{}=*", name.unwrap_or_default()) } else { pair }, attributes)
    };
    found.into_iter().enumerate().map(mask).collect()
}

/// A cookie as its pair and its attributes in a fixed order, names in lower case.
fn cookie(text: &str) -> Cookie {
    let mut parts = text.split(';').map(str::trim);
    let pair = parts.next().unwrap_or_default().to_owned();
    let mut attributes: Vec<_> = parts
        .map(|attribute| match attribute.split_once('=') {
            Some((name, value)) => format!("{}={value}", name.to_ascii_lowercase()),
            None => attribute.to_ascii_lowercase(),
        })
        .collect();
    attributes.sort();
    (pair, attributes)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Whether `found` is `expected`, where `{nonce}` stands for one nonce: at least the 22 base64 characters that
/// 128 bits need, the same in every place, and `nonce` where the surface knows it.
fn matches_with_nonce(expected: &[u8], found: &[u8], nonce: Option<&str>) -> bool {
    let (expected, found) = (latin1(expected), latin1(found));
    let Some((before, _)) = expected.split_once("{nonce}") else { return expected == found };
    let Some(rest) = found.strip_prefix(before) else { return false };
    let length = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'='))
        .count();
    let seen = &rest[..length];
    seen.len() >= 22 && nonce.is_none_or(|nonce| nonce == seen) && expected.replace("{nonce}", seen) == found
}

/// Whether `found` is `expected`, where `{token}` stands for a CSRF token and `{id}` for 256 bits in base64url.
fn matches_with_tokens(expected: &str, found: &str) -> bool {
    let is_base64url = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let matches = |name: &str, of: &dyn Fn(&str) -> bool| {
        let (before, _) = expected.split_once(name)?;
        let rest = found.strip_prefix(before)?;
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)).count();
        let seen = &rest[..length];
        (of(seen) && expected.replace(name, seen) == found).then_some(())
    };
    let is_token = |text: &str| match text.split('.').collect::<Vec<_>>()[..] {
        [kid, rand, mac] => kid.parse::<u64>().is_ok() && is_base64url(rand, 22) && is_base64url(mac, 43),
        _ => false,
    };
    expected == found
        || matches("{token}", &is_token).is_some()
        || matches("{id}", &|text| is_base64url(text, 43)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_long_and_the_same_everywhere() {
        let nonce = "AAAAAAAAAAAAAAAAAAAAAA";
        let found = format!("a 'nonce-{nonce}' b 'nonce-{nonce}'");
        let expected = b"a 'nonce-{nonce}' b 'nonce-{nonce}'";
        assert!(matches_with_nonce(expected, found.as_bytes(), None));
        assert!(matches_with_nonce(expected, found.as_bytes(), Some(nonce)));
        assert!(!matches_with_nonce(expected, found.as_bytes(), Some("B")));
        assert!(!matches_with_nonce(expected, found.replacen('A', "B", 1).as_bytes(), None));
        assert!(!matches_with_nonce(b"'nonce-{nonce}'", b"'nonce-short'", None));
    }

    #[test]
    fn a_token_is_known_by_its_form() {
        let (id, token) = ("A".repeat(43), format!("655.{}.{}", "b".repeat(22), "c".repeat(43)));
        for (expected, found, matches) in [
            ("a={id}", format!("a={id}"), true),
            ("a={id}", format!("a={id}A"), false),
            ("a={id}", format!("b={id}"), false),
            ("{\"t\":\"{token}\"}", format!("{{\"t\":\"{token}\"}}"), true),
            ("{\"t\":\"{token}\"}", format!("{{\"t\":\"{token}\"}} "), false),
            ("{token}", id.clone(), false),
            ("{token}", format!("{token}.x"), false),
            ("{token}", format!("x{token}"), false),
            ("a=b", "a=b".into(), true),
        ] {
            assert_eq!(matches_with_tokens(expected, &found), matches, "{expected} {found}");
        }
    }

    #[test]
    fn the_order_of_a_cookies_attributes_does_not_matter() {
        assert_eq!(cookie("a=b; Path=/; Secure"), cookie("a=b; secure; path=/"));
        assert_ne!(cookie("a=b; Path=/"), cookie("a=b; Path=/x"));
        assert_ne!(cookie("a=b"), cookie("A=b"));
    }
}
