//! Bartizan's engine: policy in, request head in, decision out.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod cookie;
mod decision;
mod denial;
mod engine;
mod error;
pub mod headers;
pub mod policy;
mod request;
mod response;
mod spelling;
mod trace;

pub use decision::{
    Answer, Credential, Decision, Denial, Deployment, Form, Grant, Principal, Query, RequestId, Step, Warning,
};
pub use denial::{DenialCode, Reason};
pub use engine::{CookieEdit, Engine, Evaluation, RequestEdits, is_hop_by_hop, is_protected};
pub use error::{PolicyError, PolicyErrorKind};
pub use request::{Entropy, HeaderPair, RequestHead, Scheme, Timestamp};
pub use response::{HeaderId, HeaderSet, PreparedHeader, Reply, ResponseEdits, ResponseHead, ResponseHeader};
pub use trace::{NoTrace, Note, Recording, Trace, Verdict};
