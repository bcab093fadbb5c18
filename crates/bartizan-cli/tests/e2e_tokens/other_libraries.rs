//! Our tokens verified by `PyJWT` in a FastAPI application, and tokens of `PyJWT` and joserfc verified by us.

use std::{collections::BTreeMap, process::Command, time::Duration};

use bartizan::{
    OsClock,
    jwt::{ImportedKey, SigningKey},
};
use bartizan_core::{Clock as _, jwt::Algorithm, key_ring::ImportUse};
use bartizan_peers::{FastApi, Gateway, HttpRequest, free_port, python, root};
use serde_json::Value;

use crate::{ISSUER, Place, Service, alice, good, issuer::sign, told};

#[tokio::test]
async fn a_fastapi_application_verifies_our_tokens() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
        let port = free_port();
        let directory = root().join("tests/peers/tokens");
        let url = format!("http://localhost:{port}");
        let Some(app) = FastApi::start_module_with_gateway("resource:app", &directory, &url) else { return };
        let more = format!(
            "algorithm = \"{algorithm}\"\n[[route]]\nmatch = \"* /who\"\nforward_authorization = true"
        );
        let service = Service::new(&Place::Sqlite, &more);
        let ring = service.ring_of_an_hour_ago().await;
        let gateway = Gateway::start_on(port, &service.policy, &app.url(""), &[]);
        let who = async |url: &str, token: &str| {
            let request = HttpRequest::get(url).header("authorization", &format!("Bearer {token}"));
            let response = request.send().await;
            (response.status, response.json())
        };
        let token = ring.issue(&alice(), OsClock.now()).unwrap().token;
        // Through the gateway, and by itself with the keys that the gateway publishes.
        let expected = serde_json::json!({ "subject": "alice", "algorithm": algorithm.as_str() });
        for url in [gateway.url("/who"), app.url("/who")] {
            let (status, body) = who(&url, &token).await;
            if algorithm == Algorithm::Hs256 {
                // There is no public part, so nobody but the nodes can verify it.
                assert_eq!(status, 401, "{body}");
                assert!(body["detail"].as_str().unwrap().contains("Unable to find a signing key"), "{body}");
            } else {
                assert_eq!((status, &body), (200, &expected), "{algorithm} {url}");
            }
        }
        if algorithm == Algorithm::Hs256 {
            assert_eq!(told(&gateway, &token).await.0, 404, "it is the application that does not know it");
            continue;
        }
        // A token of the next key, on the way that it takes everywhere: the application has the key already.
        ring.rotate(OsClock.now()).await.unwrap();
        let next = ring.issue(&alice(), OsClock.now()).unwrap().token;
        assert_eq!(who(&app.url("/who"), &next).await, (200, expected), "{algorithm}");
        // And of somebody else, under a name that it knows.
        let kid = ring.signer(Duration::from_secs(1), OsClock.now()).unwrap().0;
        let forged = sign(&SigningKey::generate(algorithm).unwrap(), &kid, ISSUER, "alice");
        assert_eq!(who(&app.url("/who"), &forged).await.0, 401);
        assert_eq!(told(&gateway, &forged).await, (401, "jwt.signature".into()));
    }
}

#[tokio::test]
async fn tokens_of_pyjwt_and_joserfc_are_verified() {
    let Some(python) = python() else { return };
    let made = Command::new(python).arg(root().join("tests/peers/tokens/sign.py")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Vec<Value> = String::from_utf8(made.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let service = Service::new(&Place::Sqlite, "");
    let ring = service.ring_of_an_hour_ago().await;
    let until = OsClock.now().after(Duration::from_hours(1));
    let mut seen = BTreeMap::new();
    for case in &made {
        let key = ImportedKey::from_jwk(case["jwk"].to_string().as_bytes()).unwrap();
        assert_eq!(key.algorithm().as_str(), case["algorithm"]);
        ring.import(key, ImportUse::Verifies { until }, OsClock.now()).await.unwrap();
    }
    let node = service.node();
    for case in &made {
        let token = case["token"].as_str().unwrap();
        assert_eq!(told(&node, token).await, good(), "{case}");
        // One bit of the signature, in its middle.
        let at = token.len() - 20;
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let tampered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(told(&node, &tampered).await, (401, "jwt.signature".into()), "{case}");
        *seen.entry(case["algorithm"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(seen, BTreeMap::from([("ES256", 2), ("EdDSA", 2), ("HS256", 2), ("RS256", 2)]));
    let keys = HttpRequest::get(&node.url("/.well-known/jwks.json")).send().await.text();
    assert!(keys.contains("pyjwt-ES256") && !keys.contains("HS256") && !keys.contains("oct"), "{keys}");
}
