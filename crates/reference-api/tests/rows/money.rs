//! B3: money moves once, with a token that is good for one request.

use http::Method;
use serde_json::{Value, json};

use crate::{client::Client, place::Place};

crate::rows![a_token_is_good_for_one_transfer, money_is_neither_made_nor_lost, another_site_moves_no_money];

/// A fresh token of a client's.
pub(crate) async fn token(client: &Client) -> String {
    let response = client.get("/csrf-token").await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["csrf_token"].as_str().unwrap().to_owned()
}

async fn balance(client: &Client) -> Value {
    client.get("/profile").await.json()["balance"].clone()
}

pub(crate) async fn transfer(client: &Client, token: Option<&str>, body: &Value) -> (u16, String, Value) {
    let mut request = client.request(Method::POST, "/transfer").json(body);
    if let Some(token) = token {
        request = request.header("x-csrf-token", token);
    }
    let response = client.send(request).await;
    (response.status, response.denial(), response.json())
}

async fn a_token_is_good_for_one_transfer(place: &Place) {
    let instance = place.start().await;
    let (alice, bob) = (instance.signed_in("alice").await, instance.signed_in("bob").await);

    let response = alice.get("/csrf-token").await;
    let in_body = response.json()["csrf_token"].clone();
    let cookie =
        response.headers_named("set-cookie").into_iter().find(|line| line.starts_with("__Host-csrf-token="));
    // A script may read it.
    assert_eq!(
        cookie,
        Some(&*format!("__Host-csrf-token={}; Path=/; Secure; SameSite=Strict", in_body.as_str().unwrap()))
    );

    let body = json!({ "to": "bob", "amount": 100 });
    assert_eq!(transfer(&alice, None, &body).await.1, "csrf.token-missing");
    assert_eq!(transfer(&alice, Some("guessed"), &body).await.1, "csrf.token-invalid");
    // Somebody else's is none.
    let bobs = token(&bob).await;
    assert_eq!(transfer(&alice, Some(&bobs), &body).await.1, "csrf.token-invalid");
    assert_eq!((balance(&alice).await, balance(&bob).await), (json!(1000), json!(1000)));

    let fresh = token(&alice).await;
    let (status, _, moved) = transfer(&alice, Some(&fresh), &body).await;
    assert_eq!((status, moved), (200, json!({ "id": 1, "to": "bob", "amount": 100, "balance": 900 })));
    // Once more with the same.
    assert_eq!(transfer(&alice, Some(&fresh), &body).await.1, "csrf.token-used");
    assert_eq!((balance(&alice).await, balance(&bob).await), (json!(900), json!(1100)));

    // By a form with its hidden field.
    let fresh = token(&alice).await;
    let form = [("to", "bob"), ("amount", "1"), ("csrf_token", &fresh)];
    let response = alice.send(alice.request(Method::POST, "/transfer").form(&form)).await;
    assert_eq!((response.status, response.json()["balance"].clone()), (200, json!(899)));

    // After a logout it is worth nothing.
    let kept = token(&bob).await;
    bob.post("/logout", &json!({})).await;
    let bob = instance.signed_in("bob").await;
    assert_eq!(transfer(&bob, Some(&kept), &body).await.1, "csrf.token-invalid");
}

async fn money_is_neither_made_nor_lost(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    for (body, status, code) in [
        (json!({ "to": "bob", "amount": 1001 }), 409, "transfer.too-little"),
        (json!({ "to": "nobody", "amount": 1 }), 422, "request.fields"),
        (json!({ "to": "alice", "amount": 1 }), 422, "request.fields"),
        (json!({ "to": "bob", "amount": 0 }), 422, "request.fields"),
        (json!({ "to": "bob", "amount": -5 }), 422, "request.fields"),
        (json!({ "to": "bob", "amount": 1.5 }), 422, "request.fields"),
        (json!({ "to": "bob", "amount": "1" }), 422, "request.fields"),
        (json!({ "amount": 1 }), 422, "request.fields"),
    ] {
        let fresh = token(&alice).await;
        let (got, denial, _) = transfer(&alice, Some(&fresh), &body).await;
        assert_eq!((got, denial.as_str()), (status, code), "{body}");
    }
    assert_eq!(balance(&alice).await, 1000);

    // Many at once, in both directions: as many as there is money for.
    let bob = instance.signed_in("bob").await;
    let (mut tokens, mut sent) = (Vec::new(), Vec::new());
    for index in 0..12 {
        let (client, to) = if index % 2 == 0 { (&alice, "bob") } else { (&bob, "alice") };
        tokens.push((client, to, token(client).await));
    }
    for (client, to, fresh) in &tokens {
        sent.push(async move { transfer(client, Some(fresh), &json!({ "to": to, "amount": 300 })).await.0 });
    }
    let statuses = futures_util::future::join_all(sent).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
    let (of_alice, of_bob) = (balance(&alice).await.as_i64().unwrap(), balance(&bob).await.as_i64().unwrap());
    assert_eq!(of_alice + of_bob, 2000);
    assert!(of_alice >= 0 && of_bob >= 0);
}

async fn another_site_moves_no_money(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    let fresh = token(&alice).await;
    for (name, value, code) in [
        ("origin", "http://evil.example", "csrf.origin"),
        ("origin", "null", "csrf.origin"),
        ("sec-fetch-site", "cross-site", "csrf.cross-site"),
    ] {
        let request = bartizan_peers::HttpRequest::post(&format!("{}/transfer", instance.origin))
            .header(name, value)
            .header("cookie", &format!("__Host-session={}", alice.cookie("__Host-session").unwrap()))
            .header("x-csrf-token", &fresh)
            .json(&json!({ "to": "mallory", "amount": 1000 }));
        let response = request.send().await;
        assert_eq!((response.status, response.denial().as_str()), (403, code), "{name}: {value}");
    }
    assert_eq!(balance(&alice).await, 1000);
}
