//! Whoever reads the database is let in nowhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bartizan_core::{
    Entropy,
    session::{NewSession, SessionId, SessionKey},
};
use bartizan_peers::Postgres;
use bartizan_store::Store as _;

use super::{NOW, issued, new, store};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_holds_no_session_id() {
    let Some(mut server) = Postgres::start() else { return };
    let store = store(&server.url("postgres")).await;
    let mut bits = [0; 32];
    Bytes(1).fill(&mut bits);
    let id = SessionId::new(&mut Bytes(1));
    let session = NewSession { key: id.key(), ..new(1) };
    store.begin(session).await.unwrap();
    assert!(store.session(SessionKey::of(id.expose().as_bytes()), NOW).await.unwrap().is_some());

    let dump = server.dump("postgres");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let key = hex(id.key().as_bytes());
    assert!(dump.contains(&key), "the dump is not whole");
    assert!(!dump.contains(id.expose()) && !dump.contains(&hex(&bits)));
    // Nor does what it does hold let anybody in.
    for cookie in [key.as_bytes(), format!("\\x{key}").as_bytes(), id.key().as_bytes()] {
        assert_eq!(store.session(SessionKey::of(cookie), NOW).await.unwrap(), None);
    }

    // Nor do the files: tables, write-ahead log.
    drop(store);
    server.stop();
    let mut files = Vec::new();
    collect(&server.data(), &mut files);
    let found = |wanted: &[u8]| {
        files.iter().any(|file| fs::read(file).unwrap().windows(wanted.len()).any(|bytes| bytes == wanted))
    };
    assert!(found(id.key().as_bytes()), "these are not all files");
    assert!(!found(id.expose().as_bytes()));
    assert!(!found(&bits));
    assert!(!found(hex(&bits).as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_holds_no_api_key() {
    let Some(mut server) = Postgres::start() else { return };
    let store = store(&server.url("postgres")).await;
    let issued = issued::issue(NOW);
    assert!(store.create_api_key(issued.record.clone()).await.unwrap());
    let kept = store.api_key(issued.key.id(), NOW).await.unwrap().unwrap();
    assert_eq!(issued.keys.peppers.verify(&issued.key, Some(&kept), NOW), Ok(()));
    let dump = server.dump("postgres");
    let record = &issued.record;
    for wanted in [&record.id.as_bytes()[..], &record.mac, record.pepper.as_bytes(), b"alice"] {
        assert!(dump.contains(&issued::hex(wanted)), "the dump is not whole");
    }
    let secrets = || issued.secrets.iter();
    for (name, secret) in secrets() {
        assert!(!dump.contains(&issued::hex(secret)), "{name} is in the dump");
        assert!(!dump.as_bytes().windows(secret.len()).any(|part| part == secret), "{name} is in the dump");
    }

    // Nor do the files: tables, write-ahead log.
    drop(store);
    server.stop();
    let mut files = Vec::new();
    collect(&server.data(), &mut files);
    let found = |wanted: &[u8]| {
        files.iter().any(|file| fs::read(file).unwrap().windows(wanted.len()).any(|bytes| bytes == wanted))
    };
    assert!(found(&record.mac), "these are not all files");
    for (name, secret) in secrets() {
        assert!(!found(secret), "{name} is in the files");
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}
