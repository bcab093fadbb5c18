//! The master key: the policy's, or a file in the data folder that is made at the first start.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bartizan::OsEntropy;
use bartizan_core::{
    Entropy as _,
    keys::{Keys, ShortMasterKey},
    policy::{Policy, SecretProvider, SecretRef},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;
use zeroize::Zeroizing;

/// How many random bytes a key has that is made here.
const FRESH_BYTES: usize = 48;

/// No key file is longer; what is, is some other file.
const LONGEST: u64 = 4096;

/// Why there is no master key. Nothing of its value is in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The policy refers to something that is not there.
    #[error("the policy's master key {reference} cannot be read: {why}")]
    Reference {
        /// As it is written.
        reference: String,
        /// Why not.
        why: &'static str,
    },
    /// The file can neither be read nor made.
    #[error("the key file {} cannot be used: {error}; its folder must be writable, or `store.master_key` in the policy must name another key", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Somebody else can read it.
    #[error("the key file {} can be read by others than its owner (its mode is {mode:o}); make it its owner's with `chmod 600`", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no key.
    #[error("{place}: {short}")]
    Short {
        /// Where it stands.
        place: String,
        /// How short it is.
        short: ShortMasterKey,
    },
}

/// The keys of the policy's `store.master_key` and those before it; where it names none, of the file at `path`.
pub(crate) fn read(
    policy: &Policy,
    variable: impl Fn(&str) -> Option<String>,
    is_development: bool,
    path: &Path,
) -> Result<Keys, MasterKeyError> {
    let Some(store) = policy.store.as_ref().filter(|store| store.master_key.is_some()) else {
        return of_file(path);
    };
    let mut secrets = Vec::new();
    for reference in store.master_key.iter().chain(&store.previous_master_keys) {
        let secret = resolve(reference, &variable, is_development)?;
        Keys::new(&[&secret])
            .map_err(|short| MasterKeyError::Short { place: reference.to_string(), short })?;
        secrets.push(secret);
    }
    let secrets: Vec<&[u8]> = secrets.iter().map(|secret| &secret[..]).collect();
    Keys::new(&secrets).map_err(|short| MasterKeyError::Short { place: "store.master_key".into(), short })
}

/// Makes the key file where it is not there.
pub(crate) fn make_file(path: &Path) -> Result<(), MasterKeyError> {
    of_file(path).map(drop)
}

/// What a reference refers to.
pub(crate) fn resolve(
    reference: &SecretRef,
    variable: impl Fn(&str) -> Option<String>,
    is_development: bool,
) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
    let name = reference.name().unwrap_or_default();
    let failed = |why| MasterKeyError::Reference { reference: reference.to_string(), why };
    match reference.provider() {
        SecretProvider::Env => {
            let value = variable(name).ok_or_else(|| failed("the environment variable is not set"))?;
            Ok(Zeroizing::new(value.into_bytes()))
        }
        SecretProvider::File => {
            let file = |error| MasterKeyError::File { path: name.into(), error };
            File::open(name).and_then(|opened| bytes_of(&opened)).map_err(file)
        }
        SecretProvider::Literal if is_development => {
            Ok(Zeroizing::new(reference.expose_literal().unwrap_or_default().as_bytes().to_vec()))
        }
        SecretProvider::Literal => {
            Err(failed("a secret stands in no policy outside the development profile"))
        }
        _ => Err(failed("it is kept where this cannot look; write `env://NAME` or `file:///path`")),
    }
}

/// Reads the key file, or makes it.
fn of_file(path: &Path) -> Result<Keys, MasterKeyError> {
    let failed = |error| MasterKeyError::File { path: path.to_owned(), error };
    let text = match File::open(path) {
        Ok(file) => own(&file, path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => return Err(failed(error)),
    };
    // Also one that was made by a process that was ended in the middle of it.
    let text = if text.is_empty() { make(path)? } else { text };
    Keys::new(&[&text])
        .map_err(|short| MasterKeyError::Short { place: format!("the key file {}", path.display()), short })
}

/// What stands in a file that nobody else can read.
fn own(file: &File, path: &Path) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
    let failed = |error| MasterKeyError::File { path: path.to_owned(), error };
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(failed)?.permissions());
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Open { path: path.to_owned(), mode: mode & 0o7777 });
        }
    }
    bytes_of(file).map_err(failed)
}

fn bytes_of(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Never moved as it grows, so that no copy of it is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes a fresh key into the file. Of several processes that start at once one does, and the others read it.
fn make(path: &Path) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
    let failed = |error| MasterKeyError::File { path: path.to_owned(), error };
    let mut options = File::options();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    let text = own(&file, path)?;
    if !text.is_empty() {
        return Ok(text);
    }
    let mut fresh = Zeroizing::new([0; FRESH_BYTES]);
    OsEntropy.fill(fresh.as_mut());
    let line = Zeroizing::new((STANDARD.encode(*fresh) + "\n").into_bytes());
    // On the disk before anything is made with it.
    file.write_all(&line).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let read = || super::read(&Policy::default(), |_| None, false, &path);
        let first = read().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(first.derive("test", 1), read().unwrap().derive("test", 1));

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(read(), Err(MasterKeyError::Open { mode: 0o644, .. })));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(&path, "hunter2").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("7 bytes") && !error.contains("hunter2"), "{error}");
    }
}
