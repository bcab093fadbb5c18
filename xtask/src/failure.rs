//! Why a command of ours failed.

use std::{io, path::Path, process::ExitStatus};

use thiserror::Error;

/// Why a command failed, as it is printed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A file or a process could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error, which it has printed itself.
    #[error("`{command}` failed ({status})")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Something was read that is not what it should be.
    #[error("{what}: {source}")]
    Json {
        /// What was being read.
        what: String,
        /// Where it went wrong.
        source: serde_json::Error,
    },
    /// What was checked does not hold; the sentence says what to do.
    #[error("{0}")]
    Unmet(String),
}

impl Failure {
    /// A failure to do `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A failure to use the file at `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        Self::io(path.display().to_string())
    }
}
