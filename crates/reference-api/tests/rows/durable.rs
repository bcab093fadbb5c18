//! What was acknowledged is there after the process was killed, and two writers at once lose nothing of each other's.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use crate::{
    client::Client,
    files::upload,
    money::{token, transfer},
};

/// The API as a process of its own.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) origin: String,
    /// Those that it made.
    pub(crate) passwords: BTreeMap<String, String>,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_reference-api");

impl Process {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new(PROGRAM);
        command.env_clear();
        Self::of(command, folder).unwrap()
    }

    /// In a folder that has room for 3 MiB: a file system in a namespace that goes with the process, which takes no more
    /// rights than Linux gives every user, where that is not switched off. `None` where it is.
    fn start_on_a_small_disk(folder: &Path) -> Option<Self> {
        let script = r#"mount -t tmpfs -o size=3m bartizan "$0" || exit 77; exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(folder).arg(PROGRAM);
        Self::of(command, folder)
    }

    fn of(mut command: Command, folder: &Path) -> Option<Self> {
        command.arg(folder).args(["demo", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut passwords = BTreeMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(origin) = line.strip_prefix("listening on ") {
                return Some(Self { child, origin: origin.to_owned(), passwords });
            }
            let (name, password) = line.split_once(' ').unwrap();
            passwords.insert(name.to_owned(), password.to_owned());
        }
        eprintln!("it ended: {:?}", child.wait());
        None
    }

    /// SIGKILL, in the middle of whatever it does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn signed_in(&self, name: &str, password: &str) -> Client {
        let client = Client::new(&self.origin);
        let response = client.post("/login", &json!({ "username": name, "password": password })).await;
        assert_eq!(response.status, 200, "{}", response.text());
        client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn texts(comments: &Value) -> Vec<String> {
    comments.as_array().unwrap().iter().map(|comment| comment["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let passwords = process.passwords.clone();
    let alice = process.signed_in("alice", &passwords["alice"]).await;
    let bob = process.signed_in("bob", &passwords["bob"]).await;
    alice.post("/prefs/1", &json!({ "theme": "dark", "language": "de", "newsletter": true })).await;
    let made = alice.post("/api-keys", &json!({ "name": "kept", "scopes": ["read"] })).await.json();

    // Two write at once, until one of many is being written while the process is killed.
    let write = async |client: &Client, name: &str| {
        let mut kept = Vec::new();
        for round in 0..15 {
            let text = format!("{name} {round}");
            assert_eq!(client.post("/comments", &json!({ "text": text })).await.status, 201);
            let path = format!("/files/{name}-{round}.txt");
            assert_eq!(upload(client, &path, text.clone()).await.status, 201);
            kept.push(text);
        }
        let fresh = token(client).await;
        let to = if name == "alice" { "bob" } else { "mallory" };
        assert_eq!(transfer(client, Some(&fresh), &json!({ "to": to, "amount": 100 })).await.0, 200);
        kept
    };
    let (of_alice, of_bob) = futures_util::future::join(write(&alice, "alice"), write(&bob, "bob")).await;
    process.kill();

    let process = Process::start(folder.path());
    assert!(process.passwords.is_empty(), "accounts are made once");
    let anybody = Client::new(&process.origin);
    let kept = texts(&anybody.get("/comments?limit=200").await.json());
    assert_eq!(kept.len(), 30);
    for text in of_alice.iter().chain(&of_bob) {
        assert!(kept.contains(text), "{text}");
    }
    // The session, too, and the key.
    let session = alice.cookie("__Host-session").unwrap();
    let alice = Client::new(&process.origin);
    alice.plant("__Host-session", &session);
    assert_eq!(alice.get("/profile").await.json()["balance"], 900);
    assert_eq!(alice.get("/prefs/1").await.json()["language"], "de");
    for (round, text) in of_alice.iter().enumerate() {
        assert_eq!(&alice.get(&format!("/files/alice-{round}.txt")).await.text(), text);
    }
    let key = made["key"].as_str().unwrap();
    let by_key = anybody.request(http::Method::GET, "/users/1").header("x-api-key", key);
    assert_eq!(anybody.send(by_key).await.status, 200);
    let bob = process.signed_in("bob", &passwords["bob"]).await;
    assert_eq!(bob.get("/profile").await.json()["balance"], 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_leaves_the_old_or_the_new_and_all_the_money() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let passwords = process.passwords.clone();
    let mut total = Vec::new();
    for round in 0..3 {
        let alice = process.signed_in("alice", &passwords["alice"]).await;
        let status = upload(&alice, "/files/a.bin", vec![b'o'; 200_000]).await.status;
        assert_eq!(status, if round == 0 { 201 } else { 200 });
        let fresh = token(&alice).await;
        let origin = process.origin.clone();
        let session = alice.cookie("__Host-session").unwrap();
        // Both are on their way when the process ends; what comes back, if anything, is of no account.
        let sending = tokio::task::spawn_blocking(move || {
            let port: u16 = origin.rsplit_once(':').unwrap().1.parse().unwrap();
            let head = |method: &str, path: &str, more: &str, length: usize| {
                format!(
                    "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\nCookie: \
                     __Host-session={session}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
                )
            };
            let body = r#"{"to":"bob","amount":10}"#;
            let more = format!("X-CSRF-Token: {fresh}\r\nContent-Type: application/json\r\n");
            let transfer = head("POST", "/transfer", &more, body.len()) + body;
            let file = [head("PUT", "/files/a.bin", "", 200_000).into_bytes(), vec![b'n'; 200_000]].concat();
            let _ = bartizan_peers::raw::exchange(port, transfer.as_bytes());
            let _ = bartizan_peers::raw::exchange(port, &file);
        });
        // As soon as there is a trace of the upload, or it is over.
        let files = folder.path().join("files/1");
        bartizan_peers::until("an upload under way", std::time::Duration::from_secs(20), || {
            let entries = std::fs::read_dir(&files).unwrap().count();
            (entries > 1 || sending.is_finished()).then_some(())
        });
        process.kill();
        let _ = sending.await;

        process = Process::start(folder.path());
        let alice = process.signed_in("alice", &passwords["alice"]).await;
        let file = alice.get("/files/a.bin").await.body;
        assert_eq!(file.len(), 200_000);
        assert!(file.iter().all(|&byte| byte == file[0]), "round {round}");
        // What the upload left behind is gone.
        assert_eq!(alice.get("/files").await.json()["files"].as_array().unwrap().len(), 1);
        assert_eq!(std::fs::read_dir(&files).unwrap().count(), 1);
        let bob = process.signed_in("bob", &passwords["bob"]).await;
        let balance =
            async |client: &Client| client.get("/profile").await.json()["balance"].as_i64().unwrap();
        total.push(balance(&alice).await + balance(&bob).await);
    }
    assert_eq!(total, [2000, 2000, 2000]);
}

/// How many accounts there are in a folder in which a process may be starting.
async fn accounts(folder: &Path) -> Option<i64> {
    let options = SqliteConnectOptions::new().filename(folder.join("app.db")).create_if_missing(false);
    let mut connection = options.connect().await.ok()?;
    let counted = sqlx::query_as("SELECT count(*) FROM account").fetch_one(&mut connection).await;
    counted.ok().map(|(count,): (i64,)| count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_leaves_no_half_of_its_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.env_clear().arg(folder.path()).args(["demo", "127.0.0.1:0"]).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let some = async || accounts(folder.path()).await.filter(|count| *count > 0);
    bartizan_peers::until_async("an account", std::time::Duration::from_secs(20), some).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(accounts(folder.path()).await, Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_says_why_in_words_and_makes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, status, expected) in [
        (&["--help"][..], 0, "usage: reference-api FOLDER [PROFILE] [ADDRESS]"),
        (&[], 2, "usage: reference-api FOLDER [PROFILE] [ADDRESS]"),
        (&["--data"], 2, "there is no option --data"),
        (&["data", "demo", "127.0.0.1:0", "more"], 2, "it takes one to three arguments"),
        (&["data", "demo", "8080"], 1, "\"8080\": invalid socket address syntax; write it as 127.0.0.1:8080"),
        (&["data", "demo", &taken], 1, &format!("cannot listen on {taken}: Address already in use")),
        (&[file, "demo", "127.0.0.1:0"], 1, &format!("the data folder {file} cannot be used: ")),
        (&["data", "dmeo", "127.0.0.1:0"], 1, "the policy has faults:"),
    ] {
        let mut command = Command::new(PROGRAM);
        command.env_clear().current_dir(place.path()).args(arguments);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let left = std::fs::read_dir(place.path().join("data")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_folder_are_one_api() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path());
    let second = Process::start(folder.path());
    let alice = first.signed_in("alice", &first.passwords["alice"]).await;
    let there = Client::new(&second.origin);
    there.plant("__Host-session", &alice.cookie("__Host-session").unwrap());
    let write = async |client: &Client, name: &str| {
        for round in 0..20 {
            let response = client.post("/comments", &json!({ "text": format!("{name} {round}") })).await;
            assert_eq!(response.status, 201, "{}", response.text());
        }
    };
    futures_util::future::join(write(&alice, "here"), write(&there, "there")).await;
    assert_eq!(texts(&there.get("/comments?limit=200").await.json()).len(), 40);

    // A token that was used here is used there.
    let fresh = token(&alice).await;
    let body = json!({ "to": "bob", "amount": 1 });
    assert_eq!(transfer(&alice, Some(&fresh), &body).await.0, 200);
    assert_eq!(transfer(&there, Some(&fresh), &body).await.1, "csrf.token-used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(process) = Process::start_on_a_small_disk(folder.path()) else {
        eprintln!("SKIPPED: a full disk: no file system can be mounted here");
        return;
    };
    let alice = process.signed_in("alice", &process.passwords["alice"]).await;
    assert_eq!(alice.post("/comments", &json!({ "text": "before" })).await.status, 201);
    assert_eq!(upload(&alice, "/files/kept.bin", "kept").await.status, 201);
    assert_eq!(upload(&alice, "/files/large.bin", vec![1; 100_000]).await.status, 201);

    let full = upload(&alice, "/files/kept.bin", vec![2; 4_000_000]).await;
    assert_eq!((full.status, full.denial().as_str()), (507, "storage.full"));
    assert_eq!(alice.get("/files/kept.bin").await.text(), "kept");

    // To the last byte, so that there is no room for a comment either.
    let mut size = 1_000_000;
    for number in 0.. {
        let path = format!("/files/fill-{number}.bin");
        match upload(&alice, &path, vec![3; size]).await.status {
            201 => {}
            507 if size > 3 => size /= 4,
            507 => break,
            status => panic!("{status}"),
        }
    }
    let text = "x".repeat(10_000);
    let mut comments = 1;
    let full = loop {
        let response = alice.post("/comments", &json!({ "text": text })).await;
        if response.status != 201 {
            break response;
        }
        comments += 1;
    };
    assert_eq!((full.status, full.denial().as_str()), (507, "storage.full"), "{}", full.text());
    assert!(!full.text().to_lowercase().contains("sql"), "{}", full.text());
    let kept = texts(&alice.get("/comments?limit=200").await.json());
    assert_eq!((kept.len(), kept.last().map(String::as_str)), (comments, Some("before")));

    // As soon as there is room again, all goes on.
    assert_eq!(alice.delete("/files/large.bin").await.status, 204);
    let after = alice.post("/comments", &json!({ "text": "after" })).await;
    assert_eq!(after.status, 201, "{}", after.text());
    assert_eq!(upload(&alice, "/files/kept.bin", "new").await.status, 200);
    assert_eq!(alice.get("/files/kept.bin").await.text(), "new");
}
