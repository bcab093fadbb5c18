//! A file that appears whole or not at all.
//!
//! It is written under a temporary name, flushed, renamed, and the folder is flushed: only then is the new entry on the
//! disk. The temporary name is one that no [`FileName`] can be. Its writer holds a lock on it for as long as it lives,
//! so that whoever opens the folder later can tell what a crash left behind from what is being written.

use super::{
    FileName, PathError,
    confined_dir::{Handles, reading},
};
use cap_std::fs::OpenOptions;
use std::{
    fs::{File, TryLockError},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Write as _},
    sync::Arc,
};

/// How a temporary name begins. A [`FileName`] does not begin with a dot.
const TEMPORARY: &str = ".bartizan-";

/// A file that is being written, made by [`ConfinedDir::create`](super::ConfinedDir::create).
///
/// Dropped before [`commit`](Self::commit), it leaves nothing behind.
///
/// ```
/// # use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let uploads = ConfinedDir::open(folder.path())?;
/// let mut file = uploads.create(&FileName::parse("a.txt")?, 10)?;
/// file.write(b"12345678")?;
/// assert!(matches!(file.write(b"9ab"), Err(PathError::TooLarge { limit: 10, .. })));
/// drop(file);
/// assert!(uploads.list(100)?.entries.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it removes what was written: `commit` makes the file"]
pub struct NewFile {
    folder: Arc<Handles>,
    name: FileName,
    temporary: Temporary,
    written: u64,
    limit: u64,
}

/// The temporary file, which is removed when this is dropped.
#[derive(Debug)]
struct Temporary {
    folder: Arc<Handles>,
    name: String,
    file: File,
    /// Whether the temporary name is still there.
    is_there: bool,
}

impl NewFile {
    pub(super) fn begin(folder: Arc<Handles>, name: FileName, limit: u64) -> Result<Self, PathError> {
        let temporary = Temporary::begin(&folder)?;
        Ok(Self { folder, name, temporary, written: 0, limit })
    }

    /// Appends some bytes.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let uploads = ConfinedDir::open(folder.path())?;
    /// let mut file = uploads.create(&FileName::parse("a.txt")?, 1_000)?;
    /// for chunk in [&b"one"[..], b"two"] {
    ///     file.write(chunk)?;
    /// }
    /// file.commit()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), PathError> {
        let written = self.written.saturating_add(chunk.len() as u64);
        if written > self.limit {
            return Err(PathError::TooLarge { name: self.name.clone(), limit: self.limit });
        }
        self.temporary.file.write_all(chunk)?;
        self.written = written;
        Ok(())
    }

    /// Puts the file in place, instead of one of the same name. Once this has returned, it survives a crash.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let uploads = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// uploads.create(&name, 1_000)?.commit()?;
    /// assert_eq!(uploads.read(&name, 1_000)?, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit(mut self) -> Result<(), PathError> {
        // The contents before the name. No test sees the order: it takes a machine that loses its power.
        self.temporary.file.sync_all()?;
        let dir = &self.folder.dir;
        dir.rename(&self.temporary.name, dir, self.name.as_str())
            .map_err(|error| PathError::of(&self.name, error))?;
        self.temporary.is_there = false;
        self.folder.flush.sync_all()?;
        Ok(())
    }

    /// Puts the file in place, unless there is one of the same name. Of two writers, one is told
    /// [`Exists`](PathError::Exists).
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let uploads = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// uploads.write(&name, b"first")?;
    /// assert!(matches!(uploads.create(&name, 1_000)?.commit_new(), Err(PathError::Exists { .. })));
    /// assert_eq!(uploads.read(&name, 1_000)?, b"first");
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit_new(self) -> Result<(), PathError> {
        self.temporary.file.sync_all()?;
        let dir = &self.folder.dir;
        // A second link fails where there is a name already; a rename would replace it. The first goes with `self`.
        dir.hard_link(&self.temporary.name, dir, self.name.as_str())
            .map_err(|error| PathError::of(&self.name, error))?;
        let folder = Arc::clone(&self.folder);
        drop(self);
        folder.flush.sync_all()?;
        Ok(())
    }
}

impl Temporary {
    fn begin(folder: &Arc<Handles>) -> Result<Self, PathError> {
        loop {
            // The name has to be new, not secret: `create_new` refuses what is there, a symlink too.
            let name = format!("{TEMPORARY}{:016x}", RandomState::new().build_hasher().finish());
            let file = match folder.dir.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => file.into_std(),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error.into()),
            };
            let temporary = Self { folder: Arc::clone(folder), name, file, is_there: true };
            // Between the two calls somebody who opens the folder may take the file for a leftover: then once more.
            if lock(&temporary.file)? && is_linked(&temporary.file)? {
                return Ok(temporary);
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_there {
            // Nobody is there to be told; `remove_leftovers` comes by again.
            let _ = self.folder.dir.remove_file(&self.name);
        }
    }
}

/// Removes the temporary files that have no writer any more.
pub(super) fn remove_leftovers(folder: &Handles) -> Result<(), PathError> {
    for entry in folder.dir.entries()? {
        let entry = entry?;
        let is_temporary = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY));
        if is_temporary && entry.file_type()?.is_file() {
            // Another process may have removed it already, or just renamed it.
            let Ok(file) = folder.dir.open_with(entry.file_name(), &reading()) else { continue };
            if lock(&file.into_std())? {
                let _ = entry.remove_file();
            }
        }
    }
    Ok(())
}

/// Whether the lock is ours now.
fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the file still has a name.
fn is_linked(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fstat(file)?.st_nlink > 0)
}
