//! A request's head, read as RFC 9112 writes it and not otherwise.
//!
//! Request smuggling lives on what one parser forgives and the next reads differently: a bare LF, a folded line,
//! white space before a colon, two lengths. Nothing of this is forgiven here, and nothing repaired. What passes is
//! read in the same way by hyper, which parses it next; a test below holds the two against each other.

use bartizan_core::{DenialCode, Reason};

/// The longest target that `http::Uri` can hold, in bytes.
const MAX_TARGET: usize = 65_534;

/// What a head says about the body that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 where nothing is said.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length in bytes, with the empty line.
    pub(super) len: usize,
    pub(super) framing: Framing,
}

/// Reads a head line by line, going on where it stopped when more bytes have come.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    /// Where the next line begins.
    line: usize,
    /// Up to where its end was looked for.
    seen: usize,
    headers: usize,
    request_line: Option<Version>,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

impl HeadScanner {
    /// Goes on reading; `bytes` are all bytes of the head so far. `None` if its end has not come yet.
    pub(super) fn scan(&mut self, bytes: &[u8], max_headers: usize) -> Result<Option<Head>, Reason> {
        while let Some(found) = bytes.get(self.seen..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let end = self.seen + found;
            let line = bytes.get(self.line..end).unwrap_or_default();
            // RFC 9112 §2.2: a recipient *may* take a bare LF for a line end. We do not.
            let line = line.strip_suffix(b"\r").ok_or_else(|| malformed(line))?;
            self.line = end + 1;
            self.seen = end + 1;
            match (self.request_line, line.is_empty()) {
                // RFC 9112 §2.2: empty lines before the request line are ignored.
                (None, true) => {}
                (None, false) => self.request_line = Some(request_line(line)?),
                (Some(_), true) => return self.finish().map(Some),
                (Some(version), false) => {
                    self.headers += 1;
                    if self.headers > max_headers {
                        return Err(Reason::new(DenialCode::HeadersTooMany));
                    }
                    self.header(line, version)?;
                }
            }
        }
        self.seen = bytes.len();
        Ok(None)
    }

    fn header(&mut self, line: &[u8], version: Version) -> Result<(), Reason> {
        let colon = memchr::memchr(b':', line).ok_or_else(|| malformed(line))?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        // A folded line begins with white space, which no name has (RFC 9112 §5.2); nor is there any before the
        // colon (§5.1).
        if name.is_empty()
            || !name.iter().copied().all(is_token)
            || value.iter().any(|&byte| is_control(byte))
        {
            return Err(malformed(line));
        }
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // RFC 9110 §8.6 lets a recipient merge equal copies; a client that sends two means no good.
                let length = decimal(value.trim_ascii());
                if length.is_none() || self.length.is_some() {
                    return Err(Reason::with_value(DenialCode::FramingAmbiguous, line));
                }
                self.length = length;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                // RFC 9112 §6.1: a message of HTTP/1.0 with a transfer coding has faulty framing.
                if version == Version::Http10
                    || self.chunked
                    || !value.trim_ascii().eq_ignore_ascii_case(b"chunked")
                {
                    return Err(Reason::with_value(DenialCode::FramingUnsupported, line));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Head, Reason> {
        let framing = match (self.chunked, self.length) {
            // RFC 9112 §6.1: this ought to be handled as an error; hyper would drop the length without a word.
            (true, Some(_)) => {
                return Err(Reason::with_value(
                    DenialCode::FramingAmbiguous,
                    b"transfer-encoding and content-length",
                ));
            }
            (true, None) => Framing::Chunked,
            (false, length) => Framing::Length(length.unwrap_or(0)),
        };
        let len = self.line;
        *self = Self::default();
        Ok(Head { len, framing })
    }
}

/// `METHOD target HTTP/1.x`, with single spaces (RFC 9112 §3).
fn request_line(line: &[u8]) -> Result<Version, Reason> {
    let space = memchr::memchr(b' ', line).ok_or_else(|| malformed(line))?;
    let last = memchr::memrchr(b' ', line).unwrap_or(space);
    let method = line.get(..space).unwrap_or_default();
    let target = line.get(space + 1..last).ok_or_else(|| malformed(line))?;
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(malformed(line));
    }
    if target.len() > MAX_TARGET {
        return Err(Reason::with_value(DenialCode::RequestTarget, target));
    }
    if target.first() == Some(&b'/') {
        // hyper would cut a fragment off; a request target has none (RFC 9112 §3.2).
        let mut in_query = false;
        for &byte in target {
            in_query |= byte == b'?';
            if !is_target(byte, in_query) {
                return Err(Reason::with_value(DenialCode::PathMalformed, target));
            }
        }
    } else if target.contains(&b'#') || http::Uri::try_from(target).is_err() {
        return Err(Reason::with_value(DenialCode::RequestTarget, target));
    }
    match line.get(last + 1..) {
        Some(b"HTTP/1.1") => Ok(Version::Http11),
        Some(b"HTTP/1.0") => Ok(Version::Http10),
        _ => Err(malformed(line)),
    }
}

/// What cannot be read with certainty has no certain end either.
fn malformed(line: &[u8]) -> Reason {
    Reason::with_value(DenialCode::FramingAmbiguous, line)
}

/// `token` (RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 255")]
        let character = byte as u8;
        table[byte] = character.is_ascii_alphanumeric()
            || matches!(
                character,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// What no header value may contain (RFC 9110 §5.5).
const fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}

/// What a path or query may contain: what `http::Uri` can hold, without a fragment. It is more than RFC 3986 §3.3
/// allows, so that the engine sees what browsers really send, and names what is wrong with it.
const fn is_target(byte: u8, in_query: bool) -> bool {
    match byte {
        b'#' | b'<' | b'>' => false,
        b'`' => in_query,
        b'"' => !in_query,
        _ => byte > b' ' && byte < 0x7f,
    }
}

/// `1*DIGIT`, nothing else (RFC 9110 §8.6).
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &[u8]) -> Result<Option<Head>, DenialCode> {
        HeadScanner::default().scan(head, 100).map_err(|reason| reason.code())
    }

    #[test]
    fn table() {
        use DenialCode::{
            FramingAmbiguous as Ambiguous, FramingUnsupported as Unsupported, PathMalformed, RequestTarget,
        };
        let length = |n| Ok(Some(Framing::Length(n)));
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", length(0)),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", length(0)),
            ("POST /a?b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", length(5)),
            ("POST / HTTP/1.0\r\ncontent-length:\t5 \r\n\r\n", length(5)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", Ok(Some(Framing::Chunked))),
            ("OPTIONS * HTTP/1.1\r\n\r\n", length(0)),
            ("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n", length(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Ok(None)),
            ("GET / HT", Ok(None)),
            // Two readings of the length.
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", Err(Ambiguous)),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Unsupported)),
            // Codings.
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Err(Unsupported)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", Err(Unsupported)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", Err(Unsupported)),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                Err(Unsupported),
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", Err(Unsupported)),
            // Lines.
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", Err(Ambiguous)),
            ("\nGET / HTTP/1.1\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\n: a\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nHost\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.1\r\r\n\r\n", Err(Ambiguous)),
            // Request lines.
            ("GET  / HTTP/1.1\r\n\r\n", Err(RequestTarget)),
            ("GET / HTTP/1.1 \r\n\r\n", Err(PathMalformed)),
            ("GET /\tHTTP/1.1\r\n\r\n", Err(Ambiguous)),
            (" GET / HTTP/1.1\r\n\r\n", Err(Ambiguous)),
            ("G(T / HTTP/1.1\r\n\r\n", Err(Ambiguous)),
            ("GET /\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/2.0\r\n\r\n", Err(Ambiguous)),
            ("GET / HTTP/1.2\r\n\r\n", Err(Ambiguous)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Ambiguous)),
            ("GET /a#b HTTP/1.1\r\n\r\n", Err(PathMalformed)),
            ("GET /a b HTTP/1.1\r\n\r\n", Err(PathMalformed)),
            ("GET /\u{e9} HTTP/1.1\r\n\r\n", Err(PathMalformed)),
            ("GET a HTTP/1.1 HTTP/1.1\r\n\r\n", Err(RequestTarget)),
            ("GET http://[::1/ HTTP/1.1\r\n\r\n", Err(RequestTarget)),
            ("GET http://a/#b HTTP/1.1\r\n\r\n", Err(RequestTarget)),
        ] {
            assert_eq!(scan(head.as_bytes()).map(|head| head.map(|head| head.framing)), expected, "{head:?}");
        }
    }

    #[test]
    fn it_goes_on_where_it_stopped() {
        let message = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let mut scanner = HeadScanner::default();
        let found = (1..=message.len())
            .find_map(|end| scanner.scan(&message[..end], 100).expect("valid").map(|head| (end, head)));
        assert_eq!(found, Some((48, Head { len: 48, framing: Framing::Length(3) })));
    }

    #[test]
    fn too_many_headers() {
        let head =
            |n: usize| [b"GET / HTTP/1.1\r\n".to_vec(), b"a: b\r\n".repeat(n), b"\r\n".to_vec()].concat();
        assert!(scan(&head(100)).is_ok());
        assert_eq!(scan(&head(101)), Err(DenialCode::HeadersTooMany));
    }

    #[test]
    fn hyper_reads_every_target_that_passes() {
        for byte in 0..=255_u8 {
            for target in [vec![b'/', byte], vec![b'/', b'?', byte], vec![b'/', b'?', b'a', b'?', byte]] {
                let line = [b"GET ".as_slice(), &target, b" HTTP/1.1"].concat();
                if request_line(&line).is_ok() {
                    let read = http::Uri::try_from(target.as_slice()).expect("held by http::Uri");
                    assert_eq!(read.to_string().as_bytes(), target, "nothing is cut off");
                }
            }
        }
    }

    #[test]
    fn httparse_reads_every_byte_that_passes() {
        for byte in 0..=255_u8 {
            for (before, after) in [("", "x: y"), ("x", "x: y"), ("x: ", ""), ("x: y", "z")] {
                let head = [b"GET / HTTP/1.1\r\n", before.as_bytes(), &[byte], after.as_bytes(), b"\r\n\r\n"]
                    .concat();
                if let Ok(Some(Head { len, .. })) = scan(&head) {
                    let mut headers = [httparse::EMPTY_HEADER; 4];
                    let mut request = httparse::Request::new(&mut headers);
                    assert_eq!(request.parse(&head), Ok(httparse::Status::Complete(len)), "{head:?}");
                }
            }
        }
    }
}
