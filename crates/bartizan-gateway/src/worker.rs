//! One serving thread: its listener, its clock, its upstream connections, and all clients that the kernel gives it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::TcpListener as StdListener,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bartizan::{Answers, OsClock};
use bartizan_core::{Clock as _, Grant};
use http::HeaderValue;
use hyper::server::conn::http1::Builder;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    assertion::Assertions,
    config::{GatewayConfig, Limits},
    connection,
    deadline::{Clock, TICK},
    site::Site,
    upstream::Pool,
};

/// How many idle connections are closed at a time when there are too many.
const SEATS_AT_A_TIME: usize = 16;

/// What the threads of one gateway share.
pub(crate) struct Shared {
    /// How many clients are connected.
    connections: AtomicUsize,
    max_connections: usize,
}

impl Shared {
    pub(crate) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self { connections: AtomicUsize::new(0), max_connections })
    }

    fn is_full(&self) -> bool {
        self.connections.load(Ordering::Relaxed) >= self.max_connections
    }
}

/// One thread's state, shared by its tasks.
pub(crate) struct Worker {
    site: RefCell<Rc<Site>>,
    pub(crate) store: Arc<dyn Answers>,
    assertions: Option<Assertions>,
    pub(crate) limits: Limits,
    pub(crate) clock: Rc<Clock>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) http: Builder,
    shared: Arc<Shared>,
    /// How many clients this thread serves.
    open: Cell<usize>,
    draining: Cell<bool>,
    /// How many idle connections should make room for others.
    wanted_seats: Cell<usize>,
}

impl Worker {
    pub(crate) fn new(config: &GatewayConfig, token: Option<&HeaderValue>, shared: Arc<Shared>) -> Rc<Self> {
        let clock = Clock::new();
        let mut http = Builder::new();
        // The gate has the deadline of heads, and lets only whole ones pass: they must fit.
        http.header_read_timeout(None).max_buf_size(config.limits.max_head.max(64 * 1024));
        if config.limits.max_headers > 100 {
            http.max_headers(config.limits.max_headers);
        }
        Rc::new(Self {
            site: RefCell::new(Rc::new(Site::new(config.engine.clone(), token.map(own)))),
            store: Arc::clone(&config.store),
            assertions: config
                .assertions
                .as_ref()
                .map(|(keys, issuer)| Assertions::new(keys.clone(), issuer)),
            limits: config.limits,
            pool: Pool::new(config.upstream.clone(), Rc::clone(&clock)),
            clock,
            http,
            shared,
            open: Cell::new(0),
            draining: Cell::new(false),
            wanted_seats: Cell::new(0),
        })
    }

    /// The policy that holds now. A request keeps what it began with.
    pub(crate) fn site(&self) -> Rc<Site> {
        Rc::clone(&self.site.borrow())
    }

    /// What the upstream is told of who asks.
    pub(crate) fn assertion(&self, grant: &Grant) -> Option<HeaderValue> {
        self.assertions.as_ref()?.header(grant, OsClock.now())
    }

    /// Whether no request may begin any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether an idle connection should close, so that somebody else can be served.
    pub(crate) fn wants_seat(&self) -> bool {
        let wanted = self.wanted_seats.get();
        self.wanted_seats.set(wanted.saturating_sub(1));
        wanted > 0
    }

    /// Serves until `stop`, then answers what is under way for at most `drain`. Returns how many clients were still
    /// connected at the end.
    pub(crate) async fn run(
        self: Rc<Self>,
        listener: StdListener,
        mut stop: watch::Receiver<bool>,
        drain: Duration,
    ) -> io::Result<usize> {
        let listener = TcpListener::from_std(listener)?;
        tokio::task::spawn_local(Rc::clone(&self).tick());
        loop {
            tokio::select! {
                biased;
                // An error means that the gateway itself is gone.
                _ = stop.wait_for(|&stop| stop) => break,
                accepted = self.accept(&listener) => self.welcome(accepted),
            }
        }
        self.draining.set(true);
        // Clients that the kernel has accepted for us would be reset with the listener. Who has asked is answered.
        while let Ok(accepted) = timeout(Duration::ZERO, listener.accept()).await {
            match accepted {
                Ok((stream, _)) => self.welcome(stream),
                Err(_) => break,
            }
        }
        drop(listener);
        self.clock.wake_all();
        let all_gone = async {
            while self.open.get() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // Late or not, what is left is counted.
        let _ = timeout(drain, all_gone).await;
        Ok(self.open.get())
    }

    /// Accepts a client, and waits until there is room for it.
    ///
    /// Beyond the limit clients wait in the kernel's queue, which costs us nothing, while idle connections are
    /// closed for them.
    async fn accept(&self, listener: &TcpListener) -> TcpStream {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                // The client has gone, or file descriptors have run out; the latter takes a moment.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(target: "bartizan::gateway", %error, "cannot accept connections");
                    sleep(TICK).await;
                }
            }
        };
        while self.shared.is_full() {
            self.wanted_seats.set(SEATS_AT_A_TIME);
            self.clock.wake_all();
            sleep(TICK).await;
            self.wanted_seats.set(0);
        }
        stream
    }

    /// Begins to serve a client.
    fn welcome(self: &Rc<Self>, stream: TcpStream) {
        let Ok(peer) = stream.peer_addr() else { return };
        // Heads and events go out when they are written: nothing waits for an acknowledgement (Nagle).
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(target: "bartizan::gateway", %error, "TCP_NODELAY");
        }
        let seat = Seat::take(self);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            connection::serve(stream, peer.ip().to_canonical(), worker).await;
            drop(seat);
        });
    }

    /// Moves the clock, as long as the thread lives.
    async fn tick(self: Rc<Self>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.clock.advance();
            self.pool.reap();
        }
    }
}

/// A value of its own for this thread: clones of one value share a reference count.
fn own(value: &HeaderValue) -> HeaderValue {
    let mut own = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
    own.set_sensitive(value.is_sensitive());
    own
}

/// A client's place among the connections, given back also if its task panics.
struct Seat(Rc<Worker>);

impl Seat {
    fn take(worker: &Rc<Worker>) -> Self {
        worker.open.set(worker.open.get() + 1);
        worker.shared.connections.fetch_add(1, Ordering::Relaxed);
        Self(Rc::clone(worker))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
