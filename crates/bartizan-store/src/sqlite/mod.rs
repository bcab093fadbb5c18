//! The store in one SQLite file.

mod api_keys;
mod documents;
mod failure;
mod glance;
mod limits;
mod open;
mod revocations;
mod sessions;
mod tokens;
mod writer;

use std::{path::Path, time::Duration};

use bartizan_core::{
    Answer, Query, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};
use sqlx::SqlitePool;

use self::{
    failure::Failure,
    glance::{Glance, NotAtOnce},
    writer::Writer,
};
use crate::{
    Answers, ApiKeyPage, BoxFuture, Document, DocumentName, KeyRotation, RotationOutcome, SessionPage, Store,
    StoreError, answer_by, api_key::forgotten_by, document::check_length,
};

/// How long a step may take by default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many things are forgotten in one step of pruning, so that others get their turn in between.
const PRUNED_AT_ONCE: u64 = 1000;

/// Keeps everything in one SQLite file, for one machine: any number of processes on it may share the file.
///
/// What was acknowledged is on the disk (`synchronous = FULL`, write-ahead log); what waits meanwhile is written
/// together with one sync of the disk. Reads go on during writes.
///
/// The file is made with the mode 0600. SQLite keeps two more beside it, `-wal` and `-shm`, which belong to it: a copy
/// for keeping is made by `sqlite3 FILE '.backup COPY'`, not by `cp`.
///
/// ```
/// use bartizan_core::{Timestamp, TokenDigest};
/// use bartizan_store::{SqliteStore, Store};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("bartizan.sqlite");
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let store = SqliteStore::open(&path).await?;
/// let (token, until, now) = (TokenDigest([7; 32]), Timestamp(2000), Timestamp(1000));
/// assert!(store.consume(token, until, now).await?);
/// drop(store);
///
/// let store = SqliteStore::open(&path).await?;
/// assert!(!store.consume(token, until, now).await?);
/// # Ok::<(), bartizan_store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    /// For messages.
    what: Box<str>,
    /// Before the writer, whose connection is to close last.
    glance: Glance,
    writer: Writer,
    readers: SqlitePool,
    timeout: Duration,
}

impl SqliteStore {
    /// Opens the file, or makes it. Its folder must be there, and writable. Within a tokio runtime that lives as long
    /// as the store. A step may take 5 s.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_timeout(path, TIMEOUT).await
    }

    /// The same, where a step may take so long.
    pub async fn open_with_timeout(path: impl AsRef<Path>, timeout: Duration) -> Result<Self, StoreError> {
        let what = format!("the SQLite file {}", path.as_ref().display()).into_boxed_str();
        match open::open(path.as_ref(), timeout).await {
            Ok((glance, writer, readers)) => Ok(Self { what, glance, writer, readers, timeout }),
            Err(failure) => Err(failure.of(&what, timeout)),
        }
    }

    async fn read<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        let outcome = match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome.map_err(Failure::from),
            Err(_) => Err(Failure::Slow),
        };
        outcome.map_err(|failure| failure.of(&self.what, self.timeout))
    }

    async fn write<S: writer::Step>(&self, step: S) -> Result<S::Output, StoreError> {
        let outcome = match tokio::time::timeout(self.timeout, self.writer.write(step)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Slow),
        };
        outcome.map_err(|failure| failure.of(&self.what, self.timeout))
    }
}

impl Answers for SqliteStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(answer_by(self, query))
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        match &query {
            Query::Session { key, now } => {
                match self.glance.session(*key).map(|found| found.filter(|record| record.is_alive(*now))) {
                    Ok(None) => Ok(Answer::Unknown),
                    Ok(Some(record)) if !record.is_stale(*now) => Ok(Answer::Session(record)),
                    // It is to be touched, which is written.
                    Ok(Some(_)) | Err(NotAtOnce) => Err(query),
                }
            }
            Query::ApiKey { id, now } => match self.glance.api_key(*id) {
                Ok(None) => Ok(Answer::Unknown),
                Ok(Some(record)) if !is_to_be_touched(&record, *now) => Ok(Answer::ApiKey(Box::new(record))),
                Ok(Some(_)) | Err(NotAtOnce) => Err(query),
            },
            Query::Revocation { jti, key, subject, issued, now } => {
                let digests = [*jti, key.as_deref().copied()];
                self.glance.is_revoked(digests, subject, *issued, *now).map(Answer::Revoked).or(Err(query))
            }
            _ => Err(query),
        }
    }
}

impl Store for SqliteStore {
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>> {
        Box::pin(async move {
            let found = match self.glance.session(key) {
                Ok(found) => found,
                Err(NotAtOnce) => self.read(sessions::find(&self.readers, key)).await?,
            };
            match found.filter(|record| record.is_alive(now)) {
                Some(record) if record.is_stale(now) => self.write(sessions::Touch { key, now }).await,
                found => Ok(found),
            }
        })
    }

    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>> {
        Box::pin(self.write(sessions::Begin(new)))
    }

    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.write(sessions::Renew(renewal)))
    }

    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.write(sessions::End(ending)))
    }

    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>> {
        Box::pin(async move {
            self.read(sessions::page(&self.readers, subject.as_deref(), after, most.clamp(1, 1000), now))
                .await
        })
    }

    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(now < until && self.write(tokens::Consume { token, until, now }).await?) })
    }

    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(self.write(limits::Take { key, quota, cost, now }))
    }

    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Box::pin(async move { self.read(documents::find(&self.readers, &name)).await })
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            check_length(&name, &body)?;
            self.write(documents::Replace { name, expected, body }).await
        })
    }

    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if until <= now {
                return Ok(());
            }
            self.write(revocations::RevokeToken { digest, until }).await
        })
    }

    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if until <= now {
                return Ok(());
            }
            self.write(revocations::RevokeSubject { subject, before, until, now }).await
        })
    }

    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            match self.glance.is_revoked([jti, key], &subject, issued, now) {
                Ok(is_revoked) => Ok(is_revoked),
                Err(NotAtOnce) => {
                    self.read(revocations::has(&self.readers, [jti, key], subject, issued, now)).await
                }
            }
        })
    }

    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.write(api_keys::Create(record)))
    }

    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>> {
        Box::pin(async move {
            let found = match self.glance.api_key(id) {
                Ok(found) => found,
                Err(NotAtOnce) => self.read(api_keys::find(&self.readers, id)).await?,
            };
            match found {
                Some(record) if is_to_be_touched(&record, now) => {
                    self.write(api_keys::Touch { id, now }).await
                }
                found => Ok(found),
            }
        })
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>> {
        Box::pin(self.write(api_keys::Rotate(rotation)))
    }

    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.write(api_keys::Revoke { id, now }))
    }

    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>> {
        Box::pin(async move {
            self.read(api_keys::page(&self.readers, owner.as_deref(), after, most.clamp(1, 1000))).await
        })
    }

    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>> {
        Box::pin(self.read(api_keys::peppers(&self.readers, now)))
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut pruned = 0;
            loop {
                let sessions = self.write(sessions::Prune(now)).await?;
                let tokens = self.write(tokens::Prune(now)).await?;
                let revocations = self.write(revocations::Prune(now)).await?;
                let keys = match forgotten_by(now) {
                    Some(by) => self.write(api_keys::Prune(by)).await?,
                    None => 0,
                };
                pruned += sessions + tokens + revocations + keys;
                if [sessions, tokens, revocations, keys].iter().all(|some| *some < PRUNED_AT_ONCE) {
                    break;
                }
            }
            let mut next = Some(Vec::new());
            while let Some(after) = next {
                let buckets;
                (buckets, next) = self.write(limits::Prune { after, now }).await?;
                pruned += buckets;
            }
            Ok(pruned)
        })
    }
}

/// An API key that is good is touched, where that was long ago.
fn is_to_be_touched(record: &ApiKeyRecord, now: Timestamp) -> bool {
    record.is_stale(now) && record.check(now).is_ok()
}

/// SQLite's integers are signed; what is beyond them is as far away as they go.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
