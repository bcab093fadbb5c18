//! `bartizan api-key`, on keys in a SQLite file.

use serde_json::Value;

use crate::keys::{Folder, POLICY};

fn folder() -> Folder {
    let policy = POLICY.replace("require = \"jwt\"", "require = \"api-key\"");
    let jwt = "[jwt]\nissuer = \"https://api.example.com\"\naudience = \"api\"\n";
    let folder = Folder::new();
    folder.write("bartizan.toml", &policy.replace(jwt, "[api_keys]\nprefix = \"acme\"\n"));
    folder
}

fn list(folder: &mut Folder, options: &[&str]) -> Vec<Value> {
    let (code, lines, _) = folder.run(&[&["api-key", "list"], options].concat(), "");
    assert_eq!(code, 0);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_key_is_shown_once_replaced_and_revoked() {
    let mut folder = folder();
    let create = ["api-key", "create", "--owner", "ci", "--scope", "a b", "--expires", "90d"];
    let (code, key, said) = folder.run(&create, "");
    assert_eq!((code, key.lines().count()), (0, 1), "{said}");
    assert!(key.starts_with("acme_live_") && key.ends_with('\n'), "{key}");
    assert!(said.contains("It is not shown again: keep it now.\n") && !said.contains(key.trim()), "{said}");
    let listed = list(&mut folder, &[]);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert!(key.contains(&id) && listed.len() == 1);
    assert_eq!((&listed[0]["owner"], &listed[0]["state"]), (&Value::from("ci"), &Value::from("active")));

    // Without an id the one that is active is meant. A scope that it did not have is refused.
    let (code, stdout, said) = folder.run(&["api-key", "rotate", "--scope", "a c"], "");
    assert!(
        code == 1 && stdout.is_empty() && said.starts_with("error: the key was not replaced: the scope `c`"),
        "{said}"
    );
    let (code, second, said) = folder.run(&["api-key", "rotate", "--grace", "1h"], "");
    assert!(code == 0 && second != key && second.starts_with("acme_live_"), "{said}");
    assert!(said.starts_with(&format!("the key {id} is replaced, and good until ")), "{said}");
    let states: Vec<Value> = list(&mut folder, &[]).into_iter().map(|mut key| key["state"].take()).collect();
    assert!(states.contains(&"active".into()) && states.contains(&"replaced".into()), "{states:?}");
    let (code, _, said) = folder.run(&["api-key", "rotate", &id], "");
    assert!(code == 1 && said.contains("it was replaced by "), "{said}");

    let (code, _, said) = folder.run(&["api-key", "revoke", &id], "y\n");
    assert!(code == 1 && said.contains("nobody can be asked"), "{said}");
    let (code, said, _) = folder.run(&["api-key", "revoke", &id, "--yes"], "");
    assert_eq!((code, said), (0, format!("{id} is revoked\n")));
    let (code, _, said) = folder.run(&["api-key", "revoke", &id, "--yes"], "");
    assert!(code == 1 && said.contains("was revoked already"), "{said}");
    assert_eq!((list(&mut folder, &[]).len(), list(&mut folder, &["--all"]).len()), (1, 2));
}

#[test]
fn what_is_not_clear_or_not_there_changes_nothing() {
    let mut folder = folder();
    for owner in ["ci", "backup"] {
        let (code, _, said) = folder.run(&["api-key", "create", "--owner", owner], "");
        assert_eq!(code, 0, "{said}");
    }
    let before = list(&mut folder, &["--all"]);
    for (arguments, expected) in [
        (&["rotate"][..], "error: 2 keys are active; say which by its id\n"),
        (&["rotate", "--owner", "nobody"], "error: there is no active key\n"),
        (&["rotate", "0000000000000000000C4T"], "error: there is no key 0000000000000000000C4T\n"),
        (&["revoke", "0000000000000000000C4T", "--yes"], "error: there is no key 0000000000000000000C4T\n"),
        (&["create", "--owner", ""], "error: the key was not made: the owner must have 1 to 256 bytes"),
    ] {
        let (code, stdout, stderr) = folder.run(&[&["api-key"], arguments].concat(), "");
        assert_eq!((code, &*stdout), (1, ""), "{arguments:?}");
        assert!(stderr.starts_with(expected), "{stderr}");
        assert_eq!(list(&mut folder, &["--all"]), before);
    }
}
