//! Who answers the engine's questions: the one trait between the engine and whatever keeps credentials.

use std::{pin::Pin, sync::Arc};

use bartizan_core::{Answer, Query};

use crate::{Store, StoreError};

/// A future on the heap, `Send`, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers what the engine asks about a request and its response.
///
/// Every [`Store`] does, by [`answer_by`]. A query is asked only where the route needs its answer. Who cannot answer says
/// [`Answer::Unavailable`], and the request is refused with `store.unavailable` (503): failing open is not among the
/// answers. Bartizan sets no deadline of its own; what asks over a network needs one.
///
/// The session middleware of an application can answer too:
///
/// ```
/// use bartizan_core::{Answer, Query, session::{SessionKey, SessionRecord}};
/// use bartizan_store::{Answers, BoxFuture};
/// use std::collections::HashMap;
///
/// struct Sessions(HashMap<SessionKey, SessionRecord>);
///
/// impl Answers for Sessions {
///     fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
///         Box::pin(async move {
///             match query {
///                 Query::Session { key, .. } => self.0.get(&key).cloned().map_or(Answer::Unknown, Answer::Session),
///                 _ => Answer::Unavailable,
///             }
///         })
///     }
/// }
/// # let _ = Sessions(HashMap::new());
/// ```
pub trait Answers: Send + Sync + 'static {
    /// Answers `query`. The future may be dropped at any point, when the client goes away.
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer>;

    /// Answers `query` at once, on the thread that asks, or gives it back for [`answer`](Self::answer), which can answer
    /// all that this can. It waits for nobody and needs no runtime: whoever keeps things in this process spares each
    /// request a future by it. By default nothing is answered so.
    ///
    /// # Errors
    ///
    /// The query, where it has to be waited for.
    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        Err(query)
    }
}

impl<T: Answers + ?Sized> Answers for Arc<T> {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        (**self).answer(query)
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        (**self).try_answer(query)
    }
}

/// Knows nobody: every question is [`Answer::Unavailable`], so a route that needs a credential stays closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl Answers for NoStore {
    fn answer(&self, _query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::ready(Answer::Unavailable))
    }

    fn try_answer(&self, _query: Query) -> Result<Answer, Query> {
        Ok(Answer::Unavailable)
    }
}

/// Answers `query` by the store's own methods: the whole of a store's [`Answers::answer`].
pub async fn answer_by(store: &impl Store, query: Query) -> Answer {
    ask(store, query).await.unwrap_or_else(|error| {
        tracing::error!(target: "bartizan::store", %error, "the store cannot answer");
        Answer::Unavailable
    })
}

async fn ask(store: &impl Store, query: Query) -> Result<Answer, StoreError> {
    Ok(match query {
        Query::Session { key, now } => {
            store.session(key, now).await?.map_or(Answer::Unknown, Answer::Session)
        }
        Query::Begin(new) => store.begin(*new).await.map(|_| Answer::Done)?,
        Query::Renew(renewal) => {
            if store.renew(*renewal).await? {
                Answer::Done
            } else {
                Answer::Unknown
            }
        }
        Query::End(ending) => store.end(ending).await.map(|_| Answer::Done)?,
        Query::Consume { token, until, now } => Answer::Fresh(store.consume(token, until, now).await?),
        Query::Take { key, quota, cost, now, .. } => Answer::Taken(store.take(key, quota, cost, now).await?),
        Query::Revocation { jti, key, subject, issued, now } => {
            Answer::Revoked(store.is_revoked(jti, key.map(|key| *key), subject, issued, now).await?)
        }
        Query::ApiKey { id, now } => {
            store.api_key(id, now).await?.map_or(Answer::Unknown, |record| Answer::ApiKey(Box::new(record)))
        }
        // The keys of tokens are known to whoever holds the ring, not to the store that it is in.
        _ => Answer::Unavailable,
    })
}
