//! `bartizan serve`: what it says, how it starts, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::run::bartizan;

/// An application: it answers every request with `ok`, and those to `/slow` only when the connection ends.
fn application() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.unwrap());
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let slow = line.contains("/slow");
                while reader.read_line(&mut line).unwrap() > 2 {}
                if slow {
                    let _ = reader.read(&mut [0]);
                }
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = reader.get_mut().write_all(response);
            });
        }
    });
    address
}

/// A gateway that runs.
struct Gateway {
    child: Child,
    address: SocketAddr,
    /// What it said at start.
    banner: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Gateway {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bartizan"))
            .args(["serve", "--upstream", &format!("http://{}", application()), "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut banner = String::new();
        // The last line of it is empty, behind "Next:".
        while !banner.contains("Next:") || !banner.ends_with("\n\n") {
            assert_ne!(errors.read_line(&mut banner).unwrap(), 0, "it ended: {banner}");
        }
        let line = banner.lines().find(|line| line.contains("listening")).unwrap();
        let address = line.rsplit_once("http://").unwrap().1.parse().unwrap();
        Self { child, address, banner, errors }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; its exit code and its log.
    fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
        let mut log = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code().unwrap(), log)
    }

    /// Reads what it says until a line has `text`.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            assert_ne!(self.errors.read_line(&mut line).unwrap(), 0, "it never says {text}");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn an_upstream_is_all_it_needs() {
    let gateway = Gateway::start(&[]);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "[address]");
    settings.add_filter(r"Bartizan \d+\.\d+\.\d+", "Bartizan [version]");
    settings.add_filter(r" +the application, through", "  the application, through");
    settings.bind(|| insta::assert_snapshot!(gateway.banner));

    assert!(gateway.ask("GET / HTTP/1.1").starts_with("HTTP/1.1 200 "));
    let refusal = gateway
        .ask("POST /transfer?token=s3cret HTTP/1.1\r\nOrigin: https://evil.example\r\nCookie: a=s3cret");
    assert!(refusal.starts_with("HTTP/1.1 403 "), "{refusal}");
    gateway.signal("-TERM");
    let (code, log) = gateway.end();
    assert_eq!(code, 0);
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let denials: Vec<_> = lines.iter().filter(|line| line["code"].is_string()).collect();
    assert_eq!(denials.len(), 1, "{log}");
    for (field, expected) in [
        ("code", "csrf.origin"),
        ("method", "POST"),
        ("path", "/transfer"),
        ("client_ip", "127.0.0.1"),
        ("value", "https://evil.example"),
        ("allow", "[origin] trusted = [\"https://evil.example\"]"),
        ("mode", "enforce"),
    ] {
        assert_eq!(denials[0][field], expected);
    }
    assert!(
        refusal.contains(denials[0]["request_id"].as_str().unwrap()),
        "the client is told the id of the log"
    );
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn the_log_can_be_readable_and_complete_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let gateway = Gateway::start(&["--log", file.to_str().unwrap(), "--log-format", "human", "--access-log"]);
    gateway.ask("GET /a?b HTTP/1.1");
    gateway.signal("-INT");
    let (code, output) = gateway.end();
    assert_eq!((code, &*output), (0, ""));
    let log = std::fs::read_to_string(file).unwrap();
    assert!(log.contains("  200  GET /a  from 127.0.0.1"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours in a file: {log}");
}

#[test]
fn a_second_interrupt_does_not_wait_for_slow_requests() {
    let mut gateway = Gateway::start(&[]);
    let mut slow = TcpStream::connect(gateway.address).unwrap();
    write!(slow, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // Another request has gone through, so the slow one has come in.
    gateway.ask("GET / HTTP/1.1");
    gateway.signal("-INT");
    gateway.wait_for("stopping");
    let deadline = Instant::now() + Duration::from_secs(20);
    // The second is listened for only a moment after the first was answered.
    while gateway.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        gateway.signal("-INT");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gateway.end().0, 130);
}

#[test]
fn a_taken_port_is_said_and_ends_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = bartizan().args(["serve", "--upstream", "http://127.0.0.1:1", "--listen", &address]).output();
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.starts_with(&format!("error: {address} is in use by another process")),
        "{}",
        run.stderr
    );
}

#[test]
fn a_store_is_closed_also_where_nothing_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let policy = "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[session]\n[default]\nrequire = \"session\"\n\
                  [store]\nurl = \"sqlite:state.db\"\n";
    let run = bartizan()
        .file("bartizan.toml", policy)
        .args(["serve", "--listen", &taken.local_addr().unwrap().to_string()])
        .output();
    assert!(run.code == 1 && run.stderr.contains("is in use by another process"), "{}", run.stderr);
    assert_eq!(run.files(), ["bartizan.toml", "state.db", "state.db.key"], "its log is left behind");
}

#[test]
fn what_it_cannot_do_it_does_not_start_with() {
    for (name, policy) in [
        (
            "tls",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\ntls = { certificate = \"file:///c\", key = \"file:///k\" }\n",
        ),
        (
            "open_listener",
            "version = 1\n[server]\nlisten = \"0.0.0.0:0\"\nupstream = \"http://127.0.0.1:1\"\n",
        ),
        ("no_upstream", "version = 1\n"),
        ("bad_listen", "version = 1\n[server]\nlisten = \"8080\"\nupstream = \"http://127.0.0.1:1\"\n"),
        (
            "unset_secret",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\nupstream_token = \"env://BARTIZAN_TEST_NOT_SET\"\n",
        ),
        (
            "password_in_the_url",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[store]\nurl = \"postgres://app:hunter2@db.internal/app\"\n",
        ),
        (
            "shared_store_without_a_key",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[store]\nurl = \"redis://cache.internal\"\n",
        ),
        (
            "unset_secrets_of_the_store",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[store]\nurl = \"redis://cache.internal\"\npassword = \"env://BARTIZAN_TEST_PASSWORD\"\nmaster_key = \"env://BARTIZAN_TEST_KEY\"\n",
        ),
        (
            "no_folder_for_the_store",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[store]\nurl = \"sqlite:/nonexistent/state.db\"\n",
        ),
        (
            "store_that_is_away",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\n[store]\nurl = \"postgres://app@127.0.0.1:1/app\"\nmaster_key = \"file://bartizan.toml\"\n",
        ),
        (
            "unknown_provider",
            "version = 1\n[server]\nupstream = \"http://127.0.0.1:1\"\nupstream_token = \"aws-sm://prod/token\"\n",
        ),
    ] {
        let run = bartizan().file("bartizan.toml", policy).arg("serve").output();
        assert_eq!(run.code, 1, "{name}");
        assert_eq!(run.stdout, "");
        insta::assert_snapshot!(name, run.stderr);
    }
}

#[test]
fn whose_tokens_are_accepted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(
        &file,
        "version = 1\nmode = \"report\"\n[csrf]\nmode = \"off\"\n[session]\n[jwt]\nissuer = \"https://a.example\"\naudience = \"a\"\n[[jwt.trusted_issuer]]\nissuer = \"https://login.example\"\naudience = \"a\"\n[store]\nurl = \"memory:\"\n[default]\nrequire = \"jwt\"\n[[route]]\nmatch = \"* /open/**\"\nrequire = \"nothing\"\n[[route]]\nmatch = \"* /home/**\"\nrequire = \"session\"\n[[route]]\nmatch = \"* /either/**\"\nrequire = { any = [\"session\", \"jwt\"] }\n[[route]]\nmatch = \"* /admin/**\"\n",
    )
    .unwrap();
    let gateway = Gateway::start(&["--policy", file.to_str().unwrap()]);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "[address]");
    settings.add_filter(r"Bartizan \d+\.\d+\.\d+", "Bartizan [version]");
    settings.add_filter(r"/\S*p\.toml", "[file]");
    settings.add_filter(r" +(the application, through|is the policy|what happens)", "  $1");
    settings.bind(|| insta::assert_snapshot!(gateway.banner));
}
