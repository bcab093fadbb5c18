//! The keys of tokens: our ring, kept in the policy's store and turned from here, and those of trusted issuers.

use std::sync::Arc;

use bartizan::{
    Answers, OsClock,
    jwt::{
        CaFault, FetchDocument, HttpsFetch, IssuerFault, KeyRing, KeyRingError, Refreshing, WithTokenKeys,
    },
};
use bartizan_core::{Clock as _, jwt::Issuers, keys::Keys};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::store::OpenStore;

/// Why tokens cannot be verified.
#[derive(Debug, Error)]
pub(crate) enum TokenKeysError {
    /// The ring.
    #[error("the key ring of [jwt] cannot be used: {0}")]
    Ring(#[from] KeyRingError),
    /// No store to keep it in: a fault of ours.
    #[error("[jwt] has no store to keep its keys in; name one in [store]")]
    NoStore,
    /// No TLS.
    #[error("the keys of other issuers cannot be fetched: {0}")]
    Fetch(#[from] CaFault),
    /// No certificate of an authority.
    #[error("jwt.trusted_issuer[{0}].ca: {1}")]
    Authority(usize, CaFault),
    /// An issuer.
    #[error("[[jwt.trusted_issuer]]: {0}")]
    Issuer(#[from] IssuerFault),
}

impl TokenKeysError {
    /// What to do about it, where it does not say so itself.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Ring(KeyRingError::Store(_)) => Some("does the store of [store] answer?".into()),
            Self::Ring(KeyRingError::Document(_)) => Some(
                "a newer Bartizan may have written it: update this one; else restore the store from its backup".into(),
            ),
            Self::Ring(KeyRingError::Seal(_)) => Some(
                "is `store.master_key` the one that the other nodes have? One that was replaced belongs in \
                 `store.previous_master_keys`"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// Who answers for tokens, and the task that keeps the ring fresh as long as this is held.
pub(super) struct TokenKeys {
    pub(super) answers: Arc<dyn Answers>,
    _refreshing: Refreshing,
}

/// Opens the ring of a deployment, or makes it, and begins to keep it fresh. No other issuer is asked yet; each will be by
/// a client that trusts its authorities, where `authorities` has any at its place.
pub(super) fn open(
    store: Option<&OpenStore>,
    issuers: &Issuers,
    authorities: &[Option<SecretString>],
    keys: Keys,
) -> Result<TokenKeys, TokenKeysError> {
    let open = store.ok_or(TokenKeysError::NoStore)?;
    let store = Arc::clone(open.store());
    let opening = KeyRing::open(Arc::clone(&store), keys, issuers.ring().clone(), OsClock.now());
    let ring = open.wait_for(opening)?;
    let refreshing = ring.refresh_on(open.runtime());
    let public: Arc<dyn FetchDocument> = Arc::new(HttpsFetch::new()?);
    let clients: Vec<Arc<dyn FetchDocument>> = issuers
        .trusted()
        .iter()
        .enumerate()
        .map(|(place, issuer)| match (issuer.ca(), authorities.get(place)) {
            (None, _) => Ok(Arc::clone(&public)),
            (Some(_), Some(Some(ca))) => HttpsFetch::with_ca(ca.expose_secret().as_bytes())
                .map(|own| Arc::new(own) as _)
                .map_err(|fault| TokenKeysError::Authority(place, fault)),
            // One whose authority was not read is not asked by those that browsers trust.
            (Some(_), _) => Err(TokenKeysError::Authority(place, CaFault::None)),
        })
        .collect::<Result<_, _>>()?;
    // In written order, as the issuers are.
    let mut clients = clients.into_iter();
    let fetch = |_: &_| clients.next().unwrap_or_else(|| Arc::clone(&public));
    let answers = WithTokenKeys::fetching_by(store as Arc<dyn Answers>, ring, issuers, fetch)?;
    Ok(TokenKeys { answers: Arc::new(answers), _refreshing: refreshing })
}
