//! Listening out a client that has its answer and goes on sending what nobody wants (RFC 9112 §9.6).
//!
//! A socket that is closed with unread bytes is reset, and a reset takes the answer away from a client that has not
//! read it yet: one that sends its whole upload first would never learn why it was refused. So our side is closed
//! alone, and what still comes is read and thrown away. Not for long, not without end, without memory that is held
//! meanwhile, and only as long as nobody else waits for the place.

use std::{future::poll_fn, io, mem::MaybeUninit, pin::Pin, rc::Rc, task::Poll, time::Duration};

use tokio::io::{AsyncRead, ReadBuf};

use crate::deadline::{Clock, Ticks};

/// How long a client may send nothing: it has its answer, and the end of it, and would close.
const QUIET: Duration = Duration::from_secs(1);

/// How long it takes at most. A client that reads while it sends has read an answer by then.
const WHOLE: Duration = Duration::from_secs(5);

/// How much is read at most, in bytes: what comes in the whole time at 100 Mbit/s.
const MOST: u64 = 64 << 20;

/// Reads `stream` until the client closes it, falls silent, or has sent for too long or too much; or until
/// `gives_way` says that its place is wanted.
pub(crate) async fn listen_out(
    stream: &mut (impl AsyncRead + Unpin),
    clock: &Rc<Clock>,
    gives_way: impl Fn() -> bool,
) -> io::Result<()> {
    let (quiet, whole) = (clock.deadline(), clock.deadline());
    quiet.set(Ticks::new(QUIET));
    whole.set(Ticks::new(WHOLE));
    let mut read = 0;
    poll_fn(|context| {
        quiet.watch(context);
        whole.watch(context);
        let mut memory = [MaybeUninit::uninit(); 16 * 1024];
        while read < MOST && !quiet.has_passed() && !whole.has_passed() && !gives_way() {
            let mut buffer = ReadBuf::uninit(&mut memory);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                end => return end,
            }
            read += buffer.filled().len() as u64;
            quiet.set(Ticks::new(QUIET));
        }
        Poll::Ready(Ok(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    /// What a client does at a tenth of a second.
    #[derive(Clone, Copy)]
    enum Does {
        Send(u64),
        Close,
    }

    /// A client that does what the cell says.
    struct Client<'c> {
        next: &'c Cell<Does>,
        sent: &'c Cell<u64>,
    }

    impl AsyncRead for Client<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let left = match self.next.get() {
                Does::Send(0) => return Poll::Pending,
                Does::Send(left) => left,
                Does::Close => return Poll::Ready(Ok(())),
            };
            let count = left.min(buffer.remaining() as u64);
            buffer.initialize_unfilled_to(usize::try_from(count).unwrap());
            buffer.advance(usize::try_from(count).unwrap());
            self.next.set(Does::Send(left - count));
            self.sent.set(self.sent.get() + count);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn it_ends_whatever_the_client_does() {
        type Script = fn(u64) -> Does;
        let cases: [(&str, Script, bool, u64, u64); 7] = [
            ("closes", |tick| if tick < 3 { Does::Send(1000) } else { Does::Close }, false, 3, 3000),
            ("says nothing", |_| Does::Send(0), false, 11, 0),
            ("falls silent", |tick| Does::Send(if tick < 5 { 10 } else { 0 }), false, 15, 50),
            ("sends a byte now and then", |tick| Does::Send(u64::from(tick % 9 == 0)), false, 51, 6),
            ("sends steadily", |_| Does::Send(1 << 20), false, 51, 51 << 20),
            ("sends as fast as it can", |_| Does::Send(u64::MAX), false, 0, MOST),
            ("is in somebody's way", |_| Does::Send(1), true, 20, 20),
        ];
        for (name, script, is_wanted, expected_end, expected_read) in cases {
            let clock = Clock::new();
            let (next, sent, tick) = (Cell::new(Does::Send(0)), Cell::new(0), Cell::new(0));
            let mut client = Client { next: &next, sent: &sent };
            let mut lingering = pin!(listen_out(&mut client, &clock, || is_wanted && tick.get() == 20));
            loop {
                clock.advance_to(Duration::from_millis(100 * tick.get()));
                next.set(script(tick.get()));
                if lingering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tick.set(tick.get() + 1);
                assert!(tick.get() < 100, "a client that {name} is listened to for ever");
            }
            assert_eq!((tick.get(), sent.get()), (expected_end, expected_read), "a client that {name}");
        }
    }
}
