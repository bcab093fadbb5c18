//! What can be wrong with a policy that could be read: one error per fault, all of them together.

use alloc::string::String;
use core::fmt;

use thiserror::Error;

/// A fault in a policy: where it is, what was written there, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where: `cors.headers[2]`, `route[0].match`.
    pub path: String,
    /// What was written there, if it can be shown.
    pub value: Option<String>,
    /// What is wrong.
    pub kind: PolicyErrorKind,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// Nothing says where the API is reached.
    #[error("nothing says where this API is reached")]
    NoPublicOrigin,
}

impl PolicyErrorKind {
    /// The stable name of the fault.
    pub const fn code(&self) -> &'static str {
        "policy.no-public-origin"
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

impl core::error::Error for PolicyError {}
