//! `bartizan token`, on a ring in a SQLite file.

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Timestamp, TokenDigest,
    key_ring::{KeyRingConfig, Ring, Settings},
    policy::StoreUrl,
};
use bartizan_store::{DocumentName, StoreOptions};
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

/// A token for a subject, and its jti.
fn issue(folder: &mut Folder, subject: &str) -> (String, String) {
    let (code, token, said) = folder.run(&["token", "issue", "--subject", subject], "");
    assert_eq!(code, 0, "{said}");
    let (_, shown, _) = folder.run(&["token", "inspect", "-", "--json"], &token);
    (token, json(&shown)["claims"]["jti"].as_str().unwrap().to_owned())
}

/// What a token is refused for: the code, and what of it was revoked.
fn refused(folder: &mut Folder, token: &str) -> (Value, Value) {
    let (_, shown, _) = folder.run(&["token", "inspect", "-", "--json"], token);
    let mut shown = json(&shown);
    (shown["code"].take(), shown["revoked"].take())
}

#[test]
fn tokens_are_revoked_by_themselves_by_their_name_and_with_their_subject() {
    let mut folder = Folder::with_ring();
    let [(by_itself, jti), (by_name, name), (stays, _)] = [(); 3].map(|()| issue(&mut folder, "alice"));
    let (bobs, _) = issue(&mut folder, "bob");
    let good = (Value::Null, Value::Null);

    let (code, said, _) = folder.run(&["token", "revoke", "-", "--yes"], &by_itself);
    // Five minutes, and what clocks may differ and be lenient by.
    let begins =
        format!("revoked: the token {jti} of alice\nevery node refuses it from now on; this is kept until ");
    assert!(code == 0 && said.starts_with(&begins) && said.contains(" UTC (in 8 min), when "), "{said}");
    let (code, shown, _) = folder.run(&["token", "inspect", "-"], &by_itself);
    assert!(code == 1 && shown.contains("\nrefused: it was revoked; ") && shown.contains(" [jwt.revoked]\n"));
    assert!(shown.ends_with("\nby its jti: this token alone was revoked\n"), "{shown}");

    let (code, said, _) = folder.run(&["token", "revoke", "--jti", &name, "--yes"], "");
    assert!(code == 0 && said.starts_with(&format!("revoked: the token {name}\nevery node")), "{said}");
    // As long as the last key is good: whose token it is, and how long it lives, nobody said.
    assert!(said.contains(" UTC (in 60 d), when "), "{said}");
    assert_eq!(refused(&mut folder, &by_name), (json!("jwt.revoked"), json!("jti")));

    let before = ["token", "revoke", "--subject", "bob", "--yes", "--before", "2026-01-31"];
    let (code, said, _) = folder.run(&before, "");
    let begins = "revoked: every token that bob was given before 2026-01-31 00:00 UTC\nevery node refuses";
    assert!(code == 0 && said.starts_with(begins), "{said}");
    assert_eq!(refused(&mut folder, &bobs), good);
    let (code, _, said) = folder.run(&["token", "revoke", "--subject", "bob", "--yes"], "");
    assert_eq!((code, &*said), (0, ""));
    assert_eq!(refused(&mut folder, &bobs), (json!("jwt.revoked"), json!("subject")));
    assert_eq!(refused(&mut folder, &stays), good);
}

#[test]
fn what_is_not_meant_or_not_genuine_revokes_nothing() {
    let mut folder = Folder::with_ring();
    let (token, jti) = issue(&mut folder, "alice");
    let token = token.trim();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{head}.{first}{}", &signature[1..]);
    for (arguments, stdin, code, expected) in [
        (&["--jti", &*jti][..], "y\n", 1, "error: this revokes tokens for good, and nobody can be asked"),
        (&["-"], token, 1, "error: this revokes tokens for good, and nobody can be asked"),
        // Its jti is genuine, and whoever wrote it is not.
        (
            &["-", "--yes"],
            &*tampered,
            1,
            "error: nothing was revoked, for this token is refused already: its signature",
        ),
        (&["-", "--yes"], " ", 1, "error: standard input has no token"),
        (&["--yes"], "", 2, "error: the following required arguments were not provided:"),
        (&["-", "--jti", "a", "--yes"], token, 2, "error: the argument '[TOKEN]' cannot be used with"),
        (&["--jti", "a", "--before", "2026-01-31", "--yes"], "", 2, "error: "),
        (&["--jti", "", "--yes"], "", 2, "error: invalid value '' for '--jti <ID>': a jti is a text of"),
    ] {
        let (exit, stdout, stderr) = folder.run(&[&["token", "revoke"], arguments].concat(), stdin);
        assert_eq!((exit, &*stdout), (code, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with(expected), "{stderr}");
        assert_eq!(refused(&mut folder, token), (Value::Null, Value::Null), "{arguments:?}");
    }
    folder.run(&["token", "revoke", "-", "--yes"], token);
    let (exit, _, stderr) = folder.run(&["token", "revoke", "-", "--yes"], token);
    assert!(exit == 1 && stderr.contains("is refused already: it was revoked; "), "{stderr}");
}

#[tokio::test]
async fn a_key_that_was_revoked_by_half_is_revoked_to_the_end_by_doing_it_again() {
    let mut folder = Folder::with_ring();
    let (token, _) = issue(&mut folder, "alice");
    let kid = folder.keys()[0][0].clone();
    let url = StoreUrl::parse(&format!("sqlite:{}", folder.path("state.db").display())).unwrap();
    let store = bartizan_store::open(&StoreOptions::new(url)).await.unwrap();
    let digest = Some(TokenDigest::of_kid(&kid));
    let knows = async || store.is_revoked(None, digest, "alice".into(), None, OsClock.now()).await.unwrap();
    // Whoever did it got as far as the ring.
    let found = store.document(DocumentName::KEY_RING).await.unwrap().unwrap();
    let settings = Settings::new(&KeyRingConfig::default()).unwrap();
    let ring = Ring::from_json(&found.body).unwrap().revoke(&kid, &settings, OsClock.now()).unwrap();
    let replaced = store.replace_document(DocumentName::KEY_RING, Some(found.version), ring.to_json());
    assert!(replaced.await.unwrap());
    assert_eq!(
        (refused(&mut folder, &token), knows().await),
        ((json!("jwt.key-unknown"), json!("key")), false)
    );

    let (code, said, _) = folder.run(&["keys", "revoke", &kid, "--yes"], "");
    let expected =
        format!("{kid} was revoked just now, but not to the end; now every node refuses what it signed\n");
    assert_eq!((code, said, knows().await), (0, expected, true));
    let (code, _, said) = folder.run(&["keys", "revoke", &kid, "--yes"], "");
    assert!(code == 1 && said.contains("was revoked just now; nothing is left to do"), "{said}");
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

/// A token of a tutorial's app.
fn tutorials(claims: &Value) -> String {
    use bartizan_core::jwt::HmacKey;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
    let secret = HmacKey::new(crate::keys::SECRET_KEY.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(secret.sign(message.as_bytes())))
}

#[test]
fn a_tutorials_token_is_good_after_the_move() {
    let mut folder = Folder::with_ring();
    let token = tutorials(&json!({ "sub": "johndoe", "exp": 4_102_444_800_u64 }));
    let (code, shown, _) = folder.run(&["token", "inspect", "-"], &token);
    assert!(code == 0 && shown.contains("\nvalid: ") && shown.contains("may be lacking"), "{shown}");
}

#[tokio::test]
async fn a_token_whose_time_has_not_come_is_revoked_before_it_has() {
    let mut folder = Folder::with_ring();
    let claims =
        json!({ "sub": "johndoe", "jti": "early", "nbf": 4_102_000_000_u64, "exp": 4_102_444_800_u64 });
    let token = tutorials(&claims);
    assert_eq!(refused(&mut folder, &token), (json!("jwt.not-yet-valid"), Value::Null));
    let (code, said, _) = folder.run(&["token", "revoke", "-", "--yes"], &token);
    assert!(code == 0 && said.starts_with("revoked: the token early of johndoe\n"), "{said}");
    let url = StoreUrl::parse(&format!("sqlite:{}", folder.path("state.db").display())).unwrap();
    let store = bartizan_store::open(&StoreOptions::new(url)).await.unwrap();
    let (jti, then) = (Some(TokenDigest::of_jti("early")), Timestamp(4_102_000_000_000));
    assert!(store.is_revoked(jti, None, "johndoe".into(), None, then).await.unwrap());
}
