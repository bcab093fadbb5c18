//! Each account's own folder of files, below the data folder.

use std::{
    fs::{DirBuilder, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use axum::body::Body;
use bartizan_sinks::path::{ConfinedDir, FileName, NewFile, PathError};
use http::StatusCode;
use http_body_util::{BodyExt as _, channel::Channel};
use tokio::task::spawn_blocking;

use crate::problem::Problem;

/// The longest file.
pub(crate) const LONGEST: u64 = 10 * 1024 * 1024;

/// How much of a file is in memory at a time, for each that is given out: its reader may take hours.
const PIECE: usize = 64 * 1024;

/// Where the folders are.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

/// A file that was kept.
pub(crate) struct Kept {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Whether there was none of its name when it began to arrive.
    pub(crate) is_new: bool,
}

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
        blocking(move || work(&open(&path)?)).await
    }

    /// Keeps what a client sends under this name, piece by piece. Once this has returned, it survives a crash; until then,
    /// and where the disk is full, the file before is there.
    pub(crate) async fn keep(&self, account: i64, name: FileName, mut body: Body) -> Result<Kept, Problem> {
        let begun = self.with(account, move |folder| {
            let is_new = matches!(folder.open_file(&name), Err(PathError::NotFound { .. }));
            Ok((folder.create(&name, LONGEST)?, is_new))
        });
        let (mut writing, is_new) = match begun.await {
            Ok((file, is_new)) => (Ok(file), is_new),
            Err(problem) => (Err(problem), false),
        };
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            // The layer bounds it by the policy's `max_body`, and answers with 413 whatever is made of the error here.
            let frame = frame.map_err(|_| Problem::malformed("The file did not arrive whole."))?;
            let Ok(piece) = frame.into_data() else { continue };
            length += piece.len() as u64;
            // What cannot be kept is read to its end all the same: a client that is sending reads no answer.
            if let Ok(file) = writing {
                writing = write(file, piece).await;
            }
        }
        let file = writing?;
        blocking(move || file.commit()).await?;
        Ok(Kept { length, is_new })
    }
}

async fn write(mut file: NewFile, piece: bytes::Bytes) -> Result<NewFile, Problem> {
    blocking(move || file.write(&piece).map(|()| file)).await
}

/// What a file holds, read as fast as whoever it is for takes it.
pub(crate) fn body(mut file: File) -> Body {
    let (mut sender, body) = Channel::<bytes::Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        loop {
            let read = spawn_blocking(move || {
                let mut piece = Vec::with_capacity(PIECE);
                file.by_ref().take(PIECE as u64).read_to_end(&mut piece).map(|_| (file, piece))
            });
            match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok((_, piece)) if piece.is_empty() => return,
                Ok((rest, piece)) => match sender.send_data(piece.into()).await {
                    Ok(()) => file = rest,
                    // Nobody takes it any more.
                    Err(_) => return,
                },
                Err(error) => return sender.abort(error),
            }
        }
    });
    Body::new(body)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PathError> + Send + 'static,
) -> Result<T, Problem> {
    spawn_blocking(work).await.map_err(|error| Problem::internal(&error))?.map_err(problem)
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
