//! Bodies on their way through: streamed frame by frame, counted, never collected.

use std::{
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bartizan_core::{DenialCode, Reason};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

use crate::{
    deadline::{Deadline, Ticks},
    forward, log,
    session::{Session, Upload},
    upstream::{Connection as _, Http1},
};

/// Why a body ends before its end.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    #[error("the request's body is longer than its route allows")]
    TooLarge,
    #[error("the response ended before the request's body")]
    Abandoned,
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
    #[error("the upstream's body broke off")]
    Upstream(#[source] hyper::Error),
}

/// A request's body, on its way to the upstream.
pub(crate) struct RequestBody {
    session: Rc<Session>,
    /// What was read ahead for the engine, to be replayed.
    prefix: Bytes,
    /// `None` where a request is sent a second time: only one without a body is.
    rest: Option<Incoming>,
    /// How many more bytes the route allows.
    left: u64,
    /// `Expect: 100-continue`: the body waits until the upstream wants it.
    hold: Option<Hold>,
    /// The trailers that may follow.
    trailers: Vec<HeaderName>,
}

impl RequestBody {
    pub(crate) fn new(session: Rc<Session>, prefix: Bytes, rest: Incoming, limit: u64) -> Self {
        let body = Self { session, prefix, rest: Some(rest), left: limit, hold: None, trailers: Vec::new() };
        body.session.upload_begins(!body.is_end_stream());
        body
    }

    /// No body.
    pub(crate) fn empty(session: Rc<Session>) -> Self {
        session.upload_begins(false);
        Self { session, prefix: Bytes::new(), rest: None, left: 0, hold: None, trailers: Vec::new() }
    }

    /// Lets trailers of these names follow, and no others.
    pub(crate) fn allow_trailers(&mut self, names: Vec<HeaderName>) {
        self.trailers = names;
    }

    /// Holds the body back until `hold` is over.
    pub(crate) fn hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    fn take_data(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        let Some(left) = self.left.checked_sub(data.len() as u64) else {
            self.session.upload_failed(Reason::new(DenialCode::BodyTooLarge));
            return Err(BodyError::TooLarge);
        };
        self.left = left;
        self.session.upload_moves(self.is_end_stream());
        Ok(Frame::data(data))
    }

    fn take_trailers(&mut self, mut trailers: HeaderMap) -> Frame<Bytes> {
        forward::request_trailers(&mut trailers, &self.trailers);
        self.session.upload_moves(true);
        Frame::trailers(trailers)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.session.upload() == Upload::Abandoned {
            return Poll::Ready(Some(Err(BodyError::Abandoned)));
        }
        if let Some(hold) = &this.hold {
            if !hold.is_over(context) {
                this.session.upload_held(context);
                return Poll::Pending;
            }
            this.hold = None;
        }
        if !this.prefix.is_empty() {
            let prefix = std::mem::take(&mut this.prefix);
            return Poll::Ready(Some(this.take_data(prefix)));
        }
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(rest).poll_frame(context) else {
            this.session.upload_waits(context);
            return Poll::Pending;
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.into_data().map_err(Frame::into_trailers) {
                Ok(data) => Some(this.take_data(data)),
                Err(Ok(trailers)) => Some(Ok(this.take_trailers(trailers))),
                // HTTP/1.1 has no other frames.
                Err(Err(frame)) => Some(Ok(frame)),
            },
            Some(Err(error)) => {
                this.session.leave_unread();
                Some(Err(BodyError::Client(error)))
            }
            None => {
                this.session.upload_moves(true);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.prefix.len() as u64;
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + ahead);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint
    }
}

/// Waits for the upstream's `100 Continue`, but not for long: many servers never send one (RFC 9110 §10.1.1).
pub(crate) struct Hold {
    wanted: Arc<AtomicBool>,
    deadline: Deadline,
}

impl Hold {
    /// Begins to wait, at most for `patience`. hyper calls from the connection's own task, so that the flag needs
    /// no waker.
    pub(crate) fn new(deadline: Deadline, patience: Ticks) -> (Self, Arc<AtomicBool>) {
        deadline.set(patience);
        let wanted = Arc::new(AtomicBool::new(false));
        (Self { wanted: Arc::clone(&wanted), deadline }, wanted)
    }

    fn is_over(&self, context: &Context<'_>) -> bool {
        self.deadline.watch(context);
        self.deadline.has_passed() || self.wanted.load(Ordering::Relaxed)
    }
}

/// A response's body, on its way to the client.
pub(crate) struct ResponseBody {
    session: Rc<Session>,
    content: Content,
}

enum Content {
    /// Ours.
    Whole(Bytes),
    /// The upstream's, with the connection that it comes from.
    Stream { body: Incoming, connection: Option<Http1>, complete: bool },
}

impl ResponseBody {
    /// A body that we made.
    pub(crate) fn whole(session: Rc<Session>, body: Bytes) -> Self {
        Self { session, content: Content::Whole(body) }
    }

    /// What the upstream sends.
    pub(crate) fn stream(session: Rc<Session>, body: Incoming, connection: Http1) -> Self {
        Self { session, content: Content::Stream { body, connection: Some(connection), complete: false } }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match &mut this.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Stream { body, complete, .. } => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                this.session.progress();
                Poll::Ready(match frame {
                    Some(Ok(mut frame)) => {
                        if let Some(trailers) = frame.trailers_mut() {
                            *complete = true;
                            if forward::response_trailers(trailers) {
                                log::handed_off_late(&this.session);
                            }
                        }
                        Some(Ok(frame))
                    }
                    Some(Err(error)) => Some(Err(BodyError::Upstream(error))),
                    None => {
                        *complete = true;
                        None
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    /// hyper drops a body when it has all of it, without asking for the end of one whose length it knows.
    fn drop(&mut self) {
        if let Content::Stream { body, connection, complete } = &mut self.content
            && (*complete || body.is_end_stream())
            && self.session.upload() == Upload::Done
            && let Some(connection) = connection.take()
        {
            connection.release();
        }
        self.session.response_ended();
    }
}
