//! Runs the corpus against the gateway: a real one on a loopback socket, between a raw client and a raw upstream.

mod upstream;
mod wire;

use std::{
    collections::HashMap,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bartizan::{Answer, Answers, BoxFuture, DENIAL_TARGET, OsClock, Query};
use bartizan_core::Deployment;
use bartizan_corpus::{
    Case, CaseStore, Corpus, Fault, Handled, Head, Observed, Reports, Request, Surface, problem_code,
};
use bartizan_gateway::{Gateway, GatewayConfig};

use crate::{upstream::Upstream, wire::Message};

#[test]
fn the_gateway_agrees() {
    let corpus = Corpus::load().unwrap();
    let mut bench = Bench::new();
    match corpus.check(Surface::Gateway, OsClock, |case| bench.send(case)) {
        Ok(count) => println!("{count} cases, {} gateways", bench.gateways.len()),
        Err(report) => panic!("{report}"),
    }
}

/// One upstream, and a gateway for every policy.
struct Bench {
    log: Reports,
    upstream: Upstream,
    /// An address where nobody listens.
    nowhere: SocketAddr,
    store: Arc<Store>,
    gateways: HashMap<(String, Option<String>, bool, bool), SocketAddr>,
}

impl Bench {
    fn new() -> Self {
        // Taken and given back: free, and refused by the kernel at once.
        let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        // For the whole process: the gateway's threads are its own. A report is logged before the request is forwarded.
        let log = Reports::of(DENIAL_TARGET);
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        Self { log, upstream: Upstream::start(), nowhere, store: Arc::default(), gateways: HashMap::new() }
    }

    fn send(&mut self, case: &Case) -> Result<Observed, String> {
        let gateway = self.gateway(case)?;
        *self.store.case.lock().unwrap() = Some(case.store());
        self.log.take();
        self.upstream.answer_with(&case.response);

        let mut socket = TcpStream::connect(gateway).map_err(|error| format!("connect: {error}"))?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (bytes, bodiless) = match &case.request {
            Request::Head(head) => (wire_form(head), head.method == "HEAD"),
            Request::Bytes(bytes) => (bytes.clone(), false),
        };
        // A gateway that has refused may close before everything is written.
        let written = socket.write_all(&bytes);
        let response = wire::read_response(&mut socket, bodiless)
            .map_err(|error| format!("no response: {error} (sending: {written:?})"))?;
        drop(socket);

        Ok(Observed {
            status: response.status()?,
            code: problem_code(response.header("content-type"), &response.body),
            headers: response.headers,
            body: response.body,
            handled: self.upstream.seen().map(handled),
            reports: Some(self.log.take()),
        })
    }

    fn gateway(&mut self, case: &Case) -> Result<SocketAddr, String> {
        let unreachable = case.response.fault == Some(Fault::Unreachable);
        let key = (case.policy.clone(), case.profile.clone(), case.has_keys, unreachable);
        if let Some(&address) = self.gateways.get(&key) {
            return Ok(address);
        }
        let upstream = if unreachable { self.nowhere } else { self.upstream.address };
        let address = start(case, upstream, Arc::clone(&self.store))?;
        self.gateways.insert(key, address);
        Ok(address)
    }
}

/// Starts a gateway with the case's policy on a port of its own. It ends with the test.
fn start(case: &Case, upstream: SocketAddr, store: Arc<Store>) -> Result<SocketAddr, String> {
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let (engine, document) = case.build(Deployment { listen: Some(listen), ..Deployment::default() })?;
    let mut policy = document.policy.clone();
    policy.server.listen = Some(listen.to_string());
    policy.server.upstream = Some(format!("http://{upstream}"));
    policy.server.threads = Some(1);
    let config = GatewayConfig::new(&policy, engine).map_err(|error| error.to_string())?.store(store);
    let gateway = Gateway::bind(config).map_err(|error| error.to_string())?;
    let address = gateway.local_addr();
    thread::spawn(move || gateway.run(std::future::pending()));
    Ok(address)
}

fn wire_form(head: &Head) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(head.method.as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(&head.target);
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    if !head.body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", head.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&head.body);
    bytes
}

/// What the upstream got, in the corpus's terms.
fn handled(request: Message) -> Handled {
    // The gateway tells its upstream who the client is in this one header.
    let client = request.header("x-forwarded-for").and_then(|value| std::str::from_utf8(value).ok());
    Handled {
        target: request
            .first_line
            .split(|byte| *byte == b' ')
            .nth(1)
            .map(|target| target.iter().copied().map(char::from).collect()),
        client_ip: Some(client.and_then(|client| client.parse().ok())),
        // Neither the route nor the principal is for the upstream to know.
        route: None,
        principal: None,
        nonce: request
            .header("bartizan-csp-nonce")
            .map(|nonce| nonce.iter().copied().map(char::from).collect()),
        headers: request.headers,
        body: Some(request.body),
    }
}

/// Answers what the current case says, every other question at once.
#[derive(Default)]
struct Store {
    case: Mutex<Option<CaseStore>>,
    waits: AtomicBool,
}

impl Store {
    fn answer_now(&self, query: &Query) -> Answer {
        let mut current = self.case.lock().unwrap();
        current.as_mut().map_or(Answer::Unavailable, |store| store.answer(query))
    }
}

impl Answers for Store {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::ready(self.answer_now(&query)))
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        if self.waits.fetch_not(Relaxed) { Err(query) } else { Ok(self.answer_now(&query)) }
    }
}
