//! The binary, as a person runs it: help, errors, exit codes, explanations.

use crate::run::bartizan;

const FIVE_MISTAKES: &str = r#"version = 1
mode = "enforec"

[origin]
public = ["https://api.example.com/v1"]
trusted = ["app.example.com"]

[cors]
max_age = "1 year"
methdos = ["GET"]

[proxy]
trusted = ["127.0.0.1"]
forwarded = { proto = "x-forwarded-proto" }
"#;

const SHOP: &str = r#"version = 1

[origin]
public = ["https://api.example.com"]
trusted = ["https://app.example.com"]

[proxy]
trusted = ["10.0.0.0/8"]
forwarded = { for = "x-forwarded-for", proto = "x-forwarded-proto" }

[headers.hsts]
include_subdomains = true

[session]
idle = "30m"

[default]
require = "session"

[[route]]
match = "* /admin/**"
require = { any = ["session"], scope = "admin" }

[[route]]
match = "* /public/**"
require = "nothing"
max_body = "1KiB"

[profile.development]
origin.public = ["http://localhost:8080"]
"#;

#[test]
fn help_teaches() {
    for command in [
        "",
        "demo",
        "init",
        "check",
        "explain",
        "serve",
        "report",
        "session",
        "session list",
        "session revoke",
        "keys",
        "keys list",
        "keys rotate",
        "keys revoke",
        "keys import",
        "keys export-jwks",
        "api-key",
        "api-key create",
        "api-key list",
        "api-key rotate",
        "api-key revoke",
        "token",
        "token issue",
        "token inspect",
        "token revoke",
        "schema",
    ] {
        let run = bartizan().args(command.split_whitespace()).arg("--help").output();
        assert_eq!(run.code, 0);
        insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), run.stdout);
    }
}

#[test]
fn judging_a_policy_makes_no_store_and_reads_no_secret() {
    let policy = format!("{SHOP}\n[store]\nmaster_key = \"env://BARTIZAN_TEST_NOT_SET\"\n");
    for arguments in [&["check"][..], &["explain", "GET", "https://api.example.com/admin/a"]] {
        let run = bartizan().file("bartizan.toml", &policy).args(arguments).output();
        assert_eq!((run.code, &*run.stderr), (0, ""), "{arguments:?}");
        assert_eq!(run.files(), ["bartizan.toml"]);
    }
}

#[test]
fn sessions_that_nobody_can_see_are_explained() {
    for (policy, expected) in [
        (
            "",
            "error: bartizan.toml has no [session] table, so there are no sessions\n  help: write [session], or",
        ),
        (
            "[session]\n[default]\nrequire = \"session\"\n[store]\nurl = \"memory:\"",
            "error: bartizan.toml keeps sessions in the memory of `bartizan serve` (`store.url = \"memory:\"`), into which \
             nobody else sees\n  help: write `[store] url = \"sqlite:bartizan.db\"` to keep them where",
        ),
        (
            "[session]\n[default]\nrequire = \"session\"",
            "error: there is no file bartizan.db, so no `bartizan serve` has kept sessions there\n  help: the path is \
             relative to the working folder",
        ),
        (
            "[session]\n[default]\nrequire = \"session\"\n[store]\nurl = \"redis://cache\"\npassword = \"env://NOT_SET\"\n\
             master_key = \"env://NOT_SET_EITHER\"",
            "error: 1 secret cannot be read:\n  store.password: env://NOT_SET: the environment variable is not set\n",
        ),
        (
            "[session]\n[default]\nrequire = \"session\"\n[store]\nurl = \"redis://:hunter2@cache\"",
            "bartizan.toml:6:7: store.url: there is a password in this URL: take it out, and write `password = \
             \"env://NAME\"`",
        ),
    ] {
        for command in [&["list"][..], &["revoke", "--subject", "alice", "--yes"]] {
            let policy = format!("version = 1\n{policy}\n");
            let run = bartizan().file("bartizan.toml", &policy).arg("session").args(command).output();
            assert_eq!((run.code, &*run.stdout), (1, ""), "{policy}");
            assert!(run.stderr.starts_with(expected), "{}", run.stderr);
            assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
            assert_eq!(run.files(), ["bartizan.toml"], "looking makes nothing");
        }
    }
    let run = bartizan().args(["session", "list"]).output();
    assert!(run.code == 1 && run.stderr.starts_with("error: there is no bartizan.toml"), "{}", run.stderr);
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    for arguments in [
        &["frobnicate"][..],
        &["explain", "GET"],
        &["explain", "GET", "/", "-H", "no colon"],
        &["serve", "--upstream", "127.0.0.1:8000"],
        &["serve", "--upstream", "https://a.example"],
        &["serve", "--listen", "here"],
        &["session", "revoke"],
        &["session", "revoke", "alice"],
        &["session", "revoke", "0123456789abcdef", "--subject", "alice"],
        &["session", "revoke", "0123456789abcdef", "--except", "0123456789abcdef"],
        &["keys", "revoke"],
        &["keys", "import", "key.pem", "--for", "a while"],
        &["keys", "import", "key.pem", "--for", "30d", "--verify-only-until", "2026-12-31"],
        &["keys", "import", "key.pem", "--verify-only-until", "2027-02-29"],
        &["api-key", "create"],
        &["api-key", "rotate", "C4T"],
        &["api-key", "revoke"],
        &["token", "issue"],
        &["token", "issue", "--subject", ""],
        &["token", "issue", "--subject", "alice", "--claim", "sub=root"],
        &["token", "issue", "--subject", "alice", "--lifetime", "250ms"],
        &["token", "inspect"],
        &["token", "inspect", "-", "--issuer", "https://a.example"],
    ] {
        let run = bartizan().args(arguments).output();
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
}

#[test]
fn five_mistakes_are_reported_together_with_their_places() {
    let run = bartizan().file("bartizan.toml", FIVE_MISTAKES).arg("check").output();
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, "");
    for place in ["2:8", "5:11", "6:12", "9:11", "10:1"] {
        assert!(run.stderr.contains(&format!("bartizan.toml:{place}: ")), "{place} in {}", run.stderr);
    }
    insta::assert_snapshot!(run.stderr);
}

#[test]
fn an_override_and_an_unset_variable_are_mistakes_too() {
    let run = bartizan()
        .file("p.toml", "version = 1\norigin.trusted = [\"${env:BARTIZAN_TEST_NOT_SET}\"]\n")
        .env("BARTIZAN__CSRF__MODE", "\"of\"")
        .args(["check", "p.toml"])
        .output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr);
}

#[test]
fn a_missing_policy_says_how_to_get_one() {
    let run = bartizan().arg("check").output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @r"
    error: there is no bartizan.toml in this folder
      help: name one, or let `bartizan init --upstream http://127.0.0.1:8000` write one
    ");
    let run = bartizan().arg("serve").output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @r"
    error: nothing says what to protect: there is no bartizan.toml in this folder, and no --upstream
      help: bartizan serve --upstream http://127.0.0.1:8000
    ");
    assert_eq!(bartizan().args(["check", "nowhere.toml"]).output().code, 1);
}

#[test]
fn check_says_what_it_checked() {
    let run = bartizan().file("bartizan.toml", SHOP).arg("check").output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.all());
}

#[test]
fn strict_makes_warnings_fail() {
    let policy = "version = 1\n[[route]]\nmatch = \"* /a/**\"\n[[route]]\nmatch = \"GET /a/b\"\n";
    let run = bartizan().file("bartizan.toml", policy).arg("check").output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.all());
    let run = bartizan().file("bartizan.toml", policy).args(["check", "--strict"]).output();
    assert_eq!(run.code, 1);
}

#[test]
fn check_lists_what_the_policy_leaves_public() {
    let openapi = r#"{"openapi":"3.1.0","paths":{
        "/public/prices":{"get":{}}, "/me":{"get":{},"post":{}}, "/admin/users/{id}":{"delete":{}},
        "/odd;path":{"get":{}}}}"#;
    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .file("openapi.json", openapi)
        .args(["check", "--openapi", "openapi.json"])
        .output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.stdout);

    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .file("openapi.yaml", "openapi: 3.1.0\n")
        .args(["check", "--openapi", "openapi.yaml"])
        .output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr);

    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .args(["check", "--openapi", "https://a.example/o.json"])
        .output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr);
}

#[test]
fn a_foreign_post_is_explained_without_a_policy() {
    let run =
        bartizan().args(["explain", "POST", "/transfer", "-H", "Origin: https://evil.example"]).output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.all());
}

#[test]
fn an_allowed_request_shows_its_route_headers_and_values() {
    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .args(["explain", "GET", "/public/prices?secret=x", "-H", "Accept: text/html"])
        .output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.all());
}

#[test]
fn what_is_given_is_not_supplied() {
    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .args(["explain", "GET", "https://other.example/", "--peer", "10.0.0.7", "-H", "Cookie: a=s3cret"])
        .output();
    insta::assert_snapshot!(run.all());
    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .args(["explain", "GET", "/", "--scheme", "http", "--json", "-H", "Cookie: a=s3cret"])
        .output();
    assert!(!run.stdout.contains("s3cret"));
    insta::assert_snapshot!(run.stdout);
}

#[test]
fn a_preflight_is_answered() {
    let run = bartizan()
        .file("bartizan.toml", SHOP)
        .args(["explain", "OPTIONS", "/public/x", "-H", "Origin: https://app.example.com"])
        .args(["-H", "Access-Control-Request-Method: POST"])
        .output();
    insta::assert_snapshot!(run.all());
}

#[test]
fn the_profile_comes_from_the_option_or_the_environment() {
    let explain = || bartizan().file("bartizan.toml", SHOP).args(["explain", "GET", "/public/"]);
    let by_option = explain().args(["--profile", "development"]).output();
    let by_environment = explain().env("BARTIZAN_PROFILE", "development").output();
    assert!(by_option.stdout.contains("with profile development"));
    assert!(by_option.stdout.contains("profile development, line"), "{}", by_option.stdout);
    assert_eq!(by_option.stdout, by_environment.stdout);
    assert!(explain().env("BARTIZAN_PROFILE", "").output().stdout.contains("for production"));
    let unknown = explain().args(["--profile", "developement"]).output();
    assert_eq!(unknown.code, 1);
    insta::assert_snapshot!(unknown.stderr);
}

#[test]
fn requests_that_cannot_be_are_refused() {
    for arguments in [["explain", "G T", "/"], ["explain", "GET", "transfer"]] {
        let run = bartizan().args(arguments).output();
        assert_eq!(run.code, 1);
        assert!(run.stderr.starts_with("error: `"), "{}", run.stderr);
    }
}

#[test]
fn init_writes_what_check_accepts() {
    let run = bartizan().args(["init", "--upstream", "http://127.0.0.1:9000"]).output().then(&["check"]);
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stdout,
        "bartizan.toml: no errors, no warnings (checked for production: 8 values, 0 routes, 0 origins)\n"
    );
    let run = bartizan().arg("init").output().then(&["check", "--strict", "--profile", "development"]);
    assert_eq!(run.code, 0);
}

#[test]
fn init_overwrites_only_by_force() {
    let run = bartizan().file("bartizan.toml", "mine").arg("init").output();
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @r"
    error: bartizan.toml exists already, and was left as it is
      help: --force replaces it, --output FILE writes another
    ");
    let forced = bartizan().file("bartizan.toml", "mine").args(["init", "--force"]).output();
    assert_eq!(forced.code, 0);
    assert!(forced.read("bartizan.toml").contains("version = 1"));
    let printed = bartizan().file("bartizan.toml", "mine").args(["init", "--output", "-"]).output();
    assert_eq!(printed.read("bartizan.toml"), "mine");
    insta::assert_snapshot!(printed.stdout);
}

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    let checked_in = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bartizan.schema.json");
    let checked_in = std::fs::read_to_string(checked_in).unwrap();
    let run = bartizan().arg("schema").output();
    assert_eq!(run.stdout, checked_in, "run `cargo xtask schema`");
}

#[test]
fn a_report_of_standard_input() {
    let line = r#"{"time":"2026-01-01T00:00:00Z","code":"csrf.origin","mode":"report","method":"POST","path":"/a","value":"https://b.example","allow":"x"}"#;
    let run = bartizan().stdin(line).args(["report"]).output();
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.stdout);
    assert_eq!(bartizan().args(["report", "nowhere.jsonl"]).output().code, 1);
}
