//! The application behind the gateway: where it is, and connections to it.

mod connect;
mod pool;
mod socket;

use std::io;

use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;

pub(crate) use self::{
    connect::Address,
    pool::{Http1, Pool},
    socket::Socket,
};
use crate::body::RequestBody;

/// Where connections to the upstream come from.
///
/// The one place that knows what speaks HTTP to the upstream. hyper's client does now; another protocol or another
/// codec is another implementation.
pub(crate) trait Upstream {
    type Connection: Connection;

    /// A connection that is ready for a request: an idle one, unless a `fresh` one is asked for.
    async fn connection(&self, fresh: bool) -> io::Result<Self::Connection>;
}

/// A connection that carries one request at a time.
pub(crate) trait Connection {
    /// Whether it has carried a request before, so that the upstream may have closed it meanwhile.
    fn is_reused(&self) -> bool;

    /// Sends `request`, and waits for the head of its response.
    async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError>;

    /// Gives it back, after the response was read to its end.
    fn release(self);
}

/// Why there is no response.
pub(crate) enum SendError {
    /// The request never reached the upstream; here it is again.
    Unsent(Box<Request<RequestBody>>),
    /// The connection ended before the response began.
    Closed,
    /// What came is not HTTP, or does not come to its response.
    Invalid,
}

/// Whether the framing of a response is certain (RFC 9112 §6.3), so that a client can be told the same.
pub(crate) fn is_well_framed(headers: &HeaderMap) -> bool {
    // hyper would take any coding that ends in `chunked`, and read others to the end of the connection.
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coded = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return false,
    };
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => !coded && length.as_bytes().iter().all(u8::is_ascii_digit),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_of_responses() {
        for (headers, expected) in [
            (&[][..], true),
            (&[("content-length", "5")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "gzip")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (&[("transfer-encoding", "chunked"), ("content-length", "5")], false),
            (&[("content-length", "5"), ("content-length", "5")], false),
            (&[("content-length", "5, 5")], false),
            (&[("content-length", "-5")], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_well_framed(&map), expected, "{headers:?}");
        }
    }
}
