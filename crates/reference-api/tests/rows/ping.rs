//! B6: `ping` is started without a shell, for whoever has signed in, and not for ever.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::place::Place;

crate::rows![
    a_host_is_asked,
    what_is_no_host_is_refused,
    ping_is_ended_in_time_limited_and_missed,
    few_hosts_are_asked_at_once
];

/// A program that stands in for `ping`. It is written by another process: a file that this one has open for writing
/// while another test starts something cannot be started itself.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("ping");
    let write = "printf '%s\\n' '#!/bin/sh' \"$1\" > \"$2\" && chmod 755 \"$2\"";
    let status = Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(&path).status();
    assert!(status.unwrap().success());
    path
}

async fn a_host_is_asked(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let echo = program(folder.path(), "printf '%s\\n' \"$*\"");
    let instance = place.with(|settings| settings.ping = echo).await;
    assert_eq!(instance.client().get("/ping?host=127.0.0.1").await.denial(), "auth.required");
    let alice = instance.signed_in("alice").await;
    for (host, address) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
        let response = alice.get(&format!("/ping?host={host}")).await;
        let output = format!("-n -c 1 -W 2 -- {address}\n");
        let expected = json!({ "host": host, "address": address, "reachable": true, "output": output });
        assert_eq!((response.status, response.json()), (200, expected));
    }
    // A name becomes an address before any program sees it.
    let by_name = alice.get("/ping?host=localhost").await.json();
    assert_eq!((&by_name["host"], &by_name["reachable"]), (&json!("localhost"), &json!(true)));
    assert_ne!(by_name["address"], "localhost");

    let instance = place.with(|settings| settings.ping = PathBuf::from("/bin/false")).await;
    let response = instance.signed_in("alice").await.get("/ping?host=127.0.0.1").await;
    assert_eq!((response.status, response.json()["reachable"].clone()), (200, json!(false)));
}

async fn what_is_no_host_is_refused(place: &Place) {
    let started = tempfile::tempdir().unwrap();
    let mark = started.path().join("started");
    let marks = program(started.path(), &format!(": > {}", mark.display()));
    let instance = place.with(|settings| settings.ping = marks).await;
    let alice = instance.signed_in("alice").await;
    for host in [
        "-f",
        "--help",
        "127.0.0.1%0a",
        "127.0.0.1%3B%20id",
        "127.0.0.1%20-f",
        "%24(id)",
        "%60id%60",
        "a%7Cid",
        "a%26%26id",
        "127.1",
        "0x7f.1",
        "2130706433",
        "a..b",
        "a_b",
        "",
        "%00",
        "[::1]",
    ] {
        let response = alice.get(&format!("/ping?host={host}")).await;
        assert_eq!((response.status, response.denial().as_str()), (400, "ping.host"), "{host}");
    }
    // What is private is not told apart from what else is not asked.
    let bob = instance.signed_in("bob").await;
    for host in ["10.0.0.1", "169.254.169.254", "192.168.1.1", "::ffff:10.0.0.1", "0.0.0.0"] {
        let response = bob.get(&format!("/ping?host={host}")).await;
        assert_eq!((response.status, response.denial().as_str()), (400, "ping.not-public"), "{host}");
        assert!(!response.text().contains(host), "{}", response.text());
    }
    assert_eq!(alice.get("/ping").await.status, 422);
    assert!(!mark.exists());
    // There, it would have been seen.
    assert_eq!(bob.get("/ping?host=127.0.0.1").await.status, 200);
    assert!(mark.exists());
}

async fn ping_is_ended_in_time_limited_and_missed(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let sleeps = program(folder.path(), "sleep 600 & sleep 600");
    let instance = place
        .with(|settings| {
            settings.ping = sleeps;
            settings.ping_timeout = Duration::from_millis(200);
        })
        .await;
    let alice = instance.signed_in("alice").await;
    let response = alice.get("/ping?host=127.0.0.1").await;
    assert_eq!((response.status, response.denial().as_str()), (504, "ping.timeout"));
    for _ in 1..20 {
        assert_eq!(alice.get("/ping?host=-f").await.status, 400);
    }
    let limited = alice.get("/ping?host=127.0.0.1").await;
    assert_eq!((limited.status, limited.denial().as_str()), (429, "rate.limited"));

    let absent = place.with(|settings| settings.ping = folder.path().join("absent")).await;
    let response = absent.signed_in("alice").await.get("/ping?host=127.0.0.1").await;
    assert_eq!((response.status, response.denial().as_str()), (503, "ping.absent"));
    assert!(!response.text().contains("absent/"), "{}", response.text());
}

async fn few_hosts_are_asked_at_once(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let (started, go) = (folder.path().join("started"), folder.path().join("go"));
    let script =
        format!("echo x >> {}; until [ -e {} ]; do sleep 0.05; done", started.display(), go.display());
    let waits = program(folder.path(), &script);
    let instance = place
        .with(|settings| {
            settings.ping = waits;
            settings.ping_timeout = Duration::from_secs(30);
        })
        .await;
    let alice = instance.signed_in("alice").await;
    let asking = (0..8).map(|_| alice.get("/ping?host=127.0.0.1"));
    let one_more = async {
        let all = async || (fs::read_to_string(&started).ok()?.lines().count() == 8).then_some(());
        bartizan_peers::until_async("eight to be asked", Duration::from_secs(20), all).await;
        let refused = alice.get("/ping?host=127.0.0.1").await;
        fs::write(&go, "").unwrap();
        refused
    };
    let (asked, refused) = futures_util::future::join(futures_util::future::join_all(asking), one_more).await;
    assert_eq!((refused.status, refused.denial().as_str()), (503, "ping.busy"));
    assert!(asked.iter().all(|response| response.status == 200));
    assert_eq!(alice.get("/ping?host=127.0.0.1").await.status, 200);
}

/// In production nothing that is not public is asked, this machine neither.
#[tokio::test]
async fn this_machine_is_asked_only_in_a_profile_that_says_so_by_its_name() {
    for (profile, status) in [("demo", 200), ("development", 200), ("staging", 400)] {
        let policy = tempfile::NamedTempFile::new().unwrap();
        let staging = reference_api::POLICY.replace("[profile.demo]", "[profile.staging]");
        let text = if profile == "staging" { staging } else { reference_api::POLICY.to_owned() };
        fs::write(policy.path(), text).unwrap();
        let instance = Place::Folder
            .with(|settings| {
                settings.policy = Some(policy.path().to_owned());
                settings.profile = Some(profile.to_owned());
                settings.ping = PathBuf::from("/bin/echo");
            })
            .await;
        let response = instance.signed_in("alice").await.get("/ping?host=127.0.0.1").await;
        assert_eq!(response.status, status, "{profile}");
    }
}
