//! What a service can learn about the connection that a request came over.

use std::net::{IpAddr, SocketAddr};

use bartizan_core::{HeaderPair, RequestHead, Scheme};
use http::{Extensions, HeaderMap, HeaderValue, Request, Uri, Version, header};

/// The address of the connection's other end, for servers that have no `ConnectInfo` of axum's.
///
/// Put it into the request's extensions before the layer sees the request. Where both are there, this one
/// counts. It is the peer as the socket names it; who the client is behind a proxy is for the policy's
/// `[proxy]` to say, and for `ClientIp` to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The peer's address, IPv4 written as IPv4.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let peer = extensions.get().map(|&PeerAddr(peer)| peer);
    #[cfg(feature = "axum")]
    let peer = peer.or_else(|| extensions.get().map(|&axum::extract::ConnectInfo::<SocketAddr>(peer)| peer));
    peer.map(|peer| peer.ip().to_canonical())
}

/// The target that the client asked for.
///
/// Inside a nested router axum strips the prefix from the URI. Judged without it, `/admin/users` would be
/// `/users` and escape the policy's `* /admin/**`.
pub(crate) fn target<'r>(uri: &'r Uri, extensions: &'r Extensions) -> &'r Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(original)) = extensions.get() {
        return original;
    }
    let _ = extensions;
    uri
}

/// The host that the client asked for, for the log.
pub(crate) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r [u8]> {
    uri.authority()
        .map(|authority| authority.as_str().as_bytes())
        .or_else(|| headers.get(header::HOST).map(HeaderValue::as_bytes))
}

/// The request's head as the engine reads it, with its [`target`]. Nothing is copied.
pub(crate) fn head<'r, B>(
    request: &'r Request<B>,
    target: &'r Uri,
    peer: Option<IpAddr>,
    scheme: Scheme,
) -> RequestHead<'r, HeaderPairs<'r>> {
    RequestHead {
        method: request.method().as_str().as_bytes(),
        path: target.path().as_bytes(),
        query: target.query().map(str::as_bytes),
        authority: target.authority().map(|authority| authority.as_str().as_bytes()),
        scheme,
        peer,
        http2: request.version() >= Version::HTTP_2,
        headers: HeaderPairs::new(request.headers()),
    }
}

/// The headers of a [`HeaderMap`], as the engine reads them: name and value as bytes.
///
/// ```
/// let mut headers = http::HeaderMap::new();
/// headers.insert("host", http::HeaderValue::from_static("api.example.com"));
/// let mut pairs = bartizan::HeaderPairs::new(&headers);
/// assert_eq!(pairs.next(), Some((&b"host"[..], &b"api.example.com"[..])));
/// ```
#[derive(Debug)]
pub struct HeaderPairs<'h> {
    headers: &'h HeaderMap,
    iter: header::Iter<'h, HeaderValue>,
    taken: usize,
}

impl<'h> HeaderPairs<'h> {
    /// All headers of `headers`; a name that came twice is yielded twice.
    pub fn new(headers: &'h HeaderMap) -> Self {
        Self { headers, iter: headers.iter(), taken: 0 }
    }
}

impl<'h> Iterator for HeaderPairs<'h> {
    type Item = HeaderPair<'h>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "once per header of every request")]
    fn next(&mut self) -> Option<HeaderPair<'h>> {
        let (name, value) = self.iter.next()?;
        self.taken += 1;
        Some((name.as_str().as_bytes(), value.as_bytes()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl Clone for HeaderPairs<'_> {
    fn clone(&self) -> Self {
        // The map's own iterator cannot be cloned; a fresh one is wound forward to the same place.
        let mut iter = self.headers.iter();
        if self.taken > 0 {
            iter.nth(self.taken - 1);
        }
        Self { iter, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_stands_where_the_original_stood() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("accept", "a"), ("cookie", "b"), ("cookie", "c"), ("host", "d")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut pairs = HeaderPairs::new(&headers);
        loop {
            let rest: Vec<_> = pairs.clone().collect();
            assert_eq!(rest.len() + pairs.taken, 4);
            let Some(next) = pairs.next() else { break };
            assert_eq!(rest[0], next);
        }
    }

    #[test]
    fn the_peer_is_read_as_ipv4_where_it_is() {
        let mut extensions = Extensions::new();
        assert_eq!(peer(&extensions), None);
        extensions.insert(PeerAddr("[::ffff:192.0.2.7]:80".parse().unwrap()));
        assert_eq!(peer(&extensions), Some("192.0.2.7".parse().unwrap()));
    }
}
