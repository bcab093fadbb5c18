//! `bartizan keys`, on a ring in a SQLite file.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Run, bartizan, in_folder};

/// A policy with tokens.
pub(crate) const POLICY: &str = r#"version = 1

[origin]
public = ["http://localhost:8080"]

[jwt]
issuer = "https://api.example.com"
audience = "api"

[default]
require = "jwt"

[store]
url = "sqlite:state.db"
master_key = "env://MASTER_KEY"
"#;

/// The `SECRET_KEY` of a tutorial.
pub(crate) const SECRET_KEY: &str = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7";

/// A folder with the policy, in which commands run one after the other.
pub(crate) struct Folder(Option<TempDir>);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bartizan.toml"), POLICY).unwrap();
        Self(Some(folder))
    }

    /// With a ring: its first two keys, and one of a tutorial's app.
    pub(crate) fn with_ring() -> Self {
        let mut folder = Self::new();
        let run =
            folder.run(&["keys", "import", "--secret", "env://SECRET_KEY", "--legacy", "--for", "30d"], "");
        // In the wrong folder it should be seen.
        let made = "sqlite:state.db is made; `bartizan serve` goes on with it, if it runs in this folder\n";
        assert_eq!((run.0, &*run.2), (0, made));
        folder
    }

    /// Exit code and outputs.
    pub(crate) fn run(&mut self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        let pending = in_folder(self.0.take().unwrap());
        let pending =
            pending.env("MASTER_KEY", "0123456789abcdef0123456789abcdef").env("SECRET_KEY", SECRET_KEY);
        let run = pending.args(arguments).stdin(stdin).output();
        let outcome = (run.code, run.stdout.clone(), run.stderr.clone());
        self.0 = Some(run.into_folder());
        outcome
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.as_ref().unwrap().path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The keys, as they are listed: kid, algorithm and state of each.
    pub(crate) fn keys(&mut self) -> Vec<[String; 3]> {
        let (code, keys, _) = self.run(&["keys", "list"], "");
        assert_eq!(code, 0);
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        keys.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .map(|line: Value| ["kid", "algorithm", "state"].map(|name| text(&line, name)))
            .collect()
    }

    fn states(&mut self) -> Vec<String> {
        self.keys().into_iter().map(|[_, algorithm, state]| format!("{algorithm} {state}")).collect()
    }
}

#[test]
fn looking_makes_nothing_and_says_why_there_is_nothing() {
    let without = POLICY.replace("[jwt]\nissuer = \"https://api.example.com\"\naudience = \"api\"\n", "");
    let without = without.replace("require = \"jwt\"", "require = \"nothing\"");
    let in_memory = POLICY.replace("sqlite:state.db", "memory:");
    for (policy, expected) in [
        (
            &*without,
            "error: bartizan.toml has no [jwt] table, so there are no keys\n  help: write [jwt], or name",
        ),
        (&in_memory, "error: bartizan.toml keeps keys in the memory of `bartizan serve`"),
        (
            POLICY,
            "error: there is no file state.db, so no `bartizan serve` has kept keys there\n  help: the path is",
        ),
    ] {
        for arguments in [
            &["keys", "list"][..],
            &["keys", "rotate"],
            &["keys", "revoke", "abcdefgh", "--yes"],
            &["keys", "export-jwks"],
            &["token", "issue", "--subject", "alice"],
        ] {
            let run: Run = bartizan().file("bartizan.toml", policy).args(arguments).output();
            assert_eq!((run.code, &*run.stdout), (1, ""), "{arguments:?}");
            assert!(run.stderr.starts_with(expected), "{arguments:?}: {}", run.stderr);
            assert_eq!(run.files(), ["bartizan.toml"]);
        }
    }
}

#[test]
fn the_ring_is_rotated_and_a_second_time_does_not_hurry_it() {
    let mut folder = Folder::with_ring();
    assert_eq!(folder.states(), ["EdDSA active", "HS256 verify-only", "EdDSA pending"]);
    let (code, said, _) = folder.run(&["keys", "rotate"], "");
    assert_eq!((code, said.lines().next(), said.lines().count()), (0, Some("rotated"), 4), "{said}");
    assert!(
        said.contains("signs until") && said.contains("it was to be") && said.contains("is new"),
        "{said}"
    );
    // The standby was published only now, so it waits until verifiers know it.
    assert_eq!(folder.states(), ["EdDSA active", "HS256 verify-only", "EdDSA pending", "EdDSA pending"]);
    let (code, said, _) = folder.run(&["keys", "rotate"], "");
    assert!(code == 0 && said.starts_with("a rotation is under way already"), "{said}");
}

#[test]
fn a_key_is_revoked_by_how_it_begins_and_only_by_whoever_was_asked() {
    let mut folder = Folder::with_ring();
    let active = folder.keys()[0][0].clone();
    for (arguments, expected) in [
        (&["keys", "revoke", &*active][..], "error: this revokes a key for good, and nobody can be asked"),
        (&["keys", "revoke", &active[..7], "--yes"], "error: `"),
        (
            &["keys", "revoke", "no-such-key", "--yes"],
            "error: the ring has no key whose kid begins with `no-such-key`",
        ),
    ] {
        let (code, stdout, stderr) = folder.run(arguments, "y\n");
        assert_eq!((code, &*stdout), (1, ""), "{arguments:?}");
        assert!(stderr.starts_with(expected), "{stderr}");
        assert_eq!(folder.keys()[0], [&*active, "EdDSA", "active"]);
    }
    let (code, said, _) = folder.run(&["keys", "revoke", &active[..8], "--yes"], "");
    assert!(code == 0 && said.starts_with(&format!("{active} is revoked; ")), "{said}");
    // The standby signs at once.
    let states = folder.states();
    assert!(
        states.contains(&"EdDSA revoked".into()) && states.contains(&"EdDSA active".into()),
        "{states:?}"
    );
    let (code, _, said) = folder.run(&["keys", "revoke", &active, "--yes"], "");
    assert!(code == 1 && said.contains("was revoked") && said.contains("nothing is left to do"), "{said}");
}

#[test]
fn a_key_that_comes_first_signs_and_what_is_no_key_makes_nothing() {
    let mut folder = Folder::new();
    folder.write(
        "public.jwk",
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    );
    folder.write("note.txt", "hello");
    folder.write("short", "secret\n");
    for (arguments, expected) in [
        (&["public.jwk"][..], "error: public.jwk is a public key, and cannot sign\n  help: say until when"),
        (&["note.txt"], "error: note.txt is neither PEM nor JWK\n  help: a PEM begins with"),
        (&["--secret", "short"], "error: short: the secret has 6 bytes, and HS256 must have 32 at least"),
        (&["missing.pem"], "error: the key in missing.pem cannot be read: No such file"),
        (&["--secret", "env://NOT_SET"], "error: the secret cannot be read: env://NOT_SET: "),
    ] {
        let (code, _, stderr) = folder.run(&[&["keys", "import"], arguments].concat(), "");
        assert!(code == 1 && stderr.starts_with(expected), "{stderr}");
        let (_, _, listed) = folder.run(&["keys", "list"], "");
        assert!(listed.starts_with("error: there is no file state.db"), "{listed}");
    }
    // RFC 8037 A.1.
    let private = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let (code, said, _) = folder.run(&["keys", "import", "-", "--kid", "2024-01"], private);
    assert_eq!((code, &*said), (0, "2024-01 (EdDSA) is imported; it signs now\n"));
    assert_eq!(folder.keys()[0], ["2024-01", "EdDSA", "active"]);
    let (code, said, _) = folder.run(&["keys", "import", "public.jwk", "--kid", "other", "--for", "12h"], "");
    assert!(
        code == 0 && said.starts_with("other (EdDSA) is imported; it verifies tokens that end until"),
        "{said}"
    );
    let (code, _, stderr) =
        folder.run(&["keys", "import", "public.jwk", "--kid", "other", "--for", "12h"], "");
    assert!(code == 1 && stderr.contains("there already is a key with the kid \"other\""), "{stderr}");
}

#[test]
fn what_is_exported_has_no_secret_and_needs_no_master_key() {
    let mut folder = Folder::with_ring();
    let keys = folder.keys();
    let run = in_folder(folder.0.take().unwrap()).args(["keys", "export-jwks"]).output();
    assert_eq!((run.code, &*run.stderr), (0, ""));
    let set: Value = serde_json::from_str(&run.stdout).unwrap();
    let kids: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), 2);
    for [kid, algorithm, _] in &keys {
        assert_eq!(kids.contains(&&**kid), algorithm == "EdDSA");
    }
    assert!(!run.stdout.contains("\"d\"") && !run.stdout.contains("oct") && !run.stdout.contains(SECRET_KEY));
}
