//! One request and its response: ask the engine, pass on what it lets through, and answer whatever goes wrong.

use std::{
    convert::Infallible,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::atomic::Ordering,
    task::Poll,
    time::Duration,
};

use bartizan::{HeaderPairs, OsClock, OsEntropy};
use bartizan_core::{
    Answer, Decision, Denial, DenialCode, Form, Grant, Query, Reason, Reply, RequestHead, ResponseEdits,
    ResponseHead, Scheme, Step,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::{
    body::{Hold, RequestBody, ResponseBody},
    deadline::Ticks,
    forward, log, replay,
    session::{Phase, Session, Upload},
    site::Site,
    tunnel::{self, Tunnel},
    upstream::{self, Connection as _, SendError, Upstream as _},
};

/// How long a body is held back for the upstream's `100 Continue`.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// Answers `request`. It never fails: what goes wrong is a response too.
pub(crate) async fn exchange(
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let answer = catching(answer(&session, request)).await;
    let mut response = answer.unwrap_or_else(|Panicked| {
        let site = session.worker.site();
        let denial = site.engine.refuse(Reason::new(DenialCode::HandlerPanic), OsEntropy);
        denied(&session, &site, None, denial, true)
    });
    if session.worker.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn answer(session: &Rc<Session>, request: Request<Incoming>) -> Response<ResponseBody> {
    let site = session.worker.site();
    let (head, mut body) = request.into_parts();
    if let Some(reason) = session.take_refusal() {
        return denied(session, &site, None, site.engine.refuse(reason, OsEntropy), true);
    }
    session.upload_begins(!body.is_end_stream());
    session.set_ends_by_close(head.version == Version::HTTP_10);
    let mut prefix = Bytes::new();
    let decision = match judge(session, &site, &head, &mut body, &mut prefix).await {
        Ok(decision) => decision,
        Err(reason) => Decision::Deny(site.engine.refuse(reason, OsEntropy)),
    };
    // Nobody reads the body of a request that goes no further: the connection closes after the answer.
    let unread = !body.is_end_stream();
    match decision {
        Decision::Deny(denial) => denied(session, &site, None, denial, unread),
        Decision::Respond(reply) => {
            log::answered(session, None, reply.status);
            respond(session, &site, reply, unread)
        }
        Decision::Allow(grant) => {
            for reason in grant.reports() {
                log::reported(session, &grant, reason);
            }
            match proxy(session, &site, &grant, head, body, prefix).await {
                Ok(response) => {
                    log::answered(session, Some(&grant), response.status().as_u16());
                    response
                }
                Err(Refused::Replaced(denial)) => denied(session, &site, Some(&grant), *denial, false),
                Err(Refused::Failed(reason)) => {
                    let unread = session.upload() != Upload::Done || session.has_unread();
                    denied(session, &site, Some(&grant), grant.fail(reason, OsEntropy), unread)
                }
            }
        }
    }
}

/// Has the engine decide, and answers what it asks.
async fn judge(
    session: &Rc<Session>,
    site: &Site,
    head: &request::Parts,
    body: &mut Incoming,
    prefix: &mut Bytes,
) -> Result<Decision, Reason> {
    let request = RequestHead {
        method: head.method.as_str().as_bytes(),
        path: head.uri.path().as_bytes(),
        query: head.uri.query().map(str::as_bytes),
        authority: head.uri.authority().map(|authority| authority.as_str().as_bytes()),
        scheme: Scheme::Http,
        peer: Some(session.peer),
        http2: head.version == Version::HTTP_2,
        headers: HeaderPairs::new(&head.headers),
    };
    let mut evaluation = site.engine.evaluate(&request, OsClock, OsEntropy);
    loop {
        match evaluation.step() {
            Step::Done(decision) => return Ok(decision),
            Step::Need(query) => {
                let answer = ask_store(session, query).await;
                evaluation.supply(answer.map_err(|Late| Reason::new(DenialCode::StoreUnavailable))?);
            }
            Step::NeedForm { limit } => {
                session.enter(Phase::Form);
                let form = before_deadline(session, read_form(body, limit, prefix)).await;
                let form = form
                    .map_err(|Late| Reason::new(DenialCode::RequestTimeout))?
                    .map_err(|_| session.take_fault().unwrap_or(Reason::new(DenialCode::RequestTimeout)))?;
                session.enter(Phase::Deciding);
                evaluation.supply_form(form);
            }
        }
    }
}

/// What the store answers: at once where it can.
async fn ask_store(session: &Session, query: Query) -> Result<Answer, Late> {
    let store = &session.worker.store;
    match store.try_answer(query) {
        Ok(answer) => Ok(answer),
        Err(query) => before_deadline(session, store.answer(query)).await,
    }
}

/// Reads at least `limit` bytes of `body`, or all of it, into `prefix`; the engine sees the first `limit`.
async fn read_form(body: &mut Incoming, limit: usize, prefix: &mut Bytes) -> Result<Form, hyper::Error> {
    let mut read = Vec::new();
    while read.len() <= limit
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
    }
    let truncated = read.len() > limit;
    let form = Form { body: read.get(..limit).unwrap_or(&read).to_vec(), truncated };
    *prefix = Bytes::from(read);
    Ok(form)
}

/// Why there is no response of the upstream to pass on.
enum Refused {
    /// The engine answers in its place.
    Replaced(Box<Denial>),
    /// There is none.
    Failed(Reason),
}

impl From<DenialCode> for Refused {
    fn from(code: DenialCode) -> Self {
        Self::Failed(Reason::new(code))
    }
}

/// Sends the request to the upstream, and gives back its response, edited.
async fn proxy(
    session: &Rc<Session>,
    site: &Rc<Site>,
    grant: &Grant,
    mut head: request::Parts,
    body: Incoming,
    prefix: Bytes,
) -> Result<Response<ResponseBody>, Refused> {
    if body.size_hint().lower().saturating_add(prefix.len() as u64) > grant.max_body() {
        return Err(DenialCode::BodyTooLarge.into());
    }
    if let Some(via) = forward::circle(&head.headers) {
        return Err(Refused::Failed(Reason::with_value(DenialCode::UpstreamInvalid, via.as_bytes())));
    }
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| grant.is_websocket()).cloned();
    let mut body = RequestBody::new(Rc::clone(session), prefix, body, grant.max_body());
    let idle = body.is_end_stream();
    body.allow_trailers(forward::request(&mut head, grant, site, session));
    head.extensions.clear();
    let can_repeat = idle && is_idempotent(&head.method);
    let mut request = Request::from_parts(head, body);
    if !idle && expects_continue(request.headers()) {
        hold_for_continue(session, &mut request);
    }
    let (mut response, connection) = send(session, site, grant, request, can_repeat).await?;

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !key.is_some_and(|key| tunnel::agrees(response.headers(), &key)) {
            return Err(DenialCode::UpstreamInvalid.into());
        }
        let taken = before_deadline(session, Tunnel::take(&mut response)).await;
        let Ok(Some(tunnel)) = taken else { return Err(DenialCode::UpstreamInvalid.into()) };
        session.set_tunnel(tunnel);
        return edited(session, site, grant, response.map(|_| whole(session, Bytes::new())), true).await;
    }
    if !upstream::is_well_framed(response.headers()) {
        return Err(DenialCode::UpstreamInvalid.into());
    }
    session.enter(Phase::Streaming);
    let response = response.map(|body| ResponseBody::stream(Rc::clone(session), body, connection));
    edited(session, site, grant, response, false).await
}

/// The engine's edits, done to `response`.
async fn edited(
    session: &Rc<Session>,
    site: &Site,
    grant: &Grant,
    response: Response<ResponseBody>,
    is_tunnel: bool,
) -> Result<Response<ResponseBody>, Refused> {
    let (mut head, body) = response.into_parts();
    forward::response_hops(&mut head.headers);
    let judged = ResponseHead { status: head.status.as_u16(), headers: HeaderPairs::new(&head.headers) };
    let mut edits = grant.respond(judged, OsClock, OsEntropy);
    if let Some(query) = edits.take_query() {
        ask(session, grant, &mut edits, query).await;
    }
    for reason in edits.reports() {
        log::reported(session, grant, reason);
    }
    if let Some(denial) = edits.take_replacement() {
        drop(session.take_tunnel());
        return Err(Refused::Replaced(Box::new(denial)));
    }
    forward::response(&mut head, &edits, site);
    if is_tunnel {
        forward::agree_to_websocket(&mut head.headers);
    }
    head.version = Version::HTTP_11;
    // The upstream's reason phrase: free text that no client needs (RFC 9112 §4).
    head.extensions.clear();
    Ok(Response::from_parts(head, body))
}

/// Answers what the engine asks about a response, and puts it off where the engine wants that.
async fn ask(session: &Session, grant: &Grant, edits: &mut ResponseEdits, first: Query) {
    let phase = session.phase();
    session.enter(Phase::Deciding);
    let mut next = Some(first);
    while let Some(query) = next {
        let answer = ask_store(session, query).await;
        grant.supply(edits, &answer.unwrap_or(Answer::Unavailable), OsEntropy);
        next = edits.take_query();
    }
    let delay = edits.delay();
    if !delay.is_zero() {
        session.put_off(delay);
        // Who waits when the gateway stops is answered then: the others would have to wait with them.
        let stops = poll_fn(|_| if session.worker.is_draining() { Poll::Ready(()) } else { Poll::Pending });
        let _ = before_deadline(session, stops).await;
    }
    session.enter(phase);
}

/// Sends `request` over an idle connection or a new one; a second time where the first cannot have had an effect.
async fn send(
    session: &Rc<Session>,
    site: &Site,
    grant: &Grant,
    mut request: Request<RequestBody>,
    can_repeat: bool,
) -> Result<(Response<Incoming>, upstream::Http1), Refused> {
    let mut fresh = false;
    loop {
        session.enter(Phase::Connecting);
        let connecting = session.worker.pool.connection(fresh);
        let mut connection = match before_deadline(session, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                tracing::debug!(target: "bartizan::gateway", %error, "cannot connect to the upstream");
                return Err(DenialCode::UpstreamUnreachable.into());
            }
            Err(Late) => return Err(DenialCode::UpstreamUnreachable.into()),
        };
        session.enter(Phase::Waiting);
        let error = match before_deadline(session, connection.send(request)).await {
            Ok(Ok(response)) => return Ok((response, connection)),
            Ok(Err(error)) => error,
            Err(Late) if session.upload() == Upload::Client => return Err(DenialCode::RequestTimeout.into()),
            Err(Late) => return Err(DenialCode::UpstreamTimeout.into()),
        };
        if let Some(fault) = session.take_fault() {
            return Err(Refused::Failed(fault));
        }
        // An idle connection may have been closed by the upstream just as it was taken (RFC 9112 §9.3.1).
        request = match error {
            SendError::Unsent(request) if connection.is_reused() => *request,
            SendError::Closed if connection.is_reused() && can_repeat => repeat(session, site, grant)?,
            _ => return Err(DenialCode::UpstreamInvalid.into()),
        };
        fresh = true;
    }
}

/// The request once more, from the bytes that the client sent.
fn repeat(session: &Rc<Session>, site: &Site, grant: &Grant) -> Result<Request<RequestBody>, Refused> {
    let body = RequestBody::empty(Rc::clone(session));
    let again = session.with_head(|bytes| replay::parse(bytes, body)).ok_or(DenialCode::UpstreamInvalid)?;
    let (mut head, body) = again.into_parts();
    forward::request(&mut head, grant, site, session);
    Ok(Request::from_parts(head, body))
}

/// Whether doing it twice is doing it once (RFC 9110 §9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The client waits for `100 Continue` before it sends its body. hyper sends it when the body is first asked for,
/// which is now put off until the upstream says the same.
fn hold_for_continue(session: &Rc<Session>, request: &mut Request<RequestBody>) {
    let (hold, wanted) = Hold::new(session.worker.clock.deadline(), Ticks::new(CONTINUE_PATIENCE));
    request.body_mut().hold(hold);
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            wanted.store(true, Ordering::Relaxed);
        }
    });
}

/// A refusal, logged, as a response.
fn denied(
    session: &Rc<Session>,
    site: &Site,
    grant: Option<&Grant>,
    denial: Denial,
    unread: bool,
) -> Response<ResponseBody> {
    log::denied(session, grant, &denial);
    respond(session, site, denial.into_reply(), unread)
}

/// A reply of ours as a response. Where something of the request is unread, the connection ends with it.
fn respond(session: &Rc<Session>, site: &Site, mut reply: Reply, unread: bool) -> Response<ResponseBody> {
    session.enter(Phase::Streaming);
    let mut response = Response::new(whole(session, Bytes::from(mem::take(&mut reply.body))));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(reply.prepared().len() + reply.computed().len() + 2);
    for (name, value) in reply.prepared().iter().filter_map(|id| site.prepared(id.index())) {
        headers.append(name.clone(), value.clone());
    }
    for (name, value) in reply.computed() {
        forward::append(headers, site.name(*name), value);
    }
    if unread {
        session.leave_unread();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn whole(session: &Rc<Session>, body: Bytes) -> ResponseBody {
    ResponseBody::whole(Rc::clone(session), body)
}

/// The connection's deadline has passed.
struct Late;

/// Waits for `future` as long as the connection's deadline allows. The connection's task watches the clock; it is
/// the task that this runs on.
async fn before_deadline<F: Future>(session: &Session, future: F) -> Result<F::Output, Late> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending if session.deadline.has_passed() => Poll::Ready(Err(Late)),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// `future` panicked.
struct Panicked;

/// Runs `future`, and survives its panic: the other connections of the thread have done nothing wrong.
async fn catching<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // What the panic may have left half done is dropped with the future, and the connection is closed.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
