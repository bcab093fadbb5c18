//! C4: a password or a session becomes a token, and keys change without one refused.

use bartizan_peers::HttpResponse;
use bartizan_sinks::password::{Cost, Passwords};
use http::Method;
use serde_json::{Value, json};

use crate::{client::Client, place::Place};

crate::rows![
    a_password_or_a_session_becomes_a_token_of_no_more_than_its_owner_may,
    nobody_guesses_here_for_longer_than_at_the_login,
    a_right_guess_among_many_at_once_is_worth_nothing,
    keys_change_by_command_without_a_token_refused
];

async fn with_token(client: &Client, token: &str, path: &str) -> (u16, String) {
    let response = client
        .send(client.request(Method::GET, path).header("authorization", &format!("Bearer {token}")))
        .await;
    (response.status, response.denial())
}

async fn token(client: &Client, body: &Value) -> String {
    let response = client.post("/token", body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["access_token"].as_str().unwrap().to_owned()
}

async fn a_password_or_a_session_becomes_a_token_of_no_more_than_its_owner_may(place: &Place) {
    let instance = place.start().await;
    let program = instance.client();
    let alices = |extra: Value| {
        let mut body = json!({ "username": "alice", "password": instance.password("alice") });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let response = program.post("/token", &alices(json!({ "scope": "read" }))).await;
    assert_eq!(response.header("cache-control"), "no-store");
    let issued = response.json();
    assert_eq!(
        (&issued["token_type"], &issued["expires_in"], &issued["scope"]),
        (&json!("Bearer"), &json!(900), &json!("read"))
    );
    assert!(response.headers_named("set-cookie").is_empty());
    let read = issued["access_token"].as_str().unwrap();
    assert_eq!(with_token(&program, read, "/users/1").await.0, 200);
    // Not what the scope does not say, and not what needs a session.
    let request = program.request(Method::PUT, "/files/a").header("authorization", &format!("Bearer {read}"));
    assert_eq!(program.send(request).await.denial(), "auth.scope");
    assert_eq!(with_token(&program, read, "/profile").await, (401, "auth.required".to_owned()));

    let wider = program.post("/token", &alices(json!({ "scope": ["read", "admin"] }))).await;
    assert_eq!((wider.status, wider.denial().as_str()), (422, "request.fields"));
    assert_eq!(program.post("/token", &json!({})).await.denial(), "token.nobody");
    assert_eq!(program.post("/token", &json!({ "username": "alice" })).await.denial(), "request.fields");

    // By a form, as OAuth clients send it.
    let form = [
        ("grant_type", "password"),
        ("username", "bob"),
        ("password", instance.password("bob")),
        ("scope", "read write"),
    ];
    let response = program.send(program.request(Method::POST, "/token").form(&form)).await;
    assert_eq!(response.json()["scope"], "read write");

    let alice = instance.signed_in("alice").await;
    let by_session = alice.send(alice.request(Method::POST, "/token")).await;
    assert_eq!((by_session.status, by_session.json()["scope"].clone()), (200, json!("read write")));
    // Another site gets none with her cookie.
    let request = bartizan_peers::HttpRequest::post(&format!("{}/token", instance.origin))
        .header("origin", "http://evil.example")
        .header("cookie", &format!("__Host-session={}", alice.cookie("__Host-session").unwrap()));
    assert_eq!(request.send().await.denial(), "csrf.origin");
}

async fn nobody_guesses_here_for_longer_than_at_the_login(place: &Place) {
    let instance = place.start().await;
    let mallory = instance.client();
    for path in ["/token", "/login", "/token", "/login", "/token"] {
        let response = mallory.post(path, &json!({ "username": "alice", "password": "guess" })).await;
        assert_eq!((response.status, response.denial().as_str()), (401, "login.wrong"));
    }
    for path in ["/token", "/login"] {
        let right = json!({ "username": "alice", "password": instance.password("alice") });
        assert_eq!(mallory.post(path, &right).await.denial(), "rate.limited", "{path}");
    }
}

async fn a_right_guess_among_many_at_once_is_worth_nothing(place: &Place) {
    let instance = place.start().await;
    // A hash that takes its time: all are on their way before the first has failed.
    let right = instance.password("alice");
    let slow = Passwords::new(1).cost(Cost::new(19_456, 20, 1).unwrap());
    let hash = slow.hash(&right.into()).await.unwrap();
    instance
        .execute(&["UPDATE account SET password = '", hash.as_str(), "' WHERE name = 'alice'"].concat())
        .await;
    let guesses = std::iter::repeat_n("wrong guess", 12).chain([right]);
    let guesses = guesses.map(|password| json!({ "username": "alice", "password": password }));
    let mallory = instance.client();
    let sent = guesses.map(|body| {
        let mallory = &mallory;
        async move { mallory.post("/token", &body).await }
    });
    let answers = futures_util::future::join_all(sent).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)), "a guess was right");
    assert_eq!(answers.last().map(HttpResponse::denial).as_deref(), Some("rate.limited"));
}

async fn keys_change_by_command_without_a_token_refused(place: &Place) {
    let instance = place.start().await;
    let program = instance.client();
    let kids = async || {
        let response = program.get("/.well-known/jwks.json").await;
        assert_eq!(response.status, 200);
        let keys = response.json()["keys"].as_array().unwrap().clone();
        assert!(keys.iter().all(|key| key["d"].is_null() && key["kty"] == "OKP"), "{keys:?}");
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = kids().await;
    assert_eq!(before.len(), 2);
    let body = json!({ "username": "alice", "password": instance.password("alice") });
    let first = token(&program, &body).await;

    assert_eq!(program.post("/admin/signing-keys/rotate", &json!({})).await.denial(), "auth.required");
    let alice = instance.signed_in("alice").await;
    assert_eq!(alice.post("/admin/signing-keys/rotate", &json!({})).await.denial(), "auth.scope");
    let admin = instance.signed_in("admin").await;
    assert_eq!(admin.post("/admin/signing-keys/rotate", &json!({})).await.status, 204);

    // A new one stands ready, and both that were there still verify.
    let after = kids().await;
    assert_eq!(after.len(), 3);
    assert!(before.iter().all(|kid| after.contains(kid)));
    let second = token(&program, &body).await;
    for made in [first, second] {
        assert_eq!(with_token(&program, &made, "/users/1").await.0, 200);
    }
    assert_eq!(with_token(&program, "eyJhbGciOiJub25lIn0.e30.", "/users/1").await.0, 401);
}
