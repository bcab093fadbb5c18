//! A1 to A3: a password becomes a session, which opens what is one's own, and nothing else.

use bartizan_sinks::password::{Cost, Passwords};
use http::Method;
use serde_json::json;

use crate::place::Place;

crate::rows![
    an_older_hash_becomes_as_dear_as_new_ones,
    a_password_becomes_a_session_and_a_logout_ends_it,
    a_form_signs_in_as_json_does_and_a_planted_session_is_worth_nothing_after_it,
    a_login_that_is_not_right_says_what_is_wrong_with_it_and_no_more,
    nobody_guesses_for_long,
    preferences_are_ones_own,
    what_this_is_everybody_may_know
];

const SESSION: &str = "__Host-session";

async fn a_password_becomes_a_session_and_a_logout_ends_it(place: &Place) {
    let instance = place.start().await;
    let alice = instance.client();
    assert_eq!(alice.get("/profile").await.denial(), "auth.required");

    let body = json!({ "username": "alice", "password": instance.password("alice") });
    let response = alice.post("/login", &body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json(), json!({ "id": 1, "name": "alice", "scopes": ["read", "write"] }));
    let cookie = response.headers_named("set-cookie")[0].to_owned();
    assert!(
        cookie.starts_with("__Host-session=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
    );

    let profile = alice.get("/profile").await;
    let expected = json!({
        "id": 1, "name": "alice", "display_name": "Alice Anderson", "balance": 1000, "scopes": ["read", "write"],
    });
    assert_eq!(profile.json(), expected);

    let stolen = alice.cookie(SESSION).unwrap();
    let response = alice.post("/logout", &json!({})).await;
    assert_eq!((response.status, response.header("clear-site-data")), (204, "\"storage\""));
    assert_eq!(alice.cookie(SESSION), None);
    alice.plant(SESSION, &stolen);
    assert_eq!(alice.get("/profile").await.denial(), "auth.invalid");
}

async fn a_form_signs_in_as_json_does_and_a_planted_session_is_worth_nothing_after_it(place: &Place) {
    let instance = place.start().await;
    let alice = instance.client();
    let planted = "A".repeat(43);
    alice.plant(SESSION, &planted);
    let form = [("username", "alice"), ("password", instance.password("alice"))];
    let response = alice.send(alice.request(Method::POST, "/login").form(&form)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let first = alice.cookie(SESSION).unwrap();
    assert_ne!(first, planted);

    // A login of somebody who has signed in gives a new id, and ends the old session.
    alice.send(alice.request(Method::POST, "/login").form(&form)).await;
    assert_ne!(alice.cookie(SESSION).unwrap(), first);
    alice.plant(SESSION, &first);
    assert_eq!(alice.get("/profile").await.denial(), "auth.invalid");
}

async fn a_login_that_is_not_right_says_what_is_wrong_with_it_and_no_more(place: &Place) {
    let instance = place.start().await;
    let client = instance.client();
    let right = instance.password("alice");
    let wrong = "{\"type\":\"urn:reference-api:problem:login.wrong\",\"title\":\"The name or the password is \
                 wrong.\",\"status\":401,\"code\":\"login.wrong\"}";
    for body in [
        json!({ "username": "alice", "password": "guess" }),
        json!({ "username": "nobody", "password": "guess" }),
        json!({ "username": "alice' --", "password": right }),
        json!({ "username": "Alice", "password": right }),
    ] {
        let response = client.post("/login", &body).await;
        assert_eq!((response.status, response.text().as_str()), (401, wrong), "{body}");
        assert_eq!(client.cookie(SESSION), None);
    }

    // All that is wrong with the fields at once.
    let response = client.post("/login", &json!({ "username": 7, "pasword": "x" })).await;
    assert_eq!((response.status, response.header("content-type")), (422, "application/problem+json"));
    let errors = json!([
        { "field": "username", "message": "has to be a text" },
        { "field": "password", "message": "is missing" },
        { "field": "pasword", "message": "is no field of this request" },
    ]);
    assert_eq!(response.json()["errors"], errors);

    for (content_type, body, status, code) in [
        ("application/json", "{\"username\": ", 400, "request.malformed"),
        ("application/json", "[1]", 400, "request.malformed"),
        ("application/json", "", 422, "request.fields"),
        (
            "application/json",
            "{\"username\":\"alice\",\"username\":\"bob\",\"password\":\"x\"}",
            422,
            "request.fields",
        ),
        ("text/plain", "{\"username\":\"alice\",\"password\":\"guess\"}", 415, "request.media-type"),
        (
            "application/x-www-form-urlencoded",
            "username=alice&username=bob&password=x",
            422,
            "request.fields",
        ),
    ] {
        let request = client.request(Method::POST, "/login").header("content-type", content_type);
        let response = client.send(request.body(http_body_util::Full::from(body))).await;
        assert_eq!((response.status, response.denial().as_str()), (status, code), "{content_type} {body}");
    }
    // Of two types one reader takes the first, the other the last.
    let request =
        client.request(Method::POST, "/login").json(&json!({ "username": "alice", "password": right }));
    let response = client.send(request.header("content-type", "text/plain")).await;
    assert_eq!((response.status, response.denial().as_str()), (415, "request.media-type"));

    let long = "x".repeat(70_000);
    let response = client.post("/login", &json!({ "username": "alice", "password": long })).await;
    assert_eq!((response.status, response.denial().as_str()), (413, "body.too-large"));
}

async fn nobody_guesses_for_long(place: &Place) {
    let instance = place.start().await;
    let mallory = instance.client();
    let guess = json!({ "username": "alice", "password": "guess" });
    for _ in 0..5 {
        assert_eq!(mallory.post("/login", &guess).await.status, 401);
    }
    let right = json!({ "username": "alice", "password": instance.password("alice") });
    for body in [guess, right] {
        let response = mallory.post("/login", &body).await;
        assert_eq!((response.status, response.denial().as_str()), (429, "rate.limited"));
        assert!(response.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    // Others sign in.
    instance.signed_in("bob").await;
}

async fn preferences_are_ones_own(place: &Place) {
    let instance = place.start().await;
    let preferences = json!({ "theme": "dark", "language": "pt-BR", "newsletter": true });
    assert_eq!(instance.client().post("/prefs/1", &preferences).await.denial(), "auth.required");

    let alice = instance.signed_in("alice").await;
    let usual = json!({ "theme": "system", "language": "en", "newsletter": false });
    assert_eq!(alice.get("/prefs/1").await.json(), usual);
    let response = alice.post("/prefs/1", &preferences).await;
    assert_eq!((response.status, response.json()), (200, preferences.clone()));
    assert_eq!(alice.get("/prefs/1").await.json(), preferences);

    // What is not named stays.
    let changed = alice.post("/prefs/1", &json!({ "newsletter": false })).await;
    let expected = json!({ "theme": "dark", "language": "pt-BR", "newsletter": false });
    assert_eq!((changed.status, changed.json()), (200, expected.clone()));
    assert_eq!(alice.post("/prefs/1", &json!({})).await.json(), expected);
    assert_eq!(alice.post("/prefs/1", &preferences).await.json(), preferences);

    // Somebody else's, and nobody's, are the same to whoever asks, whatever they send.
    for user in [2, 4711] {
        assert_eq!(
            alice.post(&format!("/prefs/{user}"), &json!({ "theme": "pink" })).await.denial(),
            "forbidden"
        );
    }
    for user in [2, 4711] {
        for response in [
            alice.post(&format!("/prefs/{user}"), &preferences).await,
            alice.get(&format!("/prefs/{user}")).await,
        ] {
            assert_eq!((response.status, response.denial().as_str()), (403, "forbidden"), "{user}");
        }
    }
    assert_eq!(instance.signed_in("bob").await.get("/prefs/2").await.json(), usual);

    let response = alice
        .post("/prefs/1", &json!({ "theme": "pink", "language": "<b>", "newsletter": 1, "admin": true }))
        .await;
    let errors = json!([
        { "field": "theme", "message": "has to be one of: light, dark, system" },
        { "field": "language", "message": "has to be a language tag such as `en` or `pt-BR`" },
        { "field": "newsletter", "message": "has to be true or false" },
        { "field": "admin", "message": "is no field of this request" },
    ]);
    assert_eq!((response.status, response.json()["errors"].clone()), (422, errors));
    let response = alice.get("/prefs/one").await;
    let errors = json!([{ "field": "user_id", "message": "has to be a whole number" }]);
    assert_eq!((response.status, response.json()["errors"].clone()), (422, errors));
    assert_eq!(alice.get("/prefs/1").await.json(), preferences);

    // What fails here is told to the log, and to nobody else.
    instance.execute("UPDATE preference SET theme = 'mauve' WHERE account = 1").await;
    let response = alice.get("/prefs/1").await;
    let expected = json!({
        "type": "urn:reference-api:problem:internal", "title": "Something went wrong here.", "status": 500, "code": "internal",
    });
    assert_eq!((response.status, response.json()), (500, expected));
}

async fn what_this_is_everybody_may_know(place: &Place) {
    let instance = place.start().await;
    let response = instance.client().get("/info").await;
    let expected =
        json!({ "name": "reference-api", "version": env!("CARGO_PKG_VERSION"), "environment": "demo" });
    assert_eq!((response.status, response.json()), (200, expected));
    // What no route names needs a session.
    assert_eq!(instance.client().get("/nowhere").await.denial(), "auth.required");
    let alice = instance.signed_in("alice").await;
    assert_eq!(alice.get("/nowhere").await.denial(), "not-found");
    assert_eq!(alice.delete("/profile").await.denial(), "method");
}

async fn an_older_hash_becomes_as_dear_as_new_ones(place: &Place) {
    let instance = place.start().await;
    let cost = Cost::new(7_168, 5, 1).unwrap();
    let older = Passwords::new(1).cost(cost).hash(&instance.password("alice").into()).await.unwrap();
    instance
        .execute(&["UPDATE account SET password = '", older.as_str(), "' WHERE name = 'alice'"].concat())
        .await;
    let kept = async || instance.text("SELECT password FROM account WHERE name = 'alice'").await;
    assert!(kept().await.starts_with("$argon2id$v=19$m=7168,"));
    let wrong = json!({ "username": "alice", "password": "guess" });
    assert_eq!(instance.client().post("/login", &wrong).await.status, 401);
    assert!(kept().await.starts_with("$argon2id$v=19$m=7168,"));
    instance.signed_in("alice").await;
    assert!(kept().await.starts_with("$argon2id$v=19$m=19456,"));
    instance.signed_in("alice").await;
}
