//! What is wrong with a policy: all of it at once.

use std::fmt;

use super::Limits;

/// One thing for which a policy cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// An element that is never safe.
    #[error("<{tag}> cannot be allowed: {why}; leave it out")]
    ForbiddenTag {
        /// As it was written.
        tag: String,
        /// What it would do.
        why: &'static str,
    },
    /// An element that is on no list.
    #[error(
        "<{tag}> cannot be allowed: it is no element that is known to be harmless; leave it out, or check its spelling (lower case)"
    )]
    UnknownTag {
        /// As it was written.
        tag: String,
    },
    /// An attribute that is never safe.
    #[error("the attribute `{attribute}` cannot be allowed: {why}; leave it out")]
    ForbiddenAttribute {
        /// As it was written.
        attribute: String,
        /// What it would do.
        why: &'static str,
    },
    /// An attribute that is on no list.
    #[error(
        "the attribute `{attribute}` cannot be allowed: it is none that is known to be harmless; leave it out, or check its spelling (lower case)"
    )]
    UnknownAttribute {
        /// As it was written.
        attribute: String,
    },
    /// Names that the writer of the text chooses can replace what the page's scripts look up (DOM clobbering).
    #[error(
        "the attribute `{attribute}` cannot be allowed without a prefix: `{attribute}=\"currentUser\"` would replace what your scripts look up; set one with `id_prefix`"
    )]
    NameWithoutPrefix {
        /// `id` or `name`.
        attribute: String,
    },
    /// A prefix for names that is none.
    #[error(
        "`{prefix}` is no prefix for names: begin with a letter, go on with letters, digits, `-` and `_`, and end with `-` or `_`, such as `user-`"
    )]
    MalformedPrefix {
        /// As it was written.
        prefix: String,
    },
    /// A scheme that is never safe.
    #[error(
        "URLs of the scheme `{scheme}` cannot be allowed: they run code or read what only this browser can; leave it out"
    )]
    ForbiddenScheme {
        /// As it was written.
        scheme: String,
    },
    /// No scheme of RFC 3986 §3.1.
    #[error("`{scheme}` is no scheme: write it in lower case and without the colon, such as `https`")]
    MalformedScheme {
        /// As it was written.
        scheme: String,
    },
    /// A class name that is none.
    #[error("`{class}` is no class name: it must not be empty or contain white space")]
    MalformedClass {
        /// As it was written.
        class: String,
    },
    /// Limits out of their range.
    #[error("the limits {limits:?} are out of range: each is at least 1, and the depth at most {most_depth}")]
    Limits {
        /// As they were set.
        limits: Limits,
        /// The most that `depth` may be.
        most_depth: usize,
    },
}

/// All for which a policy cannot be built, in the order in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFaults(pub(super) Vec<PolicyFault>);

impl PolicyFaults {
    /// The faults; there is at least one.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, PolicyFault};
    ///
    /// let faults = Policy::builder().tag("script", ["onload"]).schemes(["javascript"]).build().unwrap_err();
    /// assert_eq!(faults.all().len(), 3);
    /// assert!(matches!(&faults.all()[0], PolicyFault::ForbiddenTag { tag, .. } if tag == "script"));
    /// ```
    pub fn all(&self) -> &[PolicyFault] {
        &self.0
    }
}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyFaults {}
