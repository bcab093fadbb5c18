//! A folder that is held open, and whose files cannot be anywhere else.

use super::{FileName, NewFile, PathError, new_file};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::OFlags;
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

/// A folder of regular files, opened once.
///
/// Every operation is done by the operating system relative to the open folder, with a [`FileName`] that has no
/// separator: there is no path to compare, and nothing between a check and its use. Symlinks are not followed, whoever
/// put them there; pipes and devices are not opened. If the folder's path later becomes another folder or a symlink,
/// the files are still those of the one that was opened.
///
/// It does not see who owns a file: each person's files need a folder of their own, or a table of whose they are.
/// Whoever can make hard links in the folder can put any file of the same disk there; clients cannot.
///
/// Cloning is cheap, and a clone is the same folder.
///
/// ```
/// use bartizan_sinks::path::{ConfinedDir, FileName};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let notes = ConfinedDir::open(folder.path())?;
/// notes.write(&FileName::parse("today.txt")?, b"water the plants")?;
/// assert_eq!(notes.list(100)?.entries[0].name.as_str(), "today.txt");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConfinedDir(Arc<Handles>);

#[derive(Debug)]
pub(super) struct Handles {
    pub(super) dir: Dir,
    /// The same folder once more: `Dir` has no way to flush it.
    pub(super) flush: File,
}

/// One file of a [`Listing`].
///
/// ```
/// # use bartizan_sinks::path::{ConfinedDir, FileName};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let notes = ConfinedDir::open(folder.path())?;
/// notes.write(&FileName::parse("a.txt")?, b"12345")?;
/// let entry = &notes.list(100)?.entries[0];
/// assert_eq!((entry.name.as_str(), entry.size), ("a.txt", 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: FileName,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last written, where the file system knows it.
    pub modified: Option<SystemTime>,
}

/// What [`ConfinedDir::list`] found.
///
/// ```
/// # use bartizan_sinks::path::{ConfinedDir, FileName};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let notes = ConfinedDir::open(folder.path())?;
/// for name in ["a", "b", "c"] {
///     notes.write(&FileName::parse(name)?, b"")?;
/// }
/// let listing = notes.list(2)?;
/// assert_eq!((listing.entries.len(), listing.has_more), (2, true));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The files, by name.
    pub entries: Vec<Entry>,
    /// Whether there are more than were asked for.
    pub has_more: bool,
}

impl ConfinedDir {
    /// Opens a folder that is there, by a path that the application chose; never by one that a client sent.
    ///
    /// What an interrupted [`create`](Self::create) left behind is removed.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, PathError};
    /// assert!(matches!(ConfinedDir::open("/no/such/folder"), Err(PathError::Io(_))));
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PathError> {
        // A pipe in its place would be opened only when somebody writes to it.
        let flush =
            File::options().read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed()).open(path)?;
        let dir = Dir::from_std_file(flush.try_clone()?);
        let folder = Self(Arc::new(Handles { dir, flush }));
        new_file::remove_leftovers(&folder.0)?;
        Ok(folder)
    }

    /// Opens a file for reading.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let notes = ConfinedDir::open(folder.path())?;
    /// notes.write(&FileName::parse("a.txt")?, b"12345")?;
    /// assert_eq!(notes.open_file(&FileName::parse("a.txt")?)?.metadata()?.len(), 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_file(&self, name: &FileName) -> Result<File, PathError> {
        let file =
            self.0.dir.open_with(name.as_str(), &reading()).map_err(|error| PathError::of(name, error))?;
        let file = file.into_std();
        // Asked of the open file, not of its name: the name may be another file by now.
        if file.metadata()?.is_file() { Ok(file) } else { Err(PathError::NotAFile { name: name.clone() }) }
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let notes = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// notes.write(&name, b"12345")?;
    /// assert_eq!(notes.read(&name, 5)?, b"12345");
    /// assert!(matches!(notes.read(&name, 4), Err(PathError::TooLarge { limit: 4, .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read(&self, name: &FileName, limit: u64) -> Result<Vec<u8>, PathError> {
        let mut contents = Vec::new();
        // One more than allowed, to see that there is more.
        self.open_file(name)?.take(limit.saturating_add(1)).read_to_end(&mut contents)?;
        if contents.len() as u64 > limit {
            return Err(PathError::TooLarge { name: name.clone(), limit });
        }
        Ok(contents)
    }

    /// Begins a file of at most `limit` bytes, which nobody sees before it is whole.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let notes = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// let mut file = notes.create(&name, 1_000)?;
    /// file.write(b"first chunk, ")?;
    /// file.write(b"second chunk")?;
    /// assert!(matches!(notes.open_file(&name), Err(PathError::NotFound { .. })));
    /// file.commit()?;
    /// assert_eq!(notes.read(&name, 1_000)?, b"first chunk, second chunk");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(&self, name: &FileName, limit: u64) -> Result<NewFile, PathError> {
        NewFile::begin(Arc::clone(&self.0), name.clone(), limit)
    }

    /// Writes a whole file, in place of the one that was there. Once this has returned, it survives a crash; until
    /// then, and after an error, the old one or the new one is there, whole: the old one, unless all that failed was to
    /// flush the folder.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let notes = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// notes.write(&name, b"old")?;
    /// notes.write(&name, b"new")?;
    /// assert_eq!(notes.read(&name, 1_000)?, b"new");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&self, name: &FileName, contents: &[u8]) -> Result<(), PathError> {
        let mut file = self.create(name, contents.len() as u64)?;
        file.write(contents)?;
        file.commit()
    }

    /// The regular files, by name, at most `limit` of them. What is no [`FileName`] is left out.
    ///
    /// ```
    /// # use bartizan_sinks::path::ConfinedDir;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// assert!(ConfinedDir::open(folder.path())?.list(100)?.entries.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, limit: usize) -> Result<Listing, PathError> {
        // The least names are kept, so that the answer does not depend on the file system's own order.
        let mut kept = std::collections::BTreeMap::new();
        let mut has_more = false;
        for entry in self.0.dir.entries()? {
            let entry = entry?;
            let Some(Ok(name)) = entry.file_name().to_str().map(FileName::parse) else { continue };
            // The entry's own kind and metadata, not those of what a symlink points to.
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                    kept.insert(name, (metadata.len(), modified));
                }
                Ok(_) => {}
                // It was removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            if kept.len() > limit {
                kept.pop_last();
                has_more = true;
            }
        }
        let entries =
            kept.into_iter().map(|(name, (size, modified))| Entry { name, size, modified }).collect();
        Ok(Listing { entries, has_more })
    }

    /// Removes a file, for good once this has returned. A symlink is removed itself, not what it points to.
    ///
    /// ```
    /// # use bartizan_sinks::path::{ConfinedDir, FileName, PathError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let notes = ConfinedDir::open(folder.path())?;
    /// let name = FileName::parse("a.txt")?;
    /// notes.write(&name, b"12345")?;
    /// notes.remove(&name)?;
    /// assert!(matches!(notes.remove(&name), Err(PathError::NotFound { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(&self, name: &FileName) -> Result<(), PathError> {
        self.0.dir.remove_file(name.as_str()).map_err(|error| PathError::of(name, error))?;
        self.0.flush.sync_all()?;
        Ok(())
    }
}

/// How what is there is opened, whatever it turns out to be.
pub(super) fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Without `nonblock`, opening a pipe would wait for whoever writes to it.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    options
}
