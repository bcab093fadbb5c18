//! The OpenAPI document says what there is, and its page draws it under the policy of all pages.

use std::collections::BTreeSet;

use bartizan_peers::Chromium;
use http::Method;
use serde_json::{Value, json};

use crate::place::Place;

/// The routes, as the router is written.
const ROUTER: &str = include_str!("../../src/routes/mod.rs");

#[tokio::test]
async fn the_document_has_each_row_and_each_of_its_rows_is_there() {
    let instance = Place::Folder.start().await;
    let response = instance.client().get("/openapi.json").await;
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"));
    let document = response.json();
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&json!("3.1.0"), &json!(instance.origin))
    );

    let routed = ROUTER.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let routed: BTreeSet<&str> =
        routed.filter(|path| !path.starts_with("/docs") && *path != "/openapi.json").collect();
    let documented: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    // These two the engine answers.
    let engines = BTreeSet::from(["/.well-known/jwks.json", "/csrf-token"]);
    assert_eq!(documented, routed.union(&engines).copied().collect());

    // Whoever may do everything reaches each of them, and gets an answer that was told.
    let (mut untold, mut names) = (Vec::new(), BTreeSet::new());
    let admin = instance.signed_in("admin").await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace("{user_id}", "4").replace("{id}", "1").replace("{name}", "a.txt");
            let method: Method = method.to_uppercase().parse().unwrap();
            let response = admin.send(admin.request(method.clone(), &path)).await;
            let denial = response.denial();
            assert!(denial != "method" && denial != "auth.scope", "{method} {path}: {denial}");
            assert_ne!(response.json()["title"], "There is nothing here.", "{method} {path}");
            let told = operation["responses"].as_object().unwrap();
            assert!(names.insert(operation["operationId"].clone().to_string()), "{method} {path}");
            for (status, response) in told.iter().filter(|(status, _)| status.as_str() >= "400") {
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem", "{method} {path} {status}");
            }
            let status = response.status.to_string();
            if !told.contains_key(&status) {
                untold.push(format!("{method} {path} answers {status}"));
            }
            if path == "/logout" {
                return_to(&instance, &admin).await;
            }
        }
    }
    assert_eq!(untold, [""; 0]);
    refers_to_what_is_there(&document, &document);
}

/// All members of what comes back are told, with their types, and all are there that are told.
#[tokio::test]
async fn what_comes_back_is_what_the_document_says() {
    let instance = Place::Folder.with(|settings| settings.ping = "/bin/echo".into()).await;
    let document = instance.client().get("/openapi.json").await.json();
    let alice = instance.signed_in("alice").await;
    let credentials = json!({ "username": "alice", "password": instance.password("alice") });
    let key = alice.post("/api-keys", &json!({ "name": "first", "expires_in_days": 1 })).await.json();
    let (post, get) = (Method::POST, Method::GET);
    let mut left: BTreeSet<(String, String)> = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert_eq!(
                operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"],
                "#/components/schemas/Problem"
            );
            if answer(operation).is_some() {
                left.insert((method.clone(), path.clone()));
            }
        }
    }
    for (method, path, target, body) in [
        (&post, "/login", "/login", credentials),
        (&get, "/profile", "/profile", Value::Null),
        (&get, "/prefs/{user_id}", "/prefs/1", Value::Null),
        (&post, "/prefs/{user_id}", "/prefs/1", Value::Null),
        (&get, "/users/{id}", "/users/1", Value::Null),
        (&get, "/users", "/users?name=bob", Value::Null),
        (&post, "/transfer", "/transfer", json!({ "to": "bob", "amount": 1 })),
        (&post, "/comments", "/comments", json!({ "text": "hello", "html": "allow-list" })),
        (&get, "/comments", "/comments?limit=200&before=9", Value::Null),
        (&Method::PUT, "/files/{name}", "/files/a.txt", Value::Null),
        (&post, "/files", "/files?name=b.txt", Value::Null),
        (&get, "/files", "/files", Value::Null),
        (&get, "/ping", "/ping?host=127.0.0.1", Value::Null),
        (&post, "/token", "/token", Value::Null),
        (&post, "/api-keys/rotate", "/api-keys/rotate", json!({ "id": key["id"] })),
        (&post, "/api-keys", "/api-keys", json!({ "name": "x", "scopes": ["read"] })),
        (&get, "/api-keys", "/api-keys", Value::Null),
        (&get, "/info", "/info", Value::Null),
        (&get, "/csrf-token", "/csrf-token", Value::Null),
        (&get, "/.well-known/jwks.json", "/.well-known/jwks.json", Value::Null),
    ] {
        let mut request = alice.request(method.clone(), target);
        if path == "/transfer" {
            request = request.header("x-csrf-token", &crate::money::token(&alice).await);
        }
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = alice.send(request).await;
        let method = method.as_str().to_lowercase();
        let (status, schema) = answer(&document["paths"][path][&method]).unwrap();
        let at = format!("{method} {path}");
        assert_eq!(response.status.to_string(), status, "{at}: {}", response.text());
        fits(&document, schema, &response.json(), &at);
        assert!(left.remove(&(method, path.to_owned())), "{at}");
    }
    assert_eq!(left, BTreeSet::new());
}

/// The status of what an operation answers with JSON where nothing was before, and its schema.
fn answer(operation: &Value) -> Option<(&str, &Value)> {
    let mut good = operation["responses"].as_object()?.iter().filter(|(status, _)| status.starts_with('2'));
    let (status, response) = good.next_back()?;
    Some((status, response["content"].get("application/json")?.get("schema")?))
}

fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let resolved = |schema: &Value| match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap().clone(),
        None => schema.clone(),
    };
    let schema = resolved(schema);
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => vec![json!("object")],
        only => vec![only.clone()],
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&json!(is)), "{at}: {value} is no {types:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value}");
    }
    if let Value::Array(list) = value {
        for item in list {
            fits(document, &schema["items"], item, &format!("{at}[]"));
        }
    }
    let Value::Object(members) = value else { return };
    let (mut told, mut parts) = (serde_json::Map::new(), vec![schema]);
    let mut required = BTreeSet::new();
    while let Some(part) = parts.pop() {
        parts.extend(part["allOf"].as_array().into_iter().flatten().map(resolved));
        told.extend(part["properties"].as_object().cloned().unwrap_or_default());
        let names = part["required"].as_array().into_iter().flatten();
        required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
    }
    if told.is_empty() {
        return;
    }
    assert_eq!(members.keys().cloned().collect::<BTreeSet<_>>(), required, "{at}");
    for (name, member) in members {
        fits(document, &told[name], member, &format!("{at}.{name}"));
    }
}

/// Signs in again.
async fn return_to(instance: &crate::instance::Instance, admin: &crate::client::Client) {
    let body = json!({ "username": "admin", "password": instance.password("admin") });
    assert_eq!(admin.post("/login", &body).await.status, 200);
}

fn refers_to_what_is_there(document: &Value, value: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            object.values().for_each(|value| refers_to_what_is_there(document, value));
        }
        Value::Array(list) => list.iter().for_each(|value| refers_to_what_is_there(document, value)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_draws_the_document_and_tries_a_row() {
    let Some(chromium) = Chromium::start() else { return };
    let _log = chromium.log_on_failure();
    let instance = Place::Folder.start().await;
    let browser = chromium.browser().await;
    browser.visit(&format!("{}/docs", instance.origin)).await;
    let drawn = browser.until("return document.querySelectorAll('.opblock').length >= 25").await;
    assert_eq!(drawn, true);
    let title = browser.run("return document.querySelector('.title').textContent").await;
    assert!(title.as_str().unwrap().starts_with("Bartizan's reference API"), "{title}");

    // What a person clicks.
    let click = "
        document.querySelector('#operations-about-get_info .opblock-summary-control').click();
    ";
    browser.run(click).await;
    browser.until("return document.querySelector('#operations-about-get_info .try-out__btn') !== null").await;
    browser.run("document.querySelector('#operations-about-get_info .try-out__btn').click()").await;
    browser.until("return document.querySelector('#operations-about-get_info .execute') !== null").await;
    browser.run("document.querySelector('#operations-about-get_info .execute').click()").await;
    let answered = "
        const table = document.querySelector('#operations-about-get_info .live-responses-table');
        return table !== null && table.textContent.includes('\"name\": \"reference-api\"')";
    assert_eq!(browser.until(answered).await, true);

    let console = browser.console().await;
    assert!(console.iter().all(|message| !message.is_csp_violation()), "{console:?}");
    browser.close().await;
}
