//! Who answers the engine's questions: the one trait between the engine and whatever keeps credentials.

use std::{pin::Pin, sync::Arc};

use bartizan_core::{Answer, Query};

/// A future on the heap, `Send`, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers what the engine asks about a request: whose credential this is.
///
/// A query is asked only where the route needs its answer. A store that cannot answer says
/// [`Answer::Unavailable`], and the request is refused with `store.unavailable` (503): failing open is not
/// among the answers. Bartizan sets no deadline of its own; a store over a network needs one.
///
/// The session middleware of an application can be a store:
///
/// ```
/// use bartizan::{Answer, BoxFuture, Principal, Query, Store, policy::CredentialKind};
/// use std::collections::HashMap;
///
/// struct Sessions(HashMap<Vec<u8>, String>);
///
/// impl Store for Sessions {
///     fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
///         Box::pin(async move {
///             let Query::Principal(credential) = query else { return Answer::Unavailable };
///             match (credential.kind(), self.0.get(credential.expose())) {
///                 (kind @ CredentialKind::Session, Some(subject)) => Answer::Principal(Principal {
///                     subject: subject.as_str().into(),
///                     kind,
///                     scopes: Vec::new(),
///                 }),
///                 _ => Answer::Unknown,
///             }
///         })
///     }
/// }
/// # let _ = Sessions(HashMap::new());
/// ```
pub trait Store: Send + Sync + 'static {
    /// Answers `query`. The future may be dropped at any point, when the client goes away.
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        (**self).answer(query)
    }
}

/// Knows nobody: every question is [`Answer::Unavailable`], so a route that needs a credential stays closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl Store for NoStore {
    fn answer(&self, _query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(std::future::ready(Answer::Unavailable))
    }
}
