//! The gate between a client's socket and hyper: it lets one well-formed request through at a time.
//!
//! hyper's parser decides some things before anyone can ask: it drops `Content-Length` beside
//! `Transfer-Encoding`, merges equal lengths, takes a bare LF for a line end, and answers what it cannot parse by
//! itself, without our headers. It also has no deadline for a head but a timer per request. So the gate holds each
//! head back until all of it has come, judges its framing ([`head`]), and follows the body to know where the next
//! head begins. Bodies are not copied: hyper's buffer is read into directly, and what was read beyond the body's
//! end (a pipelined request) is taken back.
//!
//! A head that is refused never reaches hyper. A fixed request takes its place, and the reason waits in the
//! [`Session`], so that the refusal is answered in its turn and written like every other response.

mod chunked;
mod head;
mod inbox;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bartizan_core::{DenialCode, Reason};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{
    chunked::Chunked,
    head::{Framing, HeadScanner},
    inbox::Inbox,
};
use crate::session::{Phase, Session};

/// Takes the place of a head that is refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// The framing of a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// A client's stream, read request by request. `S` is the place of TLS.
pub(crate) struct Gate<S> {
    stream: S,
    session: Rc<Session>,
    state: State,
    scanner: HeadScanner,
    /// What has been read and not been passed on.
    inbox: Inbox,
}

#[derive(Debug)]
enum State {
    /// A head is awaited, or is coming.
    Head,
    /// So much of the inbox goes to hyper, then comes the body.
    Passing(usize, Framing),
    /// So much of a body is still to come.
    Length(u64),
    Chunked(Chunked),
    /// A refusal is under way; nothing more is read.
    Closed,
    /// Everything passes: a tunnel.
    Open,
}

impl<S> Gate<S> {
    pub(crate) fn new(stream: S, session: Rc<Session>) -> Self {
        Self { stream, session, state: State::Head, scanner: HeadScanner::default(), inbox: Inbox::default() }
    }

    /// Lets everything pass from now on.
    pub(crate) fn open(&mut self) {
        self.state = State::Open;
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream alone. What has been read of it is forgotten.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Puts the fixed request in the place of what has come, and remembers why.
    fn refuse(&mut self, reason: Reason) {
        self.session.head_arrived(self.inbox.bytes());
        self.session.refuse_next(reason);
        self.session.leave_unread();
        self.inbox.clear();
        self.inbox.push(STAND_IN);
        self.state = State::Passing(STAND_IN.len(), Framing::Length(0));
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// Waits for a whole head. `false` if the client has closed its side.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let limits = &self.session.worker.limits;
        let (max_headers, max_head) = (limits.max_headers, limits.max_head);
        loop {
            if !self.session.is_between_requests() {
                // A pipelined request waits until the one before it is answered; `poll_flush` wakes us. Until one
                // comes, reading on shows when the client leaves.
                if !self.inbox.bytes().is_empty() {
                    return Poll::Pending;
                }
            } else if let Some(reason) = self.session.take_refusal() {
                self.refuse(reason);
                return Poll::Ready(Ok(true));
            } else if !self.inbox.bytes().is_empty() {
                match self.scanner.scan(self.inbox.bytes(), max_headers) {
                    Ok(Some(head)) => {
                        let bytes = self.inbox.bytes().get(..head.len).unwrap_or_default();
                        self.session.head_arrived(bytes);
                        self.state = State::Passing(head.len, head.framing);
                        return Poll::Ready(Ok(true));
                    }
                    Ok(None) if self.inbox.bytes().len() >= max_head => {
                        self.refuse(Reason::new(DenialCode::HeadersTooLarge));
                        return Poll::Ready(Ok(true));
                    }
                    Ok(None) if self.session.phase() == Phase::Idle => self.session.enter(Phase::Head),
                    Ok(None) => {}
                    Err(reason) => {
                        self.refuse(reason);
                        return Poll::Ready(Ok(true));
                    }
                }
            }
            if ready!(self.inbox.poll_fill(context, &mut self.stream, max_head))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
    }

    /// Reads a part of a body, and no byte beyond its end.
    fn poll_body(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.inbox.bytes().is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            self.inbox.pass(buffer, usize::MAX);
        }
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let (used, done) = match &mut self.state {
            State::Length(left) => {
                let used = (*left).min(fresh.len() as u64);
                *left -= used;
                (usize::try_from(used).unwrap_or(usize::MAX), *left == 0)
            }
            State::Chunked(chunked) => {
                let Ok(used) = chunked.advance(fresh) else {
                    self.state = State::Closed;
                    self.session.upload_failed(Reason::new(DenialCode::FramingAmbiguous));
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                };
                (used, chunked.is_done())
            }
            _ => return Poll::Ready(Ok(())),
        };
        if used < fresh.len() {
            self.inbox.put_back(fresh.get(used..).unwrap_or_default());
            buffer.set_filled(before + used);
        }
        if done {
            self.state = State::Head;
        }
        self.session.progress();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = &mut *self;
        if matches!(gate.state, State::Head) && !ready!(gate.poll_head(context))? {
            return Poll::Ready(Ok(()));
        }
        match gate.state {
            State::Passing(left, framing) => {
                let left = left - gate.inbox.pass(buffer, left);
                gate.state = match framing {
                    _ if left > 0 => State::Passing(left, framing),
                    _ if gate.session.is_refused() => State::Closed,
                    Framing::Length(0) => State::Head,
                    Framing::Length(length) => State::Length(length),
                    Framing::Chunked => State::Chunked(Chunked::new()),
                };
                Poll::Ready(Ok(()))
            }
            State::Length(_) | State::Chunked(_) => gate.poll_body(context, buffer),
            State::Open if gate.inbox.bytes().is_empty() => {
                ready!(Pin::new(&mut gate.stream).poll_read(context, buffer))?;
                gate.session.progress();
                Poll::Ready(Ok(()))
            }
            State::Open => {
                gate.inbox.pass(buffer, usize::MAX);
                Poll::Ready(Ok(()))
            }
            // The refusal, or the deadline, ends the connection.
            State::Closed | State::Head => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.session.progress();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.session.progress();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the socket when its own buffer is empty: then a complete response is out.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.session.phase() == Phase::Flushing {
            self.session.enter(Phase::Idle);
            if !self.inbox.bytes().is_empty() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The connection is not hyper's to close: it may become a tunnel, or have to be listened out.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Gate<S> {
    /// Closes our side of the stream for real.
    pub(crate) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
