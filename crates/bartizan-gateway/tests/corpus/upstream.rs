//! A raw upstream: it keeps what it is sent, and answers what the case says, byte for byte.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bartizan_corpus::{Fault, Response};

use crate::wire::{self, Message};

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    response: Option<Response>,
    seen: Option<Message>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let upstream = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(socket, &shared));
            }
        });
        upstream
    }

    /// Sets what the next request gets, and forgets the last.
    pub(crate) fn answer_with(&self, response: &Response) {
        *self.shared.lock().unwrap() = Shared { response: Some(response.clone()), seen: None };
    }

    /// The request that came.
    pub(crate) fn seen(&self) -> Option<Message> {
        self.shared.lock().unwrap().seen.take()
    }
}

/// One request per connection: the gateway may not reuse what is closed.
fn serve(mut socket: TcpStream, shared: &Mutex<Shared>) {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let Ok(request) = wire::read_request(&mut socket) else { return };
    let bodiless = request.first_line.starts_with(b"HEAD ");
    let nonce = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("bartizan-handoff"));
    let nonce: Option<String> = nonce.map(|(_, value)| value.iter().copied().map(char::from).collect());
    let response = {
        let mut shared = shared.lock().unwrap();
        shared.seen = Some(request);
        shared.response.clone()
    };
    let Some(mut response) = response else { return };
    response.headers = response.handed_off(nonce.as_deref());
    match response.fault {
        None => {
            let _ = socket.write_all(&wire_form(&response, bodiless));
        }
        Some(Fault::Garbage) => {
            let _ = socket.write_all(b"220 mail.example ESMTP\r\n\r\n");
        }
        Some(Fault::Silent) => {
            // Until the gateway has had enough.
            let _ = socket.read(&mut [0; 1]);
        }
        Some(_) => {}
    }
}

fn wire_form(response: &Response, bodiless: bool) -> Vec<u8> {
    let status = response.status;
    let mut bytes = format!("HTTP/1.1 {status} Case\r\n").into_bytes();
    for (name, value) in &response.headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    if status != 101 {
        bytes.extend_from_slice(b"connection: close\r\n");
    }
    let bodiless_status = matches!(status, 100..200 | 204 | 304);
    if !bodiless_status {
        bytes.extend_from_slice(format!("content-length: {}\r\n", response.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if !bodiless && !bodiless_status {
        bytes.extend_from_slice(&response.body);
    }
    bytes
}
