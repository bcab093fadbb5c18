//! The keys of an issuer that is not ours: found, fetched, and kept up to date while its tokens come in.

mod cache;
mod document_url;
mod fetch;
mod freshness;
mod https;
mod key_set;
mod source;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bartizan_core::{
    Timestamp,
    jwt::{Algorithm, JwkSet, VerifyingKey},
};
use thiserror::Error;
use tokio::{sync::watch, time::timeout};

pub use cache::RemoteKeySettings;
use cache::{Cache, Lookup};
pub use document_url::{DocumentUrl, DocumentUrlFault};
pub use fetch::{Document, FetchDocument, FetchError};
pub use https::{CaFault, HttpsFetch};
use key_set::KeySet;
pub use source::RemoteIssuerError;
use source::Source;

/// The target of the log of other issuers' keys, for filters: `bartizan::issuer=info`.
pub const ISSUER_TARGET: &str = "bartizan::issuer";

/// How often one lookup waits at most: for a fetch that ran already, for its own, and for one that came between.
const WAITS: usize = 3;

/// The public keys of an issuer whose tokens are accepted beside our own.
///
/// They are fetched when they are first needed, again when they are no longer fresh, and when a token names a key that
/// is not among them. One fetch runs at a time, whoever needs it waits for that one, and there is a
/// [cooldown](RemoteKeySettings::cooldown): names of keys that do not exist cost one fetch per cooldown, however many
/// come. A client that goes away does not break a fetch off.
///
/// What the issuer takes back is gone with the next fetch. While it cannot be reached, what it last published is used
/// for a [bounded time](RemoteKeySettings::stale_if_error); then nothing is.
///
/// A clone shares the keys. Everything here runs in tokio's runtime, with its clock for the deadline alone; `now` is the
/// caller's.
///
/// ```
/// use std::sync::Arc;
/// use bartizan::{BoxFuture, jwt::{Document, DocumentUrl, FetchDocument, FetchError, RemoteIssuer, RemoteKeySettings}};
/// use bartizan_core::{Timestamp, jwt::Algorithm};
///
/// # const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// # struct Fixed;
/// # impl FetchDocument for Fixed {
/// #     fn fetch<'f>(&'f self, _: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>> {
/// #         Box::pin(async { Ok(Document::new(SET)) })
/// #     }
/// # }
/// # let fetch: Arc<dyn FetchDocument> = Arc::new(Fixed);
/// # let run = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # run.block_on(async {
/// // let fetch = Arc::new(HttpsFetch::new()?);
/// // Where the issuer has a discovery document: `RemoteIssuer::new("https://login.example.com", fetch, settings)?`
/// let issuer = RemoteIssuer::with_keys_at(
///     "https://login.example.com",
///     "https://login.example.com/keys",
///     fetch,
///     RemoteKeySettings::default(),
/// )?;
/// let now = Timestamp(1_700_000_000_000);
/// let key = issuer.key("2026-11", Algorithm::EdDsa, now).await?;
/// assert_eq!(key.unwrap().algorithm(), Algorithm::EdDsa);
/// assert_eq!(issuer.key("2019-01", Algorithm::EdDsa, now).await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RemoteIssuer(Arc<Shared>);

/// It cannot be known whether the issuer has a key: its tokens are to be refused with 503, not 401.
#[derive(Clone, Debug, Error)]
#[error("the keys of `{issuer}` cannot be had{}", reason(.error.as_deref()))]
#[non_exhaustive]
pub struct KeysUnavailable {
    /// Whose they are.
    pub issuer: Box<str>,
    /// Why the last fetch brought nothing, if one has ended.
    pub error: Option<Arc<RemoteIssuerError>>,
}

fn reason(error: Option<&RemoteIssuerError>) -> String {
    error.map(|error| format!(": {error}")).unwrap_or_default()
}

struct Shared {
    issuer: Box<str>,
    source: Source,
    fetch: Arc<dyn FetchDocument>,
    settings: RemoteKeySettings,
    state: Mutex<State>,
    /// Changes when a fetch has ended.
    ended: watch::Sender<()>,
}

struct State {
    cache: Cache,
    /// Why the last fetch brought nothing.
    error: Option<Arc<RemoteIssuerError>>,
}

impl RemoteIssuer {
    /// The issuer of this name, which is an address: where its keys are, it says at
    /// `/.well-known/openid-configuration` (OpenID Connect Discovery §4) or `/.well-known/oauth-authorization-server`
    /// (RFC 8414 §3). Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// Says why nothing can be fetched from there.
    pub fn new(
        issuer: &str,
        fetch: Arc<dyn FetchDocument>,
        settings: RemoteKeySettings,
    ) -> Result<Self, DocumentUrlFault> {
        Ok(Self::from_source(issuer, Source::discovery(issuer)?, fetch, settings))
    }

    /// The issuer of this name, whose keys are at `url` (RFC 7517 §5). Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// Says why nothing can be fetched from there.
    pub fn with_keys_at(
        issuer: &str,
        url: &str,
        fetch: Arc<dyn FetchDocument>,
        settings: RemoteKeySettings,
    ) -> Result<Self, DocumentUrlFault> {
        Ok(Self::from_source(issuer, Source::Keys(DocumentUrl::parse(url)?), fetch, settings))
    }

    fn from_source(
        issuer: &str,
        source: Source,
        fetch: Arc<dyn FetchDocument>,
        settings: RemoteKeySettings,
    ) -> Self {
        let state = Mutex::new(State { cache: Cache::new(settings), error: None });
        let ended = watch::Sender::new(());
        Self(Arc::new(Shared { issuer: issuer.into(), source, fetch, settings, state, ended }))
    }

    /// Its name: the `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The key that the issuer has under this name, or `None`. Where several have it, the one for `algorithm`, which is
    /// what the token says it is signed with (RFC 7517 §4.5); where none is for that, any of them, which the token is
    /// refused by. A token without a `kid` has no key here.
    ///
    /// It waits only where a fetch is needed first.
    ///
    /// # Errors
    ///
    /// Says that the issuer cannot be asked now.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer.
    pub async fn key(
        &self,
        kid: &str,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Option<VerifyingKey>, KeysUnavailable> {
        self.find(|cache| cache.lookup(kid, algorithm, now)).await
    }

    /// The key that [`key`](Self::key) finds, where it is at hand.
    pub(super) fn known_key(&self, kid: &str, algorithm: Algorithm, now: Timestamp) -> Option<VerifyingKey> {
        self.0.state().cache.glance(kid, algorithm, now)
    }

    /// Fetches the keys, unless they are there: at a start, so that the first request need not wait, and to see whether
    /// the issuer can be reached. A service need not fail to start where it cannot: it will be asked again.
    ///
    /// # Errors
    ///
    /// Says why they cannot be had.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its timer.
    pub async fn load(&self, now: Timestamp) -> Result<(), KeysUnavailable> {
        self.find(|cache| cache.load(now)).await.map(|_| ())
    }

    async fn find<T>(
        &self,
        mut look: impl FnMut(&mut Cache) -> Lookup<T>,
    ) -> Result<Option<T>, KeysUnavailable> {
        for _ in 0..WAITS {
            let mut ended = {
                let mut state = self.0.state();
                match look(&mut state.cache) {
                    Lookup::Known { found, refresh } => {
                        drop(state);
                        if refresh {
                            self.start();
                        }
                        return Ok(Some(found));
                    }
                    Lookup::Unknown => return Ok(None),
                    Lookup::Unavailable => break,
                    Lookup::Wait { begin } => {
                        // Before the lock is given back, so that the end cannot be missed.
                        let ended = self.0.ended.subscribe();
                        drop(state);
                        if begin {
                            self.start();
                        }
                        ended
                    }
                }
            };
            // The sender lives as long as this does.
            let _ = ended.changed().await;
        }
        let error = self.0.state().error.clone();
        Err(KeysUnavailable { issuer: self.0.issuer.clone(), error })
    }

    /// Runs the fetch that has begun, in a task of its own: the request that needed it may go away.
    fn start(&self) {
        let running = Running { shared: Arc::clone(&self.0), has_ended: false };
        tokio::spawn(async move {
            let shared = &running.shared;
            let deadline = shared.settings.deadline;
            let outcome = match timeout(deadline, shared.source.keys(&shared.fetch)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(RemoteIssuerError::Slow(deadline)),
            };
            running.end(outcome);
        });
    }
}

/// A fetch that runs. However it ends, those who wait for it hear of it.
struct Running {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Running {
    fn end(mut self, outcome: Result<(JwkSet, Option<Duration>), RemoteIssuerError>) {
        match outcome {
            Ok((set, max_age)) => self.shared.succeed(&set, max_age),
            Err(error) => self.shared.fail(error),
        }
        self.has_ended = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.fail(RemoteIssuerError::BrokenOff);
        }
        self.shared.ended.send_replace(());
    }
}

impl Shared {
    /// Nothing is left half done under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeed(&self, set: &JwkSet, max_age: Option<Duration>) {
        let (keys, unused) = KeySet::new(set);
        self.log_keys(&keys, &unused);
        let mut state = self.state();
        state.error = None;
        state.cache.succeed(keys, max_age);
    }

    fn fail(&self, error: RemoteIssuerError) {
        tracing::warn!(target: ISSUER_TARGET, issuer = %self.issuer, %error, "an issuer's keys cannot be fetched");
        let mut state = self.state();
        state.error = Some(Arc::new(error));
        state.cache.fail();
    }

    fn log_keys(&self, keys: &KeySet, unused: &key_set::Unused) {
        let (issuer, keys) = (&*self.issuer, keys.len());
        let key_set::Unused { ambiguous, unnamed, useless } = unused;
        tracing::debug!(target: ISSUER_TARGET, issuer, keys, unnamed, useless, "an issuer's keys were fetched");
        if !ambiguous.is_empty() {
            tracing::warn!(
                target: ISSUER_TARGET,
                issuer,
                kids = ?ambiguous,
                "several keys of an issuer have one name and algorithm; none of these is used"
            );
        }
        if keys == 0 {
            tracing::warn!(target: ISSUER_TARGET, issuer, "an issuer has no keys that can be used");
        }
    }
}

impl fmt::Debug for RemoteIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteIssuer").field(&self.0.issuer).finish()
    }
}

#[cfg(test)]
mod tests;
