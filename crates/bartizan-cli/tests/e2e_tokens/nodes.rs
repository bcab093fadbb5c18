//! Two gateways over one store, and this process as a third node.

use std::time::{Duration, Instant};

use bartizan::{
    OsClock,
    jwt::{AccessToken, ImportedKey, KeyRing, SigningKey},
};
use bartizan_core::{
    Clock as _, TokenDigest,
    jwt::{Algorithm, Jwk, Token},
    key_ring::ImportUse,
};
use bartizan_gateway::assertion_keys;
use bartizan_peers::{Gateway, HttpRequest, Postgres, Redis, until, until_async};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Place, Service, alice, ask, good, keys, told};

/// A short life for sets of keys, so that a revocation goes round soon.
const MORE: &str = "jwks_max_age = \"5s\"";

/// Nodes read the ring every second, and ask for what they do not know every five.
const PATIENCE: Duration = Duration::from_secs(20);

fn issue(ring: &KeyRing) -> String {
    ring.issue(&alice(), OsClock.now()).unwrap().token
}

fn kid(token: &str) -> String {
    Token::parse(token.as_bytes()).unwrap().kid().unwrap().to_owned()
}

/// The names of the keys that a node publishes: of the ring, and of what it tells the application.
async fn published(node: &Gateway) -> Vec<String> {
    let response = HttpRequest::get(&node.url("/.well-known/jwks.json")).send().await;
    assert_eq!(response.header("content-type"), "application/jwk-set+json");
    assert_eq!(response.header("cache-control"), "public, max-age=5");
    let keys = response.json()["keys"].as_array().unwrap().clone();
    for key in &keys {
        assert!(Jwk::parse(key.to_string().as_bytes()).is_ok(), "{key}");
    }
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn a_rotation_reaches_all_nodes(place: &Place<'_>, name: &str, by_command: bool) {
    let service = Service::new(place, MORE);
    let ring = service.ring_of_an_hour_ago().await;
    let nodes = [service.node(), service.node()];
    let before = issue(&ring);
    let of_assertions: Vec<String> = assertion_keys(&keys(), OsClock.now())
        .iter()
        .map(|key| Jwk::parse(key.as_bytes()).unwrap().kid.unwrap())
        .map(String::from)
        .collect();
    for node in &nodes {
        assert_eq!(told(node, &before).await, good(), "{}", node.log());
        let published = published(node).await;
        assert_eq!(published.iter().filter(|kid| !of_assertions.contains(kid)).count(), 2);
    }
    assert!(nodes[0].log().contains("keys at /.well-known/jwks.json"), "{}", nodes[0].log());

    // The very next request, on nodes that nobody has told.
    let began = Instant::now();
    if by_command {
        service.command(&["keys", "rotate"]);
        ring.refresh(OsClock.now()).await.unwrap();
    } else {
        ring.rotate(OsClock.now()).await.unwrap();
    }
    let rotated = began.elapsed();
    let after = issue(&ring);
    assert_ne!(kid(&before), kid(&after));
    for node in &nodes {
        assert_eq!(told(node, &after).await, good());
        assert_eq!(told(node, &before).await, good());
    }
    println!(
        "{name}: rotated in {rotated:?}; both nodes verified a token of the new key {:?} after it began",
        began.elapsed()
    );

    // A key that no node has heard of.
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let public = Jwk { key: key.public().unwrap(), kid: Some("brought-along".into()) };
    let public = ImportedKey::from_jwk(serde_json::to_string(&public).unwrap().as_bytes()).unwrap();
    let (now, until) = (OsClock.now(), OsClock.now().after(Duration::from_hours(1)));
    let began = Instant::now();
    ring.import(public, ImportUse::Verifies { until }, now).await.unwrap();
    let brought = crate::issuer::sign(&key, "brought-along", crate::ISSUER, "alice");
    for node in &nodes {
        until_async("an imported key to be known", PATIENCE, async || {
            (told(node, &brought).await == good()).then_some(())
        })
        .await;
    }
    println!("{name}: both nodes verified a token of an imported key after {:?}", began.elapsed());
    assert!(published(&nodes[1]).await.contains(&"brought-along".into()));

    // A token, a subject, a key.
    let store = service.store().await;
    let revoked = ring.issue(&alice(), OsClock.now()).unwrap();
    assert_eq!(told(&nodes[0], &revoked.token).await, good());
    store.revoke_token(TokenDigest::of_jti(&revoked.jti), revoked.expires, OsClock.now()).await.unwrap();
    let bobs = ring.issue(&AccessToken { subject: "bob".into(), ..alice() }, OsClock.now()).unwrap();
    assert_eq!(told(&nodes[1], &bobs.token).await, good());
    let (before_now, ends) = (OsClock.now().after(Duration::from_secs(1)), bobs.expires);
    store.revoke_subject("bob".into(), before_now, ends, OsClock.now()).await.unwrap();
    for node in &nodes {
        assert_eq!(told(node, &revoked.token).await, (401, "jwt.revoked".into()));
        assert_eq!(told(node, &bobs.token).await, (401, "jwt.revoked".into()));
        let response = ask(node, &revoked.token).await;
        assert_eq!(response.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert_eq!(told(node, &after).await, good());
    }
    let began = Instant::now();
    ring.revoke(&kid(&after), OsClock.now()).await.unwrap();
    for node in &nodes {
        until_async("a revoked key to count for nothing", PATIENCE, async || {
            (told(node, &after).await == (401, "jwt.key-unknown".into())).then_some(())
        })
        .await;
        assert!(!published(node).await.contains(&kid(&after)));
        // The one before it is as good as it was.
        assert_eq!(told(node, &before).await, good());
    }
    println!("{name}: nothing of a revoked key counted on any node {:?} after", began.elapsed());
}

#[tokio::test]
async fn two_gateways_over_a_sqlite_file() {
    a_rotation_reaches_all_nodes(&Place::Sqlite, "SQLite, by command", true).await;
}

#[tokio::test]
async fn two_gateways_over_a_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    a_rotation_reaches_all_nodes(&Place::Postgres(&postgres), "Postgres", false).await;
}

#[tokio::test]
async fn two_gateways_over_a_redis() {
    let Some(redis) = Redis::start() else { return };
    a_rotation_reaches_all_nodes(&Place::Redis(&redis.url()), "Redis", false).await;
}

/// Whatever a client says of itself.
#[tokio::test]
async fn the_application_is_told_who_asks_by_each_node() {
    let service = Service::new(&Place::Sqlite, MORE);
    let ring = service.ring_of_an_hour_ago().await;
    let token = ring.issue(&AccessToken { scopes: vec!["a".into()], ..alice() }, OsClock.now()).unwrap();
    for node in [service.node(), service.node()] {
        let request = HttpRequest::get(&node.url("/orders"));
        let request = request.header("authorization", &format!("Bearer {}", token.token));
        let said = request.header("bartizan-assertion", "forged").send().await.text();
        let mut parts = said.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut part = || serde_json::from_slice::<serde_json::Value>(&parts.next().unwrap()).unwrap();
        let (header, claims) = (part(), part());
        assert_eq!(header["typ"], "bartizan-assertion+jwt", "{said}");
        assert!(published(&node).await.contains(&header["kid"].as_str().unwrap().into()), "{header}");
        let told = ["aud", "sub", "credential", "scope"].map(|name| &claims[name]);
        assert_eq!(told, ["bartizan-upstream", "alice", "jwt", "a"]);
        // It is none of a client's credentials.
        let request = HttpRequest::get(&node.url("/orders"));
        let answer = request.header("authorization", &format!("Bearer {said}")).send().await;
        assert_eq!(answer.status, 401);
    }
}

/// A node that cannot read its ring goes on until the ring is too old, and by itself when the store is back.
#[tokio::test]
async fn an_outage_of_the_store_is_survived() {
    let Some(mut redis) = Redis::start_durable() else { return };
    let service = Service::new(&Place::Redis(&redis.url()), MORE);
    let ring = service.ring_of_an_hour_ago().await;
    let mut node = service.node();
    let token = issue(&ring);
    assert_eq!(told(&node, &token).await, good());
    redis.kill();
    // What was revoked cannot be known from now on.
    assert_eq!(told(&node, &token).await, (503, "store.unavailable".into()));
    until_async("the ring to be too old to be published", PATIENCE, async || {
        let response = HttpRequest::get(&node.url("/.well-known/jwks.json")).send().await;
        (response.denial() == "store.unavailable").then_some(())
    })
    .await;
    assert!(node.log().contains("the key ring cannot be read"), "{}", node.log());
    redis.start_again();
    until_async("the node to recover", PATIENCE, async || {
        (told(&node, &token).await == good()).then_some(())
    })
    .await;
    until_async("the log to say so", PATIENCE, async || {
        node.log().contains("the key ring is read again").then_some(())
    })
    .await;
    // The task that reads it ends with the process, which ends at once.
    node.terminate();
    let status = until("the gateway to end", PATIENCE, || node.exited());
    assert!(status.success(), "{}", node.log());
}
