//! A policy as it is sent: finished, or with places for the nonce.

use alloc::{boxed::Box, string::String, vec::Vec};

/// A rendered policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CspText {
    /// The same in every response.
    Finished(Box<str>),
    /// Each response puts its nonce in.
    Template(CspTemplate),
}

/// A policy with places for the nonce.
///
/// ```
/// use bartizan_core::headers::csp::{Csp, CspText};
/// let CspText::Template(template) = Csp::preset_page().render() else { panic!("pages have a nonce") };
/// let value = template.fill("bm9uY2Utb2YtMTI4LWJpdA");
/// assert!(value.starts_with(b"default-src 'none'; script-src 'self' 'nonce-bm9uY2Utb2YtMTI4LWJpdA'; "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CspTemplate {
    /// What stands before the first nonce.
    before: Box<str>,
    /// What stands after each nonce; at least one.
    after: Box<[Box<str>]>,
}

impl CspTemplate {
    /// The value with `nonce` in all its places: one allocation.
    ///
    /// `nonce` is base64 or base64url, as the engine makes it (CSP3 §2.3.1, base64-value).
    pub fn fill(&self, nonce: &str) -> Box<[u8]> {
        let mut value = Vec::with_capacity(self.length_with(nonce));
        value.extend_from_slice(self.before.as_bytes());
        for part in &self.after {
            value.extend_from_slice(nonce.as_bytes());
            value.extend_from_slice(part.as_bytes());
        }
        value.into_boxed_slice()
    }

    pub(super) fn length_with(&self, nonce: &str) -> usize {
        self.before.len() + self.after.iter().map(|part| nonce.len() + part.len()).sum::<usize>()
    }
}

/// Collects a policy's text, cut where nonces go.
#[derive(Default)]
pub(super) struct Draft {
    done: Vec<Box<str>>,
    current: String,
}

impl Draft {
    pub(super) fn push(&mut self, text: &str) {
        self.current.push_str(text);
    }

    pub(super) fn push_nonce(&mut self) {
        self.current.push_str("'nonce-");
        self.done.push(core::mem::take(&mut self.current).into());
        self.current.push('\'');
    }

    pub(super) fn finish(self) -> CspText {
        let mut parts = self.done.into_iter();
        match parts.next() {
            None => CspText::Finished(self.current.into()),
            Some(before) => {
                let after = parts.chain([self.current.into()]).collect();
                CspText::Template(CspTemplate { before, after })
            }
        }
    }
}
