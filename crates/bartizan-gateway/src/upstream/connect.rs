//! Reaching the upstream over TCP.

use std::{io, net::SocketAddr};

use http::{Uri, uri::Scheme};
use tokio::net::TcpStream;

use crate::GatewayError;

/// Where the upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An address that needs no resolving.
    Socket(SocketAddr),
    /// A name that is resolved for each new connection, so that it may move.
    Name(String, u16),
}

impl Address {
    /// Reads `http://host[:port]`.
    pub(crate) fn parse(text: &str) -> Result<Self, GatewayError> {
        let invalid = || GatewayError::UpstreamInvalid(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(scheme) if *scheme == Scheme::HTTPS => {
                return Err(GatewayError::UpstreamTls(text.to_owned()));
            }
            _ => return Err(invalid()),
        }
        let authority = uri.authority().ok_or_else(invalid)?;
        // A path would have to be joined with each request's: two readings of what a route matches.
        let bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '@']);
        let host = authority.host();
        // `http://host:` and `http://host:99999` parse as URIs.
        let has_port = authority.as_str().len() > host.len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => 80,
            _ => return Err(invalid()),
        };
        if !bare || host.is_empty() {
            return Err(invalid());
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        Ok(match literal.parse() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.to_owned(), port),
        })
    }

    /// Connects; of several addresses that a name has, the first that answers.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Socket(address) => TcpStream::connect(address).await,
            Self::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
        }?;
        // Heads and frames go out when they are written: nothing waits for an acknowledgement (Nagle).
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let socket = |text: &str| Some(Address::Socket(text.parse().unwrap()));
        for (text, expected) in [
            ("http://127.0.0.1:8000", socket("127.0.0.1:8000")),
            ("http://127.0.0.1:8000/", socket("127.0.0.1:8000")),
            ("http://10.0.0.7", socket("10.0.0.7:80")),
            ("http://[::1]:8000", socket("[::1]:8000")),
            ("http://app:8000", Some(Address::Name("app".into(), 8000))),
            ("https://app:8000", None),
            ("http://app:8000/api", None),
            ("http://app:8000/?x", None),
            ("http://app:8000/#x", None),
            ("http://user@app:8000", None),
            ("http://app:0", None),
            ("http://app:99999", None),
            ("http://app:", None),
            ("app:8000", None),
            ("ftp://app", None),
            ("http://", None),
            ("", None),
        ] {
            assert_eq!(Address::parse(text).ok(), expected, "{text}");
        }
        assert!(matches!(Address::parse("https://app"), Err(GatewayError::UpstreamTls(_))));
    }
}
