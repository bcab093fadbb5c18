//! A store whose connections live on one runtime, for whoever asks on others.
//!
//! A connection is served by the runtime that it was opened on. The gateway's threads have one each, and end before the
//! last request is answered; so each question is put as a task of the store's own runtime, and only the answer crosses.

use std::sync::Arc;

use bartizan::{Answers, BoxFuture, Store, StoreError};
use bartizan_core::{
    Answer, Query, Timestamp, TokenDigest,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    limit::{LimitKey, Quota, Taken},
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};
use bartizan_store::{ApiKeyPage, Document, DocumentName, KeyRotation, RotationOutcome, SessionPage};
use tokio::{runtime::Handle, task::JoinError};

/// The store, asked at home. A question that is given up is answered all the same, to nobody.
pub(super) struct AtHome {
    store: Arc<dyn Store>,
    home: Handle,
}

impl AtHome {
    pub(super) fn of(store: Arc<dyn Store>, home: Handle) -> Arc<dyn Store> {
        Arc::new(Self { store, home })
    }

    fn ask<'a, T, F>(
        &'a self,
        question: impl FnOnce(Arc<dyn Store>) -> F + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Box::pin(async move {
            let answer = self.home.spawn(question(Arc::clone(&self.store)));
            answer.await.unwrap_or_else(|ended| Err(away(ended)))
        })
    }
}

/// The store's runtime has ended, or the store has panicked.
fn away(ended: JoinError) -> StoreError {
    StoreError::Unavailable { what: "the store".to_owned(), source: ended.into() }
}

impl Answers for AtHome {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        let answer = self.ask(|store| async move { Ok(store.answer(query).await) });
        Box::pin(async move {
            answer.await.unwrap_or_else(|error| {
                tracing::error!(target: "bartizan::store", %error, "the store cannot answer");
                Answer::Unavailable
            })
        })
    }

    // What needs no runtime needs not this one.
    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        self.store.try_answer(query)
    }
}

impl Store for AtHome {
    fn session(
        &self,
        key: SessionKey,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<SessionRecord>, StoreError>> {
        self.ask(move |store| async move { store.session(key, now).await })
    }

    fn begin(&self, new: NewSession) -> BoxFuture<'_, Result<u32, StoreError>> {
        self.ask(|store| async move { store.begin(new).await })
    }

    fn renew(&self, renewal: Renewal) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| async move { store.renew(renewal).await })
    }

    fn end(&self, ending: Ending) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.ask(|store| async move { store.end(ending).await })
    }

    fn sessions(
        &self,
        subject: Option<Box<str>>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<SessionPage, StoreError>> {
        self.ask(move |store| async move { store.sessions(subject, after, most, now).await })
    }

    fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(move |store| async move { store.consume(token, until, now).await })
    }

    fn take(
        &self,
        key: LimitKey,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Taken, StoreError>> {
        self.ask(move |store| async move { store.take(key, quota, cost, now).await })
    }

    fn document(&self, name: DocumentName) -> BoxFuture<'_, Result<Option<Document>, StoreError>> {
        self.ask(|store| async move { store.document(name).await })
    }

    fn replace_document(
        &self,
        name: DocumentName,
        expected: Option<u64>,
        body: Box<[u8]>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(move |store| async move { store.replace_document(name, expected, body).await })
    }

    fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.ask(move |store| async move { store.revoke_token(digest, until, now).await })
    }

    fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.ask(move |store| async move { store.revoke_subject(subject, before, until, now).await })
    }

    fn is_revoked(
        &self,
        jti: Option<TokenDigest>,
        key: Option<TokenDigest>,
        subject: Box<str>,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(move |store| async move { store.is_revoked(jti, key, subject, issued, now).await })
    }

    fn create_api_key(&self, record: ApiKeyRecord) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| async move { store.create_api_key(record).await })
    }

    fn api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<Option<ApiKeyRecord>, StoreError>> {
        self.ask(move |store| async move { store.api_key(id, now).await })
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> BoxFuture<'_, Result<RotationOutcome, StoreError>> {
        self.ask(|store| async move { store.rotate_api_key(rotation).await })
    }

    fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.ask(move |store| async move { store.revoke_api_key(id, now).await })
    }

    fn api_keys(
        &self,
        owner: Option<Box<str>>,
        after: Option<KeyId>,
        most: u32,
    ) -> BoxFuture<'_, Result<ApiKeyPage, StoreError>> {
        self.ask(move |store| async move { store.api_keys(owner, after, most).await })
    }

    fn peppers_in_use(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<PepperId>, StoreError>> {
        self.ask(move |store| async move { store.peppers_in_use(now).await })
    }

    fn prune(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.ask(move |store| async move { store.prune(now).await })
    }
}
