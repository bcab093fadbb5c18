//! What each attack sent and what came back, as the server saw it: the page shows it, and says by it how it went.
//!
//! A request belongs to a run where it says so, by the header `Lab-Run` or, for what cannot set one, by `lab_run` in its
//! query. Nothing else is recorded.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts},
};
use bartizan::DenialCode;
use serde::Serialize;

/// So many runs are remembered.
const RUNS: usize = 32;

/// So many exchanges of each.
const EXCHANGES: usize = 16;

/// A longer body is not shown.
const LONGEST_BODY: usize = 4 * 1024;

/// Of a longer request or response, without its body, the beginning is shown; likewise of a header.
const LONGEST_HEAD: usize = 16 * 1024;

/// The longest name of a run.
const LONGEST_NAME: usize = 64;

const HEADER: HeaderName = HeaderName::from_static("lab-run");

/// What is shown of a credential.
const SHOWN: usize = 24;

/// Members of a JSON body that are credentials.
const SECRET_MEMBERS: [&str; 4] = ["\"access_token\":\"", "\"csrf_token\":\"", "\"key\":\"", "\"token\":\""];

/// The last runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<VecDeque<Run>>>);

#[derive(Debug)]
struct Run {
    name: Box<str>,
    exchanges: Vec<Exchange>,
}

/// A request and its response.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// The request as text, as HTTP/1.1 writes it. Credentials are cut short.
    pub(crate) request: String,
    /// The response likewise.
    pub(crate) response: String,
    /// The headers of the response.
    pub(crate) headers: Vec<(String, String)>,
    /// Which rule refused it.
    pub(crate) rule: Option<Rule>,
}

/// A refusal's code, and what it means.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rule {
    code: &'static str,
    title: &'static str,
}

impl Runs {
    /// Lets `answer` answer a request, and remembers both where the request belongs to a run.
    pub(crate) async fn record<F>(
        &self,
        request: Request<Body>,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let Some(run) = run_of(request.headers(), request.uri().query()) else {
            return answer(request).await;
        };
        let (parts, body) = request.into_parts();
        let Ok((body, sent)) = shown(body).await else { return too_large() };
        let seen = Seen::of(&parts, sent.as_deref());
        let (parts, body) = answer(Request::from_parts(parts, body)).await.into_parts();
        let Ok((body, received)) = shown(body).await else { return too_large() };
        self.remember(run, seen.answered(parts.status, &parts.headers, received.as_deref()));
        Response::from_parts(parts, body)
    }

    /// What a run sent and got so far.
    pub(crate) fn exchanges(&self, run: &str) -> Vec<Exchange> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().find(|known| &*known.name == run).map(|run| run.exchanges.clone()).unwrap_or_default()
    }

    fn remember(&self, name: Box<str>, exchange: Exchange) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.iter_mut().find(|run| run.name == name) {
            if run.exchanges.len() < EXCHANGES {
                run.exchanges.push(exchange);
            }
            return;
        }
        if runs.len() == RUNS {
            runs.pop_front();
        }
        runs.push_back(Run { name, exchanges: vec![exchange] });
    }
}

/// The run that a request says it belongs to. Names are the script's: letters, digits and `-`.
fn run_of(headers: &HeaderMap, query: Option<&str>) -> Option<Box<str>> {
    let named = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let in_query = || query?.split('&').find_map(|pair| pair.strip_prefix("lab_run="));
    let name = named.or_else(in_query)?;
    let is_name = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then(|| name.into())
}

/// The body, and its text where it is short enough to be shown. How long it is must be known first: what streams goes on
/// as it is.
async fn shown(body: Body) -> Result<(Body, Option<Bytes>), axum::Error> {
    match body.size_hint().upper() {
        Some(length) if length <= LONGEST_BODY as u64 => {
            let bytes = to_bytes(body, LONGEST_BODY).await?;
            Ok((Body::from(bytes.clone()), Some(bytes)))
        }
        _ => Ok((body, None)),
    }
}

fn too_large() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// A request that was sent.
struct Seen {
    method: String,
    target: String,
    text: String,
}

impl Seen {
    fn of(parts: &Parts, body: Option<&[u8]>) -> Self {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = beginning(target, LONGEST_HEAD);
        let mut text = format!("{} {target} HTTP/1.1\n", parts.method);
        write_message(&mut text, &parts.headers, body);
        Self { method: parts.method.to_string(), target, text }
    }

    fn answered(self, status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Exchange {
        let mut text = format!("HTTP/1.1 {status}\n");
        write_message(&mut text, headers, body);
        let shown = headers.iter().map(|(name, value)| (name.to_string(), header_text(name, value)));
        Exchange {
            method: self.method,
            target: self.target,
            status: status.as_u16(),
            request: self.text,
            response: text,
            headers: shown.collect(),
            rule: body.and_then(rule),
        }
    }
}

/// The rule that a problem document, or the page in its place, names.
fn rule(body: &[u8]) -> Option<Rule> {
    let text = str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("{\"code\":\"").or_else(|| text.split_once("<code>"))?;
    let code = DenialCode::from_name(rest.split(['"', '<']).next()?)?;
    Some(Rule { code: code.as_str(), title: code.title() })
}

fn write_message(text: &mut String, headers: &HeaderMap, body: Option<&[u8]>) {
    for (name, value) in headers {
        if text.len() >= LONGEST_HEAD {
            text.push_str("(more headers)\n");
            break;
        }
        let _ = writeln!(text, "{name}: {}", header_text(name, value));
    }
    match body {
        Some([]) => {}
        Some(body) => {
            text.push('\n');
            text.push_str(&without_secrets(&String::from_utf8_lossy(body)));
        }
        None => text.push_str("\n(a longer body)"),
    }
}

/// A header's value. A credential is cut short: what it is can be seen, and not used.
fn header_text(name: &HeaderName, value: &HeaderValue) -> String {
    let text = beginning(&String::from_utf8_lossy(value.as_bytes()), LONGEST_HEAD);
    match *name {
        header::COOKIE => text.split("; ").map(cookie_text).collect::<Vec<_>>().join("; "),
        header::SET_COOKIE => {
            let (pair, attributes) = text.split_once(';').unwrap_or((&text, ""));
            let separator = if attributes.is_empty() { "" } else { ";" };
            format!("{}{separator}{attributes}", cookie_text(pair))
        }
        header::AUTHORIZATION => cut_short(&text),
        _ if name.as_str().ends_with("-token") || name == "x-api-key" => cut_short(&text),
        _ => text,
    }
}

/// A cookie's pair. Only the careless one is shown whole: what it says is what the attacks are about.
fn cookie_text(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if name != super::careless::COOKIE && !value.is_empty() => format!("{name}=…"),
        _ => pair.to_owned(),
    }
}

fn cut_short(text: &str) -> String {
    beginning(text, SHOWN)
}

fn beginning(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn without_secrets(body: &str) -> String {
    let mut text = body.to_owned();
    for member in SECRET_MEMBERS {
        let Some((before, rest)) = text.split_once(member) else { continue };
        let Some((value, after)) = rest.split_once('"') else { continue };
        text = format!("{before}{member}{}\"{after}", cut_short(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_run_belongs_to_one() {
        let long = format!("lab_run={}", "a".repeat(LONGEST_NAME + 1));
        for (header, query, run) in [
            (None, None, None),
            (None, Some("q=1&lab_run=abc-1"), Some("abc-1")),
            (Some("xyz"), Some("lab_run=abc"), Some("xyz")),
            (None, Some("lab_run="), None),
            (None, Some("lab_run=a%20b"), None),
            (None, Some(&*long), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(HEADER, HeaderValue::from_static(header));
            }
            assert_eq!(run_of(&headers, query).as_deref(), run, "{header:?} {query:?}");
        }
    }

    #[test]
    fn credentials_are_cut_short() {
        let text = |name: &'static str, value: &'static str| {
            header_text(&HeaderName::from_static(name), &HeaderValue::from_static(value))
        };
        assert_eq!(
            text("cookie", "__Host-session=secret; lab_login=alice"),
            "__Host-session=…; lab_login=alice"
        );
        assert_eq!(
            text("set-cookie", "__Host-session=secret; Path=/; Secure"),
            "__Host-session=…; Path=/; Secure"
        );
        assert_eq!(text("set-cookie", "gone=; Max-Age=0"), "gone=; Max-Age=0");
        assert_eq!(
            text("authorization", "Bearer 0123456789012345678901234567890"),
            "Bearer 01234567890123456…"
        );
        assert_eq!(text("x-csrf-token", "short"), "short");
        assert_eq!(
            text("accept", "text/html, application/xhtml+xml, */*"),
            "text/html, application/xhtml+xml, */*"
        );
        let body = r#"{"id":7,"key":"demo_live_0123456789012345678901234567890","scopes":[]}"#;
        assert_eq!(without_secrets(body), r#"{"id":7,"key":"demo_live_01234567890123…","scopes":[]}"#);
    }

    #[test]
    fn a_refusal_names_its_rule() {
        for (body, code) in [
            (r#"{"code":"csrf.cross-site","request_id":"00"}"#, Some("csrf.cross-site")),
            ("<p>403 <code>csrf.cross-site</code>, request <code>00</code></p>", Some("csrf.cross-site")),
            (r#"{"code":"no.such"}"#, None),
            ("hello", None),
        ] {
            assert_eq!(rule(body.as_bytes()).map(|rule| rule.code), code, "{body}");
        }
    }

    #[tokio::test]
    async fn whatever_is_sent_little_of_it_is_kept() {
        let runs = Runs::default();
        let long = "x".repeat(100_000);
        let mut request = Request::post(format!("/?{}&lab_run=long", &long[..60_000]))
            .body(Body::from(long.clone()))
            .unwrap();
        for number in 0..50_u16 {
            let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(&long).unwrap());
        }
        let answer = |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let mut response = Response::new(body);
            *response.headers_mut() = parts.headers;
            response
        };
        let response = runs.record(request, answer).await;
        assert_eq!(to_bytes(response.into_body(), 200_000).await.unwrap().len(), 100_000);
        let exchange = runs.exchanges("long").remove(0);
        for text in [&exchange.request, &exchange.response, &exchange.target] {
            assert!(text.len() <= 3 * LONGEST_HEAD, "{}", text.len());
        }
    }

    #[tokio::test]
    async fn a_run_is_remembered_and_old_ones_go() {
        let runs = Runs::default();
        let answer = |request: Request<Body>| async move {
            let body = to_bytes(request.into_body(), 100).await.unwrap();
            Response::new(Body::from([b"got ", &body[..]].concat()))
        };
        let request = Request::post("/x?lab_run=first").body(Body::from("hello")).unwrap();
        let response = runs.record(request, answer).await;
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "got hello");
        let exchanges = runs.exchanges("first");
        assert_eq!(exchanges[0].request, "POST /x?lab_run=first HTTP/1.1\n\nhello");
        assert_eq!(exchanges[0].response, "HTTP/1.1 200 OK\n\ngot hello");

        runs.record(Request::get("/quiet").body(Body::empty()).unwrap(), answer).await;
        for number in 0..RUNS {
            let request = Request::get(format!("/?lab_run=run-{number}")).body(Body::empty()).unwrap();
            runs.record(request, answer).await;
        }
        assert!(runs.exchanges("first").is_empty());
        assert_eq!(runs.exchanges("run-0").len(), 1);
    }
}
