//! A gateway on a free port, an upstream that misbehaves on request, and a client that sends exactly what it is told.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod reports;

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bartizan_core::{
    Deployment,
    policy::{PolicyInput, load_and_build},
};
use bartizan_gateway::{Drained, Gateway, GatewayConfig, GatewayError};
use tokio::sync::oneshot;

/// Longer than anything takes that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration of a policy with `extra` at its end, in front of `upstream`.
pub(crate) fn config(extra: &str, upstream: SocketAddr) -> GatewayConfig {
    // A `[server]` table of the test's own would be a second one.
    let (server, rest) = extra.split_once("---").unwrap_or(("", extra));
    let threads = if server.contains("threads") { "" } else { "threads = 2" };
    let text = format!(
        "version = 1\n[origin]\npublic = [\"http://localhost\"]\n[server]\nlisten = \"127.0.0.1:0\"\n\
         upstream = \"http://{upstream}\"\n{threads}\n{server}\n{rest}"
    );
    config_of(&text)
}

/// The configuration of the policy `text`.
pub(crate) fn config_of(text: &str) -> GatewayConfig {
    let input = PolicyInput { text, ..PolicyInput::new("test.toml") };
    let deployment = Deployment { listen: "127.0.0.1:0".parse().ok(), ..Deployment::default() };
    let (engine, document) = load_and_build(&input, |_| Ok(deployment)).expect("a valid policy");
    GatewayConfig::new(&document.policy, engine).expect("a valid configuration")
}

/// A gateway that serves.
pub(crate) struct Served {
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<Drained, GatewayError>>>,
}

impl Served {
    /// In front of `upstream`, with a policy that says `extra`: keys of `[server]`, `---`, other tables.
    pub(crate) fn start(extra: &str, upstream: SocketAddr) -> Self {
        Self::run(config(extra, upstream))
    }

    pub(crate) fn run(config: GatewayConfig) -> Self {
        let bound = Gateway::bind(config).expect("a free port");
        let port = bound.local_addr().port();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            bound.run(async {
                let _ = stopped.await;
            })
        });
        Self { port, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// Sends `bytes` and reads one response.
    pub(crate) fn ask(&self, bytes: &str) -> Answer {
        let mut client = self.client();
        client.send(bytes);
        client.answer()
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(mut self) -> Drained {
        self.begin_stop();
        self.thread.take().expect("it was started").join().expect("no panic").expect("no error")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

/// A client's socket.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        Self::of(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"))
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the other side reads");
    }

    /// Reads until `found` finds something in what came, and takes that off.
    pub(crate) fn read_until<T>(&mut self, found: impl Fn(&[u8]) -> Option<(usize, T)>) -> io::Result<T> {
        loop {
            if let Some((length, value)) = found(&self.buffer) {
                self.buffer.drain(..length);
                return Ok(value);
            }
            let mut part = [0; 16 * 1024];
            match self.stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.buffer.extend_from_slice(&part[..count]),
            }
        }
    }

    /// Reads a head, of a request or a response.
    pub(crate) fn head(&mut self) -> io::Result<Head> {
        self.read_until(|bytes| {
            let end = find(bytes, b"\r\n\r\n")?;
            Some((end + 4, Head::parse(&bytes[..end])))
        })
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.read_until(|bytes| Some((count, bytes.get(..count)?.to_vec())))
    }

    /// Reads all until the other side closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.buffer);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Reads one response.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("a response")
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let mut trailers = Vec::new();
        let status = head.status();
        let body = if head.get("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).expect("a chunk size");
                if size == 0 {
                    break;
                }
                body.extend(self.read(size)?);
                assert_eq!(self.line()?, "");
            }
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                trailers.push(line);
            }
            body
        } else if let Some(length) = head.get("content-length").filter(|_| status != 304) {
            self.read(length.parse().expect("a length"))?
        } else if matches!(status, 101 | 204 | 304) || status < 200 {
            Vec::new()
        } else {
            self.rest()?
        };
        Ok(Answer { head, body, trailers })
    }

    /// Reads a line without its end.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        self.read_until(|bytes| {
            let end = find(bytes, b"\r\n")?;
            Some((end + 2, String::from_utf8_lossy(&bytes[..end]).into_owned()))
        })
    }

    /// Whether the other side has closed, and has sent nothing more.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.rest(), Ok(rest) if rest.is_empty()) || self.was_reset()
    }

    fn was_reset(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    }
}

/// A head: its first line, and its headers with their names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { line, headers }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The denial code of a problem document.
    pub(crate) fn code(&self) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once("\"code\":\"")?;
        Some(rest.split('"').next()?.to_owned())
    }

    /// Asserts that this is a refusal with everything that belongs to one.
    #[track_caller]
    pub(crate) fn assert_denied(&self, status: u16, code: &str) {
        assert_eq!((self.status(), self.code().as_deref()), (status, Some(code)), "{self:?}");
        assert_eq!(self.get("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.get("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert_eq!(self.get("cache-control"), Some("no-store"), "{self:?}");
    }
}

/// An upstream: for each connection a thread that runs `serve` with its number, from 0.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) fn start(serve: impl Fn(usize, Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (serve, counter) = (Arc::new(serve), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(number, Client::of(stream)));
            }
        });
        Self { address, connections }
    }

    /// Answers every request with `response`, and keeps the connection.
    pub(crate) fn fixed(response: &'static str) -> Self {
        Self::start(move |_, mut client| {
            while client.request().is_ok() {
                client.send(response);
            }
        })
    }

    /// Answers with the head and body that it got, as a document that [`Echo`] reads.
    pub(crate) fn echo() -> Self {
        Self::start(|_, mut client| {
            while let Ok(received) = client.request() {
                client.send(received.echo());
            }
        })
    }

    /// Nobody listens there.
    pub(crate) fn nobody() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A request that an upstream got.
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
}

impl Received {
    /// A response that shows the request: [`Echo`] reads it.
    pub(crate) fn echo(&self) -> String {
        let mut lines = vec![self.head.line.clone()];
        lines.extend(self.head.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(self.trailers.iter().map(|line| format!("trailer {line}")));
        let text = format!("{}\n\n{}", lines.join("\n"), String::from_utf8_lossy(&self.body));
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}")
    }
}

impl Client {
    /// Reads one request, with its body.
    pub(crate) fn request(&mut self) -> io::Result<Received> {
        let head = self.head()?;
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        if head.get("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
                if size == 0 {
                    break;
                }
                body.extend(self.read(size)?);
                self.line()?;
            }
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                trailers.push(line);
            }
        } else if let Some(length) = head.get("content-length") {
            body = self.read(length.parse().expect("a length"))?;
        }
        Ok(Received { head, body, trailers })
    }
}

/// What the echoing upstream got.
pub(crate) struct Echo {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: String,
}

impl Echo {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status(), 200, "{answer:?}");
        let text = answer.text();
        let (head, body) = text.split_once("\n\n").expect("an echo");
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Self { line, headers, body: body.to_owned() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let values = self.headers.get(name)?;
        assert_eq!(values.len(), 1, "{name} came {} times", values.len());
        Some(&values[0])
    }
}

/// Where `pattern` begins in `bytes`.
pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// Waits until `met`.
#[track_caller]
pub(crate) fn until(what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
