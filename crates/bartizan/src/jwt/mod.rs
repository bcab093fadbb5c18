//! Signing and verifying tokens: the keys of [`bartizan_core::jwt`] with the system's cryptography behind them, and the
//! ring in which they turn.

mod access_token;
mod imported_key;
mod key_ring;
mod material;
mod remote_issuer;
mod sealing;
mod signing_key;
mod verifying_key;
mod with_token_keys;

pub use access_token::{AccessToken, IssuedToken};
pub use bartizan_core::jwt::*;
pub use imported_key::{ImportFault, ImportedKey};
pub use key_ring::{KeyRing, KeyRingError, Refreshing};
pub use remote_issuer::{
    CaFault, Document, DocumentUrl, DocumentUrlFault, FetchDocument, FetchError, HttpsFetch, ISSUER_TARGET,
    KeysUnavailable, RemoteIssuer, RemoteIssuerError, RemoteKeySettings,
};
pub use sealing::{SealError, seal, unseal};
pub use signing_key::{KeyFault, SigningKey};
pub use verifying_key::verifying_key;
pub use with_token_keys::{FetchFault, IssuerFault, MOST_TRIED, WithTokenKeys};
