//! The controls, one file each: what runs, compiled from what is written, and a plain function that decides.
//!
//! [`crate::Evaluation`] asks them in the order of this list. Adding a control is: its file, its row here, its
//! call there, its denial codes in `denial.rs`.

pub(crate) mod cors;
pub(crate) mod csrf;
pub(crate) mod firewall;
pub(crate) mod framing;
pub(crate) mod host;
pub(crate) mod https;
pub(crate) mod isolation;
pub(crate) mod rate_limit;
pub(crate) mod requirement;
pub(crate) mod session;
pub(crate) mod websocket;

use crate::DenialCode;

/// What a control found: the same value feeds the decision, `explain` and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding<'r> {
    /// It does not concern this request.
    Skip(&'static str),
    /// It has nothing against it.
    Pass(&'static str),
    /// It refuses.
    Refuse {
        /// The code.
        code: DenialCode,
        /// What was at fault; empty where that is the absence of something.
        value: &'r [u8],
        /// Why, in a sentence.
        why: &'static str,
    },
}

impl<'r> Finding<'r> {
    pub(crate) const fn refuse(code: DenialCode, value: &'r [u8], why: &'static str) -> Self {
        Self::Refuse { code, value, why }
    }
}

#[cfg(test)]
impl Finding<'_> {
    /// The code of a refusal, for tables of tests.
    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Finding::Refuse { code, .. } => Some(code.as_str()),
            _ => None,
        }
    }
}
