//! A4 to A7, B1 and B2: what the policy says of every row.

use std::time::Duration;

use bartizan_peers::{HttpRequest, raw};
use http::Method;
use serde_json::json;

use crate::{files::upload, place::Place};

crate::rows![
    every_response_has_the_headers_of_its_kind,
    development_origins_are_chosen_by_name,
    a_request_that_two_could_read_in_two_ways_is_refused
];

async fn every_response_has_the_headers_of_its_kind(place: &Place) {
    let instance = place.start().await;
    let alice = instance.signed_in("alice").await;
    for response in [
        alice.get("/info").await,
        alice.get("/profile").await,
        alice.get("/nowhere").await,
        alice.get("/users/one").await,
        instance.client().get("/profile").await,
        alice.delete("/info").await,
    ] {
        let shown = response.text();
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("x-xss-protection", ""),
            ("server", ""),
        ] {
            assert_eq!(response.header(name), value, "{name} of {shown}");
        }
    }
    let request = alice.request(Method::GET, "/comments/page").header("accept", "text/html");
    let page = alice.send(request).await;
    let csp = page.header("content-security-policy");
    assert!(csp.contains("script-src 'self' 'nonce-") && csp.contains("frame-ancestors 'none'"), "{csp}");
    assert_ne!(csp, alice.get("/comments/page").await.header("content-security-policy"));
}

async fn development_origins_are_chosen_by_name(place: &Place) {
    for (profile, origin, shared) in [
        ("development", "http://localhost:3000", true),
        ("development", "http://evil.example", false),
        ("demo", "http://localhost:3000", false),
    ] {
        let instance = place.with(|settings| settings.profile = Some(profile.into())).await;
        let preflight = HttpRequest::new(Method::OPTIONS, &format!("{}/transfer", instance.origin))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-csrf-token");
        let preflight = preflight.send().await;
        let expected = if shared { (origin, "true") } else { ("", "") };
        let got = (
            preflight.header("access-control-allow-origin"),
            preflight.header("access-control-allow-credentials"),
        );
        assert_eq!(got, expected, "{profile} {origin}");
        let simple =
            HttpRequest::get(&format!("{}/info", instance.origin)).header("origin", origin).send().await;
        assert_eq!(simple.header("access-control-allow-origin"), expected.0, "{profile} {origin}");
        // Where it is shared with anybody, no cache gives one's answer to another.
        assert_eq!(simple.header("vary").contains("Origin"), profile == "development");
        // A form of a foreign page is refused on its way in.
        let post = HttpRequest::post(&format!("{}/login", instance.origin))
            .header("origin", origin)
            .json(&json!({ "username": "alice", "password": instance.password("alice") }));
        assert_eq!(post.send().await.status, if shared { 200 } else { 403 }, "{profile} {origin}");
    }
}

async fn a_request_that_two_could_read_in_two_ways_is_refused(place: &Place) {
    let instance = place.start().await;
    let authority = instance.origin.strip_prefix("http://").unwrap().to_owned();
    let port = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    for (head, status) in [
        (format!("GET /info HTTP/1.1\r\nHost: {authority}\r\n"), 200),
        ("GET /info HTTP/1.1\r\nHost: evil.example\r\n".to_owned(), 421),
        (format!("GET //info HTTP/1.1\r\nHost: {authority}\r\n"), 400),
        (format!("GET /files/../info HTTP/1.1\r\nHost: {authority}\r\n"), 400),
        (format!("GET /info;x=1 HTTP/1.1\r\nHost: {authority}\r\n"), 400),
        (format!("TRACE /info HTTP/1.1\r\nHost: {authority}\r\n"), 405),
        (format!("GET /info HTTP/1.1\r\nHost: {authority}\r\nAuthorization: a\r\nAuthorization: b\r\n"), 400),
    ] {
        let bytes = format!("{head}Connection: close\r\n\r\n");
        let answer = tokio::task::spawn_blocking(move || raw::exchange(port, bytes.as_bytes()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(raw::status(&answer), Some(status), "{head}");
    }
}

/// Production speaks https behind a proxy on this machine, and takes its origins from the environment.
#[tokio::test]
async fn production_is_reached_by_https_alone_and_shares_with_the_app_that_the_environment_names() {
    let instance = Place::Folder
        .with(|settings| {
            settings.profile = None;
            for (name, value) in [
                ("REFERENCE_API_ORIGIN", "https://orders.example.com"),
                ("REFERENCE_APP_ORIGIN", "https://shop.example.com"),
            ] {
                settings.environment.insert(name.to_owned(), value.to_owned());
            }
        })
        .await;
    let request = |path: &str| {
        HttpRequest::get(&format!("{}{path}", instance.origin)).header("host", "orders.example.com")
    };
    assert_eq!(request("/info").send().await.denial(), "https.required");
    let proxied = |path: &str| request(path).header("x-forwarded-proto", "https");
    let response = proxied("/info").send().await;
    assert_eq!((response.status, response.json()["environment"].clone()), (200, json!("production")));
    assert_eq!(response.header("strict-transport-security"), "max-age=63072000; includeSubDomains");
    for (origin, expected) in [
        ("https://shop.example.com", "https://shop.example.com"),
        ("https://evil.example", ""),
        ("http://shop.example.com", ""),
        ("http://localhost:3000", ""),
    ] {
        let response = proxied("/info").header("origin", origin).send().await;
        assert_eq!(response.header("access-control-allow-origin"), expected, "{origin}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_kept_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let instance = Place::Folder.start().await;
    let data = instance.folder.path().join("data");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in ["app.db", "app.db-wal", "state.db", "state.db.key"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    // Also where the data folder was there before, and is open to others.
    upload(&instance.signed_in("alice").await, "/files/a.txt", "mine").await;
    for folder in ["files", "files/1"] {
        assert_eq!(mode(&data.join(folder)), 0o700, "{folder}");
    }
}

#[tokio::test]
async fn a_request_that_comes_slowly_is_cut_off() {
    let instance = Place::Folder.with(|settings| settings.request_timeout = Duration::from_millis(300)).await;
    let alice = instance.signed_in("alice").await;
    let port = instance.origin.rsplit_once(':').unwrap().1.parse().unwrap();
    let cookie = alice.cookie("__Host-session").unwrap();
    let head = format!(
        "PUT /files/a.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {}\r\nCookie: __Host-session={cookie}\r\n\
         Content-Length: 10\r\nConnection: close\r\n\r\nfive.",
        instance.origin
    );
    let answer =
        tokio::task::spawn_blocking(move || raw::exchange(port, head.as_bytes())).await.unwrap().unwrap();
    assert_eq!(raw::status(&answer), Some(408), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(alice.get("/files").await.json()["files"], json!([]));
}
