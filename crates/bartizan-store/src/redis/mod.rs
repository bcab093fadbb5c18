//! The state of a service in Redis (6 or later) or Valkey, on one server or on a cluster.
//!
//! What is kept, with the prefix `bartizan`; keys and digests are in hexadecimal:
//!
//! | key | type | what |
//! |---|---|---|
//! | `{bartizan}:session:<key>` | hash | a session's record; times in ms |
//! | `{bartizan}:subject:<subject>` | sorted set | the keys of a subject's sessions, in their order |
//! | `{bartizan}:sessions` | sorted set | the keys of all sessions, in their order |
//! | `{bartizan}:ends` | sorted set | the keys of all sessions, by when they end |
//! | `bartizan:token:<digest>` | string | until when a used one-time token is remembered, in ms |
//! | `bartizan:limit:<rule and whom>` | string | a bucket's theoretical arrival time, in µs |
//! | `bartizan:document:<name>` | hash | a document: its version and its body |
//! | `{bartizan}:api-key:<id>` | hash | an API key's record; times in ms |
//! | `{bartizan}:api-keys-of:<owner>` | sorted set | the ids of an owner's API keys, in their order |
//! | `{bartizan}:api-keys` | sorted set | the ids of all API keys, in their order |
//! | `{bartizan}:api-keys-end` | sorted set | the ids of the API keys that have an end, by it |
//! | `{bartizan}:revoked-token:<digest of jti, or of a key's kid>` | string | until when a revoked token, or all of a key, is remembered, in ms |
//! | `{bartizan}:revoked-subject:<subject>` | string | before when tokens are revoked, and until when: `<ms>:<ms>` |
//!
//! Every method is one Lua script, which Redis runs as one step. A script's keys must be in one slot of a cluster; those
//! of sessions, of API keys and of revocations are, by the hash tag `{bartizan}`. A slot for each subject was weighed: it needs two round trips for each
//! request, has no order over all sessions, and no step that replaces one subject's session by another's.
//!
//! A session is there only where its record *and* its subject's index name it. Whatever loses one of them (eviction, a
//! slot that is being moved to another node) ends the session, and nothing can leave one that "sign out everywhere" does
//! not reach.

mod api_key_record;
mod api_keys;
mod config;
mod connection;
mod documents;
mod record;
mod revocations;
mod script;
mod server_info;

use std::{fmt, time::Duration};

use bartizan_core::{
    Answer, Query, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{self, LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};
use redis::{FromRedisValue, from_redis_value};

use self::{
    connection::Connection,
    record::{from_fields, hex, milliseconds, session_key, to_fields},
    script::{Call, Script},
};
use crate::{
    Answers, ApiKeyPage, BoxFuture, Document, DocumentName, KeyRotation, ListedSession, RotationOutcome,
    SessionPage, Store, StoreError, answer_by,
};

pub use self::config::RedisConfig;

/// How much longer than they are needed used tokens and buckets are kept, in milliseconds: for clocks that differ.
const SLACK: u64 = 60_000;

/// A hundred years, in milliseconds: what lives longer is kept no longer.
const LONGEST: u64 = 3_155_760_000_000;

/// How many sessions one step of [`Store::prune`] forgets, so that no other step waits long.
const PRUNED_AT_ONCE: u64 = 200;

/// A [`Store`] in Redis (6 or later) or Valkey, on one server or on a cluster.
///
/// ```no_run
/// # async fn example() -> Result<(), bartizan_store::StoreError> {
/// use bartizan_store::{RedisConfig, RedisStore};
/// let store = RedisStore::connect(&RedisConfig::server("redis://:secret@127.0.0.1:6379")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What is guaranteed
///
/// Every method is one atomic step, on a cluster too: when `end(AllOf)` is acknowledged, no session that was begun
/// before it is accepted again. [`prune`](Store::prune) is many such steps, which nobody can tell.
///
/// [`peppers_in_use`](Store::peppers_in_use) too: it reads the keys page by page.
///
/// The price is that all sessions, API keys and revocations are on one node of a cluster, whose memory and single thread
/// bound them. Rate limits and one-time tokens, which anybody can make more of by asking, spread over all nodes.
///
/// # What Redis does not guarantee
///
/// - What was acknowledged is kept as its persistence says. A server that starts with an older state knows sessions
///   again that had ended since, lets one-time tokens be used again that were used since, takes tokens and API keys
///   that were revoked since, and knows no key of the ring that was made since. `appendonly yes` with
///   `appendfsync always` loses nothing; with `everysec` a crash loses up to two seconds.
/// - A replica that takes over may lack the last moments, with the same consequences. Replicas are never read.
/// - A `maxmemory-policy` other than `noeviction` forgets keys that are alive. It is warned of when connecting.
/// - While a cluster moves the sessions' slot to another node, most methods fail, sessions may be refused, and a login
///   with a limit of sessions may end more than it had to. What was acknowledged holds; what failed may have been done in
///   part: some sessions that were to end have ended, and one that was to begin is there without anybody knowing its id.
/// - On a cluster the driver repeats a step whose answer was lost. That changes nothing more, except that a bucket is
///   taken from twice; but a token whose first use was not answered is then reported as used, and a document that was
///   replaced as not replaced.
///
/// # What its user needs
///
/// `~bartizan:* ~{bartizan}:* +eval +evalsha +get +set +pexpire +pttl +exists +del +hset +hget +hmget +hgetall +zadd
/// +zrem +zscore +zrange +zrangebylex +zrangebyscore`, and best `+info` too; on a cluster also `+cluster|slots +ping`.
///
/// # Time
///
/// `now` decides who is alive. Every key but those of documents and API keys also has a lifetime in Redis, reckoned from `now` and longer than what it keeps
/// is needed: by an hour for sessions, by a minute for the rest. So clocks that differ by less do no harm, and what
/// nobody prunes goes away all the same. Only sessions and API keys need
/// [`prune`](Store::prune) and are counted by it.
pub struct RedisStore {
    connection: Connection,
    prefix: String,
}

impl RedisStore {
    /// Connects, so that what is wrong is said at once. Later a lost connection is opened again by itself; until it is,
    /// every method fails within `config.timeout`.
    ///
    /// The connection belongs to the tokio runtime that this runs on.
    pub async fn connect(config: &RedisConfig) -> Result<Self, StoreError> {
        Ok(Self { connection: Connection::open(config).await?, prefix: config.prefix.clone() })
    }

    /// What our own scripts answer has a shape that is known.
    async fn ask<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        let answer = self.connection.run(call).await?;
        from_redis_value(answer).map_err(|error| self.connection.foreign(error.to_string()))
    }

    /// Asks a script that begins with `sessions.lua`, about these sessions or this subject's.
    ///
    /// While a cluster moves the slot, a part of the keys is on one node and a part on another. A script runs only where
    /// all are that it names; so it names what it must not find missing for being elsewhere.
    async fn ask_sessions<T: FromRedisValue>(
        &self,
        script: &Script,
        about: impl IntoIterator<Item = Key<'_>>,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<T, StoreError> {
        let base = self.base();
        let about = about.into_iter().map(|key| match key {
            Key::Session(key) => format!("{base}session:{}", hex(key.as_bytes())),
            Key::Subject(subject) => format!("{base}subject:{subject}"),
        });
        let keys: Vec<_> =
            [format!("{base}sessions"), format!("{base}ends")].into_iter().chain(about).collect();
        let arguments: Vec<_> = [base].into_iter().chain(arguments).collect();
        self.ask(script.call(&keys, &arguments)).await
    }

    /// What the names of all keys begin with that are read together, so that they are in one slot of a cluster.
    fn base(&self) -> String {
        format!("{{{}}}:", self.prefix)
    }

    fn record(&self, fields: Vec<String>) -> Result<SessionRecord, StoreError> {
        from_fields(fields).map_err(|why| self.connection.foreign(why))
    }
}

/// A key of Redis that is one session's or one subject's.
enum Key<'a> {
    Session(SessionKey),
    Subject(&'a str),
}

impl Answers for RedisStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(answer_by(self, query))
    }
}

impl Store for RedisStore {
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>> {
        Box::pin(async move {
            let arguments = [hex(key.as_bytes()), now.0.to_string()];
            let found: Option<Vec<String>> =
                self.ask_sessions(&script::SESSION, [Key::Session(key)], arguments).await?;
            found.map(|fields| self.record(fields)).transpose()
        })
    }

    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>> {
        Box::pin(async move {
            let arguments = [
                hex(new.key.as_bytes()),
                new.replaces.map_or_else(String::new, |key| hex(key.as_bytes())),
                new.most.map_or_else(String::new, |most| most.to_string()),
                new.record.ends().0.to_string(),
                new.record.subject.to_string(),
                new.record.created.0.to_string(),
            ];
            let arguments = arguments.into_iter().chain(to_fields(&new.record));
            let about = [Key::Subject(&new.record.subject)].into_iter().chain(new.replaces.map(Key::Session));
            self.ask_sessions(&script::BEGIN, about, arguments).await
        })
    }

    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let Renewal { old, key, record } = renewal;
            let arguments = [
                hex(key.as_bytes()),
                hex(old.as_bytes()),
                record.ends().0.to_string(),
                record.subject.to_string(),
                record.created.0.to_string(),
            ];
            let arguments = arguments.into_iter().chain(to_fields(&record));
            let about = [Key::Subject(&record.subject), Key::Session(old), Key::Session(key)];
            self.ask_sessions(&script::RENEW, about, arguments).await
        })
    }

    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            match ending {
                Ending::One(key) => {
                    self.ask_sessions(&script::END_ONE, [Key::Session(key)], [hex(key.as_bytes())]).await
                }
                Ending::AllOf { subject, except } => {
                    let except = except.map_or_else(String::new, |key| hex(key.as_bytes()));
                    self.ask_sessions(
                        &script::END_ALL,
                        [Key::Subject(&subject)],
                        [subject.to_string(), except],
                    )
                    .await
                }
            }
        })
    }

    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>> {
        Box::pin(async move {
            let arguments = [
                most.clamp(1, 1000).to_string(),
                after.map_or_else(String::new, |key| hex(key.as_bytes())),
                now.0.to_string(),
                subject.as_ref().map_or_else(String::new, |subject| format!("={subject}")),
            ];
            let about = subject.as_deref().map(Key::Subject);
            let (more, found): (bool, Vec<(String, Vec<String>)>) =
                self.ask_sessions(&script::LIST, about, arguments).await?;
            let listed = found.into_iter().map(|(key, fields)| {
                let key = session_key(&key)
                    .ok_or_else(|| self.connection.foreign(format!("a session with the key {key:?}")))?;
                Ok(ListedSession { key, record: self.record(fields)? })
            });
            Ok(SessionPage { sessions: listed.collect::<Result<_, StoreError>>()?, more })
        })
    }

    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            if until <= now {
                return Ok(false);
            }
            let lifetime = milliseconds(until.since(now)).saturating_add(SLACK).min(LONGEST);
            let keys = [format!("{}:token:{}", self.prefix, hex(&token.0))];
            let arguments = [until.0, now.0, lifetime].map(|number| number.to_string());
            self.ask(script::CONSUME.call(&keys, &arguments)).await
        })
    }

    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(async move {
            let window = microseconds(quota.window());
            // More than the window is never allowed, however much it is; so no number grows beyond what Lua holds.
            let wanted = microseconds(quota.interval()).saturating_mul(cost.into()).min(window + 1);
            let keys = [format!("{}:limit:{}", self.prefix, hex(&key.to_bytes()))];
            let arguments =
                [now.0.saturating_mul(1000), window, wanted, SLACK].map(|number| number.to_string());
            let tat = self.ask(script::TAKE.call(&keys, &arguments)).await?;
            Ok(limit::take(tat, now, quota, cost).0)
        })
    }

    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Box::pin(async move { self.find_document(&name).await })
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.swap_document(&name, expected, &body).await })
    }

    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.put_revoked_token(digest, until, now))
    }

    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.put_revoked_subject(&subject, before, until, now).await })
    }

    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.has_revoked([jti, key], &subject, issued, now).await })
    }

    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.put_api_key(&record).await })
    }

    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>> {
        Box::pin(self.find_api_key(id, now))
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>> {
        Box::pin(async move { self.swap_api_key(&rotation).await })
    }

    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.end_api_key(id, now))
    }

    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>> {
        Box::pin(async move { self.page_of_api_keys(owner.as_deref(), after, most).await })
    }

    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>> {
        Box::pin(self.peppers_of_api_keys(now))
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut pruned = self.prune_api_keys(now).await?;
            loop {
                let arguments = [now.0, PRUNED_AT_ONCE].map(|number| number.to_string());
                let ended: u64 = self.ask_sessions(&script::PRUNE, [], arguments).await?;
                pruned += ended;
                if ended < PRUNED_AT_ONCE {
                    return Ok(pruned);
                }
            }
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisStore({}, {:?})", self.connection.what(), self.prefix)
    }
}

fn microseconds(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
