//! Idle connections to the upstream, kept per thread: no lock, and a request never changes threads.

use std::{cell::RefCell, collections::VecDeque, io, rc::Rc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;

use super::{
    Address, Connection, SendError, Upstream,
    socket::{Allowance, Socket},
};
use crate::{
    body::RequestBody,
    deadline::{Clock, Ticks},
};

/// How many idle connections a thread keeps.
const MAX_IDLE: usize = 128;

/// How long an idle connection is kept. Servers close theirs after 2 to 75 seconds, which is noticed at once; this
/// is for those that never do.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest head that an upstream may answer with, together with the interim responses before it, and the most
/// that is read ahead of a client, in bytes.
const BUFFER: usize = 64 * 1024;

/// One thread's connections to the upstream.
pub(crate) struct Pool {
    address: Address,
    clock: Rc<Clock>,
    idle_timeout: Ticks,
    http: Builder,
    idle: RefCell<VecDeque<Idle>>,
}

struct Idle {
    line: Line,
    since: u64,
}

/// What requests are sent over.
struct Line {
    sender: SendRequest<RequestBody>,
    allowance: Allowance,
}

/// A connection that was taken out of the pool, or made.
pub(crate) struct Http1 {
    line: Line,
    is_reused: bool,
    pool: Rc<Pool>,
}

/// A reference to a pool, from which connections find back.
impl Upstream for Rc<Pool> {
    type Connection = Http1;

    async fn connection(&self, fresh: bool) -> io::Result<Http1> {
        if !fresh && let Some(line) = self.take_idle() {
            return Ok(Http1 { line, is_reused: true, pool: Self::clone(self) });
        }
        let allowance = Allowance::unlimited();
        let socket = TokioIo::new(Socket::new(self.address.connect().await?, allowance.clone()));
        let (sender, connection) = self.http.handshake(socket).await.map_err(io::Error::other)?;
        // It ends with its last request, or when the upstream closes it; what went wrong, the sender is told.
        tokio::task::spawn_local(connection.with_upgrades());
        Ok(Http1 { line: Line { sender, allowance }, is_reused: false, pool: Self::clone(self) })
    }
}

impl Pool {
    pub(crate) fn new(address: Address, clock: Rc<Clock>) -> Rc<Self> {
        let mut http = Builder::new();
        http.max_buf_size(BUFFER).max_header_size(BUFFER);
        Rc::new(Self {
            address,
            clock,
            idle_timeout: Ticks::new(IDLE_TIMEOUT),
            http,
            idle: RefCell::default(),
        })
    }

    /// Closes what has been idle for long. To be called now and then.
    pub(crate) fn reap(&self) {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|oldest| self.clock.passed(oldest.since, self.idle_timeout)) {
            idle.pop_front();
        }
    }

    /// The connection that was used last, since it is the least likely to have been closed.
    fn take_idle(&self) -> Option<Line> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { line, .. }) = idle.pop_back() {
            // One that is not ready is closing, or still has something of its last request to send.
            if line.sender.is_ready() {
                return Some(line);
            }
        }
        None
    }
}

impl Connection for Http1 {
    fn is_reused(&self) -> bool {
        self.is_reused
    }

    async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        let Line { sender, allowance } = &mut self.line;
        // hyper bounds the head alone; only together with what comes before it does it end.
        allowance.limit(BUFFER);
        match sender.try_send_request(request).await {
            Ok(response) => {
                allowance.lift();
                Ok(response)
            }
            Err(mut error) => Err(match error.take_message() {
                Some(request) => SendError::Unsent(Box::new(request)),
                None if error.error().is_parse() || allowance.is_spent() => SendError::Invalid,
                None => SendError::Closed,
            }),
        }
    }

    fn release(self) {
        let mut idle = self.pool.idle.borrow_mut();
        if !self.line.sender.is_closed() && idle.len() < MAX_IDLE {
            idle.push_back(Idle { line: self.line, since: self.pool.clock.now() });
        }
    }
}
