//! What becomes of a request once it is decided: the handler's response, finished, or a reply of ours.

use std::{
    any::Any,
    fmt,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bartizan_core::{Decision, Denial, DenialCode, Grant, Reason, Reply, ResponseHead, policy::Mode};
use http::{Extensions, Method, Request, Response, header};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    BoxFuture, DenialEvent, HeaderPairs, OsClock, OsEntropy,
    body::{BoxError, Exceeded, RequestBodies, RequestBody, ResponseBodies},
    claims, connection, csrf_token,
    extract::{ClientIp, CspNonce},
    headers,
    judge::{Asks, Judged, Seen, Shared},
    session_error::SessionError,
    session_handle::{Handle, Sessions},
};

pin_project! {
    /// The response of a [`BartizanService`](crate::BartizanService).
    pub struct ResponseFuture<S, B, I, O>
    where
        S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
        B: RequestBodies<I>,
        B: ResponseBodies<O>,
    {
        #[pin]
        state: State<S, S::Future, I, <B as ResponseBodies<O>>::Body>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, I, O> {
        // The engine waits for an answer; then the service is called.
        Asking { judged: BoxFuture<'static, Judged<I>>, shared: Arc<Shared>, seen: Option<Seen>, inner: S },
        Handling { #[pin] future: F, passed: Passed },
        Replying { response: Option<Response<O>> },
    }
}

/// A request that was let through: what its response needs to know of it.
struct Passed {
    shared: Arc<Shared>,
    grant: Grant,
    seen: Seen,
    /// Set where the body had to be counted.
    exceeded: Option<Exceeded>,
    /// What the handler does with sessions, where the policy has any.
    sessions: Option<Arc<Handle>>,
    /// What the handler was given CSRF tokens by, where there are keys.
    tokens: Option<Arc<csrf_token::Issuer>>,
}

impl<S, B, I, O> ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
    I: Body + Send + 'static,
    I::Data: Send,
    I::Error: Into<BoxError>,
{
    pub(crate) fn asking(
        shared: &Arc<Shared>,
        asks: Box<Asks>,
        request: Request<I>,
        seen: Seen,
        inner: S,
    ) -> Self {
        let judged = Arc::clone(shared).judge_slowly(asks, request, seen.peer);
        Self { state: State::Asking { judged, shared: Arc::clone(shared), seen: Some(seen), inner } }
    }

    #[inline]
    pub(crate) fn settled(
        shared: &Arc<Shared>,
        decision: Decision,
        seen: Seen,
        request: Request<I>,
        inner: &mut S,
    ) -> Self {
        settle(shared, decision, seen, request, RequestBody::new, inner)
    }
}

/// Carries a decision out: calls the service, or replies. `body_of` makes the request's body what it is to the
/// handler, if it is not yet.
#[inline]
fn settle<S, B, I, O, J>(
    shared: &Arc<Shared>,
    decision: Decision,
    seen: Seen,
    mut request: Request<J>,
    body_of: impl FnOnce(J) -> RequestBody<I>,
    inner: &mut S,
) -> ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
    J: Body,
{
    let grant = match decision {
        Decision::Allow(grant) => grant,
        Decision::Respond(reply) => return replying(shared, reply, &seen.method),
        Decision::Deny(denial) => return replying(shared, denial.into_reply(), &seen.method),
    };
    for reason in grant.reports() {
        log(&request, &grant, &seen, reason, None);
    }
    // A server's body knows the Content-Length, and ends there.
    let (length, max) = (request.body().size_hint(), grant.max_body());
    if length.lower() > max {
        let denial = grant.fail(Reason::new(DenialCode::BodyTooLarge), OsEntropy);
        log(&request, &grant, &seen, denial.reason(), Some(&denial));
        return replying(shared, denial.into_reply(), &seen.method);
    }
    let sessions = Handle::new(&grant, &shared.store, request.headers());
    headers::edit_request(request.headers_mut(), grant.request_edits());
    introduce(request.extensions_mut(), &grant, seen.peer);
    if let Some(handle) = &sessions {
        request.extensions_mut().insert(Sessions(Arc::clone(handle)));
    }
    let tokens = csrf_token::Issuer::new(&grant);
    if let Some(issuer) = &tokens {
        request.extensions_mut().insert(Arc::clone(issuer));
    }
    let mut exceeded = None;
    let (parts, body) = request.into_parts();
    let mut body = body_of(body);
    if length.upper().is_none_or(|upper| upper > max) {
        exceeded = Some(body.limit(max));
    }
    let body = <B as RequestBodies<I>>::carry(body);
    let passed = Passed { shared: Arc::clone(shared), grant, seen, exceeded, sessions, tokens };
    match catch_unwind(AssertUnwindSafe(|| inner.call(Request::from_parts(parts, body)))) {
        Ok(future) => ResponseFuture { state: State::Handling { future, passed } },
        Err(panic) => replied(passed.panicked::<B, O>(panic)),
    }
}

fn replying<S, B, I, O>(shared: &Shared, reply: Reply, method: &Method) -> ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
{
    replied(headers::response(
        reply,
        &shared.prepared,
        *method == Method::HEAD,
        <B as ResponseBodies<O>>::reply,
    ))
}

fn replied<S, B, I, O>(response: Response<<B as ResponseBodies<O>>::Body>) -> ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
{
    ResponseFuture { state: State::Replying { response: Some(response) } }
}

/// Tells the handler what it may ask for by extractors. Nothing is inserted that the request already says.
#[inline]
fn introduce(extensions: &mut Extensions, grant: &Grant, peer: Option<IpAddr>) {
    if let Some(client_ip) = grant.client_ip().filter(|client_ip| Some(*client_ip) != peer) {
        extensions.insert(ClientIp(client_ip));
    }
    if let Some(nonce) = grant.nonce() {
        extensions.insert(CspNonce::new(nonce));
    }
    if let Some(principal) = grant.principal() {
        extensions.insert(principal.clone());
        if let Some(claims) = claims::Carried::of(grant) {
            extensions.insert(claims);
        }
    }
}

#[cold]
fn log<I>(request: &Request<I>, grant: &Grant, seen: &Seen, reason: &Reason, denial: Option<&Denial>) {
    let host = connection::host(request.uri(), request.headers());
    event(grant, seen, host, reason, denial).emit();
}

/// What the log says of a request that was let through at first.
fn event<'a>(
    grant: &'a Grant,
    seen: &'a Seen,
    host: Option<&'a [u8]>,
    reason: &'a Reason,
    denial: Option<&Denial>,
) -> DenialEvent<'a> {
    DenialEvent {
        reason,
        request_id: denial.map(Denial::request_id),
        mode: if denial.is_some() { Mode::Enforce } else { Mode::Report },
        method: seen.method.as_str().as_bytes(),
        path: seen.path().as_bytes(),
        host,
        client_ip: grant.client_ip(),
        route: grant.route(),
    }
}

impl Passed {
    /// Gives the handler's response what the policy adds, or replaces it.
    fn finish<B, O>(&mut self, mut response: Response<O>) -> Response<<B as ResponseBodies<O>>::Body>
    where
        B: ResponseBodies<O>,
    {
        if self.exceeded.as_ref().is_some_and(Exceeded::is_set) {
            // Whatever the handler made of the error, the client is told what happened.
            return self.refuse::<B, O>(&self.grant.fail(Reason::new(DenialCode::BodyTooLarge), OsEntropy));
        }
        let mail = self.sessions.as_ref().filter(|handle| handle.has_mail()).cloned();
        let tokens = self.tokens.as_ref().filter(|issuer| issuer.has_issued()).cloned();
        if mail.is_some() || tokens.is_some() {
            self.grant.make_personal();
        }
        if let Some(handle) = &mail
            && let Some(denial) = self.account_for(handle, response.extensions())
        {
            return self.refuse::<B, O>(&denial);
        }
        let head = ResponseHead {
            status: response.status().as_u16(),
            headers: HeaderPairs::new(response.headers()),
        };
        let mut edits = self.grant.respond(head, OsClock, OsEntropy);
        if let Some(denial) = edits.take_replacement() {
            return self.refuse::<B, O>(&denial);
        }
        for reason in edits.reports() {
            self.log(reason, None);
        }
        let Shared { prepared, finished, .. } = &*self.shared;
        headers::edit_response(response.headers_mut(), &edits, prepared, finished);
        let changed = mail.is_some_and(|handle| handle.deliver(&self.grant, response.headers_mut()));
        // Tokens of before are worth nothing after that, and so is a pre-session that began with one.
        if let Some(cookie) = tokens.filter(|_| !changed).and_then(|issuer| issuer.set_cookie()) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response.map(<B as ResponseBodies<O>>::pass)
    }

    /// Logs what a handler's calls about sessions came to. Where it passes on that one was refused, that is the answer.
    #[cold]
    fn account_for(&self, handle: &Handle, response: &Extensions) -> Option<Denial> {
        let notes = handle.take_notes()?;
        for reason in &notes.reports {
            self.log(reason, None);
        }
        let denial = notes.denial(&self.grant)?;
        if response.get::<SessionError>().is_some() {
            return Some(denial);
        }
        self.log(denial.reason(), Some(&denial));
        None
    }

    fn panicked<B, O>(&self, panic: Box<dyn Any + Send>) -> Response<<B as ResponseBodies<O>>::Body>
    where
        B: ResponseBodies<O>,
    {
        forget(panic);
        self.refuse::<B, O>(&self.grant.fail(Reason::new(DenialCode::HandlerPanic), OsEntropy))
    }

    fn refuse<B, O>(&self, denial: &Denial) -> Response<<B as ResponseBodies<O>>::Body>
    where
        B: ResponseBodies<O>,
    {
        self.log(denial.reason(), Some(denial));
        let is_head = self.seen.method == Method::HEAD;
        let mut response = headers::response(
            denial.reply().clone(),
            &self.shared.prepared,
            is_head,
            <B as ResponseBodies<O>>::reply,
        );
        // A session that the handler began or ended has begun or ended, whatever the client is answered.
        if let Some(handle) = &self.sessions {
            handle.deliver(&self.grant, response.headers_mut());
        }
        response
    }

    #[cold]
    fn log(&self, reason: &Reason, denial: Option<&Denial>) {
        event(&self.grant, &self.seen, None, reason, denial).emit();
    }
}

/// The panic's text went to the panic hook; the client gets none of it.
pub(crate) fn forget(panic: Box<dyn Any + Send>) {
    // Its destructor is the application's, and may panic too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
}

impl<S, B, I, O> Future for ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
    I: Body + Send + 'static,
    I::Data: Send,
    I::Error: Into<BoxError>,
{
    type Output = Result<Response<<B as ResponseBodies<O>>::Body>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Handling { future, passed } => {
                    return match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                        Ok(polled) => polled.map_ok(|response| passed.finish::<B, O>(response)),
                        Err(panic) => Poll::Ready(Ok(passed.panicked::<B, O>(panic))),
                    };
                }
                StateProjection::Replying { response } => {
                    return Poll::Ready(Ok(response.take().expect("polled after it was ready")));
                }
                StateProjection::Asking { judged, shared, seen, inner } => {
                    let (decision, request) = ready!(judged.as_mut().poll(cx));
                    let seen = seen.take().unwrap_or_else(|| {
                        Seen::of(&request, connection::target(request.uri(), request.extensions()))
                    });
                    settle(shared, decision, seen, request, |body| body, inner)
                }
            };
            self.set(next);
        }
    }
}

impl<S, B, I, O> fmt::Debug for ResponseFuture<S, B, I, O>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
