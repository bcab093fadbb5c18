//! Why a gateway cannot start.

use std::{io, net::SocketAddr};

use thiserror::Error;

/// Why a gateway cannot start. Each message says what was found and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// `server.listen` is not an address with a port.
    #[error("`server.listen = \"{0}\"` is not an address: write one with a port, such as \"127.0.0.1:8080\"")]
    ListenInvalid(String),
    /// Another process listens there.
    #[error(
        "{0} is in use by another process: stop that process, or choose another address with `--listen` or `server.listen`"
    )]
    AddressInUse(SocketAddr),
    /// The operating system forbids it; ports below 1024 usually need a privilege.
    #[error(
        "no permission to listen on {0}: choose a port from 1024 up, or give the process CAP_NET_BIND_SERVICE"
    )]
    PermissionDenied(SocketAddr),
    /// The address is not one of this machine's.
    #[error("{0} is not an address of this machine: listen on one that is, or on all with 0.0.0.0")]
    AddressNotAvailable(SocketAddr),
    /// Anything else that listening can fail with.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The policy names no upstream.
    #[error("no upstream is named: set `server.upstream = \"http://127.0.0.1:8000\"` or pass `--upstream`")]
    UpstreamMissing,
    /// `server.upstream` is not `http://host[:port]`.
    #[error("`server.upstream = \"{0}\"` is not an address: write \"http://host:port\", without a path")]
    UpstreamInvalid(String),
    /// `server.upstream` is an `https` URL.
    #[error("`server.upstream = \"{0}\"`: this build cannot speak TLS to an upstream yet; use \"http://\"")]
    UpstreamTls(String),
    /// `server.tls` is set.
    #[error(
        "`server.tls` is set, but this build cannot serve TLS yet: put a TLS proxy in front and name it in `proxy.trusted`"
    )]
    TlsUnsupported,
    /// `server.upstream_token` holds characters that a header cannot carry.
    #[error("the secret of `server.upstream_token` is empty or has characters that a header cannot carry")]
    UpstreamTokenInvalid,
    /// The threads or their runtimes could not be made.
    #[error("cannot start a serving thread: {0}")]
    Thread(io::Error),
}

impl GatewayError {
    pub(crate) fn from_bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied(address),
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable(address),
            _ => Self::Listen { address, source },
        }
    }
}
