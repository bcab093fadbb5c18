//! Carries the engine's edits out on `http`'s header maps.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Mutex, PoisonError},
};

use bartizan_core::{CookieEdit, Engine, PreparedHeader, Reply, RequestEdits, ResponseEdits, ResponseHeader};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::finished::Finished;

/// The engine's prepared headers in `http`'s types, indexed by [`HeaderId`](bartizan_core::HeaderId).
pub(crate) type Prepared = Box<[(HeaderName, HeaderValue)]>;

/// Converts the engine's prepared headers, once per engine.
///
/// # Panics
///
/// If one is not visible ASCII, which the engine promises.
pub(crate) fn prepare(engine: &Engine) -> Prepared {
    let convert = |header: &PreparedHeader| {
        let value = match intern(&header.value) {
            Some(value) => HeaderValue::from_maybe_shared(Bytes::from_static(value.as_bytes())),
            None => HeaderValue::from_str(&header.value),
        };
        (name(header.name), value.expect("a prepared header is visible ASCII"))
    };
    engine.prepared_headers().iter().map(convert).collect()
}

/// The same text for the life of the program, so that its copies need no counter, which all cores would share
/// and write to with every response.
///
/// What a program's policies say is nearly always the same few lines; there is room for so many, and what goes
/// beyond is counted.
fn intern(text: &str) -> Option<&'static str> {
    const MOST: usize = 512;
    const LONGEST: usize = 4096;
    static TEXTS: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return Some(known);
    }
    if texts.len() >= MOST || text.len() > LONGEST {
        return None;
    }
    let text: &'static str = Box::leak(text.into());
    texts.insert(text);
    Some(text)
}

pub(crate) fn name(header: ResponseHeader) -> HeaderName {
    HeaderName::from_static(header.as_str())
}

/// Edits a response's headers in place.
pub(crate) fn edit_response(
    headers: &mut HeaderMap,
    edits: &ResponseEdits,
    prepared: &Prepared,
    finished: &Finished,
) {
    if !edits.removed().is_empty() {
        for header in edits.removed().iter() {
            headers.remove(header.as_str());
        }
    }
    if edits.removes_protected() {
        remove_where(headers, |name| edits.removes(name));
    }
    if !finished.append(headers, edits.prepared(), edits.computed(), prepared) {
        // Once, so that the map grows at most once.
        headers.reserve(edits.prepared().len() + edits.computed().len() + edits.set_cookies().len());
        for (name, value) in edits.prepared().iter().filter_map(|id| prepared.get(id.index())) {
            headers.append(name, value.clone());
        }
        for (header, value) in edits.computed() {
            append(headers, name(*header), value);
        }
    }
    for cookie in edits.set_cookies() {
        append(headers, header::SET_COOKIE, cookie);
    }
}

/// Strips and rewrites a request's headers in place, so that the handler sees only what it may believe.
#[inline]
pub(crate) fn edit_request(headers: &mut HeaderMap, edits: RequestEdits<'_>) {
    if !edits.is_empty() {
        strip(headers, edits);
    }
}

fn strip(headers: &mut HeaderMap, edits: RequestEdits<'_>) {
    remove_where(headers, |name| !edits.passes(name));
    let mut lines = headers.get_all(header::COOKIE).iter();
    let Some(line) = lines.next() else { return };
    if lines.next().is_some() {
        return strip_lines(headers, edits);
    }
    // Browsers send one.
    match edits.cookie(line.as_bytes()) {
        CookieEdit::Keep => {}
        edit => {
            headers.remove(header::COOKIE);
            if let CookieEdit::Replace(value) = edit {
                append(headers, header::COOKIE, &value);
            }
        }
    }
}

/// Of several `Cookie` lines, in their order.
#[cold]
fn strip_lines(headers: &mut HeaderMap, edits: RequestEdits<'_>) {
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for line in lines {
        match edits.cookie(line.as_bytes()) {
            CookieEdit::Keep => drop(headers.append(header::COOKIE, line)),
            CookieEdit::Replace(value) => append(headers, header::COOKIE, &value),
            CookieEdit::Drop => {}
        }
    }
}

/// Makes a response of a reply, whose engine's headers `prepared` are. The answer to HEAD says how long the body would have been, and has none
/// (RFC 9110 §9.3.2).
pub(crate) fn response<B>(
    mut reply: Reply,
    prepared: &Prepared,
    is_head: bool,
    body: impl FnOnce(Bytes) -> B,
) -> Response<B> {
    let (status, text) = (reply.status, mem::take(&mut reply.body));
    let mut map = HeaderMap::with_capacity(reply.prepared().len() + reply.computed().len() + 1);
    for (name, value) in reply.prepared().iter().filter_map(|id| prepared.get(id.index())) {
        map.append(name, value.clone());
    }
    for (header, value) in reply.computed() {
        append(&mut map, name(*header), value);
    }
    // RFC 9110 §8.6: neither 1xx nor 204 has a Content-Length, and one on a 304 would speak of the 200.
    if !matches!(status, ..200 | 204 | 304) {
        map.insert(header::CONTENT_LENGTH, text.len().into());
    }
    let mut response = Response::new(body(if is_head { Bytes::new() } else { text.into() }));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = map;
    response
}

/// A reply as a handler's response: its type, its body and what goes with its status. The layer around the handler adds
/// the rest, as to every response.
#[cfg(feature = "axum")]
pub(crate) fn bare_response(reply: &Reply) -> axum::response::Response {
    use ResponseHeader::{ContentType, RetryAfter, WwwAuthenticate};

    let own = reply.headers().filter(|(name, _)| matches!(name, ContentType | RetryAfter | WwwAuthenticate));
    let mut headers = HeaderMap::new();
    for (header, value) in own {
        append(&mut headers, name(header), value);
    }
    let mut response = Response::new(axum::body::Body::from(Bytes::from(reply.body.clone())));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}

/// Appends a header. What cannot be a header's value (a stranger's cookie with a control character) is left out.
pub(crate) fn append(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.append(name, value);
    }
}

/// Removes every header whose name `condemned` picks.
fn remove_where(headers: &mut HeaderMap, condemned: impl Fn(&[u8]) -> bool) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| condemned(name.as_str().as_bytes())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
