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

/// Finds the end of a head, and reads what comes before it.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    /// How many bytes have been looked at.
    seen: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

impl HeadScanner {
    /// Goes on looking; `bytes` are all that have come. `None` if the end of the head has not.
    ///
    /// Three quick passes instead of a thorough one: where the head ends, whether there is a byte in it that no
    /// head may have, and only then its lines.
    pub(super) fn scan(&mut self, bytes: &[u8], max_headers: usize) -> Result<Option<Head>, Reason> {
        // RFC 9112 §2.2: empty lines before the request line are ignored.
        let start = bytes.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2;
        // The end may have begun in what was seen.
        let from = self.seen.saturating_sub(3).max(start);
        let end = bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"\r\n\r\n"));
        let len = end.map_or(bytes.len(), |found| from + found + 4);
        let head = bytes.get(..len).unwrap_or_default();
        let fresh = head.get(self.seen.saturating_sub(1)..).unwrap_or_default();
        if has_forbidden(fresh) || head.first() == Some(&b'\n') {
            return Err(malformed(first_bad_line(head)));
        }
        if end.is_none() {
            self.seen = len;
            return Ok(None);
        }
        self.seen = 0;
        let lines = head.get(start..len - 4).unwrap_or_default();
        Ok(Some(Head { len, framing: read(lines, max_headers)? }))
    }
}

/// Reads a request line and headers, separated by CRLF, in which no other CR or LF is left.
fn read(head: &[u8], max_headers: usize) -> Result<Framing, Reason> {
    let mut ends = memchr::memchr_iter(b'\n', head).chain([head.len() + 1]);
    let mut start = 0;
    let mut next_line = || {
        let end = ends.next()?;
        let line = head.get(start..end - 1).unwrap_or_default();
        start = end + 1;
        Some(line)
    };
    let version = request_line(next_line().unwrap_or_default())?;
    let mut sizes = Sizes::default();
    let mut count = 0;
    while let Some(line) = next_line() {
        count += 1;
        if count > max_headers {
            return Err(Reason::new(DenialCode::HeadersTooMany));
        }
        sizes.add(line, version)?;
    }
    sizes.framing()
}

/// What the headers say of the body's size.
#[derive(Default)]
struct Sizes {
    length: Option<u64>,
    chunked: bool,
}

impl Sizes {
    fn add(&mut self, line: &[u8], version: Version) -> Result<(), Reason> {
        let colon = memchr::memchr(b':', line).ok_or_else(|| malformed(line))?;
        let (name, value) = line.split_at(colon);
        // A folded line begins with white space, which no name has (RFC 9112 §5.2); nor is there any before the
        // colon (§5.1).
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(malformed(line));
        }
        let value = || value.get(1..).unwrap_or_default().trim_ascii();
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // RFC 9110 §8.6 lets a recipient merge equal copies; a client that sends two means no good.
                let length = decimal(value());
                if length.is_none() || self.length.is_some() {
                    return Err(Reason::with_value(DenialCode::FramingAmbiguous, line));
                }
                self.length = length;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                // RFC 9112 §6.1: a message of HTTP/1.0 with a transfer coding has faulty framing.
                let known = value().eq_ignore_ascii_case(b"chunked");
                if version == Version::Http10 || self.chunked || !known {
                    return Err(Reason::with_value(DenialCode::FramingUnsupported, line));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, Reason> {
        match (self.chunked, self.length) {
            // RFC 9112 §6.1: this ought to be handled as an error; hyper would drop the length without a word.
            (true, Some(_)) => {
                Err(Reason::with_value(DenialCode::FramingAmbiguous, b"transfer-encoding and content-length"))
            }
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
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

/// Whether there is a control character (RFC 9110 §5.5), a LF without CR before it, or a CR without LF behind it;
/// of what stands before the first byte and behind the last nothing is known. RFC 9112 §2.2 lets a recipient take
/// a bare LF for a line end; we do not.
///
/// It goes on to the end whatever it finds, so that it is compiled to vector instructions.
fn has_forbidden(bytes: &[u8]) -> bool {
    let forbidden = |byte: u8| is_control(byte) && byte != b'\r' && byte != b'\n';
    let apart = |(&one, &next): (&u8, &u8)| (one == b'\r') != (next == b'\n');
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    pairs.fold(false, |found, pair| found | apart(pair))
        | bytes.iter().fold(false, |found, &byte| found | forbidden(byte))
}

/// For the log: the first line that has what none may have.
fn first_bad_line(head: &[u8]) -> &[u8] {
    head.split_inclusive(|&byte| byte == b'\n').find(|line| has_forbidden(line)).unwrap_or_default()
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

/// A control character other than the tab.
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
