//! Tokens and their keys, through `bartizan serve`: several nodes over one store, other implementations of JOSE, an issuer
//! that rotates, and processes that are killed while they rotate. API keys on several nodes, and each command on each
//! store that is a server.

mod api_keys;
mod commands;
mod issuer;
mod kills;
mod nodes;
mod other_libraries;
mod revocations;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use bartizan::{
    OsClock,
    jwt::{AccessToken, KeyRing},
};
use bartizan_core::{
    Clock as _, Deployment, Timestamp,
    jwt::Issuers,
    keys::Keys,
    policy::{PolicyInput, StoreUrl, load_and_build},
};
use bartizan_peers::{Gateway, HttpRequest, HttpResponse, Postgres};
use bartizan_store::{Store, StoreOptions};
use tempfile::TempDir;

/// What all keys are sealed with.
const MASTER_KEY: &str = "a master key that all nodes know";

const ISSUER: &str = "https://issuer.example.com";

/// Where a deployment keeps its state.
enum Place<'p> {
    Sqlite,
    Postgres(&'p Postgres),
    Redis(&'p str),
}

/// A deployment: its policy, what it is told besides, and the application behind it.
struct Service {
    folder: TempDir,
    policy: String,
    upstream: String,
    url: StoreUrl,
    password: Option<&'static str>,
}

impl Service {
    /// Its keys are kept `place`; `more` is written into `[jwt]` and behind it.
    fn new(place: &Place<'_>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let (url, password) = match place {
            Place::Sqlite => (format!("sqlite:{at}/state.db"), None),
            Place::Postgres(postgres) => {
                let url = format!("postgres://bartizan@127.0.0.1:{}/postgres", postgres.port());
                (url, Some(Postgres::PASSWORD))
            }
            Place::Redis(url) => ((*url).to_owned(), None),
        };
        fs::write(folder.path().join("key"), MASTER_KEY).unwrap();
        fs::write(folder.path().join("password"), password.unwrap_or_default()).unwrap();
        let line = password.map(|_| format!("password = \"file://{at}/password\"\n")).unwrap_or_default();
        let policy = format!(
            "version = 1\n[default]\nrequire = \"jwt\"\n\
             [store]\nurl = \"{url}\"\n{line}master_key = \"file://{at}/key\"\n\
             [jwt]\nissuer = \"{ISSUER}\"\naudience = \"api\"\n{more}\n"
        );
        fs::write(folder.path().join("bartizan.toml"), &policy).unwrap();
        let url = StoreUrl::parse(&url).unwrap();
        Self { folder, policy, upstream: application(), url, password }
    }

    fn node(&self) -> Gateway {
        Gateway::start(&self.policy, &self.upstream)
    }

    /// Runs `bartizan` with its policy: what it prints.
    fn command(&self, arguments: &[&str]) -> String {
        self.command_ending(arguments, 0)
    }

    /// The same, where it ends with this exit code.
    fn command_ending(&self, arguments: &[&str], exit: i32) -> String {
        let output = Command::new(Gateway::binary()).args(arguments).current_dir(self.folder.path()).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn store(&self) -> Arc<dyn Store> {
        store(&self.url, self.password).await
    }

    /// What its policy says of tokens.
    fn issuers(&self) -> Issuers {
        let input = PolicyInput { text: &self.policy, ..PolicyInput::new("bartizan.toml") };
        let listen = "127.0.0.1:8080".parse().ok();
        let built = load_and_build(&input, |_| Ok(Deployment { listen, ..Deployment::default() }));
        built.unwrap().0.issuers().unwrap().clone()
    }

    /// This process as one more of its nodes.
    async fn ring(&self, now: Timestamp) -> KeyRing {
        KeyRing::open(self.store().await, keys(), self.issuers().ring().clone(), now).await.unwrap()
    }

    /// The same, of a ring that was made an hour ago: its standby is known everywhere.
    async fn ring_of_an_hour_ago(&self) -> KeyRing {
        self.ring(Timestamp(OsClock.now().0 - 3_600_000)).await;
        self.ring(OsClock.now()).await
    }
}

async fn store(url: &StoreUrl, password: Option<&str>) -> Arc<dyn Store> {
    let mut options = StoreOptions::new(url.clone());
    if let Some(password) = password {
        options = options.password(password.into());
    }
    bartizan_store::open(&options).await.unwrap()
}

fn keys() -> Keys {
    Keys::new(&[MASTER_KEY.as_bytes()]).unwrap()
}

/// What alice's tokens say.
fn alice() -> AccessToken {
    AccessToken {
        issuer: ISSUER.into(),
        audience: "api".into(),
        subject: "alice".into(),
        scopes: Vec::new(),
        lifetime: Duration::from_mins(15),
        claims: serde_json::Map::new(),
    }
}

async fn ask(node: &Gateway, token: &str) -> HttpResponse {
    HttpRequest::get(&node.url("/orders")).header("authorization", &format!("Bearer {token}")).send().await
}

/// What a node says to a token: its status, and the code of the denial.
async fn told(node: &Gateway, token: &str) -> (u16, String) {
    let response = ask(node, token).await;
    (response.status, response.denial())
}

fn good() -> (u16, String) {
    (200, String::new())
}

/// An application that answers everybody, with what it was told of who asks.
fn application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let said = head.iter().filter_map(|line| line.strip_prefix("bartizan-assertion: "));
                let said = said.collect::<Vec<_>>().join(" ");
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
                    said.len()
                );
            });
        }
    });
    url
}
