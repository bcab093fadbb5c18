//! Sessions that are looked up at once, on the thread that asks.
//!
//! A connection of sqlx has a thread of its own, and its pool pings it after each use: to go there and back costs many times
//! what SQLite needs to find a row. With a write-ahead log a reader waits for no writer, so there is nothing to go to another
//! thread for. Where it would have to wait all the same, or anything is wrong, the readers of sqlx are asked, which know how.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bartizan_core::session::{SessionKey, SessionRecord};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::sessions;

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
        let kept = self.idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open(&self.path).map_err(|_| NotAtOnce)?,
        };
        // One that failed is let go.
        let found = find(&connection, key).map_err(|_| NotAtOnce)?;
        let mut idle = self.idle();
        if idle.len() < MOST {
            idle.push(connection);
        }
        drop(idle);
        found.transpose().map_err(|_| NotAtOnce)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(
    connection: &Connection,
    key: SessionKey,
) -> rusqlite::Result<Option<Result<SessionRecord, sqlx::Error>>> {
    let mut statement = connection.prepare_cached(sessions::FIND)?;
    let found = statement.query_row([&key.as_bytes()[..]], |row| {
        let (subject, scopes) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let times = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        Ok(sessions::record(subject.into(), scopes, times))
    });
    found.optional()
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
        Timestamp,
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
