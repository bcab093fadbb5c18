//! Somebody else's web site: a few pages on a loopback port, for attackers' pages and trusted front ends.

use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::free_port;

type Pages = Arc<Mutex<HashMap<String, Content>>>;

/// What is at a path.
#[derive(Clone, Debug)]
enum Content {
    Page(String),
    Redirect(String),
}

/// A web site with pages that the test writes. It goes when the test process ends.
///
/// `127.0.0.1` and `localhost` are two *sites* to a browser, so the same server can be a stranger under one name
/// and a neighbour under the other.
#[derive(Clone, Debug)]
pub struct StaticSite {
    port: u16,
    pages: Pages,
}

impl StaticSite {
    /// Begins to listen.
    pub fn start() -> Self {
        let (listener, port) = loop {
            let port = free_port();
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                break (listener, port);
            }
        };
        let pages = Pages::default();
        let served = Arc::clone(&pages);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&served);
                // A visitor that goes away is no failure of the test.
                thread::spawn(move || serve(&stream, &pages).ok());
            }
        });
        Self { port, pages }
    }

    /// Puts an HTML page at `path`, and returns its URL on `127.0.0.1`.
    pub fn page(&self, path: &str, html: &str) -> String {
        let document = format!("<!doctype html><meta charset=utf-8><title>{path}</title>{html}");
        self.put(path, Content::Page(document))
    }

    /// Sends whoever comes to `path`, by any method, on to `location` (303), and returns its URL on `127.0.0.1`.
    pub fn redirect(&self, path: &str, location: &str) -> String {
        self.put(path, Content::Redirect(location.to_owned()))
    }

    fn put(&self, path: &str, content: Content) -> String {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), content);
        self.url(path)
    }

    /// The URL of `path` on `127.0.0.1`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The URL of `path` on `localhost`, which is another site.
    pub fn url_on_localhost(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }
}

/// One request, one response.
fn serve(mut stream: &TcpStream, pages: &Pages) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut request_line = String::new();
    reader.read_line(&mut request_line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let target = request_line.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let content = pages.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let (status, location, body) = match content {
        Some(Content::Page(page)) => ("200 OK", String::new(), page),
        Some(Content::Redirect(to)) => ("303 See Other", format!("Location: {to}\r\n"), String::new()),
        None => ("404 Not Found", String::new(), String::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{location}Content-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.shutdown(Shutdown::Both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;

    #[test]
    fn pages_are_served() {
        let site = StaticSite::start();
        site.page("/here", "<p>hello");
        site.redirect("/on", "http://localhost/there");
        for (path, status) in [("/here", 200), ("/here?query", 200), ("/on", 303), ("/nowhere", 404)] {
            let answer = raw::exchange(site.port, format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            assert_eq!(raw::status(&answer), Some(status), "{path}");
            assert_eq!(answer.ends_with(b"<p>hello"), status == 200, "{path}");
        }
    }
}
