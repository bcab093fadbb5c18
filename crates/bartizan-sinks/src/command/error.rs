//! How a program may fail.

use super::Output;
use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// A program was named by something else than an absolute path.
///
/// ```
/// # use bartizan_sinks::command::Command;
/// let refused = Command::new("ping").unwrap_err();
/// assert_eq!(refused.to_string(), "\"ping\" is no absolute path: write it as /usr/bin/…");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program:?} is no absolute path: write it as /usr/bin/…")]
pub struct NotAbsolute {
    /// What was named.
    pub program: PathBuf,
}

/// Why a program gave no answer.
///
/// ```
/// use bartizan_sinks::command::{Command, CommandError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let status = match Command::new("/usr/bin/no-such-ping")?.run().await {
///     Ok(_) => 200,
///     Err(CommandError::NotFound { .. }) => 501,
///     Err(CommandError::TimedOut { .. }) => 504,
///     Err(_) => 502,
/// };
/// assert_eq!(status, 501);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such program, or no such working directory.
    #[error("there is no program {program:?}, or no folder to run it in: install it, or name another path")]
    NotFound {
        /// The program's path.
        program: PathBuf,
    },
    /// It could not be started.
    #[error("{program:?} cannot be started: {source}")]
    NotStarted {
        /// The program's path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("the program was killed: it had not ended after {} ms", after.as_millis())]
    TimedOut {
        /// How long it could run.
        after: Duration,
    },
    /// It wrote too much and was killed.
    #[error("the program was killed: it wrote more than {limit} bytes")]
    Flooded {
        /// How much it could write, in bytes.
        limit: usize,
    },
    /// It ended with a status of failure, or by a signal.
    #[error("the program failed: {status}")]
    Failed {
        /// Its status.
        status: ExitStatus,
        /// What it had written.
        output: Output,
    },
    /// Its output or its end could not be read.
    #[error("the program's output cannot be read: {0}")]
    Io(#[source] io::Error),
}

impl CommandError {
    pub(super) fn of_start(program: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { program },
            _ => Self::NotStarted { program, source },
        }
    }
}
