//! Two nodes on one Postgres and one Redis are one API, and say so when one of these is away.

use std::time::Duration;

use bartizan_core::policy::StoreUrl;
use bartizan_peers::{Postgres, Redis, until_async};
use http::Method;
use reference_api::{DatabaseSettings, Settings, StoreSettings};
use serde_json::json;

use crate::{
    client::Client,
    instance::Instance,
    money::{token, transfer},
};

/// Settings of a node; all have the same master key, and the same origin.
fn node(postgres: &Postgres, redis: &Redis) -> impl Fn(&mut Settings) {
    let database = DatabaseSettings::Postgres(postgres.url("postgres").into());
    let store = StoreSettings { url: StoreUrl::parse(&redis.url()).unwrap(), password: None };
    move |settings| {
        settings.database = database.clone();
        settings.store = Some(store.clone());
        for (name, value) in [
            ("MASTER_KEY", "0123456789abcdef0123456789abcdef"),
            ("BARTIZAN__STORE__MASTER_KEY", "\"env://MASTER_KEY\""),
            ("BARTIZAN__JWT__ISSUER", "\"http://localhost\""),
        ] {
            settings.environment.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The same session at another node.
fn with_session_of(client: &Client, node: &Instance) -> Client {
    let there = node.client();
    there.plant("__Host-session", &client.cookie("__Host-session").unwrap());
    there
}

#[tokio::test]
async fn what_one_node_knows_the_other_knows() {
    let (Some(postgres), Some(redis)) = (Postgres::start(), Redis::start()) else { return };
    let settings = node(&postgres, &redis);
    let first = Instance::open(&settings).await;
    let second = Instance::open(&settings).await;
    // The accounts are made once.
    assert!(second.has_no_passwords());
    assert!(!first.folder.path().join("data/master.key").exists(), "the key is the one that is named");

    let here = first.signed_in("alice").await;
    let there = with_session_of(&here, &second);
    assert_eq!(there.get("/profile").await.json()["name"], "alice");

    // A token is good at any node, once.
    let fresh = token(&here).await;
    let body = json!({ "to": "bob", "amount": 1 });
    assert_eq!(transfer(&there, Some(&fresh), &body).await.0, 200);
    assert_eq!(transfer(&here, Some(&fresh), &body).await.1, "csrf.token-used");

    // Tokens and keys are everybody's; a rotation here is followed there.
    let body = json!({ "username": "bob", "password": first.password("bob") });
    let access =
        first.client().post("/token", &body).await.json()["access_token"].as_str().unwrap().to_owned();
    let bearer = |client: &Client, token: &str| {
        client.request(Method::GET, "/users/1").header("authorization", &format!("Bearer {token}"))
    };
    let program = second.client();
    assert_eq!(program.send(bearer(&program, &access)).await.status, 200);
    first.signed_in("admin").await.post("/admin/signing-keys/rotate", &json!({})).await;
    let key = here.post("/api-keys", &json!({ "name": "x", "scopes": ["read"] })).await.json();
    let with_key = program.request(Method::GET, "/users/1").header("x-api-key", key["key"].as_str().unwrap());
    assert_eq!(program.send(with_key).await.status, 200);

    // A logout here is one there.
    here.post("/logout", &json!({})).await;
    assert_eq!(there.get("/profile").await.denial(), "auth.invalid");
}

#[tokio::test]
async fn what_is_away_is_told_as_that_and_comes_back() {
    let (Some(mut postgres), Some(mut redis)) = (Postgres::start(), Redis::start_durable()) else { return };
    let instance = Instance::open(node(&postgres, &redis)).await;
    let alice = instance.signed_in("alice").await;
    assert_eq!(alice.post("/comments", &json!({ "text": "before" })).await.status, 201);

    postgres.kill();
    for response in [alice.get("/comments").await, alice.post("/comments", &json!({ "text": "lost" })).await]
    {
        assert_eq!(
            (response.status, response.denial().as_str()),
            (503, "unavailable"),
            "{}",
            response.text()
        );
        assert_eq!(response.header("content-type"), "application/problem+json");
        let text = response.text().to_lowercase();
        assert!(
            !["postgres", "sqlx", "connect", "127.0.0.1"].iter().any(|word| text.contains(word)),
            "{text}"
        );
    }
    postgres.start_again();
    let back = until_async("the database to be used again", Duration::from_secs(30), async || {
        let response = alice.get("/comments").await;
        (response.status == 200).then(|| response.json())
    });
    assert_eq!(back.await[0]["text"], "before");

    redis.kill();
    let response = alice.get("/profile").await;
    assert_eq!((response.status, response.denial().as_str()), (503, "store.unavailable"));
    // What needs no session goes on.
    assert_eq!(instance.client().get("/comments").await.status, 200);
    redis.start_again();
    until_async("the store to be used again", Duration::from_secs(30), async || {
        (alice.get("/profile").await.status == 200).then_some(())
    })
    .await;
}
