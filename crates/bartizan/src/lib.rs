//! Bartizan inside a Rust application.

mod store;
mod world;

pub use bartizan_core::{
    Answer, Credential, Decision, Denial, DenialCode, Deployment, Engine, Grant, PolicyError, Principal,
    Query, Reason, RequestId, Scheme, Warning, policy,
};
pub use store::{BoxFuture, NoStore, Store};
pub use world::{OsEntropy, now};
