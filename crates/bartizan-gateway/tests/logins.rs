//! Logins by hand-off over sockets: who guesses passwords is stopped, and nobody else is.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bartizan_store::{MemoryLimits, MemoryStore};
use support::{Answer, Received, Served, Upstream, config, reports, until};

const POLICY: &str = r#"
[proxy]
trusted = ["127.0.0.1"]
forwarded = { for = "x-forwarded-for" }
[session]
handoff = { login = ["POST /login"] }
[default]
require = "nothing"
"#;

struct House {
    gateway: Served,
    /// How many logins the application has looked at.
    looks: Arc<AtomicUsize>,
}

impl House {
    /// With keys of `[server]`.
    fn new(server: &str) -> Self {
        let looks = Arc::<AtomicUsize>::default();
        let upstream = application(Arc::clone(&looks));
        let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
        let gateway = Served::run(config(&format!("{server}\n---{POLICY}"), upstream.address).store(store));
        Self { gateway, looks }
    }

    /// An attempt from an address, as the proxy before us says.
    fn attempt(&self, name: &str, password: &str, from: &str) -> Answer {
        self.gateway.ask(&attempt(name, password, from))
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

fn attempt(name: &str, password: &str, from: &str) -> String {
    format!(
        "POST /login?{name}&{password} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Length: 0\r\nX-Forwarded-For: {from}\r\n\r\n"
    )
}

/// The application: `/login?NAME&PASSWORD`, where everybody's password is `right`. With some others it does what it
/// should not.
fn application(looks: Arc<AtomicUsize>) -> Upstream {
    let last = Mutex::new(String::new());
    Upstream::start(move |_, mut client| {
        while let Ok(received) = client.request() {
            looks.fetch_add(1, Ordering::SeqCst);
            let nonce = received.head.get("bartizan-handoff").unwrap_or_default().to_owned();
            let last = std::mem::replace(&mut *last.lock().unwrap(), nonce.clone());
            client.send(respond(&received, &nonce, &last));
        }
    })
}

fn respond(received: &Received, nonce: &str, last: &str) -> String {
    let target = received.head.line.split(' ').nth(1).unwrap_or_default();
    let (name, password) = target.split_once('?').unwrap().1.split_once('&').unwrap();
    let wrong = |header: String| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n{header}\r\nwrong"
        )
    };
    match password {
        "right" => format!(
            "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: theme=dark\r\nContent-Length: 0\r\n\
             Bartizan-Login: {nonce} {name}\r\n\r\n"
        ),
        "stale" => wrong(format!("Bartizan-Login-Failed: {last} {name}\r\n")),
        "bare" => wrong(format!("Bartizan-Login-Failed: {name}\r\n")),
        "trailer" => format!(
            "HTTP/1.1 401 Unauthorized\r\nTrailer: Bartizan-Login-Failed\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nwrong\r\n0\r\nBartizan-Login-Failed: {nonce} {name}\r\n\r\n"
        ),
        _ => wrong(format!("Bartizan-Login-Failed: {nonce} {name}\r\n")),
    }
}

#[track_caller]
fn assert_wrong(answer: &Answer) {
    assert_eq!((answer.status(), &*answer.text()), (401, "wrong"), "{answer:?}");
    assert_eq!(answer.get("bartizan-login-failed"), None, "{answer:?}");
}

#[track_caller]
fn assert_in(answer: &Answer) {
    assert_eq!((answer.status(), answer.get("location")), (303, Some("/")), "{answer:?}");
    assert!(
        answer.head.all("set-cookie").iter().any(|cookie| cookie.starts_with("__Host-session=")),
        "{answer:?}"
    );
}

#[track_caller]
fn assert_limited(answer: &Answer, at_most: u32) {
    answer.assert_denied(429, "rate.limited");
    let seconds: u32 = answer.get("retry-after").unwrap().parse().unwrap();
    assert!(seconds <= at_most && seconds + 20 > at_most, "{seconds}, at most {at_most}");
    assert_eq!((answer.get("set-cookie"), answer.get("location")), (None, None), "{answer:?}");
}

const HERE: &str = "203.0.113.1";
const THERE: &str = "203.0.113.2";

#[test]
fn who_guesses_is_refused_and_then_with_the_right_password_too() {
    let house = House::new("");
    assert_in(&house.attempt("alice", "right", HERE));
    for _ in 0..5 {
        assert_wrong(&house.attempt("alice", "guess", HERE));
    }
    assert_limited(&house.attempt("alice", "guess", HERE), 180);
    assert_limited(&house.attempt("alice", "right", HERE), 180);
    assert_in(&house.attempt("alice", "right", THERE));
    assert_in(&house.attempt("bob", "right", HERE));
}

#[test]
fn an_address_that_has_failed_often_is_not_looked_at_any_more() {
    let house = House::new("");
    for number in 0..20 {
        assert_wrong(&house.attempt(&format!("user{number}"), "guess", HERE));
    }
    let looks = house.looks();
    for _ in 0..3 {
        assert_limited(&house.attempt("alice", "right", HERE), 45);
    }
    assert_eq!(house.looks(), looks);
    assert_in(&house.attempt("alice", "right", THERE));
}

#[test]
fn of_fifty_guesses_at_once_five_are_told_that_they_were_wrong() {
    let house = House::new("");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let guesses: Vec<_> =
            (0..50).map(|_| scope.spawn(|| house.attempt("alice", "guess", HERE))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let told = answers.iter().filter(|answer| answer.status() == 401).count();
    let limited = answers.iter().filter(|answer| answer.code().as_deref() == Some("rate.limited")).count();
    assert_eq!((told, limited), (5, 45));
    house.attempt("alice", "right", HERE).assert_denied(429, "rate.limited");
}

#[test]
fn failures_from_elsewhere_put_the_answer_off_longer_than_any_deadline_of_the_connection() {
    let house = House::new("idle_timeout = \"1s\"\nresponse_timeout = \"1s\"");
    for number in 0..8 {
        assert_wrong(&house.attempt("alice", "guess", &format!("198.51.100.{number}")));
    }
    for password in ["guess", "right"] {
        let start = Instant::now();
        let answer = house.attempt("alice", password, THERE);
        let assert_answer = if password == "right" { assert_in } else { assert_wrong };
        assert_answer(&answer);
        assert!(start.elapsed() >= Duration::from_secs(2), "{password}: {:?}", start.elapsed());
    }
    let start = Instant::now();
    assert_in(&house.attempt("bob", "right", THERE));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn a_gateway_that_stops_does_not_wait_for_what_is_put_off() {
    let mut house = House::new("");
    // All at once: what is put off by up to eight seconds is under way when it stops.
    let mut clients: Vec<_> = (0..13)
        .map(|number| {
            let mut client = house.gateway.client();
            client.send(attempt("alice", "guess", &format!("198.51.100.{number}")));
            client
        })
        .collect();
    until("all to be looked at", || house.looks() == 13);
    for client in &mut clients[..1] {
        assert_wrong(&client.answer());
    }
    let start = Instant::now();
    house.gateway.begin_stop();
    for client in &mut clients[1..] {
        assert_wrong(&client.answer());
    }
    assert_eq!(house.gateway.stopped().cut, 0);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn what_is_not_this_requests_own_header_counts_nothing_and_is_logged() {
    let reports = reports::install();
    let house = House::new("");
    for password in ["stale", "bare", "trailer"] {
        for _ in 0..25 {
            assert_wrong(&house.attempt("alice", password, HERE));
        }
        until("all to be logged", || reports.count() == 25);
        assert_eq!(reports.take(), vec!["handoff.refused"; 25], "{password}");
    }
    assert_in(&house.attempt("alice", "right", HERE));
    assert_eq!(reports.take(), [""; 0]);
}
