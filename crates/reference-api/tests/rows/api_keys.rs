//! C6: keys for one's own programs, which open no more than the session that made them.

use http::Method;
use serde_json::{Value, json};

use crate::{client::Client, place::Place};

crate::rows![
    a_key_opens_what_it_is_for_until_it_is_revoked,
    a_key_may_do_no_more_than_whoever_makes_it,
    a_rotation_replaces_one_key_and_prolongs_none,
    nobody_has_more_keys_than_one_may
];

async fn with_key(client: &Client, key: &str, path: &str) -> (u16, String) {
    let response = client.send(client.request(Method::GET, path).header("x-api-key", key)).await;
    (response.status, response.denial())
}

async fn create(client: &Client, body: &Value) -> (String, String) {
    let response = client.post("/api-keys", body).await;
    assert_eq!(response.status, 201, "{}", response.text());
    let made = response.json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn states(list: &Value) -> Vec<(String, String)> {
    let state =
        |key: &Value| (key["id"].as_str().unwrap().to_owned(), key["state"].as_str().unwrap().to_owned());
    list.as_array().unwrap().iter().map(state).collect()
}

async fn a_key_opens_what_it_is_for_until_it_is_revoked(place: &Place) {
    let instance = place.start().await;
    let program = instance.client();
    assert_eq!(program.post("/api-keys", &json!({ "name": "x" })).await.denial(), "auth.required");
    let alice = instance.signed_in("alice").await;
    let (id, key) =
        create(&alice, &json!({ "name": "backup", "scopes": ["read"], "expires_in_days": 30 })).await;
    assert!(key.starts_with(&format!("demo_live_{id}_")), "{key}");

    assert_eq!(with_key(&program, &key, "/users/1").await.0, 200);
    let bearer = program.request(Method::GET, "/users/1").header("authorization", &format!("Bearer {key}"));
    assert_eq!(program.send(bearer).await.status, 200);
    let write = program.request(Method::PUT, "/files/a.txt").header("x-api-key", &key);
    assert_eq!(program.send(write).await.denial(), "auth.scope");
    // Managing keys needs a session.
    let more =
        program.request(Method::POST, "/api-keys").header("x-api-key", &key).json(&json!({ "name": "more" }));
    assert_eq!(program.send(more).await.denial(), "auth.required");
    assert_eq!(with_key(&program, &key, "/api-keys").await.1, "auth.required");

    let list = alice.get("/api-keys").await;
    assert_eq!(states(&list.json()), [(id.clone(), "active".to_owned())]);
    assert!(!list.text().contains(&key[30..]), "{}", list.text());
    // Of others nobody learns.
    let bob = instance.signed_in("bob").await;
    assert_eq!(bob.get("/api-keys").await.json(), json!([]));
    assert_eq!(bob.delete(&format!("/api-keys/{id}")).await.denial(), "not-found");
    assert_eq!(bob.post("/api-keys/rotate", &json!({ "id": id })).await.denial(), "not-found");

    assert_eq!(alice.delete(&format!("/api-keys/{id}")).await.status, 204);
    assert_eq!(with_key(&program, &key, "/users/1").await, (401, "api-key.invalid".to_owned()));
    assert_eq!(alice.delete(&format!("/api-keys/{id}")).await.denial(), "not-found");
    assert_eq!(states(&alice.get("/api-keys").await.json()), [(id, "revoked".to_owned())]);
}

async fn a_key_may_do_no_more_than_whoever_makes_it(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    let response = alice
        .post("/api-keys", &json!({ "name": "", "scopes": ["read", "a\"b"], "expires_in_days": 0 }))
        .await;
    let fields: Vec<Value> =
        response.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(
        (response.status, fields),
        (422, vec![json!("name"), json!("scopes"), json!("expires_in_days")])
    );
    let response = alice.post("/api-keys", &json!({ "name": "x", "scopes": ["read", "admin"] })).await;
    assert_eq!(response.status, 422);
    assert_eq!(
        response.json()["errors"],
        json!([{ "field": "scopes", "message": "the scope `admin` is more than may be given on; leave it out" }])
    );
    assert_eq!(alice.get("/api-keys").await.json(), json!([]));
}

async fn a_rotation_replaces_one_key_and_prolongs_none(place: &Place) {
    let instance = place.start().await;
    let (alice, program) = (instance.signed_in("alice").await, instance.client());
    assert_eq!(alice.post("/api-keys/rotate", &json!({})).await.denial(), "api-key.not-one");
    let (first, first_key) =
        create(&alice, &json!({ "name": "one", "scopes": ["read", "write"], "expires_in_days": 1 })).await;

    // The only one that is active is meant.
    let response = alice.post("/api-keys/rotate", &json!({ "scopes": ["read"] })).await;
    assert_eq!(response.status, 201, "{}", response.text());
    let rotated = response.json();
    assert_eq!(
        (&rotated["replaces"], &rotated["name"], &rotated["scopes"]),
        (&json!(first), &json!("one"), &json!(["read"]))
    );
    let second_key = rotated["key"].as_str().unwrap().to_owned();
    let old = &alice.get("/api-keys").await.json();
    let old = old.as_array().unwrap().iter().find(|key| key["id"] == json!(first)).unwrap().clone();
    assert_eq!(old["state"], "replaced");
    // A day is what it had, and less than the grace of seven.
    let lifetime = old["expires"].as_u64().unwrap() - old["created"].as_u64().unwrap();
    assert_eq!((lifetime, &old["expires"]), (86_400_000, &rotated["old_expires"]));
    for key in [&first_key, &second_key] {
        assert_eq!(with_key(&program, key, "/users/1").await.0, 200);
    }
    let sunset = program.send(program.request(Method::GET, "/users/1").header("x-api-key", &first_key)).await;
    assert!(!sunset.header("sunset").is_empty());

    // A key is replaced once; without a grace the old one ends now.
    assert_eq!(alice.post("/api-keys/rotate", &json!({ "id": first })).await.denial(), "api-key.over");
    let wider = alice.post("/api-keys/rotate", &json!({ "scopes": ["read", "write"] })).await;
    assert_eq!(wider.denial(), "request.fields");
    assert_eq!(alice.post("/api-keys/rotate", &json!({ "grace_seconds": 0 })).await.status, 201);
    assert_eq!(with_key(&program, &second_key, "/users/1").await, (401, "api-key.expired".to_owned()));

    // A grace of one's own is no longer than the policy's seven days, also for a key without an end.
    let bob = instance.signed_in("bob").await;
    create(&bob, &json!({ "name": "endless" })).await;
    let rotated = bob.post("/api-keys/rotate", &json!({ "grace_seconds": 31_536_000 })).await.json();
    let grace = rotated["old_expires"].as_u64().unwrap() - rotated["created"].as_u64().unwrap();
    assert_eq!(grace, 7 * 86_400_000);

    create(&alice, &json!({ "name": "two" })).await;
    let several = alice.post("/api-keys/rotate", &json!({})).await;
    assert_eq!(
        (several.status, several.json()["title"].clone()),
        (409, json!("2 keys are active; say which by its id."))
    );
}

async fn nobody_has_more_keys_than_one_may(place: &Place) {
    let instance = place
        .with(|settings| {
            settings.environment.insert("BARTIZAN__RATE_LIMIT__MODE".to_owned(), "off".to_owned());
        })
        .await;
    let alice = instance.signed_in("alice").await;
    for _ in 0..100 {
        create(&alice, &json!({ "name": "x" })).await;
    }
    let refused = alice.post("/api-keys", &json!({ "name": "x" })).await;
    assert_eq!((refused.status, refused.denial().as_str()), (409, "api-key.too-many"));

    // Each can be replaced while all are there. The ones before live on for a while: no more can be made that way either.
    let replace = async || {
        let keys = alice.get("/api-keys").await.json();
        let active = keys.as_array().unwrap().iter().find(|key| key["state"] == "active").unwrap().clone();
        alice.post("/api-keys/rotate", &json!({ "id": active["id"] })).await
    };
    for _ in 0..100 {
        assert_eq!(replace().await.status, 201);
    }
    assert_eq!(replace().await.denial(), "api-key.too-many");
    let keys = alice.get("/api-keys").await.json();
    assert_eq!(keys.as_array().unwrap().len(), 200);
    assert_eq!(alice.delete(&format!("/api-keys/{}", keys[0]["id"].as_str().unwrap())).await.status, 204);
    assert_eq!(replace().await.status, 201);
}
