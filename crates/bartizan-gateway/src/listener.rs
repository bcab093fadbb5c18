//! Binding the address and running the threads.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use http::HeaderValue;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::watch,
};

use crate::{
    GatewayConfig, GatewayError, site,
    worker::{Shared, Worker},
};

/// How many clients may wait to be accepted, per thread; the kernel has a limit of its own (`somaxconn`).
const BACKLOG: i32 = 1024;

/// Bartizan as a reverse proxy.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Takes the address. From now on clients can connect; they are served by [`BoundGateway::run`].
    pub fn bind(config: GatewayConfig) -> Result<BoundGateway, GatewayError> {
        let token = config.upstream_token.as_ref().map(site::token_value).transpose()?;
        let listeners = bind_all(config.listen, config.threads)?;
        let local = listeners.first().map_or(Ok(config.listen), TcpListener::local_addr);
        let local = local.map_err(|error| GatewayError::from_bind(config.listen, error))?;
        Ok(BoundGateway { config, token, listeners, local })
    }
}

/// A gateway that has its address.
#[derive(Debug)]
pub struct BoundGateway {
    config: GatewayConfig,
    token: Option<HeaderValue>,
    listeners: Vec<TcpListener>,
    local: SocketAddr,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many connections were still open when `server.drain_timeout` had passed, and were cut.
    pub cut: usize,
}

impl BoundGateway {
    /// The address that was taken, with the real port where port 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown` is done; then accepts no more clients, answers what is under way within
    /// `server.drain_timeout`, and returns.
    ///
    /// It blocks the calling thread, which runs `shutdown` on a runtime of its own with all drivers enabled, and
    /// serves on as many others as `server.threads` says.
    pub fn run(self, shutdown: impl Future<Output = ()>) -> Result<Drained, GatewayError> {
        let control = Builder::new_current_thread().enable_all().build().map_err(GatewayError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let shared = Shared::new(self.config.max_connections);
        let config = Arc::new(self.config);
        let (started, starts) = mpsc::channel();
        let mut threads = Vec::new();
        for (index, listener) in self.listeners.into_iter().enumerate() {
            let thread = Thread {
                config: Arc::clone(&config),
                token: self.token.clone(),
                shared: Arc::clone(&shared),
                stop: stopped.clone(),
                started: started.clone(),
            };
            let name = format!("gateway-{index}");
            let spawned = thread::Builder::new().name(name).spawn(move || thread.serve(listener));
            threads.push(spawned.map_err(GatewayError::Thread)?);
        }
        drop(started);
        // All threads or none: half a gateway would be found out under load.
        let failure = starts.iter().take(threads.len()).find_map(Result::err);
        if failure.is_none() {
            control.block_on(shutdown);
        }
        // The threads hold the receivers; where none is left there is nobody to stop.
        let _ = stop.send(true);
        let cut = join(threads)?;
        failure.map_or(Ok(Drained { cut }), |error| Err(GatewayError::Thread(error)))
    }
}

fn join(threads: Vec<JoinHandle<io::Result<usize>>>) -> Result<usize, GatewayError> {
    let mut cut = 0;
    for thread in threads {
        let result = thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        cut += result.map_err(GatewayError::Thread)?;
    }
    Ok(cut)
}

/// What a serving thread takes with it.
struct Thread {
    config: Arc<GatewayConfig>,
    token: Option<HeaderValue>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    started: mpsc::Sender<Result<(), io::Error>>,
}

impl Thread {
    fn serve(self, listener: TcpListener) -> io::Result<usize> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Only names are resolved there.
            .max_blocking_threads(4)
            .build_local(LocalOptions::default());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever listens has gone only if another thread has failed already.
                let _ = self.started.send(Err(error));
                return Ok(0);
            }
        };
        let _ = self.started.send(Ok(()));
        let worker = Worker::new(&self.config, self.token.as_ref(), self.shared);
        let cut = runtime.block_on(worker.run(listener, self.stop, self.config.drain));
        // A name that is being resolved does not hold up the end.
        runtime.shutdown_background();
        cut
    }
}

/// One listener per thread on the same address: the kernel shares the clients out (`SO_REUSEPORT`).
fn bind_all(address: SocketAddr, threads: usize) -> Result<Vec<TcpListener>, GatewayError> {
    let fail = |error| GatewayError::from_bind(address, error);
    // With SO_REUSEPORT a second gateway would quietly share the address with the first. So the address is taken
    // exclusively once, which fails if anyone listens there, and then shared with ourselves.
    let alone = listen(address, false).map_err(fail)?;
    if threads <= 1 || !cfg!(target_os = "linux") {
        return Ok(vec![alone]);
    }
    let address = alone.local_addr().map_err(fail)?;
    drop(alone);
    (0..threads).map(|_| listen(address, true).map_err(fail)).collect()
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted gateway does not wait for the connections of the last one to time out.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    socket.set_reuse_port(shared)?;
    #[cfg(not(target_os = "linux"))]
    let _ = shared;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
