//! A request's head, parsed a second time.
//!
//! hyper consumes a request when it sends it. To send one again after a stale connection, somebody has to have kept
//! it: the bytes that came over the wire are kept at the price of copying them, where a copy of the parsed headers
//! would cost every request some thousand instructions.

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use httparse::Status;

/// Parses `head`, which was parsed before. `None` if it cannot be, which then is a fault of ours.
pub(crate) fn parse<B>(head: &[u8], body: B) -> Option<Request<B>> {
    // One line per header, and one for the request.
    let lines = memchr::memchr_iter(b'\n', head).count();
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(Status::Complete(_)) = parsed.parse(head) else { return None };
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    if parsed.version? == 0 {
        *request.version_mut() = Version::HTTP_10;
    }
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let head = b"\r\nPUT /a?b HTTP/1.1\r\nHost: c\r\nX-Y: 1\r\nx-y: \xff\r\nempty:\r\n\r\n";
        let request = parse(head, ()).unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::PUT, "/a?b".to_owned()));
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("host", &b"c"[..]), ("x-y", b"1"), ("x-y", b"\xff"), ("empty", b"")]);
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n", ()).unwrap().version(), Version::HTTP_10);
        assert!(parse(b"GET / HTTP/1.1\r\n", ()).is_none());
    }
}
