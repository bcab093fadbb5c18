//! Credentials that are looked up at once, on the thread that asks.
//!
//! A connection of sqlx has a thread of its own, and its pool pings it after each use: to go there and back costs many times
//! what SQLite needs to find a row. With a write-ahead log a reader waits for no writer, so there is nothing to go to another
//! thread for. Where it would have to wait all the same, or anything is wrong, the readers of sqlx are asked, which know how.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bartizan_core::{
    Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId},
    session::{SessionKey, SessionRecord},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{api_keys, integer, revocations, sessions};

/// As many as are open at once: no thread holds one for longer than a look takes.
const MOST: usize = 8;

/// Connections for looking, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Glance {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// It cannot be told without waiting, or something is wrong: the readers will say what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAtOnce;

impl Glance {
    /// At a file that is there, by its absolute path.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    /// The session, or that there is none.
    pub(super) fn session(&self, key: SessionKey) -> Result<Option<SessionRecord>, NotAtOnce> {
        let found = self.look(|connection| {
            let mut statement = connection.prepare_cached(sessions::FIND)?;
            let found = statement.query_row([&key.as_bytes()[..]], |row| {
                let (subject, scopes) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
                let times = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
                Ok(sessions::record(subject.into(), scopes, times))
            });
            found.optional()
        })?;
        found.transpose().map_err(|_| NotAtOnce)
    }

    /// The API key, or that there is none.
    pub(super) fn api_key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, NotAtOnce> {
        let row = self.look(|connection| {
            let mut statement = connection.prepare_cached(api_keys::FIND)?;
            statement.query_row([&id.as_bytes()[..]], |row| api_keys::Row::try_from(row)).optional()
        })?;
        row.map(api_keys::record).transpose().map_err(|_| NotAtOnce)
    }

    /// Whether a token is revoked, by its `jti`, with its key or with its subject.
    pub(super) fn is_revoked(
        &self,
        digests: [Option<TokenDigest>; 2],
        subject: &str,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, NotAtOnce> {
        let [jti, key] = &digests.map(|digest| digest.map(|TokenDigest(digest)| digest));
        let issued = integer(issued.map_or(0, |issued| issued.0));
        self.look(|connection| {
            let mut statement = connection.prepare_cached(revocations::HAS)?;
            let given = params![
                jti.as_ref().map(|digest| &digest[..]),
                subject,
                issued,
                integer(now.0),
                key.as_ref().map(|digest| &digest[..])
            ];
            statement.query_row(given, |row| row.get(0))
        })
    }

    /// What is found by a connection that nobody else has meanwhile.
    fn look<T>(&self, find: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, NotAtOnce> {
        let kept = self.idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open(&self.path).map_err(|_| NotAtOnce)?,
        };
        // One that failed is let go.
        let found = find(&connection).map_err(|_| NotAtOnce)?;
        let mut idle = self.idle();
        if idle.len() < MOST {
            idle.push(connection);
        }
        Ok(found)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // It writes nothing, but must be able to: the last one that closes the file writes the log into it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // rusqlite's own is five seconds, in which this thread would serve nobody.
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bartizan_core::{
        api_key::PepperId,
        session::{Ending, NewSession},
    };

    use super::*;
    use crate::{SqliteStore, Store as _, StoreError};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn new(id: &[u8]) -> NewSession {
        let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
        let record = SessionRecord::new("alice", vec!["read".into()], NOW, idle, absolute);
        NewSession { key: SessionKey::of(id), record, replaces: None, most: None }
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_seen_whoever_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let store = SqliteStore::open(&path).await.unwrap();
        let other = SqliteStore::open(&path).await.unwrap();
        let (first, second) = (new(b"first"), new(b"second"));
        other.begin(first.clone()).await.unwrap();
        assert_eq!(store.session(first.key, NOW).await.unwrap(), Some(first.record.clone()));
        // That was no reader of sqlx.
        assert_eq!((store.glance.idle().len(), store.readers.size()), (1, 0));
        assert_eq!(store.glance.session(second.key), Ok(None));
        store.begin(second.clone()).await.unwrap();
        assert_eq!(store.glance.session(second.key), Ok(Some(second.record)));
        other.end(Ending::One(first.key)).await.unwrap();
        assert_eq!(store.session(first.key, NOW).await.unwrap(), None);
        assert_eq!(store.glance.idle().len(), 1);
    }

    #[tokio::test]
    async fn api_keys_and_revocations_are_seen_at_once_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("state")).await.unwrap();
        let (jti, key) = (TokenDigest([1; 32]), TokenDigest([2; 32]));
        let is_revoked = |digests, subject, issued| store.glance.is_revoked(digests, subject, issued, NOW);
        assert_eq!(is_revoked([Some(jti), Some(key)], "alice", None), Ok(false));
        let until = NOW.after(Duration::from_hours(1));
        store.revoke_token(jti, until, NOW).await.unwrap();
        store.revoke_subject("bob".into(), NOW, until, NOW).await.unwrap();
        let before = Some(Timestamp(NOW.0 - 1));
        for (digests, subject, issued, expected) in [
            ([Some(jti), None], "alice", Some(NOW), true),
            ([None, Some(jti)], "alice", Some(NOW), true),
            ([Some(key), Some(key)], "alice", None, false),
            ([None, None], "bob", before, true),
            ([None, None], "bob", None, true),
            ([None, None], "bob", Some(NOW), false),
        ] {
            assert_eq!(
                is_revoked(digests, subject, issued),
                Ok(expected),
                "{digests:?} {subject} {issued:?}"
            );
        }
        let record = ApiKeyRecord {
            id: KeyId::from_bytes([3; 16]),
            mac: [4; 32],
            pepper: PepperId::from_bytes([5; 8]),
            owner: "alice".into(),
            name: "backup".into(),
            scopes: vec!["read".into()],
            created: NOW,
            expires: Some(until),
            revoked: None,
            replaced_by: Some(KeyId::from_bytes([6; 16])),
            last_used: Some(NOW),
        };
        assert_eq!(store.glance.api_key(record.id), Ok(None));
        store.create_api_key(record.clone()).await.unwrap();
        assert_eq!(store.glance.api_key(record.id), Ok(Some(record.clone())));
        // The store's own answers come from there.
        assert_eq!(store.api_key(record.id, NOW).await.unwrap(), Some(record));
        assert!(store.is_revoked(Some(jti), None, "alice".into(), None, NOW).await.unwrap());
        assert_eq!(store.readers.size(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_told_is_left_to_the_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let new = new(b"first");
        assert_eq!(Glance::at(&path).session(new.key), Err(NotAtOnce));
        assert!(!path.exists());
        let store = SqliteStore::open(&path).await.unwrap();
        store.begin(new.clone()).await.unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute("UPDATE session SET scopes = '?'", []).unwrap();
        assert_eq!(store.glance.session(new.key), Err(NotAtOnce));
        assert!(matches!(store.session(new.key, NOW).await, Err(StoreError::Foreign { .. })));
    }

    #[test]
    fn nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let other = Connection::open(&path).unwrap();
        // With a rollback journal, as it is here, those who read wait for one who writes.
        let table = "CREATE TABLE session (key, subject, scopes, created, touched, idle, expires)";
        other.execute_batch(&format!("{table}; BEGIN EXCLUSIVE")).unwrap();
        let (glance, key) = (Glance::at(&path), SessionKey::of(b"first"));
        let began = Instant::now();
        assert_eq!(glance.session(key), Err(NotAtOnce));
        assert!(began.elapsed() < Duration::from_secs(1));
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(glance.session(key), Ok(None));
    }
}
