//! HTTP/1.1 as bytes (RFC 9112), read without the parsers of the code under test.

use std::{
    io::{self, Read},
    str,
};

/// A request or a response.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The request line or the status line, without its end.
    pub(crate) first_line: Vec<u8>,
    /// The headers, and behind them the trailers.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let status = self.first_line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status
            .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok())
            .ok_or_else(|| format!("no status line: {}", self.first_line.escape_ascii()))
    }
}

pub(crate) fn read_request(source: &mut impl Read) -> io::Result<Message> {
    let mut message = read_head(source)?;
    read_body(source, &mut message, Rest::Nothing)?;
    Ok(message)
}

/// Reads the final response; `bodiless` says that it answers HEAD.
pub(crate) fn read_response(source: &mut impl Read, bodiless: bool) -> io::Result<Message> {
    loop {
        let mut message = read_head(source)?;
        match message.status().map_err(io::Error::other)? {
            100 | 103 => {}
            101 | 204 | 304 => return Ok(message),
            _ if bodiless => return Ok(message),
            _ => {
                read_body(source, &mut message, Rest::ToTheEnd)?;
                return Ok(message);
            }
        }
    }
}

fn read_head(source: &mut impl Read) -> io::Result<Message> {
    let mut message = Message { first_line: read_line(source)?, ..Message::default() };
    read_fields(source, &mut message.headers)?;
    Ok(message)
}

/// What a message without a length is followed by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    ToTheEnd,
}

fn read_body(source: &mut impl Read, message: &mut Message, rest: Rest) -> io::Result<()> {
    if message.header("transfer-encoding").is_some() {
        loop {
            let line = read_line(source)?;
            let size = line.split(|byte| *byte == b';').next().and_then(|size| str::from_utf8(size).ok());
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| io::Error::other("a chunk without its size"))?;
            if size == 0 {
                return read_fields(source, &mut message.headers);
            }
            read_exactly(source, &mut message.body, size)?;
            read_line(source)?;
        }
    }
    let length =
        message.header("content-length").and_then(|length| str::from_utf8(length).ok()?.parse().ok());
    match length {
        Some(length) => read_exactly(source, &mut message.body, length),
        None if rest == Rest::ToTheEnd => source.read_to_end(&mut message.body).map(drop),
        None => Ok(()),
    }
}

fn read_exactly(source: &mut impl Read, into: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let start = into.len();
    into.resize(start + length, 0);
    source.read_exact(&mut into[start..])
}

fn read_fields(source: &mut impl Read, into: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    loop {
        let line = read_line(source)?;
        if line.is_empty() {
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or_else(|| io::Error::other(format!("no header: {}", line.escape_ascii())))?;
        let name = line[..colon].iter().copied().map(char::from).collect();
        into.push((name, line[colon + 1..].trim_ascii().to_vec()));
    }
}

/// A line without its end, byte by byte: nothing is read ahead.
fn read_line(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => return Ok(line),
            b'\r' => {}
            other => line.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_message_is_put_together_with_its_trailers() {
        let mut bytes = &b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x\r\nabc\r\n1\r\nd\r\n0\r\na: 1\r\n\r\nrest"[..];
        let message = read_request(&mut bytes).unwrap();
        assert_eq!(
            (&message.body[..], message.header("A"), bytes),
            (&b"abcd"[..], Some(&b"1"[..]), &b"rest"[..])
        );
    }

    #[test]
    fn an_interim_response_is_not_the_response() {
        let mut bytes = &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"[..];
        let message = read_response(&mut bytes, false).unwrap();
        assert_eq!((message.status(), &message.body[..]), (Ok(200), &b"hi"[..]));
    }
}
