//! Who answers for the keys of tokens: our ring, and the issuers that the policy trusts.

use std::sync::Arc;

use bartizan_core::{
    Answer, Query, Timestamp,
    jwt::{Algorithm, IssuerId, Issuers, KeySource, TrustedIssuer, VerifyingKey},
};
use bartizan_store::{Answers, BoxFuture};
use thiserror::Error;

use super::{DocumentUrlFault, FetchDocument, KeyRing, KeyRingError, RemoteIssuer, RemoteKeySettings};

/// How many keys are tried for a token that names none: each of them costs the server more than it costs whoever sends
/// the token.
pub const MOST_TRIED: usize = 4;

/// Answers [`Query::TokenKey`] and [`Query::PublicKeys`], and passes everything else on: to a store, which knows
/// [revoked](Query::Revocation) tokens and keys: a key that was revoked a moment ago verifies still where the ring was not
/// read since, and its tokens are refused all the same.
///
/// Our own keys are those of a [`KeyRing`]; somebody must [keep it fresh](KeyRing::refresh_on). The keys of each trusted
/// issuer are fetched when they are first needed. What cannot be known now is [`Answer::Unavailable`].
///
/// A token that names no key is verified with the keys that were [imported](super::ImportedKey::with_legacy_tokens) for
/// such, four of its algorithm at the most.
///
/// ```
/// use std::sync::Arc;
/// use bartizan::{Answer, Answers as _, Deployment, Query, jwt::{FetchDocument, HttpsFetch, KeyRing, WithTokenKeys}};
/// use bartizan_core::{Timestamp, keys::Keys, policy::{PolicyInput, load_and_build}};
/// use bartizan_store::{MemoryLimits, MemoryStore, Store};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let text = r#"
/// #     version = 1
/// #     [origin]
/// #     public = ["https://api.example.com"]
/// #     [jwt]
/// #     issuer = "https://api.example.com"
/// #     audience = "api"
/// #     [default]
/// #     require = "jwt"
/// # "#;
/// # let input = PolicyInput { text, ..PolicyInput::new("bartizan.toml") };
/// # let (engine, _) = load_and_build(&input, |_| Ok(Deployment::default())).unwrap();
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
/// let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
/// let issuers = engine.issuers().unwrap();
/// let now = Timestamp(1_800_000_000_000);
/// let ring = KeyRing::open(Arc::clone(&store), keys, issuers.ring().clone(), now).await?;
/// let fetch: Arc<dyn FetchDocument> = Arc::new(HttpsFetch::new()?);
/// let answers = WithTokenKeys::new(store, ring, issuers, &fetch)?;
///
/// let Answer::PublicKeys(published) = answers.answer(Query::PublicKeys { now }).await else { unreachable!() };
/// assert!(!published.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct WithTokenKeys<A> {
    inner: A,
    ring: KeyRing,
    trusted: Vec<RemoteIssuer>,
}

/// An issuer whose keys cannot be fetched, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the keys of the issuer `{issuer}` cannot be fetched: {fault}")]
pub struct IssuerFault {
    /// Whose.
    pub issuer: Box<str>,
    /// Why.
    pub fault: FetchFault,
}

/// Why an issuer's keys cannot be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FetchFault {
    /// They are where nothing is fetched from.
    #[error(transparent)]
    Url(#[from] DocumentUrlFault),
    /// One client for all issuers would trust others than the policy says.
    #[error(
        "the policy names the authorities that alone vouch for it (`ca`); give it a client of its own by \
         `WithTokenKeys::fetching_by`"
    )]
    Authorities,
}

impl<A: Answers> WithTokenKeys<A> {
    /// Around whoever answers everything else, for the issuers of one engine.
    ///
    /// # Errors
    ///
    /// Says which issuer's keys are where nothing is fetched from, or has [authorities of its own](TrustedIssuer::ca).
    pub fn new(
        inner: A,
        ring: KeyRing,
        issuers: &Issuers,
        fetch: &Arc<dyn FetchDocument>,
    ) -> Result<Self, IssuerFault> {
        if let Some(issuer) = issuers.trusted().iter().find(|issuer| issuer.ca().is_some()) {
            let issuer = issuer.rules().issuer.clone();
            return Err(IssuerFault { issuer, fault: FetchFault::Authorities });
        }
        Self::fetching_by(inner, ring, issuers, |_| Arc::clone(fetch))
    }

    /// The same with a client for each issuer: [one that trusts its own authorities](super::HttpsFetch::with_ca), where it
    /// [has any](TrustedIssuer::ca).
    ///
    /// # Errors
    ///
    /// Says which issuer's keys are where nothing is fetched from.
    pub fn fetching_by(
        inner: A,
        ring: KeyRing,
        issuers: &Issuers,
        mut fetch: impl FnMut(&TrustedIssuer) -> Arc<dyn FetchDocument>,
    ) -> Result<Self, IssuerFault> {
        let trusted = issuers.trusted().iter().map(|issuer| remote(issuer, fetch(issuer)));
        Ok(Self { inner, ring, trusted: trusted.collect::<Result<_, _>>()? })
    }

    /// The ring of our own keys.
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The issuers that are trusted besides us, in written order.
    pub fn trusted(&self) -> &[RemoteIssuer] {
        &self.trusted
    }

    /// The key, where it is at hand.
    fn known_key(
        &self,
        issuer: IssuerId,
        kid: &str,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Option<VerifyingKey> {
        match issuer.place() {
            Some(place) => self.trusted.get(place)?.known_key(kid, algorithm, now),
            None => self.ring.known_key(kid, now).ok().flatten(),
        }
    }

    async fn key(&self, issuer: IssuerId, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Answer {
        let Some(place) = issuer.place() else {
            let key = match kid {
                Some(kid) => self.ring.verifying_key(kid, now).await,
                None => self.ring.legacy_keys(algorithm, now).map(|keys| any_of(algorithm, keys)),
            };
            return key.map_or_else(|error| unavailable(&error), found);
        };
        match (self.trusted.get(place), kid) {
            // Why was logged by whoever fetched.
            (Some(issuer), Some(kid)) => {
                issuer.key(kid, algorithm, now).await.map_or(Answer::Unavailable, found)
            }
            (Some(_), None) => Answer::Unknown,
            // Of another engine than this was made for.
            (None, _) => Answer::Unavailable,
        }
    }
}

impl<A: Answers> Answers for WithTokenKeys<A> {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        match query {
            Query::TokenKey { issuer, kid, algorithm, now } => {
                Box::pin(async move { self.key(issuer, kid.as_deref(), algorithm, now).await })
            }
            Query::PublicKeys { now } => {
                let keys = self.ring.public_keys(now);
                let answer = keys.map_or_else(|error| unavailable(&error), Answer::PublicKeys);
                Box::pin(std::future::ready(answer))
            }
            other => self.inner.answer(other),
        }
    }

    fn try_answer(&self, query: Query) -> Result<Answer, Query> {
        match query {
            Query::TokenKey { issuer, kid: Some(kid), algorithm, now } => {
                match self.known_key(issuer, &kid, algorithm, now) {
                    Some(key) => Ok(Answer::TokenKey(key)),
                    None => Err(Query::TokenKey { issuer, kid: Some(kid), algorithm, now }),
                }
            }
            // Seldom.
            Query::TokenKey { .. } | Query::PublicKeys { .. } => Err(query),
            other => self.inner.try_answer(other),
        }
    }
}

fn remote(issuer: &TrustedIssuer, fetch: Arc<dyn FetchDocument>) -> Result<RemoteIssuer, IssuerFault> {
    let (name, settings) = (&*issuer.rules().issuer, RemoteKeySettings::default());
    let remote = match issuer.keys() {
        KeySource::JwkSet(url) => RemoteIssuer::with_keys_at(name, url, fetch, settings),
        KeySource::Metadata(_) => RemoteIssuer::new(name, fetch, settings),
    };
    remote.map_err(|fault| IssuerFault { issuer: name.into(), fault: fault.into() })
}

fn found(key: Option<VerifyingKey>) -> Answer {
    key.map_or(Answer::Unknown, Answer::TokenKey)
}

fn unavailable(error: &KeyRingError) -> Answer {
    tracing::error!(target: "bartizan::key_ring", %error, "the key ring cannot answer");
    Answer::Unavailable
}

/// One key that verifies what any of these does.
fn any_of(algorithm: Algorithm, mut keys: Vec<VerifyingKey>) -> Option<VerifyingKey> {
    if keys.len() > MOST_TRIED {
        tracing::warn!(
            target: "bartizan::key_ring",
            "more than {MOST_TRIED} imported keys of {algorithm} have tokens that name none; only the first are tried"
        );
        keys.truncate(MOST_TRIED);
    }
    match keys.len() {
        0 | 1 => keys.pop(),
        _ => Some(VerifyingKey::any_of(algorithm, keys)),
    }
}

#[cfg(test)]
mod tests;
