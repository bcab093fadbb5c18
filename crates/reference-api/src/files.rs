//! Each account's own folder of files, below the data folder.

use std::{
    fs,
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
        let done = spawn_blocking(move || {
            fs::create_dir_all(&path)?;
            work(&ConfinedDir::open(&path)?)
        });
        done.await.map_err(|error| Problem::internal(&error))?.map_err(problem)
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
