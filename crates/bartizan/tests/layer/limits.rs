//! Rate limits that count, without a store and with one that is away.

use axum::{Router, routing::get};
use bartizan::{Answer, Answers, BartizanLayer, BoxFuture, Query, Scheme};

use crate::server::{Mount, Server, engine, layer};

/// Never answers; nobody waits for it longer than for a moment.
struct Hangs;

impl Answers for Hangs {
    fn answer(&self, _: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::pending())
    }
}

const LOCAL: &str =
    "[rate_limit]\naddress = { limit = 2, per = '1h' }\n[[route]]\nmatch = 'GET /free'\nrate_limit = 'off'";
const SHARED: &str = "[rate_limit]\nstore = 'shared'\naddress = { limit = 2, per = '1h' }";

fn router() -> Router {
    Router::new().fallback(get(|| async { "here" }))
}

/// Two get through, and are told how many more would.
async fn counts(server: &Server, name: &str) {
    for (limit, status) in [("\"address\";r=1;t=1800", 200), ("\"address\";r=0;t=3600", 200)] {
        let response = server.request("GET /").await;
        assert_eq!(
            (response.status, response.header("ratelimit")),
            (status, Some(limit)),
            "{name}: {response:?}"
        );
        assert_eq!(response.header("ratelimit-policy"), Some("\"address\";q=2;w=3600"), "{name}");
        assert_eq!(response.body, "here", "{name}");
    }
    let response = server.request("GET /").await;
    assert_eq!((response.status, response.code().as_deref()), (429, Some("rate.limited")), "{name}");
    assert_eq!(response.header("retry-after"), Some("1800"), "{name}");
    assert!(response.is_hardened(), "{name}: {response:?}");
}

#[tokio::test]
async fn without_a_store_this_process_counts() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, LOCAL, layer(LOCAL), router()).await;
        counts(&server, &format!("{mount:?}")).await;
        let free = server.request("GET /free").await;
        assert_eq!((free.status, free.header("ratelimit")), (200, None), "{mount:?}");
    }
}

#[tokio::test]
async fn while_the_store_hangs_this_process_counts() {
    let layer = BartizanLayer::new(engine(SHARED)).scheme(Scheme::Https).store(Hangs);
    let server = Server::mount(Mount::Around, SHARED, layer, router()).await;
    counts(&server, "hangs").await;
}
