//! What a folder can answer instead of doing it.

use super::FileName;
use std::io;

/// Why a [`ConfinedDir`](super::ConfinedDir) did not do what it was asked.
///
/// ```
/// use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let uploads = ConfinedDir::open(folder.path())?;
/// let status = match uploads.read(&FileName::parse("missing.txt")?, 1_000) {
///     Ok(_) => 200,
///     Err(PathError::NotFound { .. }) => 404,
///     Err(PathError::TooLarge { .. }) => 413,
///     Err(PathError::Full) => 507,
///     Err(_) => 500,
/// };
/// assert_eq!(status, 404);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is no file of that name.
    #[error("there is no file {name:?}")]
    NotFound {
        /// The name that was asked for.
        name: FileName,
    },
    /// There is a file of that name already, and it was to be a new one.
    #[error("there is a file {name:?} already: choose another name, or replace it")]
    Exists {
        /// The name that was asked for.
        name: FileName,
    },
    /// The name is that of a folder, a symlink, a pipe or a device. None of these is followed or opened.
    #[error("{name:?} is not a file: only regular files are opened, and symlinks are not followed")]
    NotAFile {
        /// The name that was asked for.
        name: FileName,
    },
    /// The file is larger than the caller allows.
    #[error("{name:?} is larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// The name that was asked for.
        name: FileName,
        /// The most that was allowed, in bytes.
        limit: u64,
    },
    /// The disk is full, or the quota is used up (`ENOSPC`, `EDQUOT`). What was there before is still there.
    #[error("the disk is full, or its quota is used up: free some space; the files that were there are kept")]
    Full,
    /// Anything else that the operating system reports.
    #[error("the folder cannot be used: {0}")]
    Io(#[source] io::Error),
}

impl PathError {
    /// What an error of the system means for the file of this name.
    pub(super) fn of(name: &FileName, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { name: name.clone() },
            io::ErrorKind::AlreadyExists => Self::Exists { name: name.clone() },
            // A symlink is `ELOOP` to an open that does not follow; a socket is `ENXIO`; `EISDIR` removes no folder.
            io::ErrorKind::IsADirectory => Self::NotAFile { name: name.clone() },
            _ if is_no_file(&error) => Self::NotAFile { name: name.clone() },
            _ => error.into(),
        }
    }
}

impl From<io::Error> for PathError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// `ELOOP` and `ENXIO` have no stable kind of their own.
fn is_no_file(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(number, Some(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO))
}
