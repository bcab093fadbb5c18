//! A small HTTP/1.1 client for measuring: a fixed number of requests over kept connections, no more.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Connections that are kept for all requests.
pub(super) struct Load {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// What a browser's script sends along with a GET to its own API, before its cookies and after them.
const BROWSER: &str = "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    accept: application/json, text/plain, */*\r\n\
    accept-language: en-GB,en;q=0.8,de;q=0.5\r\n\
    accept-encoding: gzip, deflate, br, zstd\r\n";
const FETCH: &str = "sec-fetch-dest: empty\r\n\
    sec-fetch-mode: cors\r\n\
    sec-fetch-site: same-origin\r\n";

impl Load {
    /// Opens `connections` to `address`, for requests to `path`.
    pub(super) fn open(address: SocketAddr, path: &str, connections: usize) -> io::Result<Self> {
        let host = format!("localhost:{}", address.port());
        let cookie = "sessionid=3f1c0b5e9a7d4c2e8b6f0a1d2c3e4f5a";
        Self::open_as(address, path, &host, cookie, connections)
    }

    /// The same, for requests to this host with this cookie.
    pub(super) fn open_as(
        address: SocketAddr,
        path: &str,
        host: &str,
        cookie: &str,
        connections: usize,
    ) -> io::Result<Self> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\n{BROWSER}cookie: theme=dark; {cookie}\r\n{FETCH}\r\n"
        );
        let connections = (0..connections).map(|_| connect(address)).collect::<io::Result<_>>()?;
        Ok(Self { connections, request: request.into_bytes(), buffer: vec![0; 64 * 1024] })
    }

    /// Sends `count` requests, one on each connection at a time, and reads their responses.
    pub(super) fn send(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(self.connections.len());
            for connection in self.connections.iter_mut().take(batch) {
                connection.write_all(&self.request)?;
            }
            for connection in self.connections.iter_mut().take(batch) {
                receive(connection, &mut self.buffer)?;
            }
            left -= batch;
        }
        Ok(())
    }

    /// Sends one request and returns its response's head.
    pub(super) fn head(&mut self) -> io::Result<String> {
        let connection = self.connections.first_mut().ok_or(io::ErrorKind::NotConnected)?;
        connection.write_all(&self.request)?;
        receive(connection, &mut self.buffer)
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_mins(1)))?;
    Ok(connection)
}

/// Reads one response with a Content-Length, and returns its head.
fn receive(connection: &mut TcpStream, buffer: &mut [u8]) -> io::Result<String> {
    let mut head = Vec::new();
    let (end, mut body) = loop {
        let read = connection.read(buffer)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break (end, head.len() - end - 4);
        }
    };
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let length = length(&head)?;
    while body < length {
        match connection.read(buffer)? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body was cut short")),
            read => body += read,
        }
    }
    if body == length { Ok(head) } else { Err(invalid("more than one response", &head)) }
}

/// The Content-Length of a successful response.
fn length(head: &str) -> io::Result<usize> {
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(invalid("not a 200", head));
    }
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| invalid("no Content-Length", head))
}

fn invalid(what: &str, head: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {head}"))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Serves one connection: counts the requests, and answers each with `response` in two pieces.
    fn server(response: &'static str) -> (SocketAddr, thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counting = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
            let mut count = 0;
            while let Ok(read @ 1..) = connection.read(&mut buffer) {
                seen.extend_from_slice(&buffer[..read]);
                while let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    seen.drain(..end + 4);
                    count += 1;
                    let (first, second) = response.split_at(response.len() / 2);
                    connection.write_all(first.as_bytes()).unwrap();
                    connection.write_all(second.as_bytes()).unwrap();
                }
            }
            count
        });
        (address, counting)
    }

    #[test]
    fn as_many_requests_as_were_asked_for() {
        let (address, counting) = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        let mut load = Load::open(address, "/small", 1).unwrap();
        load.send(7).unwrap();
        assert!(load.head().unwrap().starts_with("HTTP/1.1 200"));
        drop(load);
        assert_eq!(counting.join().unwrap(), 8);
    }

    #[test]
    fn an_error_is_not_counted_as_an_answer() {
        let (address, _) = server("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        let error = Load::open(address, "/small", 1).unwrap().send(1).unwrap_err();
        assert!(error.to_string().contains("502"), "{error}");
    }
}
