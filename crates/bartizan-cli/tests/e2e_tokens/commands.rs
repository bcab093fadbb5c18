//! Each command about keys and tokens, over the stores that are servers.

use std::fs;

use bartizan_peers::{Postgres, Redis};
use serde_json::Value;

use crate::{Place, Service, api_keys::MORE};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(service: &Service) -> Vec<String> {
    let keys = lines(&service.command(&["keys", "list"]));
    keys.iter().map(|key| format!("{} {}", key["algorithm"], key["state"]).replace('"', "")).collect()
}

fn each_command_works(place: &Place<'_>) {
    let service = Service::new(place, MORE);
    let secret = service.folder.path().join("secret");
    fs::write(&secret, "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7").unwrap();
    let secret = secret.to_str().unwrap();
    // The first one makes the ring.
    let said = service.command(&["keys", "import", "--secret", secret, "--legacy", "--for", "30d"]);
    assert!(said.contains(" (HS256) is imported, for tokens that may lack kid"), "{said}");
    assert_eq!(states(&service), ["EdDSA active", "HS256 verify-only", "EdDSA pending"]);
    let said = service.command(&["keys", "rotate"]);
    assert!(said.starts_with("rotated\n"), "{said}");
    assert_eq!(states(&service), ["EdDSA active", "HS256 verify-only", "EdDSA pending", "EdDSA pending"]);
    let exported: Value = serde_json::from_str(&service.command(&["keys", "export-jwks"])).unwrap();
    let exported = exported["keys"].as_array().unwrap().clone();
    assert_eq!(exported.iter().map(|key| &key["kty"]).collect::<Vec<_>>(), ["OKP"; 3]);

    let token = service.command(&["token", "issue", "--subject", "alice"]);
    let inspect = |token: &str, exit: i32| {
        let shown = service.command_ending(&["token", "inspect", token.trim(), "--json"], exit);
        serde_json::from_str::<Value>(&shown).unwrap()
    };
    let shown = inspect(&token, 0);
    assert_eq!((&shown["valid"], &shown["claims"]["sub"]), (&Value::from(true), &Value::from("alice")));
    let jti = shown["claims"]["jti"].as_str().unwrap();
    let said = service.command(&["token", "revoke", "--jti", jti, "--yes"]);
    assert!(said.starts_with(&format!("revoked: the token {jti}\n")), "{said}");
    assert_eq!(inspect(&token, 1)["revoked"], "jti");
    let token = service.command(&["token", "issue", "--subject", "alice"]);
    service.command(&["token", "revoke", "--subject", "alice", "--yes"]);
    assert_eq!(inspect(&token, 1)["revoked"], "subject");
    let kid = shown["header"]["kid"].as_str().unwrap();
    service.command(&["keys", "revoke", kid, "--yes"]);
    assert_eq!(inspect(&token, 1)["revoked"], "key");
    assert!(states(&service).contains(&"EdDSA revoked".into()));

    let first = service.command(&["api-key", "create", "--owner", "ci"]);
    let second = service.command(&["api-key", "rotate", "--owner", "ci"]);
    assert!(first.starts_with("acme_live_") && second.starts_with("acme_live_") && first != second);
    let listed = lines(&service.command(&["api-key", "list"]));
    let mut states: Vec<&str> = listed.iter().map(|key| key["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["active", "replaced"]);
    let id = listed.iter().find(|key| key["state"] == "active").unwrap()["id"].as_str().unwrap();
    assert_eq!(service.command(&["api-key", "revoke", id, "--yes"]), format!("{id} is revoked\n"));
}

#[test]
fn over_a_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    each_command_works(&Place::Postgres(&postgres));
}

#[test]
fn over_a_redis() {
    let Some(redis) = Redis::start() else { return };
    each_command_works(&Place::Redis(&redis.url()));
}
