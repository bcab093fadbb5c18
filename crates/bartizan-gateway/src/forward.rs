//! Which headers cross the gateway, and which we add (RFC 9110 §7.6).

use arrayvec::ArrayVec;
use bartizan_core::{
    CookieEdit, Grant, RequestEdits, ResponseEdits, ResponseHeader, is_handoff, is_hop_by_hop, is_protected,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version, header, request, response,
    uri::{Parts as UriParts, PathAndQuery},
};

use crate::{session::Session, site::Site};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const UPSTREAM_TOKEN: HeaderName = HeaderName::from_static("bartizan-upstream-token");
const CSP_NONCE: HeaderName = HeaderName::from_static("bartizan-csp-nonce");
const ASSERTION: HeaderName = HeaderName::from_static("bartizan-assertion");
const HANDOFF: HeaderName = HeaderName::from_static("bartizan-handoff");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 bartizan");
const VIA_1_1: HeaderValue = HeaderValue::from_static("1.1 bartizan");

/// How often a request may have come by a gateway of this name. Some in a row are somebody's design; more are a
/// circle.
const MAX_ROUNDS: usize = 8;

/// Turns the head that came into the head that goes to the upstream. The map is edited in place: what neither has
/// to go nor to come is not touched. Returns the names of the trailers that may follow the body.
pub(crate) fn request(
    head: &mut request::Parts,
    grant: &Grant,
    site: &Site,
    session: &Session,
) -> Vec<HeaderName> {
    let headers = &mut head.headers;
    let wants_trailers = accepts_trailers(headers);
    let edits = grant.request_edits();
    let nothing_to_edit = edits.is_empty();
    let kept = |name: &HeaderName| {
        // The client's framing was judged and stands; Host cannot be disowned by naming it in Connection.
        matches!(*name, header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING)
            || !is_hop_by_hop(name.as_str().as_bytes())
                && (nothing_to_edit || edits.passes(name.as_str().as_bytes()))
    };
    remove(headers, |name| !kept(name));
    edit_cookies(headers, edits);
    let trailers = announce_trailers(headers, |name| {
        !is_head_only(name) && edits.passes_trailer(name.as_str().as_bytes())
    });

    // RFC 9110 §7.6.3: a gateway says so in every request that it forwards, behind those before it; in a response it
    // may, and that would only tell strangers what stands here.
    headers.append(header::VIA, if head.version == Version::HTTP_10 { VIA_1_0 } else { VIA_1_1 });
    if wants_trailers {
        headers.insert(header::TE, TRAILERS);
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if grant.is_websocket() {
        agree_to_websocket(headers);
    }
    // An absolute target names the host that is meant; an HTTP/1.0 client may have sent no Host beside it.
    if let Some(authority) = head.uri.authority()
        && !headers.contains_key(header::HOST)
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, value);
    }
    // What the client asked the proxies before us for, or else what it asked us for.
    let asked = grant.forwarded_host().and_then(|host| HeaderValue::from_bytes(host).ok());
    if let Some(host) = asked.or_else(|| headers.get(header::HOST).cloned()) {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(grant.scheme().as_str()));
    if let Some(client) = session.address_value(grant.client_ip().unwrap_or(session.peer)) {
        headers.insert(FORWARDED_FOR, client);
    }
    if let Some(nonce) = grant.nonce()
        && let Ok(nonce) = HeaderValue::from_str(nonce)
    {
        headers.insert(CSP_NONCE, nonce);
    }
    if let Some(nonce) = grant.handoff_nonce()
        && let Ok(mut nonce) = HeaderValue::from_str(nonce)
    {
        nonce.set_sensitive(true);
        headers.insert(HANDOFF, nonce);
    }
    if let Some(assertion) = session.worker.assertion(grant) {
        headers.insert(ASSERTION, assertion);
    }
    if let Some(token) = &site.upstream_token {
        headers.insert(UPSTREAM_TOKEN, token.clone());
    }
    head.version = Version::HTTP_11;
    origin_form(&mut head.uri);
    trailers
}

/// The one upgrade that crosses the gateway (RFC 6455 §4).
pub(crate) fn agree_to_websocket(headers: &mut HeaderMap) {
    headers.insert(header::UPGRADE, WEBSOCKET);
    headers.insert(header::CONNECTION, UPGRADE);
}

/// The upstream is an origin server: it gets `/path?query` (RFC 9112 §3.2.1).
fn origin_form(uri: &mut Uri) {
    if uri.authority().is_none() {
        return;
    }
    let mut parts = UriParts::default();
    // RFC 9112 §3.2.4: OPTIONS of an absolute target without a path means the server as a whole; http reads it
    // as `/`, and so did the engine.
    parts.path_and_query = uri.path_and_query().cloned().or_else(|| Some(PathAndQuery::from_static("/")));
    if let Ok(origin) = Uri::from_parts(parts) {
        *uri = origin;
    }
}

fn edit_cookies(headers: &mut HeaderMap, edits: RequestEdits<'_>) {
    if edits.is_empty() {
        return;
    }
    let header::Entry::Occupied(mut cookies) = headers.entry(header::COOKIE) else { return };
    if cookies.iter().all(|value| matches!(edits.cookie(value.as_bytes()), CookieEdit::Keep)) {
        return;
    }
    let edited: Vec<HeaderValue> = cookies
        .iter()
        .filter_map(|value| match edits.cookie(value.as_bytes()) {
            CookieEdit::Keep => Some(value.clone()),
            CookieEdit::Drop => None,
            CookieEdit::Replace(value) => HeaderValue::from_bytes(&value).ok(),
        })
        .collect();
    let mut edited = edited.into_iter();
    match edited.next() {
        Some(first) => {
            cookies.insert(first);
            edited.for_each(|value| cookies.append(value));
        }
        None => {
            cookies.remove();
        }
    }
}

/// The last `Via` of a request that goes round in circles: its upstream leads back to the gateway.
pub(crate) fn circle(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_us = |member: &[u8]| {
        let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|received_by| received_by == b"bartizan")
    };
    let way = headers.get_all(header::VIA);
    let last = way.iter().next_back()?;
    let rounds = way.iter().flat_map(tokens).filter(|member| is_us(member)).count();
    (rounds > MAX_ROUNDS).then_some(last)
}

/// Whether the client accepts trailers: `TE: trailers` (RFC 9110 §10.1.4).
fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TE)
        && headers
            .get_all(header::TE)
            .iter()
            .flat_map(tokens)
            .any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// Removes from an upstream's head what concerns its connection alone.
pub(crate) fn response_hops(headers: &mut HeaderMap) {
    if let Some(named) = named_by_connection(headers) {
        for name in named {
            if name != header::CONTENT_LENGTH {
                headers.remove(name);
            }
        }
    }
    remove(headers, |name| is_hop_by_hop(name.as_str().as_bytes()));
}

/// The headers that `Connection` names (RFC 9110 §7.6.1).
fn named_by_connection(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    headers.contains_key(header::CONNECTION).then(|| {
        let values = headers.get_all(header::CONNECTION).iter();
        values.flat_map(tokens).filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
    })
}

/// Does to a response what the engine asks for.
pub(crate) fn response(head: &mut response::Parts, edits: &ResponseEdits, site: &Site) {
    let headers = &mut head.headers;
    if !edits.removed().is_empty() {
        for removed in edits.removed().iter() {
            headers.remove(site.name(removed));
        }
    }
    // By their names: what is ours to assert, and `Access-Control-*` headers that the engine has no name for.
    if edits.removes_protected() {
        remove(headers, |name| edits.removes(name.as_str().as_bytes()));
    }
    // Once, so that the map grows at most once.
    headers.reserve(edits.prepared().len() + edits.computed().len() + edits.set_cookies().len());
    for id in edits.prepared() {
        if let Some((name, value)) = site.prepared(id.index()) {
            headers.append(name.clone(), value.clone());
        }
    }
    for (name, value) in edits.computed() {
        append(headers, site.name(*name), value);
    }
    for cookie in edits.set_cookies() {
        append(headers, &header::SET_COOKIE, cookie);
    }
}

/// Appends a value that the engine made. What cannot be a header value is left out.
pub(crate) fn append(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.append(name.clone(), value);
    }
}

/// Announces only the trailers that may come (RFC 9110 §6.6.2), and returns their names. What is not announced does
/// not come: a proxy may drop trailers (§6.5.1), and the head is where it is known what has to be.
fn announce_trailers(headers: &mut HeaderMap, allowed: impl Fn(&HeaderName) -> bool) -> Vec<HeaderName> {
    let header::Entry::Occupied(entry) = headers.entry(header::TRAILER) else { return Vec::new() };
    let (_, values) = entry.remove_entry_mult();
    let names: Vec<HeaderName> = values
        .flat_map(|value| {
            tokens(&value).filter_map(|name| HeaderName::from_bytes(name).ok()).collect::<Vec<_>>()
        })
        .filter(allowed)
        .collect();
    for name in &names {
        headers.append(header::TRAILER, name.clone().into());
    }
    names
}

/// Removes what was not announced, or must not come after the body (RFC 9110 §6.5.1).
pub(crate) fn request_trailers(trailers: &mut HeaderMap, allowed: &[HeaderName]) {
    remove(trailers, |name| !allowed.contains(name));
}

/// The same on the way back: no trailer may set what the engine decides. Returns whether one tried to hand something off.
pub(crate) fn response_trailers(trailers: &mut HeaderMap) -> bool {
    let hands_off = trailers.keys().any(|name| is_handoff(name.as_str().as_bytes()));
    remove(trailers, |name| {
        let bytes = name.as_str().as_bytes();
        is_head_only(name) || is_protected(bytes) || ResponseHeader::identify(bytes).is_some()
    });
    hands_off
}

/// Fields that frame, route, authenticate or change a message: a recipient that merges trailers into headers would
/// believe them after the decision was made.
fn is_head_only(name: &HeaderName) -> bool {
    let text = name.as_str();
    is_hop_by_hop(text.as_bytes())
        || matches!(
            *name,
            header::HOST
                | header::CONTENT_LENGTH
                | header::CONTENT_TYPE
                | header::CONTENT_ENCODING
                | header::CONTENT_RANGE
                | header::TRAILER
                | header::AUTHORIZATION
                | header::COOKIE
                | header::SET_COOKIE
                | header::EXPECT
                | header::ORIGIN
                | header::RANGE
                | header::FORWARDED
                | header::MAX_FORWARDS
                | header::CACHE_CONTROL
                | header::PRAGMA
        )
        || text.starts_with("sec-")
        || text.starts_with("if-")
}

/// Removes every header whose name is `doomed`.
fn remove(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    loop {
        // A map cannot be changed while it is walked; few names go, so they are noted on the stack.
        let names: ArrayVec<HeaderName, 16> =
            headers.keys().filter(|name| doomed(name)).take(16).cloned().collect();
        for name in &names {
            headers.remove(name);
        }
        if !names.is_full() {
            return;
        }
    }
}

/// The members of a comma-separated list (RFC 9110 §5.6.1).
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}
