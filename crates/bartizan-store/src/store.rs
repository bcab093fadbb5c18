//! The contract of all stores.

use bartizan_core::{
    Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};

use crate::{
    Answers, ApiKeyPage, BoxFuture, Document, DocumentName, KeyRotation, RotationOutcome, StoreError,
};

/// Keeps the state behind the engine, and is administered.
///
/// Each method is one atomic step: of any number of tasks on any number of nodes that race, each sees the step of
/// another wholly or not at all. What was acknowledged by `Ok` is kept as the store says (SQLite and Postgres: through a
/// crash and a power cut; Redis: as its persistence is configured; memory: until the process ends). `now` is the only
/// clock; what has ended by `now` is as if it were not there, whether or not it was [pruned](Self::prune), but for API
/// keys, of which it is told how they have ended. Times and spans are kept to the millisecond, texts to the byte.
///
/// No method has a default, so that no store quietly does less.
pub trait Store: Answers {
    /// The session of `key`, if it is alive at `now`. One that is [stale](SessionRecord::is_stale) is touched, and comes
    /// back touched; a store is written to at most once for any number of requests within a minute. A session is never
    /// touched back in time.
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>>;

    /// Begins a session; `record.created` is the time. The one that it replaces ends in the same step, and so do the
    /// oldest (by `created`, then by key) of its subject above `most`, but never the new one itself. How many ended
    /// besides the one that it replaces. A session that begins again, because an acknowledgement was lost, is written
    /// anew.
    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>>;

    /// Gives a session a new key, which is another than its old one; `record.created` is the time. `false` where none of
    /// this subject is alive by the old key: then nothing changes, so that a session which was ended stays ended, and of any
    /// number of renewals that race one is done. One that comes again, because an acknowledgement was lost, is `true`
    /// while what it began is alive.
    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Ends sessions. How many ended; among them may be such as had ended by themselves and were not pruned.
    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The sessions that are alive, of one subject or all, in the order of their keys: at most `most` (1 to 1000; what is
    /// outside is taken as the nearer of the two) after the key `after`. None is touched.
    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>>;

    /// Uses a one-time token. `true` for exactly one call, however many race; the token is remembered until `until`.
    /// One whose `until` has passed is not fresh.
    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Takes from a bucket, by [`limit::take`](bartizan_core::limit::take).
    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>>;

    /// The document of this name. Documents never end.
    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>>;

    /// Puts `body` in the place of the document, if its version still is `expected`; `None` where there must be none yet.
    /// The new one's version is one more, or 1. `true` for exactly one of any number of calls that expect the same
    /// version; whoever is told `false` reads it again. Where a connection broke, `false` may be told to the one that was
    /// done and whose answer was lost.
    ///
    /// A body of more than 256 KiB is [`StoreError::TooLong`].
    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Revokes one token, by the digest of its `jti`, or all that one key signed, by the digest of its `kid`; remembered
    /// until `until`, when the last of them is refused for its age. A second time moves `until` forward only.
    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Revokes all tokens of a subject that were issued before `before`; remembered until `until`, when the last of them
    /// is refused for its age. A second time moves both forward only.
    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether a token is revoked, by its `jti`, with its key or with its subject. One that does not say when it was
    /// issued counts as older than any other.
    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Keeps a new API key. `false`, and nothing was done, where another one has its id. A key that is kept again, because
    /// an acknowledgement was lost, stays what it has become since.
    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// What is kept of the API key `id`, whether or not it has ended. One that is good at `now` and whose last use is
    /// [stale](ApiKeyRecord::is_stale) is touched, and comes back touched: a store is written to at most once an hour for
    /// each. It is never touched back in time.
    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>>;

    /// Puts a key in the place of another: the new one is kept, and the old one gets `replaced_by` and its end, never a
    /// later one than it had. Only where the old one is what it was when it was read, but for its last use: of any number
    /// of rotations of one key exactly one is [`RotationOutcome::Done`].
    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>>;

    /// Revokes an API key. Whether it was there and not revoked before.
    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// The API keys of one owner or of all, also those that have ended, in the order of their ids: at most `most` (1 to
    /// 1000; what is outside is taken as the nearer of the two) after the id `after`. None is touched.
    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>>;

    /// The peppers of all API keys that have not ended, in the order of their ids: the master key of none of them may be
    /// taken away. It may be many steps, each of which sees a part of the keys; what is there from beginning to end is
    /// seen.
    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>>;

    /// Forgets what has ended by `now`, API keys [90 days](crate::ENDED_KEY_KEPT) after that. How much it was.
    /// Whoever runs a store calls it every few minutes.
    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions, by key.
    pub sessions: Vec<ListedSession>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// A session as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    /// What the store knows it by.
    pub key: SessionKey,
    /// What is kept of it.
    pub record: SessionRecord,
}
