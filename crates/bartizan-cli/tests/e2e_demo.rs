//! `bartizan demo`: starts, says where it is and who has an account, serves both sites, and stops.

use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use bartizan_peers::{Demo, Gateway, HttpRequest, HttpResponse, Postgres, Redis, until};
use serde_json::json;

/// The password that it printed for an account.
fn password(log: &str, account: &str) -> Option<String> {
    let mut words = log.lines().map(str::split_whitespace);
    words.find_map(|mut words| (words.next() == Some(account)).then(|| words.next().map(str::to_owned))?)
}

async fn login(demo: &Demo, name: &str, password: &str) -> HttpResponse {
    let body = json!({ "username": name, "password": password });
    HttpRequest::post(&demo.url("/login")).header("origin", &demo.url("")).json(&body).send().await
}

fn stop(mut demo: Demo) -> String {
    demo.interrupt();
    let status = until("the demo to stop", Duration::from_secs(20), || demo.exited());
    assert_eq!(status.code(), Some(0), "{}", demo.log());
    demo.log()
}

#[tokio::test]
async fn it_starts_serves_both_sites_and_stops_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kept");
    let demo = Demo::start(&data);
    let log = demo.log();
    for said in [demo.url("/"), demo.attackers_url("/"), data.display().to_string()] {
        assert!(log.contains(&said), "{said} is missing:\n{log}");
    }
    // Its keys are not committed by whoever starts it in a repository.
    assert_eq!(fs::read_to_string(data.join(".gitignore")).unwrap(), "*\n");
    let alice = password(&log, "alice").expect("a password is printed");
    for name in ["alice", "bob", "mallory", "admin"] {
        assert_eq!(password(&log, name).map(|password| password.len()), Some(20), "{name}:\n{log}");
    }

    let page = HttpRequest::get(&demo.url("/")).send().await;
    assert_eq!((page.status, page.text().matches("<article class=\"card\"").count()), (200, 16));
    let attacker = HttpRequest::get(&demo.attackers_url("/foreign-form")).send().await;
    assert!(attacker.text().contains(&format!("data-target=\"{}\"", demo.url(""))), "{}", attacker.text());
    assert_eq!(HttpRequest::get(&demo.url("/docs")).send().await.status, 200);
    assert_eq!(HttpRequest::get(&demo.url("/profile")).send().await.denial(), "auth.required");
    // It listens on one address of this machine. Linux has more, and whoever listens on all answers there.
    #[cfg(target_os = "linux")]
    for url in [demo.url(""), demo.attackers_url("")] {
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        let error =
            TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).expect_err("nothing listens there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{url}");
    }
    let foreign = HttpRequest::post(&demo.url("/transfer")).header("origin", &demo.attackers_url(""));
    assert_eq!(foreign.send().await.denial(), "csrf.origin");
    assert_eq!(login(&demo, "alice", &alice).await.status, 200);
    let log = stop(demo);
    assert!(log.ends_with("stopped\n"), "{log}");
    // The refusals are in the log, and the passwords are nowhere else than where they were told.
    assert!(log.contains("csrf.origin"), "{log}");
    assert_eq!(log.matches(&*alice).count(), 1, "{log}");

    let demo = Demo::start(&data);
    assert_eq!(password(&demo.log(), "alice"), None, "{}", demo.log());
    assert_eq!(login(&demo, "alice", &alice).await.status, 200);
    stop(demo);
    assert!(
        !fs::read_dir(&data).unwrap().flatten().any(|file| file.path().to_string_lossy().ends_with("-wal"))
    );
}

#[tokio::test]
async fn it_keeps_everything_in_postgres_and_redis_where_it_is_told_to() {
    let (Some(postgres), Some(redis)) = (Postgres::start(), Redis::start()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = postgres.url("postgres");
    let start = || {
        Demo::start_with(&data, |command| {
            // As one would give a URL that holds a password.
            command.args(["--store", &redis.url()]).env("BARTIZAN_DEMO_DATABASE", &url);
        })
    };
    let demo = start();
    let log = demo.log();
    assert!(log.contains("(Postgres, state in redis://"), "{log}");
    assert!(!log.contains(&url), "{log}");
    let alice = password(&log, "alice").expect("a password is printed");
    assert_eq!(login(&demo, "alice", &alice).await.status, 200);
    stop(demo);
    let kept = fs::read_dir(&data).unwrap().flatten().map(|file| file.file_name().into_string().unwrap());
    assert_eq!(kept.filter(|name| name.contains(".db")).collect::<Vec<_>>(), [""; 0]);
    let demo = start();
    assert_eq!(login(&demo, "alice", &alice).await.status, 200);
    stop(demo);
}

#[cfg(target_os = "linux")]
#[test]
fn it_opens_the_lab_in_a_browser_where_there_is_one() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let (programs, opened) = (folder.path().join("bin"), folder.path().join("opened"));
    fs::create_dir(&programs).unwrap();
    let start = || {
        Demo::start_with(&folder.path().join("data"), |command| {
            command.arg("--open").env("PATH", &programs);
        })
    };
    let demo = start();
    let log = stop(demo);
    assert!(log.contains("no browser could be opened"), "{log}");

    let browser = programs.join("xdg-open");
    let write = |script: &str| {
        fs::write(&browser, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    };
    // As it ends where it finds none.
    write("exit 3");
    let demo = start();
    let said = "no browser could be opened (xdg-open ended with exit status: 3); open http://localhost:";
    until("it to say so", Duration::from_secs(20), || demo.log().contains(said).then_some(()));
    stop(demo);

    write(&format!("echo \"$@\" > {0}.part\n/bin/mv {0}.part {0}", opened.display()));
    let demo = start();
    let url = until("the browser to be opened", Duration::from_secs(20), || fs::read_to_string(&opened).ok());
    assert_eq!(url.trim(), demo.url(""));
    stop(demo);
}

fn demo(arguments: &[&str]) -> Output {
    Command::new(Gateway::binary()).arg("demo").args(arguments).env("NO_COLOR", "1").output().unwrap()
}

#[test]
fn it_does_not_start_where_localhost_may_be_somebody_elses() {
    // Without IPv6 there is nobody else.
    let Ok(taken) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // The other port cannot be had either: it ends in any case.
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let other = held.local_addr().unwrap().port().to_string();
    let output = demo(&["--port", &port, "--attacker-port", &other, "--data", data.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&format!("cannot listen on [::1]:{port}")), "{error}");
    assert!(!data.exists());
}

#[test]
fn what_cannot_be_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let in_file = file.join("data");
    let in_file = in_file.to_str().unwrap();
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("app.db"), "notes of somebody, and no database").unwrap();
    let foreign = foreign.to_str().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    for (arguments, code, said) in [
        (
            &["--port", &*taken, "--attacker-port", "0", "--data", data][..],
            1,
            &["cannot listen on 127.0.0.1:", "take others: bartizan demo --port 9000"][..],
        ),
        (
            &["--port", "0", "--attacker-port", &*taken, "--data", data],
            1,
            &["cannot listen on 127.0.0.1:", "--attacker-port 9001"],
        ),
        (
            &["--port", "0", "--attacker-port", "0", "--data", foreign],
            1,
            &["not a database", "--data DIR begins with a new folder"],
        ),
        (
            &["--port", "9", "--attacker-port", "9", "--data", data],
            1,
            &["needs a port of its own", "--attacker-port 8081"],
        ),
        (
            &["--port", "0", "--attacker-port", "0", "--data", in_file],
            1,
            &["the data folder", "cannot be used", "--data DIR"],
        ),
        (&["--database", "mysql://app@host/app"], 2, &["postgres://user@host/database"]),
        (&["--store", "here"], 2, &["--store"]),
        (&["--port", "80808"], 2, &["80808"]),
    ] {
        let output = demo(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        for said in said {
            assert!(error.contains(said), "{arguments:?} lacks {said}: {error}");
        }
        assert!(!error.contains("panicked"), "{error}");
    }
    assert!(!Path::new(data).exists(), "nothing is made where it cannot listen");
}
