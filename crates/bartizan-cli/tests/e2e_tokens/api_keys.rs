//! An API key that is replaced by a command is good on two gateways until its grace ends, and then on none.

use std::time::{Duration, Instant};

use bartizan_peers::{Gateway, HttpRequest, HttpResponse, Postgres, Redis, until_async};

use crate::{Place, Service};

/// What the policy has besides.
pub(crate) const MORE: &str =
    "[api_keys]\nprefix = \"acme\"\n[[route]]\nmatch = \"* /jobs/**\"\nrequire = \"api-key\"";

/// Long enough for a busy machine to ask both nodes before it ends.
const GRACE: Duration = Duration::from_secs(6);

const PATIENCE: Duration = Duration::from_mins(1);

async fn ask(node: &Gateway, key: &str) -> HttpResponse {
    HttpRequest::get(&node.url("/jobs/nightly")).header("x-api-key", key).send().await
}

async fn a_replaced_key_ends_on_both_when_its_grace_ends(place: &Place<'_>) {
    let service = Service::new(place, MORE);
    let nodes = [service.node(), service.node()];
    let old = service.command(&["api-key", "create", "--owner", "ci"]);
    let old = old.trim();
    for node in &nodes {
        let response = ask(node, old).await;
        assert_eq!((response.status, response.header("sunset")), (200, ""), "{}", node.log());
    }

    let (grace, began) = (format!("{}s", GRACE.as_secs()), Instant::now());
    let new = service.command(&["api-key", "rotate", "--owner", "ci", "--grace", &grace]);
    let new = new.trim();
    let mut ends = Vec::new();
    for node in &nodes {
        let response = ask(node, old).await;
        assert_eq!(response.status, 200, "{} {}", response.denial(), node.log());
        ends.push(response.header("sunset").to_owned());
        let response = ask(node, new).await;
        assert_eq!((response.status, response.header("sunset")), (200, ""));
    }
    assert!(ends[0].ends_with(" GMT") && ends[0] == ends[1], "{ends:?}");
    for node in &nodes {
        until_async("the grace to end", PATIENCE, async || {
            let response = ask(node, old).await;
            if response.status == 200 {
                assert_eq!(response.header("sunset"), ends[0]);
                return None;
            }
            assert_eq!((response.status, response.denial()), (401, "api-key.expired".into()));
            Some(())
        })
        .await;
        // Not on one of them before the other, and on neither too early.
        assert!(began.elapsed() >= GRACE, "after {:?}", began.elapsed());
    }
    for node in &nodes {
        assert_eq!(ask(node, old).await.denial(), "api-key.expired");
        assert_eq!(ask(node, new).await.status, 200);
    }
}

#[tokio::test]
async fn over_a_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    a_replaced_key_ends_on_both_when_its_grace_ends(&Place::Postgres(&postgres)).await;
}

#[tokio::test]
async fn over_a_redis() {
    let Some(redis) = Redis::start() else { return };
    a_replaced_key_ends_on_both_when_its_grace_ends(&Place::Redis(&redis.url())).await;
}
