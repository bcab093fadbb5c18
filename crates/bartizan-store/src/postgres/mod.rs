//! A store in Postgres: the nodes of a service share it, and it keeps what it acknowledged through a power cut.
//!
//! All SQL is static, and its values are bound. Every method is one statement or one transaction.

mod api_keys;
mod bigint;
mod documents;
mod failure;
mod limits;
mod options;
mod pool;
mod prune;
mod revocations;
mod schema;
mod sessions;
mod tokens;

use std::{fmt, sync::Arc};

use bartizan_core::{
    Answer, Query, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};

use self::pool::Pool;
use crate::{
    Answers, ApiKeyPage, BoxFuture, Document, DocumentName, KeyRotation, RotationOutcome, SessionPage, Store,
    StoreError, answer_by, document::check_length,
};

pub use self::options::{PostgresOptions, PostgresUrlError};

/// A store in Postgres 13 or later, in a schema of its own, `bartizan`.
///
/// A method fails within the [time that the options give](PostgresOptions::timeout): at once where the server refuses
/// connections, as [`StoreError::Timeout`] where it does not answer. When the server comes back, the store works again.
/// A step whose connection breaks is done once more on a fresh one. If the first time was done and only its answer lost,
/// the second errs on the safe side: a token is not fresh, a bucket is taken from twice, a document was not replaced.
/// Dropping a method's future while it waits for a connection calls it off; what was begun is finished.
///
/// ```no_run
/// use bartizan_store::{PostgresOptions, PostgresStore};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect(PostgresOptions::new("postgres://bartizan@db.internal/app")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore(Arc<Pool>);

impl PostgresStore {
    /// Connects, and makes the tables or brings them up to date; of nodes that start at once, one does. The role needs
    /// `CREATE` on the database, or to own an empty schema `bartizan`.
    ///
    /// A schema that a newer version wrote is [`StoreError::Foreign`].
    pub async fn connect(options: PostgresOptions) -> Result<Self, StoreError> {
        let pool = Arc::new(Pool::new(options));
        schema::prepare(&pool).await?;
        Ok(Self(pool))
    }
}

impl Store for PostgresStore {
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(sessions::find(connection, key, now))))
    }

    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>> {
        let new = Arc::new(new);
        Box::pin(self.0.run(move |connection| {
            let new = Arc::clone(&new);
            Box::pin(async move { sessions::begin(connection, &new).await })
        }))
    }

    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>> {
        let renewal = Arc::new(renewal);
        Box::pin(self.0.run(move |connection| {
            let renewal = Arc::clone(&renewal);
            Box::pin(async move { sessions::renew(connection, &renewal).await })
        }))
    }

    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>> {
        let ending = Arc::new(ending);
        Box::pin(self.0.run(move |connection| {
            let ending = Arc::clone(&ending);
            Box::pin(async move { sessions::end(connection, &ending).await })
        }))
    }

    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>> {
        let subject: Option<Arc<str>> = subject.map(Arc::from);
        Box::pin(self.0.run(move |connection| {
            let subject = subject.clone();
            Box::pin(async move { sessions::list(connection, subject.as_deref(), after, most, now).await })
        }))
    }

    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(tokens::consume(connection, token, until, now))))
    }

    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(limits::take(connection, key, quota, cost, now))))
    }

    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        Box::pin(self.0.run(move |connection| {
            let name = name.clone();
            Box::pin(async move { documents::find(connection, &name).await })
        }))
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        if let Err(error) = check_length(&name, &body) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let body: Arc<[u8]> = body.into();
        Box::pin(self.0.run(move |connection| {
            let (name, body) = (name.clone(), Arc::clone(&body));
            Box::pin(async move { documents::replace(connection, &name, expected, &body).await })
        }))
    }

    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(
            self.0.run(move |connection| Box::pin(revocations::revoke_token(connection, digest, until, now))),
        )
    }

    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let subject: Arc<str> = subject.into();
        Box::pin(self.0.run(move |connection| {
            let subject = Arc::clone(&subject);
            Box::pin(
                async move { revocations::revoke_subject(connection, &subject, before, until, now).await },
            )
        }))
    }

    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let subject: Arc<str> = subject.into();
        Box::pin(self.0.run(move |connection| {
            let subject = Arc::clone(&subject);
            Box::pin(async move { revocations::has(connection, [jti, key], &subject, issued, now).await })
        }))
    }

    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>> {
        let record = Arc::new(record);
        Box::pin(self.0.run(move |connection| {
            let record = Arc::clone(&record);
            Box::pin(async move { api_keys::create(connection, &record).await })
        }))
    }

    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(api_keys::find(connection, id, now))))
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>> {
        let rotation = Arc::new(rotation);
        Box::pin(self.0.run(move |connection| {
            let rotation = Arc::clone(&rotation);
            Box::pin(async move { api_keys::rotate(connection, &rotation).await })
        }))
    }

    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(api_keys::revoke(connection, id, now))))
    }

    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>> {
        let owner: Option<Arc<str>> = owner.map(Arc::from);
        Box::pin(self.0.run(move |connection| {
            let owner = owner.clone();
            Box::pin(async move { api_keys::list(connection, owner.as_deref(), after, most).await })
        }))
    }

    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>> {
        Box::pin(self.0.run(move |connection| Box::pin(api_keys::peppers(connection, now))))
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(prune::prune(&self.0, now))
    }
}

impl Answers for PostgresStore {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(answer_by(self, query))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresStore({})", self.0.place())
    }
}
