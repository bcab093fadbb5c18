//! Two gateways that share a store: sessions begun by hand-off on one, used on the other, listed and ended by command;
//! one-time tokens of the one, used up on the other; and limits of which each uses up what the other has. What each store
//! keeps of them lets nobody in.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use bartizan::OsClock;
use bartizan_core::{Clock as _, keys::Keys, session::SessionKey};
use bartizan_peers::{Gateway, HttpRequest, HttpResponse, Postgres, Redis, RedisCluster, until};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// What all keys of the services are derived from, where the nodes are told it.
const MASTER_KEY: &str = "a master key that all nodes know";

/// An application that takes everybody's word: `POST /login/NAME` signs NAME in, or says that NAME's password was wrong
/// where that is asked for by `?wrong`; `POST /logout` signs out.
fn application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let target = lines.next().unwrap_or_default();
                let mut nonce = String::new();
                for line in lines.take_while(|line| !line.is_empty()) {
                    if let Some((name, value)) = line.split_once(": ")
                        && name.eq_ignore_ascii_case("bartizan-handoff")
                    {
                        value.clone_into(&mut nonce);
                    }
                }
                let path = target.split(' ').nth(1).unwrap_or_default();
                let handoff = match path.strip_prefix("/login/").map(|name| name.split_once('?').ok_or(name))
                {
                    Some(Ok((name, _))) => format!("Bartizan-Login-Failed: {nonce} {name}\r\n"),
                    Some(Err(name)) => format!("Bartizan-Login: {nonce} {name}; scope=\"orders\"\r\n"),
                    None if path == "/logout" => format!("Bartizan-Logout: {nonce} current\r\n"),
                    None => String::new(),
                };
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\n{handoff}content-length: 2\r\nconnection: close\r\n\r\nok"
                );
            });
        }
    });
    url
}

/// A service: its policy, and the application behind it.
struct Service {
    folder: TempDir,
    policy: String,
    upstream: String,
}

impl Service {
    /// With these lines of `[store]`; `{folder}` in them is a folder of its own.
    fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), format!("{MASTER_KEY}\n")).unwrap();
        let policy = format!(
            "version = 1\n[session]\nhandoff = {{ login = [\"POST /login/{{name}}\"], logout = [\"POST /logout\"] }}\n\
             [csrf]\ntoken_path = \"/csrf-token\"\n[default]\nrequire = \"session\"\n\
             [[route]]\nmatch = \"* /login/**\"\nrequire = \"nothing\"\n\
             [[route]]\nmatch = \"POST /transfer\"\ncsrf = \"token\"\none_time = true\n\
             [rate_limit]\nstore = \"shared\"\n[[route]]\nmatch = \"GET /limited\"\nrequire = \"nothing\"\n\
             rate_limit = {{ address = {{ limit = 4, per = \"1h\" }} }}\n[store]\n{}\n",
            store.replace("{folder}", folder.path().to_str().unwrap())
        );
        fs::write(folder.path().join("bartizan.toml"), &policy).unwrap();
        Self { folder, policy, upstream: application() }
    }

    fn node(&self) -> Gateway {
        Gateway::start(&self.policy, &self.upstream)
    }

    /// Runs `bartizan` with its policy.
    fn command(&self, arguments: &[&str]) -> Run {
        let output = Command::new(Gateway::binary()).args(arguments).current_dir(self.folder.path()).output();
        output.unwrap().into()
    }

    /// The sessions that `bartizan session list` tells of, with further arguments.
    fn listed(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.command(&[&["session", "list"], arguments].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What a command did.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Signs in, and gives back the cookie.
async fn login(node: &Gateway, name: &str) -> String {
    let response = HttpRequest::post(&node.url(&format!("/login/{name}"))).send().await;
    assert_eq!(response.status, 200, "{response:?}");
    let cookie = response.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-session="), "{response:?}");
    cookie
}

async fn ask(node: &Gateway, cookie: &str) -> HttpResponse {
    HttpRequest::get(&node.url("/orders")).header("cookie", cookie).send().await
}

async fn transfer(node: &Gateway, cookie: &str, token: &str) -> HttpResponse {
    let request = HttpRequest::post(&node.url("/transfer")).header("cookie", cookie);
    request.header("sec-fetch-site", "same-origin").header("x-csrf-token", token).send().await
}

/// Ends a gateway as service managers do, and waits until it has ended.
fn stop(mut node: Gateway) {
    node.terminate();
    let status = until("the gateway to end", PATIENCE, || node.exited());
    assert!(status.success(), "{status}:\n{}", node.log());
}

fn text<'v>(session: &'v Value, key: &str) -> &'v str {
    session[key].as_str().unwrap()
}

/// What a store must not hold, by name: texts, and the bytes that they stand for.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    /// With keys that are derived from this master key.
    fn of(master_key: &str) -> Self {
        let keys = Keys::new(&[master_key.trim_end().as_bytes()]).unwrap();
        let mut secrets = Self::default();
        secrets.add_bytes("the master key", master_key.trim_end().as_bytes());
        for purpose in ["csrf", "assertion"] {
            let now = Keys::period(OsClock.now());
            for key in (now - 1..=now + 1).filter_map(|period| keys.derive(purpose, period)) {
                secrets.add_bytes(&format!("a key for {purpose}"), &key[..]);
            }
        }
        secrets
    }

    /// The value of a cookie, or a token: the whole, and each part that is base64url.
    fn add(&mut self, name: &str, text: &str) {
        self.add_bytes(name, text.as_bytes());
        for part in text.split('.') {
            if let Some(bits) = URL_SAFE_NO_PAD.decode(part).ok().filter(|bits| bits.len() >= 16) {
                self.add_bytes(&format!("{name}, decoded"), &bits);
            }
        }
    }

    /// These bytes, and how stores and their tools write such.
    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        self.0.push((format!("{name}, in base64"), STANDARD_NO_PAD.encode(bytes).into_bytes()));
        self.0.push((format!("{name}, in hexadecimal"), hex.into_bytes()));
        self.0.push((name.to_owned(), bytes.to_vec()));
    }

    /// That none of them is in what a store holds.
    fn are_not_in(&self, dump: &[u8]) {
        for (name, secret) in &self.0 {
            assert!(!has(dump, secret), "{name} is in the store");
        }
    }
}

fn has(dump: &[u8], wanted: &[u8]) -> bool {
    dump.windows(wanted.len()).any(|bytes| bytes == wanted)
}

/// All that the files say whose names begin so, in a folder and those below it.
fn contents(folder: &Path, named: &str) -> Vec<u8> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let all = paths.into_iter().map(|path| match path.file_name().unwrap().to_str() {
        _ if path.is_dir() => contents(&path, named),
        Some(name) if name.starts_with(named) => fs::read(&path).unwrap(),
        _ => Vec::new(),
    });
    all.collect::<Vec<_>>().concat()
}

/// Signs in twice, takes tokens with and without a session, and uses one; then looks for all that was handed out in what
/// the store holds, while the gateway runs and after it.
async fn nothing_usable_is_kept(service: &Service, master_key: &str, dump: impl Fn() -> Vec<u8>) {
    let node = service.node();
    // That the file of a fresh deployment is made by now.
    let master_key = fs::read_to_string(service.folder.path().join(master_key)).unwrap();
    let mut secrets = Secrets::of(&master_key);
    let mut keys = Vec::new();
    for (name, subject) in [("one session", "dora"), ("another session", "dora"), ("a third", "erik")] {
        let cookie = login(&node, subject).await;
        let id = cookie.split_once('=').unwrap().1;
        secrets.add(name, id);
        keys.push(SessionKey::of(id.as_bytes()));
        let issued = HttpRequest::get(&node.url("/csrf-token")).header("cookie", &cookie).send().await;
        let token = issued.json()["csrf_token"].as_str().unwrap().to_owned();
        assert_eq!(transfer(&node, &cookie, &token).await.status, 200);
        secrets.add("a used token", &token);
    }
    let before = dump().len();
    for _ in 0..50 {
        let issued = HttpRequest::get(&node.url("/csrf-token")).send().await;
        let cookie = issued.header("set-cookie").split(';').next().unwrap().to_owned();
        let (name, id) = cookie.split_once('=').unwrap();
        assert_eq!(name, "__Host-presession");
        secrets.add("a pre-session", id);
        secrets.add("its token", issued.json()["csrf_token"].as_str().unwrap());
    }
    let dumped = dump();
    assert_eq!(dumped.len(), before, "a flood of pre-sessions fills nothing");
    let hex = |key: &SessionKey| {
        key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat().into_bytes()
    };
    for key in &keys {
        assert!(has(&dumped, key.as_bytes()) || has(&dumped, &hex(key)), "the dump is not whole");
    }
    secrets.are_not_in(&dumped);
    // What is there instead is no id, however it is written.
    for cookie in [hex(&keys[0]), URL_SAFE_NO_PAD.encode(keys[0].as_bytes()).into_bytes()] {
        let cookie = format!("__Host-session={}", String::from_utf8(cookie).unwrap());
        assert_eq!(ask(&node, &cookie).await.status, 401);
    }
    stop(node);
    secrets.are_not_in(&dump());
}

/// The whole life of sessions, on two nodes.
async fn sessions_are_shared(service: &Service) {
    let (one, other) = (service.node(), service.node());
    assert_eq!(service.listed(&[]), [Value::Null; 0]);
    let refused = HttpRequest::get(&one.url("/orders")).send().await;
    assert_eq!((refused.status, &*refused.denial()), (401, "auth.required"));

    // Begun on one, used on both.
    let alice = login(&one, "alice").await;
    let bob = login(&other, "bob").await;
    for node in [&one, &other] {
        for cookie in [&alice, &bob] {
            assert_eq!(ask(node, cookie).await.text(), "ok");
        }
    }

    // Listed, without what would let anybody in.
    let listed = service.listed(&["--subject", "alice"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let session = &listed[0];
    assert_eq!((text(session, "subject"), &session["scopes"][0]), ("alice", &"orders".into()));
    let key = text(session, "key");
    assert_eq!(key.len(), 64);
    assert!(!format!("{listed:?}").contains(alice.split_once('=').unwrap().1));
    assert_eq!(ask(&one, &format!("__Host-session={key}")).await.status, 401, "a key is no id");
    let mut subjects: Vec<_> =
        service.listed(&["--json"]).iter().map(|session| text(session, "subject").to_owned()).collect();
    subjects.sort();
    assert_eq!(subjects, ["alice", "bob"]);

    // A one-time token that was had on one is used up on the other.
    let issued = HttpRequest::get(&one.url("/csrf-token")).header("cookie", &alice).send().await;
    let token = issued.json()["csrf_token"].as_str().unwrap().to_owned();
    for (node, expected) in
        [(&other, (200, "")), (&one, (403, "csrf.token-used")), (&other, (403, "csrf.token-used"))]
    {
        let response = transfer(node, &alice, &token).await;
        assert_eq!((response.status, &*response.denial()), expected, "{response:?}");
    }
    let issued = HttpRequest::get(&one.url("/csrf-token")).header("cookie", &alice).send().await;
    let token = issued.json()["csrf_token"].as_str().unwrap().to_owned();

    // They survive a restart of the gateways.
    stop(one);
    stop(other);
    let (one, other) = (service.node(), service.node());
    assert_eq!(ask(&one, &alice).await.status, 200);
    assert_eq!(transfer(&other, &alice, &token).await.status, 200);

    // Ended from outside, refused on both.
    let unasked = service.command(&["session", "revoke", key]);
    assert_eq!((unasked.code, &*unasked.stdout), (1, ""), "{unasked:?}");
    assert!(unasked.stderr.contains("standard input is not a terminal"), "{unasked:?}");
    assert_eq!(ask(&one, &alice).await.status, 200);
    let revoked = service.command(&["session", "revoke", &key[..16], "--yes"]);
    assert_eq!((revoked.code, &*revoked.stdout), (0, "1 session ended\n"), "{revoked:?}");
    for node in [&one, &other] {
        let response = ask(node, &alice).await;
        assert_eq!((response.status, &*response.denial()), (401, "auth.invalid"));
        assert_eq!(ask(node, &bob).await.status, 200);
    }
    let again = service.command(&["session", "revoke", &key[..16], "--yes"]);
    assert_eq!((again.code, &*again.stdout), (1, ""), "{again:?}");
    assert!(again.stderr.contains("no session that is alive has a key that begins with"), "{again:?}");

    // All of a subject but one.
    let here = login(&other, "bob").await;
    let newest = service
        .listed(&["--subject", "bob"])
        .into_iter()
        .max_by_key(|session| text(session, "since").to_owned());
    let stays = text(newest.as_ref().unwrap(), "key").to_owned();
    let everywhere_else = ["session", "revoke", "--subject", "bob", "--except", &stays, "--yes"];
    let carol = login(&one, "carol").await;
    let carols = service.listed(&["--subject", "carol"]);
    let mistaken = service.command(&[
        "session",
        "revoke",
        "--subject",
        "bob",
        "--except",
        text(&carols[0], "key"),
        "--yes",
    ]);
    assert!(mistaken.code == 1 && mistaken.stderr.contains("is of carol, not of bob"), "{mistaken:?}");
    assert_eq!(service.command(&everywhere_else).stdout, "1 session ended\n");
    assert_eq!(ask(&one, &bob).await.status, 401);
    assert_eq!(ask(&one, &here).await.status, 200);
    let nothing = service.command(&everywhere_else);
    assert_eq!((nothing.code, nothing.stdout.contains("nothing to end")), (0, true), "{nothing:?}");

    limits_are_shared(&one, &other).await;

    // Signed out on one, refused on the other.
    let logout =
        HttpRequest::post(&one.url("/logout")).header("cookie", &carol).header("origin", &one.url(""));
    let logout = logout.send().await;
    assert!(logout.header("set-cookie").starts_with("__Host-session=; Max-Age=0"), "{logout:?}");
    assert_eq!(ask(&other, &carol).await.status, 401);
    stop(one);
    stop(other);
}

/// What was let through on one, and what has failed there, counts on the other.
async fn limits_are_shared(one: &Gateway, other: &Gateway) {
    for (node, left) in [(one, "3"), (other, "2"), (one, "1"), (other, "0")] {
        let response = limited(node).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.header("ratelimit").starts_with(&format!("\"address\";r={left};")), "{response:?}");
    }
    for node in [one, other] {
        let response = limited(node).await;
        assert_eq!((response.status, &*response.denial()), (429, "rate.limited"));
    }

    let wrong = async |node: &Gateway| HttpRequest::post(&node.url("/login/eve?wrong")).send().await.status;
    for node in [one, other, one, other, one] {
        assert_eq!(wrong(node).await, 200, "the application's own answer");
    }
    for node in [one, other] {
        assert_eq!(wrong(node).await, 429);
        let right = HttpRequest::post(&node.url("/login/eve")).send().await;
        assert_eq!((right.status, &*right.denial(), right.header("set-cookie")), (429, "rate.limited", ""));
        login(node, "frank").await;
    }
}

async fn limited(node: &Gateway) -> HttpResponse {
    HttpRequest::get(&node.url("/limited")).send().await
}

/// With the server away nobody is let in, nothing is forgotten, and it goes on by itself.
async fn an_outage_is_survived(service: &Service, mut is_up: impl FnMut(bool)) {
    let node = service.node();
    let alice = login(&node, "alice").await;
    is_up(false);
    let response = ask(&node, &alice).await;
    assert_eq!((response.status, &*response.denial()), (503, "store.unavailable"));
    assert_eq!(response.header("retry-after"), "5");
    let response = HttpRequest::post(&node.url("/login/bob")).send().await;
    assert_eq!((response.status, response.header("set-cookie")), (503, ""), "{response:?}");
    // What is only counted goes on, each node for itself: anew, for it does not know what others have counted.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(limited(&node).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429]);

    let began = Instant::now();
    let refused = service.command(&["serve", "--upstream", &service.upstream, "--listen", "127.0.0.1:0"]);
    assert_eq!((refused.code, &*refused.stdout), (1, ""), "{refused:?}");
    assert!(refused.stderr.starts_with("error: the store cannot be opened: "), "{refused:?}");
    assert!(refused.stderr.contains("\n  help: does it run there (`store.url = "), "{refused:?}");
    let listed = service.command(&["session", "list"]);
    assert_eq!((listed.code, &*listed.stdout), (1, ""), "{listed:?}");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());

    is_up(true);
    let deadline = Instant::now() + PATIENCE;
    while ask(&node, &alice).await.status != 200 {
        assert!(Instant::now() < deadline, "it does not recover:\n{}", node.log());
    }
    assert!(node.log().contains("the store cannot answer"), "{}", node.log());
    stop(node);
}

#[tokio::test]
async fn two_gateways_share_a_sqlite_file() {
    let service = Service::new("url = \"sqlite:{folder}/state.db\"");
    sessions_are_shared(&service).await;
    let mut left: Vec<_> = fs::read_dir(service.folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["bartizan.toml", "key", "state.db", "state.db.key"],
        "closed, and nothing else is left behind"
    );
    assert!(!has(&contents(service.folder.path(), "state.db"), b"__Host-"));
    // The log beside the file too, and not the key, which is beside it as well.
    let dump = || {
        let files = ["state.db", "state.db-wal", "state.db-shm"];
        files.map(|name| fs::read(service.folder.path().join(name)).unwrap_or_default()).concat()
    };
    nothing_usable_is_kept(&service, "state.db.key", dump).await;
}

#[tokio::test]
async fn two_gateways_share_a_postgres() {
    let Some(mut postgres) = Postgres::start() else { return };
    let service = Service::new(&format!(
        "url = \"postgres://bartizan@127.0.0.1:{}/postgres\"\npassword = \"file://{{folder}}/password\"\n\
         master_key = \"file://{{folder}}/key\"",
        postgres.port()
    ));
    let password = service.folder.path().join("password");
    fs::write(&password, Postgres::PASSWORD).unwrap();
    sessions_are_shared(&service).await;
    nothing_usable_is_kept(&service, "key", || postgres.dump("postgres").into_bytes()).await;
    an_outage_is_survived(&service, |up| if up { postgres.start_again() } else { postgres.kill() }).await;

    fs::write(&password, "wrong").unwrap();
    let refused = service.command(&["session", "list"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("password authentication failed"), "{refused:?}");
}

#[tokio::test]
async fn two_gateways_share_a_redis() {
    // What is acknowledged is on the disk: by the default a kill may lose the last second.
    let arguments = ["--requirepass", "of-the-tests", "--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut redis) = Redis::start_with(&arguments) else { return };
    let service = Service::new(&format!(
        "url = \"redis://127.0.0.1:{}/0\"\npassword = \"file://{{folder}}/password\"\n\
         master_key = \"file://{{folder}}/key\"",
        redis.port()
    ));
    let password = service.folder.path().join("password");
    fs::write(&password, "of-the-tests\n").unwrap();
    sessions_are_shared(&service).await;
    // All that it was ever told is in its log.
    nothing_usable_is_kept(&service, "key", || contents(redis.data(), "appendonly")).await;
    an_outage_is_survived(&service, |up| if up { redis.start_again() } else { redis.kill() }).await;

    fs::write(&password, "wrong").unwrap();
    let refused = service.command(&["session", "list"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("Password authentication failed"), "{refused:?}");
}

#[tokio::test]
async fn two_gateways_share_a_redis_cluster() {
    let Some(cluster) = RedisCluster::start() else { return };
    let urls = cluster.urls();
    let service = Service::new(&format!(
        "url = \"{}\"\ncluster = true\nnodes = [\"{}\"]\nmaster_key = \"file://{{folder}}/key\"",
        urls[0], urls[1]
    ));
    sessions_are_shared(&service).await;
}

#[tokio::test]
async fn two_gateways_share_a_redis_that_a_private_authority_vouches_for() {
    let Some((_redis, tls)) = Redis::start_with_tls() else { return };
    let service = Service::new(&format!(
        "url = \"rediss://127.0.0.1:{}\"\nca = \"file://{{folder}}/ca.pem\"\nmaster_key = \"file://{{folder}}/key\"",
        tls.port
    ));
    let ca = service.folder.path().join("ca.pem");
    fs::write(&ca, &tls.root).unwrap();
    let (one, other) = (service.node(), service.node());
    let alice = login(&one, "alice").await;
    assert_eq!(ask(&other, &alice).await.status, 200);
    assert_eq!(service.listed(&[]).len(), 1);

    fs::write(&ca, "no certificate").unwrap();
    let refused = service.command(&["session", "list"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("`store.ca` holds no certificate"), "{refused:?}");
}
