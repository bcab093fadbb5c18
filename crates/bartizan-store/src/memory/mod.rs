//! The store in memory: what it keeps ends with the process.

mod api_keys;
pub(crate) mod buckets;
mod documents;
mod revocations;
mod sessions;
mod sweep;
mod tokens;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bartizan_core::{
    Answer, Query, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};

use self::{
    api_keys::ApiKeys, buckets::Buckets, documents::Documents, revocations::Revocations, sessions::Sessions,
    tokens::Tokens,
};
use crate::{
    Answers, ApiKeyPage, BoxFuture, Document, DocumentName, KeyRotation, RotationOutcome, SessionPage, Store,
    StoreError, answer_by,
};

/// Keeps everything in memory, for one node: whoever restarts it signs everybody out.
///
/// It is bounded by [`MemoryLimits`], also where nobody prunes it: each insertion forgets some of what has ended.
/// When it is full, it depends on what: a **session**, a **one-time token**, a **revocation** or an **API key** more is
/// [refused](StoreError::Full), so that no flood of logins signs others out, no flood of tokens lets one be used twice,
/// and none that was revoked is good again. A **rate limit's bucket** more takes the place of another that was about to be empty.
///
/// # Forgotten buckets
///
/// A forgotten bucket is one that is full again too early. Of a sample, what is empty goes first, and then the one
/// that would be empty the earliest. To be rid of a bucket that he drained, an attacker has to keep as many others
/// alive as there may be, each drained for longer than his own has left; which takes more requests (a million by
/// default), all of them counted against addresses or accounts, than the one bucket let him have, and within the time
/// in which it would have refilled by itself.
///
/// ```
/// use bartizan_core::{Timestamp, TokenDigest};
/// use bartizan_store::{MemoryLimits, MemoryStore, Store};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::new(MemoryLimits::default());
/// let (token, until, now) = (TokenDigest([7; 32]), Timestamp(2000), Timestamp(1000));
/// assert!(store.consume(token, until, now).await.unwrap());
/// assert!(!store.consume(token, until, now).await.unwrap());
/// # });
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    sessions: Sessions,
    tokens: Tokens,
    buckets: Buckets,
    documents: Documents,
    revocations: Revocations,
    api_keys: ApiKeys,
}

/// How much a [`MemoryStore`] keeps at most; `store.memory` in a policy. What has ended does not count, unless
/// it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Sessions, each of under 300 bytes (its subject and scopes counted as 25 bytes). 1 000 000 by default.
    pub sessions: usize,
    /// One-time tokens, each of about 60 bytes. 1 000 000 by default.
    pub tokens: usize,
    /// Buckets of rate limits, each of about 50 bytes; rounded up to a multiple of 64. 1 000 000 by default.
    pub buckets: usize,
    /// Revocations of tokens and of subjects, each of about 90 bytes (its subject counted as 20 bytes). 1 000 000 by
    /// default.
    pub revocations: usize,
    /// API keys, those that ended within the last 90 days among them; each of about 500 bytes (its owner, name and scopes
    /// counted as 60 bytes). 100 000 by default.
    pub api_keys: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            sessions: 1_000_000,
            tokens: 1_000_000,
            buckets: 1_000_000,
            revocations: 1_000_000,
            api_keys: 100_000,
        }
    }
}

impl MemoryStore {
    /// An empty one.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            sessions: Sessions::new(limits.sessions),
            tokens: Tokens::new(limits.tokens),
            buckets: Buckets::new(limits.buckets),
            documents: Documents::default(),
            revocations: Revocations::new(limits.revocations),
            api_keys: ApiKeys::new(limits.api_keys),
        }
    }
}

impl Answers for MemoryStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(answer_by(self, query))
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        Ok(match query {
            Query::Session { key, now } => {
                self.sessions.find(key, now).map_or(Answer::Unknown, Answer::Session)
            }
            Query::Take { key, quota, cost, now, .. } => {
                Answer::Taken(self.buckets.take(key, quota, cost, now))
            }
            Query::Revocation { jti, key, subject, issued, now } => {
                Answer::Revoked(self.revocations.has([jti, key.map(|key| *key)], &subject, issued, now))
            }
            Query::ApiKey { id, now } => {
                let found = self.api_keys.find(id, now);
                found.map_or(Answer::Unknown, |record| Answer::ApiKey(Box::new(record)))
            }
            // What changes something, and may have to say why it cannot.
            other => return Err(other),
        })
    }
}

// No lock is held across an await: each method is one plain function, done when its future is first polled.
impl Store for MemoryStore {
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>> {
        Box::pin(async move { Ok(self.sessions.find(key, now)) })
    }

    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>> {
        Box::pin(async move { self.sessions.begin(new) })
    }

    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.sessions.renew(renewal)) })
    }

    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.sessions.end(&ending)) })
    }

    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>> {
        Box::pin(async move { Ok(self.sessions.page(subject.as_deref(), after, most, now)) })
    }

    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.tokens.consume(token, until, now) })
    }

    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(async move { Ok(self.buckets.take(key, quota, cost, now)) })
    }

    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Box::pin(async move { Ok(self.documents.find(&name)) })
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.documents.replace(name, expected, body) })
    }

    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.revocations.revoke_token(digest, until, now) })
    }

    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.revocations.revoke_subject(subject, before, until, now) })
    }

    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.revocations.has([jti, key], &subject, issued, now)) })
    }

    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.api_keys.create(record) })
    }

    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>> {
        Box::pin(async move { Ok(self.api_keys.find(id, now)) })
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>> {
        Box::pin(async move { self.api_keys.rotate(&rotation) })
    }

    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.api_keys.revoke(id, now)) })
    }

    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>> {
        Box::pin(async move { Ok(self.api_keys.page(owner.as_deref(), after, most)) })
    }

    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>> {
        Box::pin(async move { Ok(self.api_keys.peppers(now)) })
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let asked_by_clients =
                self.sessions.prune(now) + self.tokens.prune(now) + self.buckets.prune(now);
            Ok(asked_by_clients + self.revocations.prune(now) + self.api_keys.prune(now))
        })
    }
}

/// Each map is in so many parts, each with its lock, so that cores rarely wait for one another.
const SHARDS: usize = 64;

/// The part for what begins with `first`: parts are in the order of what they hold.
fn shard_of(first: u8) -> usize {
    usize::from(first) * SHARDS / 256
}

/// Locks. Nothing that holds a lock here panics half way, so what a panic elsewhere left behind is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
