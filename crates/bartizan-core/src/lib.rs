//! Bartizan's engine: policy in, request head in, decision out.
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod api_key;
mod controls;
pub mod cookie;
pub mod csrf_token;
mod decision;
mod denial;
mod engine;
mod error;
mod facts;
mod form;
mod forwarding;
pub mod headers;
pub mod jwt;
pub mod key_ring;
pub mod keys;
pub mod limit;
pub mod login;
mod origin;
mod path;
pub mod policy;
mod request;
mod response;
mod route;
pub mod session;
mod spelling;
mod trace;

pub use controls::session::BegunSession;
pub use decision::{
    Answer, CookieEdit, Decision, Denial, Deployment, Form, Grant, JWKS_PATH, Principal, Query, RequestId,
    Step, TokenDigest, Warning,
};
pub use denial::{DenialCode, Reason};
pub use engine::{Engine, Evaluation, Paused, RequestEdits, TokenIssuer, is_handoff};
pub use error::{PolicyError, PolicyErrorKind};
pub use forwarding::{is_hop_by_hop, is_protected, is_stripped};
pub use origin::OriginError;
pub use request::{Clock, Entropy, HeaderPair, RequestHead, Scheme, Timestamp};
pub use response::{HeaderId, HeaderSet, PreparedHeader, Reply, ResponseEdits, ResponseHead, ResponseHeader};
pub use route::PatternError;
pub use trace::{NoTrace, Note, Recording, Trace, Verdict};
