//! The SQLite file: what opens and what does not, other processes, and what a killed process leaves behind.

mod issued;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bartizan_core::{
    Entropy, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId},
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession, SessionId, SessionKey, SessionRecord},
};
use bartizan_store::{Document, DocumentName, KeyRotation, RotationOutcome, SqliteStore, Store, StoreError};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn at(milliseconds: u64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

fn token(number: u64) -> TokenDigest {
    TokenDigest(*key(number).as_bytes())
}

fn session(number: u64, replaces: Option<u64>) -> NewSession {
    let record = SessionRecord {
        subject: "alice".into(),
        scopes: vec!["read".into()],
        created: NOW,
        touched: NOW,
        idle: Duration::from_hours(1),
        expires: at(10 * 3_600_000),
    };
    NewSession { key: key(number), record, replaces: replaces.map(key), most: None }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("state")).await.unwrap();
    store.begin(session(1, None)).await.unwrap();
    let mut modes: Vec<(String, u32)> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    modes.sort();
    assert_eq!(modes, ["state", "state-shm", "state-wal"].map(|name| (name.to_owned(), 0o600)));
}

/// Bytes that do not occur by chance.
struct Bytes(u8);

impl Entropy for Bytes {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
    }
}

#[tokio::test]
async fn whoever_reads_the_files_has_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("state")).await.unwrap();
    let mut bits = [0; 32];
    Bytes(1).fill(&mut bits);
    let id = SessionId::new(&mut Bytes(1));
    store.begin(NewSession { key: id.key(), ..session(1, None) }).await.unwrap();
    // A touch, a renewal and an ending leave older pages behind.
    assert!(store.session(SessionKey::of(id.expose().as_bytes()), at(60_000)).await.unwrap().is_some());
    store.begin(NewSession { replaces: Some(id.key()), ..session(2, None) }).await.unwrap();
    assert!(store.consume(token(7), at(1000), NOW).await.unwrap());

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let look = || {
        let files = ["state", "state-wal", "state-shm"].map(|name| folder.path().join(name));
        let files: Vec<Vec<u8>> = files.iter().filter_map(|file| std::fs::read(file).ok()).collect();
        let all = files.concat();
        let has = |wanted: &[u8]| all.windows(wanted.len()).any(|bytes| bytes == wanted);
        for (name, secret) in
            [("id", id.expose().as_bytes()), ("bits", &bits[..]), ("bits in hex", hex(&bits).as_bytes())]
        {
            assert!(!has(secret), "the {name} is in {} files", files.len());
        }
        (files.len(), has(id.key().as_bytes()), has(&token(7).0))
    };
    assert_eq!(look(), (3, true, true), "the dump is whole, and what was written last is in the log");
    // What is there lets nobody in: as a cookie it is hashed once more.
    for cookie in [key(2).as_bytes(), hex(key(2).as_bytes()).as_bytes()] {
        assert_eq!(store.session(SessionKey::of(cookie), NOW).await.unwrap(), None);
    }
    drop(store);
    look();
}

#[tokio::test]
async fn whoever_reads_the_files_has_no_api_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("state")).await.unwrap();
    let issued = issued::issue(NOW);
    assert!(store.create_api_key(issued.record.clone()).await.unwrap());
    // A touch and a rotation leave older pages behind.
    let kept = store.api_key(issued.key.id(), at(1)).await.unwrap().unwrap();
    assert_eq!(issued.keys.peppers.verify(&issued.key, Some(&kept), at(1)), Ok(()));
    let new = ApiKeyRecord { id: KeyId::from_bytes([7; 16]), ..issued.record.clone() };
    let rotation = KeyRotation { old: kept, old_expires: at(1000), new };
    assert_eq!(store.rotate_api_key(rotation).await.unwrap(), RotationOutcome::Done);
    let look = || {
        let files = ["state", "state-wal", "state-shm"].map(|name| folder.path().join(name));
        let all = files.iter().filter_map(|file| std::fs::read(file).ok()).collect::<Vec<_>>().concat();
        let has = |wanted: &[u8]| all.windows(wanted.len()).any(|bytes| bytes == wanted);
        for (name, secret) in &issued.secrets {
            assert!(!has(secret), "{name} is there");
        }
        let record = &issued.record;
        [has(record.id.as_bytes()), has(&record.mac), has(record.pepper.as_bytes()), has(b"alice")]
    };
    assert_eq!(look(), [true; 4], "the dump is whole");
    drop(store);
    look();
}

/// Who was here before the tables of documents and API keys were.
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut first = connect(&path).await;
    sqlx::raw_sql(include_str!("../migrations/sqlite/0001_state.sql")).execute(&mut first).await.unwrap();
    sqlx::query("INSERT INTO token (digest, until) VALUES (?1, ?2)")
        .bind(&token(1).0[..])
        .bind(i64::try_from(at(1000).0).unwrap())
        .execute(&mut first)
        .await
        .unwrap();
    drop(first);
    // Three at once: one of them does it.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=3_u8 {
        let path = path.clone();
        tasks.spawn(async move {
            let store = SqliteStore::open(path).await.unwrap();
            assert!(!store.consume(token(1), at(1000), NOW).await.unwrap(), "what was there is there");
            let name = DocumentName::parse(&number.to_string()).unwrap();
            assert!(store.replace_document(name, None, [number].into()).await.unwrap());
        });
    }
    tasks.join_all().await;
    let mut file = connect(&path).await;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut file).await.unwrap();
    assert_eq!(version, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "Dear diary, today I am no database. ".repeat(100)).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink(path("nowhere/state"), path("link")).unwrap();
    let mut other = connect(&path("other")).await;
    sqlx::raw_sql("CREATE TABLE diary (day TEXT)").execute(&mut other).await.unwrap();
    drop(SqliteStore::open(path("later")).await.unwrap());
    let mut later = connect(&path("later")).await;
    sqlx::raw_sql("PRAGMA user_version = 9").execute(&mut later).await.unwrap();
    let mut marked = connect(&path("marked")).await;
    sqlx::raw_sql("PRAGMA application_id = 7").execute(&mut marked).await.unwrap();

    for (name, expected) in [
        (
            "missing/state",
            "cannot be reached: its folder FOLDER/missing does not exist; make it, or name a file elsewhere",
        ),
        ("folder", "cannot be reached: it is a folder; name a file in it"),
        (
            "link",
            "cannot be reached: error returned from database: (code: 14) unable to open database file; the user that \
             runs Bartizan must be able to write the file and its folder, for SQLite keeps two more files beside it",
        ),
        (
            "text",
            "holds something that this version did not write: it is not a SQLite file; name another one, or move this \
             one away",
        ),
        (
            "other",
            "holds something that this version did not write: it is another program's database; name another file, \
             which will be made",
        ),
        (
            "marked",
            "holds something that this version did not write: it is another program's database; name another file, \
             which will be made",
        ),
        (
            "later",
            "holds something that this version did not write: its tables are of version 9, and this Bartizan knows \
             them up to version 2; run the version of Bartizan that wrote it, or a later one",
        ),
    ] {
        let before = std::fs::read(path(name)).ok();
        let error = SqliteStore::open(path(name)).await.unwrap_err().to_string();
        let place = folder.path().display().to_string();
        assert_eq!(error.replace(&place, "FOLDER"), format!("the SQLite file FOLDER/{name} {expected}"));
        assert_eq!(std::fs::read(path(name)).ok(), before, "{name} was changed");
    }
}

/// A folder in which not even root may make a file.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_says_what_to_do() {
    let error = SqliteStore::open("/sys/bartizan.sqlite").await.unwrap_err().to_string();
    let (start, end) = error.split_at(error.find("; ").unwrap());
    assert!(
        start.starts_with("the SQLite file /sys/bartizan.sqlite cannot be reached: it cannot be made: "),
        "{error}"
    );
    assert_eq!(end, "; the user that runs Bartizan must be able to write in the folder /sys");
}

#[tokio::test]
async fn rows_that_somebody_else_wrote_are_foreign_and_stand_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = SqliteStore::open(&path).await.unwrap();
    store.begin(session(1, None)).await.unwrap();
    store.begin(session(2, None)).await.unwrap();
    let mut other = connect(&path).await;
    sqlx::query("UPDATE session SET scopes = 'read' WHERE key = ?1")
        .bind(&key(1).as_bytes()[..])
        .execute(&mut other)
        .await
        .unwrap();
    let error = store.session(key(1), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("a session's scopes are no list of texts"), "{error}");
    // Touches read the row in the transaction that they share with others.
    let (foreign, ours, fresh) = tokio::join!(
        store.session(key(1), at(60_000)),
        store.session(key(2), at(60_000)),
        store.consume(token(1), at(1), NOW),
    );
    assert!(matches!(foreign, Err(StoreError::Foreign { .. })), "{foreign:?}");
    assert_eq!(ours.unwrap().map(|record| record.touched), Some(at(60_000)));
    assert!(fresh.unwrap());
    assert_eq!(store.end(Ending::One(key(1))).await.unwrap(), 1);
}

#[tokio::test]
async fn while_another_process_holds_the_file_reads_go_on_and_writes_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = SqliteStore::open_with_timeout(&path, Duration::from_secs(1)).await.unwrap();
    store.begin(session(1, None)).await.unwrap();
    let mut other = connect(&path).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    assert!(store.session(key(1), NOW).await.unwrap().is_some());
    assert_eq!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.len(), 1);
    let refused = store.begin(session(2, None)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("the SQLite file {} did not answer within 1 s", path.display()),
        "{refused:?}"
    );
    // It recovers by itself.
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    store.begin(session(3, None)).await.unwrap();
    assert!(store.session(key(3), NOW).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_within_a_minute_write_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    store.begin(session(1, None)).await.unwrap();
    let mut other = connect(&path).await;
    let mut writes = Vec::new();
    for start in [0, 60_000] {
        // Changes when another connection has written (https://www.sqlite.org/pragma.html#pragma_data_version).
        let before: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut other).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for request in 0..1250 {
                    let now = at(start + request * 40 + task);
                    assert!(store.session(key(1), now).await.unwrap().is_some());
                }
            });
        }
        tasks.join_all().await;
        let after: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut other).await.unwrap();
        let touched = store.session(key(1), NOW).await.unwrap().unwrap().touched;
        writes.push((after != before, touched.since(at(start)).as_millis() < 1000));
    }
    assert_eq!(writes, [(false, true), (true, true)]);
}

/// Not a test: what the next one runs and kills. It says what was acknowledged, when it was.
#[test]
fn acknowledging_process() {
    let Some(path) = std::env::var_os("BARTIZAN_TEST_FILE") else { return };
    let first: u64 = std::env::var("BARTIZAN_TEST_FIRST").unwrap().parse().unwrap();
    let quota = Quota::new(1, Duration::from_hours(24), 1).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(path).await.unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                // Each renews its own session again and again.
                let mut previous = None;
                for number in (first + task..).step_by(4) {
                    store.begin(session(number, previous)).await.unwrap();
                    println!("began {number} for {}", previous.unwrap_or(u64::MAX));
                    previous = Some(number);
                    assert!(store.consume(token(number), at(1000), NOW).await.unwrap());
                    println!("consumed {number} -");
                    assert!(store.take(bucket(number), quota, 1, NOW).await.unwrap().allowed);
                    println!("took {number} -");
                }
            });
        }
        tasks.join_all().await;
    });
}

fn bucket(number: u64) -> LimitKey {
    LimitKey::named(RuleId::named(&["kill"]), &[&number.to_be_bytes()])
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let quota = Quota::new(1, Duration::from_hours(24), 1).unwrap();
    for (round, lines) in [(1, 1), (2, 10), (3, 100), (4, 601), (5, 1003)] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "acknowledging_process", "--nocapture"])
            .env("BARTIZAN_TEST_FILE", &path)
            .env("BARTIZAN_TEST_FIRST", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let is_ours = |line: &String| ["began", "consumed", "took"].iter().any(|word| line.starts_with(word));
        let mut acknowledged: Vec<String> = said.by_ref().filter(is_ours).take(lines).collect();
        // SIGKILL: nothing of it gets to run any more. What it said before is still in the pipe.
        child.kill().unwrap();
        acknowledged.extend(said.filter(is_ours));
        assert!(!child.wait().unwrap().success());
        assert!(acknowledged.len() >= lines);

        let store = SqliteStore::open(&path).await.unwrap();
        let mut began = Vec::new();
        for line in &acknowledged {
            let mut words = line.split(' ');
            let (what, number) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            match what {
                "began" => {
                    began.push(number);
                    let replaced = words.nth(1).unwrap().parse().unwrap();
                    assert_eq!(store.session(key(replaced), NOW).await.unwrap(), None, "{line}");
                }
                "consumed" => assert!(!store.consume(token(number), at(1000), NOW).await.unwrap(), "{line}"),
                _ => assert!(!store.take(bucket(number), quota, 1, NOW).await.unwrap().allowed, "{line}"),
            }
        }
        // The last of each task is there, or the one that replaced it without a word.
        let last = began.iter().rev().take(4).min().copied().unwrap_or(0);
        for number in began.iter().filter(|number| **number >= last) {
            let mut alive = false;
            for candidate in [*number, number + 4] {
                alive |= store.session(key(candidate), NOW).await.unwrap().is_some();
            }
            assert!(alive || began.contains(&(number + 4)), "{number} was acknowledged in round {round}");
        }
    }
}

/// Each body says its version, from its beginning to its end; they differ in length.
fn body(version: u64) -> Box<[u8]> {
    version.to_be_bytes().repeat(2000 + usize::try_from(version % 7).unwrap() * 1000).into()
}

/// Not a test: what the next one runs and kills. It says which version was acknowledged, when it was.
#[test]
fn replacing_process() {
    let Some(path) = std::env::var_os("BARTIZAN_TEST_DOCUMENT") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path).await.unwrap();
        let mut known = store.document(DocumentName::KEY_RING).await.unwrap().map(|found| found.version);
        loop {
            let next = known.unwrap_or(0) + 1;
            assert!(store.replace_document(DocumentName::KEY_RING, known, body(next)).await.unwrap());
            println!("replaced by {next}");
            known = Some(next);
        }
    });
}

#[tokio::test]
async fn a_kill_leaves_no_half_of_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "replacing_process", "--nocapture"])
            .env("BARTIZAN_TEST_DOCUMENT", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = said.filter_map(|line| line.strip_prefix("replaced by ")?.parse::<u64>().ok());
        // Another moment in each round.
        let before: Vec<u64> = said.by_ref().take(1 + round * 3).collect();
        child.kill().unwrap();
        let last = said.last().or(before.last().copied()).unwrap();
        assert!(!child.wait().unwrap().success());

        let store = SqliteStore::open(&path).await.unwrap();
        let Document { version, body: found } =
            store.document(DocumentName::KEY_RING).await.unwrap().unwrap();
        assert!(version == last || version == last + 1, "{version} after {last} in round {round}");
        assert!(found == body(version), "the body of version {version} is another's");
    }
}
