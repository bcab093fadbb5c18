//! A socket to the upstream, from which only so much is read before a response begins.
//!
//! hyper bounds the head of a response, and neither the number nor the size of the interim responses before it
//! (1xx, RFC 9110 §15.2): from an upstream that sends nothing else it goes on reading. So bytes are counted here,
//! those of the head and of all that comes before it together. Not interim responses: one that reports progress
//! may send many.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A socket with its [`Allowance`]. `S` is the place of TLS.
pub(crate) struct Socket<S = TcpStream> {
    stream: S,
    allowance: Allowance,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }

    /// The socket alone: what it carries is no longer HTTP.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

/// How much may be read from a socket. Shared with whoever sends requests over it; atomic because hyper may hand a
/// socket to another thread, which never happens here.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

/// There is no limit.
const UNLIMITED: usize = usize::MAX;

impl Allowance {
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(UNLIMITED)))
    }

    /// From now on, about `bytes` may be read: the read that exceeds them is the last.
    pub(super) fn limit(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// There is no limit any more.
    pub(super) fn lift(&self) {
        self.limit(UNLIMITED);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn spend(&self, bytes: usize) {
        let left = self.left();
        if left != UNLIMITED {
            self.limit(left.saturating_sub(bytes));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.allowance.is_spent() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the response does not begin",
            )));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.allowance.spend(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn what_is_allowed_is_read_and_no_more() {
        let allowance = Allowance::unlimited();
        let mut socket = Socket::new(&[b'x'; 100][..], allowance.clone());
        let mut read = |count: usize| {
            let mut memory = vec![0; count];
            let mut buffer = ReadBuf::new(&mut memory);
            let mut context = Context::from_waker(Waker::noop());
            match Pin::new(&mut socket).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) => Some(buffer.filled().len()),
                Poll::Ready(Err(_)) => None,
                Poll::Pending => unreachable!("a slice is always ready"),
            }
        };
        assert_eq!(read(50), Some(50));
        allowance.limit(20);
        assert_eq!((read(19), allowance.is_spent()), (Some(19), false));
        // A read may be of more than a head.
        assert_eq!((read(5), allowance.is_spent()), (Some(5), true));
        assert_eq!(read(1), None);
        allowance.lift();
        assert_eq!(read(100), Some(26));
    }
}
