//! What handlers may ask for: the nonce and the client's address.

use std::sync::Arc;

use axum::{Router, response::Html, routing::get};
use bartizan::{ClientIp, CspNonce};
use tokio::task::JoinSet;

use crate::server::{Mount, Server, layer};

fn router() -> Router {
    Router::new()
        .route("/page", get(async |nonce: CspNonce| Html(format!("<script nonce=\"{nonce}\">1</script>"))))
        .route("/ip", get(async |ip: ClientIp| ip.to_string()))
        .route(
            "/maybe",
            get(async |ip: Option<ClientIp>| ip.map_or("nobody knows".into(), |ip| ip.to_string())),
        )
}

const PAGE: &str =
    "GET /page\nAccept: text/html\nSec-Fetch-Dest: document\nSec-Fetch-Mode: navigate\nSec-Fetch-Site: none";

#[tokio::test]
async fn a_page_and_its_policy_share_a_nonce() {
    for mount in Mount::ALL {
        let server = Server::mount(mount, "", layer(""), router()).await;
        let response = server.request(PAGE).await;
        let nonce = response.body.split('"').nth(1).unwrap();
        assert!(nonce.len() >= 22, "{mount:?} {response:?}");
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.contains(&format!("'nonce-{nonce}'")), "{mount:?} {policy}");
    }
}

#[tokio::test]
async fn no_two_responses_share_a_nonce() {
    let server = Arc::new(Server::start(layer(""), router()).await);
    let mut pages = JoinSet::new();
    for _ in 0..20 {
        let server = Arc::clone(&server);
        pages.spawn(async move { server.request(PAGE).await.body });
    }
    let mut pages = pages.join_all().await;
    pages.sort();
    pages.dedup();
    assert_eq!(pages.len(), 20);
}

#[tokio::test]
async fn the_nonce_is_empty_where_no_page_was_asked_for() {
    let server = Server::start(layer(""), router()).await;
    let response = server.request("GET /page\nAccept: application/json").await;
    assert_eq!(response.body, "<script nonce=\"\">1</script>");
    assert!(!response.header("content-security-policy").unwrap().contains("nonce"), "{response:?}");
}

#[tokio::test]
async fn the_clients_address_is_the_peers_or_what_a_trusted_proxy_says() {
    let trusting = "[proxy]\ntrusted = ['127.0.0.0/8']\nforwarded = { for = 'x-forwarded-for' }";
    for mount in Mount::ALL {
        for (policy, forwarded, expected) in [
            ("", "", "127.0.0.1"),
            ("", "\nX-Forwarded-For: 203.0.113.9", "127.0.0.1"),
            (trusting, "", "127.0.0.1"),
            (trusting, "\nX-Forwarded-For: 203.0.113.9", "203.0.113.9"),
            (trusting, "\nX-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.2", "203.0.113.9"),
            (trusting, "\nForwarded: for=6.6.6.6\nX-Real-IP: 6.6.6.6", "127.0.0.1"),
        ] {
            let server = Server::mount(mount, policy, layer(policy), router()).await;
            let response = server.request(&format!("GET /ip{forwarded}")).await;
            assert_eq!(response.body, expected, "{mount:?} {policy} {forwarded}");
        }
    }
}

#[tokio::test]
async fn a_server_that_knows_no_peer_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = tower::Layer::layer(&layer(""), router());
    let make = axum::ServiceExt::<axum::extract::Request>::into_make_service(app);
    tokio::spawn(async { axum::serve(listener, make).await });
    let server = Server::at(address);
    assert_eq!(server.request("GET /ip").await.status, 500);
    assert_eq!(server.request("GET /maybe").await.body, "nobody knows");
}
