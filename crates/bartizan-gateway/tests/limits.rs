//! Rate limits over sockets: connections and threads count together.

mod support;

use std::sync::Arc;

use bartizan::{Answer, Answers, BoxFuture};
use bartizan_core::Query;
use support::{Served, Upstream, config};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Never answers.
struct Hangs;

impl Answers for Hangs {
    fn answer(&self, _: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::pending())
    }
}

fn policy(store: &str) -> String {
    format!("---\n[rate_limit]\nstore = \"{store}\"\naddress = {{ limit = 12, per = \"1h\" }}")
}

/// A dozen get through, over whatever connection and by whatever thread; and no more.
fn counts(gateway: &Served, upstream: &Upstream) {
    for left in (0..12).rev() {
        let answer = gateway.ask(GET);
        assert_eq!(answer.status(), 200, "{left}: {}", answer.text());
        let told = answer.get("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"address\";r={left};t=")), "{told}");
    }
    let connections = upstream.connections();
    let answer = gateway.ask(GET);
    answer.assert_denied(429, "rate.limited");
    let seconds: u32 = answer.get("retry-after").unwrap().parse().unwrap();
    assert!((290..=300).contains(&seconds), "{seconds}");
    assert_eq!(answer.get("ratelimit-policy"), Some("\"address\";q=12;w=3600"));
    assert_eq!(upstream.connections(), connections, "the upstream is left in peace");
}

#[test]
fn all_threads_of_a_process_count_together() {
    let upstream = Upstream::fixed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = Served::start(&policy("local"), upstream.address);
    counts(&gateway, &upstream);
}

#[test]
fn a_store_that_hangs_is_counted_for() {
    let upstream = Upstream::fixed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = Served::run(config(&policy("shared"), upstream.address).store(Arc::new(Hangs)));
    counts(&gateway, &upstream);
}
