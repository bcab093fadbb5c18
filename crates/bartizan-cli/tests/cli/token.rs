//! `bartizan token`, on a ring in a SQLite file.

use std::time::Duration;

use bartizan::OsClock;
use bartizan_core::{Clock as _, TokenDigest, policy::StoreUrl};
use bartizan_store::StoreOptions;
use serde_json::{Value, json};

use crate::keys::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_token_is_made_and_found_valid() {
    let mut folder = Folder::with_ring();
    let arguments =
        ["token", "issue", "--subject", "alice", "--scope", "a b", "--scope", "c", "--claim", "level=3"];
    let (code, token, said) = folder.run(&arguments, "");
    assert_eq!(code, 0);
    assert!(said.starts_with("a token for alice, jti ") && said.contains("(in 5 min)"), "{said}");
    assert!(
        token.ends_with('\n') && token.matches('.').count() == 2 && token.lines().count() == 1,
        "{token}"
    );

    let (code, shown, stderr) = folder.run(&["token", "inspect", "-"], &token);
    assert_eq!((code, &*stderr), (0, ""));
    let verdict = shown.lines().last().unwrap();
    assert!(
        verdict.starts_with("valid: signed by a key of the key ring in sqlite:state.db; it ends in "),
        "{shown}"
    );
    assert!(shown.contains("  scope  a b c\n") && shown.contains("  level  3\n"), "{shown}");
    let (code, shown, _) = folder.run(&["token", "inspect", token.trim(), "--json"], "");
    let shown = json(&shown);
    assert_eq!((code, &shown["valid"], &shown["code"]), (0, &json!(true), &Value::Null));
    assert_eq!((&shown["claims"]["aud"], &shown["header"]["typ"]), (&json!("api"), &json!("at+jwt")));
    assert_eq!(shown["revocation_checked"], json!(true));

    // The same by what everybody can have.
    let (_, set, _) = folder.run(&["keys", "export-jwks"], "");
    folder.write("jwks.json", &set);
    let (code, shown, _) = folder.run(&["token", "inspect", "-", "--jwks", "jwks.json", "--json"], &token);
    let shown = json(&shown);
    assert_eq!((code, &shown["valid"], &shown["revocation_checked"]), (0, &json!(true), &json!(false)));
}

#[test]
fn a_refusal_says_why_and_is_exit_code_1() {
    let mut folder = Folder::with_ring();
    let (_, token, _) = folder.run(&["token", "issue", "--subject", "alice", "--lifetime", "1m"], "");
    let (_, set, _) = folder.run(&["keys", "export-jwks"], "");
    folder.write("jwks.json", &set);
    folder.write("none.json", r#"{"keys":[]}"#);
    let token = token.trim();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}.{first}{}", &signature[1..]);
    let by_set = ["--jwks", "jwks.json"];
    for (options, token, code) in [
        (&[][..], "abc", "jwt.malformed"),
        (&[], &*tampered, "jwt.signature"),
        (&by_set, &tampered, "jwt.signature"),
        (&["--jwks", "none.json"], token, "jwt.key-unknown"),
        (&["--jwks", "jwks.json", "--audience", "other"], token, "jwt.audience"),
        (&["--jwks", "jwks.json", "--issuer", "https://b.example"], token, "jwt.issuer"),
        // As `serve` says it: whose it is comes before which key.
        (&["--jwks", "none.json", "--issuer", "https://b.example"], token, "jwt.issuer"),
        (&["--jwks", "jwks.json", "--type", "JWT"], token, "jwt.type"),
    ] {
        let arguments = [&["token", "inspect", "-"], options].concat();
        let (exit, shown, _) = folder.run(&arguments, token);
        assert!(
            exit == 1 && shown.contains("\nrefused: ") && shown.contains(&format!(" [{code}]\n")),
            "{shown}"
        );
        let (exit, shown, _) = folder.run(&[&*arguments, &["--json"]].concat(), token);
        assert_eq!((exit, &json(&shown)["code"], &json(&shown)["valid"]), (1, &json!(code), &json!(false)));
    }
    // A key that was revoked.
    let kid = folder.keys()[0][0].clone();
    folder.run(&["keys", "revoke", &kid, "--yes"], "");
    let (exit, shown, _) = folder.run(&["token", "inspect", "-"], token);
    assert!(
        exit == 1 && shown.contains("[jwt.key-unknown]\n") && shown.contains("the key was revoked"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let mut folder = Folder::with_ring();
    let (_, token, _) = folder.run(&["token", "issue", "--subject", "alice"], "");
    let (_, shown, _) = folder.run(&["token", "inspect", "-", "--json"], &token);
    let jti = TokenDigest::of_jti(json(&shown)["claims"]["jti"].as_str().unwrap());
    let url = StoreUrl::parse(&format!("sqlite:{}", folder.path("state.db").display())).unwrap();
    let store = bartizan_store::open(&StoreOptions::new(url)).await.unwrap();
    store.revoke_token(jti, OsClock.now().after(Duration::from_hours(1)), OsClock.now()).await.unwrap();
    drop(store);
    let (code, shown, _) = folder.run(&["token", "inspect", "-"], &token);
    assert!(
        code == 1 && shown.contains("\nrefused: it was revoked; ") && shown.contains(" [jwt.revoked]\n"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_judged_is_exit_code_2() {
    let mut folder = Folder::new();
    folder.write("jwks.json", r#"{"keys":[]}"#);
    folder.write("plain.toml", "version = 1\n");
    for (options, token, expected) in [
        (&[][..], "a.b.c", "error: there is no file state.db"),
        (&[], " \n", "error: standard input has no token"),
        (&["--jwks", "missing.json"], "a.b.c", "error: cannot read missing.json: "),
        (&["--jwks", "bartizan.toml"], "a.b.c", "error: bartizan.toml is no JWK set: "),
        (
            &["--jwks", "jwks.json", "--policy", "plain.toml"],
            "a.b.c",
            "error: nothing says what issuer the token must have, so it cannot be called valid\n  help: write --issuer",
        ),
        (
            &["--jwks", "jwks.json", "--policy", "plain.toml", "--issuer", "https://a.example"],
            "a.b.c",
            "error: nothing says what audience the token must have",
        ),
    ] {
        let (code, stdout, stderr) = folder.run(&[&["token", "inspect", "-"], options].concat(), token);
        assert_eq!((code, &*stdout), (2, ""), "{options:?}: {stderr}");
        assert!(stderr.starts_with(expected), "{stderr}");
    }
}

#[test]
fn no_token_outlives_what_the_policy_says() {
    let mut folder = Folder::with_ring();
    let (code, stdout, stderr) =
        folder.run(&["token", "issue", "--subject", "alice", "--lifetime", "16m"], "");
    assert_eq!((code, &*stdout), (1, ""));
    assert!(stderr.starts_with("error: a token of this deployment lives 900s at most"), "{stderr}");
}

#[test]
fn a_tutorials_token_is_good_after_the_move() {
    use bartizan_core::jwt::HmacKey;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut folder = Folder::with_ring();
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let head = encode(json!({ "alg": "HS256", "typ": "JWT" }));
    let message = format!("{head}.{}", encode(json!({ "sub": "johndoe", "exp": 4_102_444_800_u64 })));
    let secret = HmacKey::new(crate::keys::SECRET_KEY.as_bytes()).unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(secret.sign(message.as_bytes())));
    let (code, shown, _) = folder.run(&["token", "inspect", "-"], &token);
    assert!(code == 0 && shown.contains("\nvalid: ") && shown.contains("may be lacking"), "{shown}");
}
