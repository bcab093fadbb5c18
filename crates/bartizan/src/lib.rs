//! Bartizan inside a Rust application: one policy file secures a web API.
//!
//! [`BartizanLayer`] goes around an axum router, or any other tower service, and judges each request before the
//! handler sees it: hosts, origins, CORS, cross-site request forgery, WebSocket handshakes, requirements. Every
//! response, also a 404, a timeout or a panic, leaves with the policy's headers, and every refusal is a problem
//! document (RFC 9457) with a stable [code](DenialCode).
//!
//! The public interface is:
//!
//! - [`BartizanLayer`] (a [`Layer`]), and the [`Engine`] that it is built from, which a [`PolicyFile`] gives;
//! - [`Sessions`], [`Session`], [`Claims`], [`CsrfToken`], [`CspNonce`] and [`ClientIp`]: what a handler may ask for;
//! - [`Store`]: who answers for credentials; its [`Principal`] reaches the handler as an extension;
//! - [`DenialEvent`]: what the log says of a refusal;
//! - [`policy`]: what a person writes.
//!
//! The feature `axum` (on by default) gives [`BartizanLayer::new`](BartizanLayer) for axum's bodies, and the
//! extractors.

mod body;
mod claims;
mod connection;
mod csrf_token;
mod extract;
mod finished;
mod future;
mod headers;
mod judge;
#[cfg(feature = "jwt")]
pub mod jwt;
mod layer;
mod log;
mod login;
mod master_key;
mod policy_file;
mod session_error;
mod session_handle;
mod world;

#[cfg(not(feature = "jwt"))]
pub use bartizan_core::jwt;
pub use bartizan_core::{
    Answer, Decision, Denial, DenialCode, Deployment, Engine, Grant, PolicyError, Principal, Query, Reason,
    RequestId, Scheme, Warning, api_key, keys, limit, policy, session,
};
pub use bartizan_store::{Answers, BoxFuture, NoStore, Store, StoreError, WithLocalLimits};
#[cfg(feature = "axum")]
pub use body::AxumBodies;
pub use body::{AnyBodies, BodyTooLarge, BoxError, RequestBodies, RequestBody, ResponseBodies, ResponseBody};
pub use claims::{Claims, NoClaims};
pub use connection::{HeaderPairs, PeerAddr};
pub use csrf_token::{CsrfToken, NoCsrfToken};
pub use extract::{ClientIp, CspNonce, UnknownPeer};
pub use future::ResponseFuture;
pub use layer::{BartizanLayer, BartizanService};
pub use log::{DENIAL_TARGET, DenialEvent};
pub use master_key::MasterKeyError;
pub use policy_file::{Faults, PolicyFile, PolicyFileError};
pub use session_error::SessionError;
#[cfg(feature = "axum")]
pub use session_handle::Authenticated;
pub use session_handle::{OptionalSession, Session, Sessions};
pub use tower_layer::Layer;
pub use world::{OsClock, OsEntropy};

/// The pages whose Rust is compiled with this crate's tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/sessions.md")]
    struct Sessions;

    #[doc = include_str!("../../../docs/denials/handler.panic.md")]
    struct HandlerPanic;
}
