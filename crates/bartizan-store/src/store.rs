//! The contract of all stores.

use bartizan_core::{
    Timestamp, TokenDigest,
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, SessionKey, SessionRecord},
};

use crate::{Answers, BoxFuture, StoreError};

/// Keeps the state behind the engine, and is administered.
///
/// Each method is one atomic step: of any number of tasks on any number of nodes that race, each sees the step of
/// another wholly or not at all. What was acknowledged by `Ok` is kept as the store says (SQLite and Postgres: through a
/// crash and a power cut; Redis: as its persistence is configured; memory: until the process ends). `now` is the only
/// clock; what has ended by `now` is as if it were not there, whether or not it was [pruned](Self::prune). Times and
/// spans are kept to the millisecond, texts to the byte.
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

    /// Forgets what has ended by `now`. How much it was. Whoever runs a store calls it every few minutes.
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
