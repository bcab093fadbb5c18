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
