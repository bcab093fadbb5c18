//! Each account's own folder of files, below the data folder.

use std::{
    fs::{DirBuilder, File},
    io,
    path::{Path, PathBuf},
};

use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
use http::StatusCode;
use tokio::task::spawn_blocking;

use crate::problem::Problem;

/// The longest file.
pub(crate) const LONGEST: u64 = 10 * 1024 * 1024;

/// Where the folders are.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// Below the data folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Self(folder.join("files"))
    }

    /// Works with the folder of an account, on a thread that may wait for the disk. What was begun is done, also where
    /// the client goes away.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        account: i64,
        work: impl FnOnce(&ConfinedDir) -> Result<T, PathError> + Send + 'static,
    ) -> Result<T, Problem> {
        // A number, and so no path of anybody's choice.
        let path = self.0.join(account.to_string());
        let done = spawn_blocking(move || work(&open(&path)?));
        done.await.map_err(|error| Problem::internal(&error))?.map_err(problem)
    }
}

/// A folder, and those above it where they are not there, for their owner alone.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The folder of an account, which is made where it is not there.
fn open(path: &Path) -> Result<ConfinedDir, PathError> {
    match ConfinedDir::open(path) {
        Err(PathError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            // Or what is acknowledged in it would survive a crash, and it would not.
            for above in path.ancestors().skip(1).take(2) {
                File::open(above)?.sync_all()?;
            }
            ConfinedDir::open(path)
        }
        opened => opened,
    }
}

/// The name of a file, as a client says it.
pub(crate) fn name(text: &str) -> Result<FileName, Problem> {
    FileName::parse(text).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "file.name", format!("No file has this name: {error}."))
    })
}

fn problem(error: PathError) -> Problem {
    match error {
        PathError::NotFound { .. } | PathError::NotAFile { .. } => {
            Problem::not_found("There is no such file.")
        }
        PathError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "file.too-large", "The file is too large.")
        }
        PathError::Full => Problem::full(),
        error => Problem::internal(&error),
    }
}
