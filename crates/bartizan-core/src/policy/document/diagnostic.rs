//! What is said about a policy that cannot be used, and where its values come from.

use alloc::{
    borrow::ToOwned as _,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, ops::Range};

use thiserror::Error;

use crate::spelling::nearest;

use super::{
    MAX_BYTES,
    lines::Lines,
    tree::{Node, Origin, Path, Source},
};

/// One fault of a policy: what, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The stable name of the fault: `policy.unknown-key`.
    pub code: &'static str,
    /// Where in the policy: `cors.headers[2]`. Empty for the policy as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was written there, where it helps; never a secret.
    pub value: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the file. `None` for what is not in the file.
    pub location: Option<Location>,
    /// Where the value came from.
    pub source: Provenance,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { line, column, .. }) = self.location {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl core::error::Error for Diagnostic {}

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes, from the beginning of the file.
    pub offset: usize,
    /// In bytes.
    pub len: usize,
}

/// Where a value of the policy came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// The file.
    File {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// In bytes.
        span: Range<usize>,
    },
    /// The overlay `[profile.NAME]` of the file.
    Profile {
        /// `NAME`.
        name: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// An override.
    Override {
        /// `BARTIZAN__CORS__MAX_AGE`.
        variable: String,
    },
    /// A `${env:NAME}` in the file.
    Environment {
        /// `NAME`; several, where the string names several.
        variable: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// Nothing is written: the default holds.
    Default,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column, .. } => write!(f, "line {line}, column {column}"),
            Self::Profile { name, line, .. } => write!(f, "profile {name}, line {line}"),
            Self::Override { variable } => f.write_str(variable),
            Self::Environment { variable, line, .. } => write!(f, "${{env:{variable}}}, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What can be wrong before a policy is a [`Policy`](crate::policy::Policy).
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("this policy is {0} bytes long, and more than {MAX_BYTES} are not read")]
    TooLarge(usize),
    #[error("this nests too deeply for a policy")]
    TooDeep,
    #[error("{0}")]
    Syntax(String),
    #[error("unknown key `{key}`")]
    UnknownKey { key: String, known: &'static [&'static str] },
    #[error("the key `{0}` is missing")]
    MissingKey(&'static str),
    #[error("expected {expected}, found {found}")]
    WrongType { expected: String, found: &'static str },
    #[error("expected {expected}, found a number outside of that")]
    OutOfRange { expected: String },
    #[error("unknown word `{word}`")]
    UnknownWord { word: String, known: &'static [&'static str] },
    #[error("{0}")]
    Invalid(String),
    #[error("there is no profile `{name}`")]
    UnknownProfile { name: String, known: Vec<String> },
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    #[error("`{0}` is not a reference that can be read here")]
    BadReference(String),
    #[error("with its references replaced this policy is longer than {MAX_BYTES} bytes")]
    TooLongExpanded,
    #[error("`{0}` does not name a key of the policy")]
    BadOverrideName(String),
    #[error("`{path}` has no element {index}")]
    NoSuchElement { path: String, index: String },
    #[error("`{path}` is {found}: there is nothing below it to override")]
    NotBelow { path: String, found: &'static str },
    #[error("the value of `{variable}` is not TOML: {message}")]
    BadOverrideValue { variable: String, message: String },
    #[error("there are more faults than these {0}; they are shown when these are gone")]
    TooMany(usize),
}

impl Fault {
    /// The stable name of the fault.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::TooLongExpanded => "policy.too-large",
            Self::TooDeep => "policy.too-deep",
            Self::Syntax(_) => "policy.syntax",
            Self::UnknownKey { .. } => "policy.unknown-key",
            Self::MissingKey(_) => "policy.missing-key",
            Self::WrongType { .. } => "policy.wrong-type",
            Self::OutOfRange { .. } => "policy.out-of-range",
            Self::UnknownWord { .. } => "policy.unknown-word",
            Self::Invalid(_) => "policy.invalid-value",
            Self::UnknownProfile { .. } => "policy.unknown-profile",
            Self::Unset(_) => "policy.unset-variable",
            Self::BadReference(_) => "policy.bad-reference",
            Self::BadOverrideName(_)
            | Self::NoSuchElement { .. }
            | Self::NotBelow { .. }
            | Self::BadOverrideValue { .. } => "policy.bad-override",
            Self::TooMany(_) => "policy.too-many-faults",
        }
    }

    /// The known key or word that was probably meant.
    pub(super) fn meant(&self) -> Option<&'static str> {
        match self {
            Self::UnknownKey { key: written, known } | Self::UnknownWord { word: written, known } => {
                near(written, known.iter().copied())
            }
            _ => None,
        }
    }

    fn hint(&self, node: Option<&Node>) -> Option<String> {
        let known = match self {
            Self::UnknownKey { known: [], .. } => "an overlay has none of its own".to_owned(),
            Self::UnknownKey { known, .. } => format!("known keys: {}", listed(known)),
            Self::UnknownWord { known, .. } => format!("known words: {}", listed(known)),
            Self::UnknownProfile { known, .. } if known.is_empty() => {
                "this policy has no `[profile.NAME]`".to_owned()
            }
            Self::UnknownProfile { known, .. } => {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                format!("known profiles: {}", listed(&known))
            }
            Self::MissingKey("version") => "write `version = 1` at the top".to_owned(),
            Self::WrongType { expected, found: "a string" } if expected == "an array" => {
                let shown = node.filter(|node| !node.hidden)?.shown_as_toml()?;
                format!("write `[{}]`", clipped(&shown))
            }
            Self::Unset(name) => format!("set it, or give a default: `${{env:{name}:-default}}`"),
            Self::BadReference(_) => {
                "write `${env:NAME}` or `${env:NAME:-default}`; a `${` that means itself is written `$${`"
                    .to_owned()
            }
            Self::BadOverrideName(_) => {
                "write the keys after `BARTIZAN`, each after `__`: `BARTIZAN__CORS__MAX_AGE`".to_owned()
            }
            Self::NoSuchElement { .. } => "an override can change an element, not add one".to_owned(),
            _ => return None,
        };
        let meant = match self {
            Self::UnknownProfile { name, known } => near(name, known.iter().map(String::as_str)),
            _ => self.meant(),
        };
        Some(match meant {
            Some(word) => format!("did you mean `{word}`? {known}"),
            None => known,
        })
    }

    /// Says it of `node`, or of the place `at`.
    pub(super) fn at(&self, lines: &Lines, path: &Path, at: &Origin, node: Option<&Node>) -> Diagnostic {
        let value = match self {
            Self::UnknownKey { key, .. } => Some(key.clone()),
            // Where a table belongs stands a value that nothing is known of: it may be a secret.
            Self::WrongType { .. }
            | Self::OutOfRange { .. }
            | Self::UnknownWord { .. }
            | Self::Invalid(_) => node.and_then(Node::shown),
            Self::UnknownProfile { name, .. } => Some(name.clone()),
            _ => None,
        };
        let mut message = self.to_string();
        if !matches!(self, Self::BadOverrideName(_) | Self::BadOverrideValue { .. }) {
            message.push_str(&note(&at.source));
        }
        Diagnostic {
            code: self.code(),
            path: path.to_string(),
            message: clipped(&message),
            value: value.as_deref().map(clipped),
            hint: self.hint(node),
            location: at.span.as_ref().map(|span| lines.locate(span)),
            source: provenance(at, lines),
        }
    }
}

/// The nearest word. Between words of one letter nothing is near.
fn near<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest(written, known).filter(|meant| meant.len() > 1)
}

/// `` `a`, `b`, `c` ``
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A text that fits a terminal: not long, and without characters that steer it.
pub(super) fn clipped(text: &str) -> String {
    let mut clipped: String = text
        .chars()
        .take(MAX_SHOWN)
        .flat_map(|c| {
            let (plain, escaped) =
                if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        clipped.push('…');
    }
    clipped
}

const MAX_SHOWN: usize = 400;

/// What a message adds where the file does not show the value.
pub(super) fn note(source: &Source) -> String {
    match source {
        Source::Override(variable) => format!(" (set by {variable})"),
        Source::Environment(variable) => format!(" (from the environment variable {variable})"),
        _ => String::new(),
    }
}

/// Where `origin` is, for people.
pub(super) fn provenance(origin: &Origin, lines: &Lines) -> Provenance {
    let span = origin.span.clone().unwrap_or(0..0);
    let Location { line, column, .. } = lines.locate(&span);
    match &origin.source {
        Source::File => Provenance::File { line, column, span },
        Source::Profile(name) => Provenance::Profile { name: name.to_string(), line, column },
        Source::Override(variable) => Provenance::Override { variable: variable.to_string() },
        Source::Environment(variable) => {
            Provenance::Environment { variable: variable.to_string(), line, column }
        }
        Source::Default => Provenance::Default,
    }
}
