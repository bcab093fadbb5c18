//! What a gateway is told: the policy's `[server]` table with its defaults, and what a policy cannot hold.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs as _},
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};

use bartizan::{Answers, NoStore, WithLocalLimits};
use bartizan_core::{Engine, keys::Keys, policy};
use secrecy::SecretString;

use crate::{GatewayError, deadline::Ticks, upstream::Address};

/// Where a gateway listens when nothing is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Room for a request line besides the headers.
const REQUEST_LINE: u64 = 16 * 1024;

/// Everything that a gateway needs to run.
pub struct GatewayConfig {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Answers>,
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: Address,
    pub(crate) upstream_token: Option<SecretString>,
    pub(crate) assertions: Option<(Keys, Box<str>)>,
    pub(crate) threads: usize,
    pub(crate) max_connections: usize,
    pub(crate) drain: Duration,
    pub(crate) limits: Limits,
}

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header: Ticks,
    pub(crate) connect: Ticks,
    pub(crate) response: Ticks,
    pub(crate) idle: Ticks,
    pub(crate) keep_alive: Ticks,
    /// How many headers a head may have before it is refused unparsed.
    pub(crate) max_headers: usize,
    /// How long a head may be before it is refused unparsed, in bytes.
    pub(crate) max_head: usize,
}

impl GatewayConfig {
    /// The configuration that `policy` asks for, with `engine` built from the same policy.
    ///
    /// No store answers the engine's queries until one is given, so routes that need a credential stay closed.
    pub fn new(policy: &policy::Policy, engine: Engine) -> Result<Self, GatewayError> {
        let server = &policy.server;
        if server.tls.is_some() {
            return Err(GatewayError::TlsUnsupported);
        }
        let upstream = server.upstream.as_deref().ok_or(GatewayError::UpstreamMissing)?;
        let threads = server.threads.map_or_else(
            || thread::available_parallelism().map_or(1, NonZeroUsize::get),
            |threads| usize::from(threads).max(1),
        );
        Ok(Self {
            engine,
            store: Arc::new(WithLocalLimits::new(NoStore)),
            listen: Self::listen_address(policy)?,
            upstream: Address::parse(upstream)?,
            upstream_token: None,
            assertions: None,
            threads,
            max_connections: server.max_connections.map_or(10_000, |max| max.max(1) as usize),
            drain: server.drain_timeout.map_or(Duration::from_secs(30), |span| span.0),
            limits: Limits::new(server, &policy.request),
        })
    }

    /// Where `policy` says to listen; 127.0.0.1:8080 where it says nothing. A host name stands for its first
    /// address.
    pub fn listen_address(policy: &policy::Policy) -> Result<SocketAddr, GatewayError> {
        let Some(text) = &policy.server.listen else { return Ok(LISTEN) };
        text.to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| GatewayError::ListenInvalid(text.clone()))
    }

    /// Who answers the engine's queries. Rate limits are counted in this process without it, and with it while it
    /// [is away](WithLocalLimits).
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Answers>) -> Self {
        self.store = Arc::new(WithLocalLimits::new(store));
        self
    }

    /// Tells the upstream of every request whose credential was verified who it comes from, by a token in
    /// `Bartizan-Assertion` that is signed with a key derived from `keys` and names `issuer`. Give the engine the public
    /// keys ([`assertion_keys`](crate::assertion_keys)) by its deployment.
    #[must_use]
    pub fn assertions(mut self, keys: Keys, issuer: &str) -> Self {
        self.assertions = Some((keys, issuer.into()));
        self
    }

    /// What `server.upstream_token` refers to, resolved: sent to the upstream with every request, as
    /// `Bartizan-Upstream-Token`.
    #[must_use]
    pub fn upstream_token(mut self, token: SecretString) -> Self {
        self.upstream_token = Some(token);
        self
    }
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("listen", &self.listen)
            .field("upstream", &self.upstream)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Limits {
    fn new(server: &policy::ServerConfig, request: &policy::FirewallConfig) -> Self {
        let ticks = |span: Option<policy::Duration>, default: u64| {
            Ticks::new(span.map_or(Duration::from_secs(default), |span| span.0))
        };
        let max_headers = request.max_headers.unwrap_or(100) as usize;
        let head = request.max_header_bytes.map_or(32 * 1024, |size| size.0);
        // What the engine counts is names and values; four more bytes per header go over the wire.
        let wire = head.saturating_add(REQUEST_LINE).saturating_add(4 * max_headers as u64);
        Self {
            header: ticks(server.header_timeout, 10),
            connect: ticks(server.connect_timeout, 5),
            response: ticks(server.response_timeout, 60),
            idle: ticks(server.idle_timeout, 300),
            keep_alive: ticks(server.keep_alive, 60),
            max_headers: max_headers.max(100),
            // A megabyte is beyond every use, and bounds the memory of a connection.
            max_head: usize::try_from(wire).unwrap_or(usize::MAX).min(1 << 20),
        }
    }
}
