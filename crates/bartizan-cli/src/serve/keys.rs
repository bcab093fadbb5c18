//! The keys of a deployment: of the policy's master key, of a file beside the database, or of this process.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bartizan::OsEntropy;
use bartizan_core::{
    Entropy as _,
    keys::{Keys, ShortMasterKey},
    policy::StoreUrl,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secrets::Secrets;

/// How many random bytes a master key has that is made here.
const FRESH_BYTES: usize = 48;

/// No key file is longer; what is, is some other file.
const LONGEST: usize = 4096;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    /// A master key of the policy is none.
    #[error("{path}: {short}")]
    Short { path: String, short: ShortMasterKey },
    /// The key file can neither be read nor made.
    #[error("the key file {} cannot be used: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// Somebody else can read it.
    #[error("the key file {} can be read by others than its owner (its mode is {mode:o})", path.display())]
    Open { path: PathBuf, mode: u32 },
    /// It does not hold a key.
    #[error("the key file {} does not hold a master key: {short}", path.display())]
    ShortFile { path: PathBuf, short: ShortMasterKey },
}

impl KeyError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Short { .. } => return None,
            Self::File { .. } => {
                "its folder must be writable, or `store.master_key` must name a key that is kept elsewhere".into()
            }
            Self::Open { path, .. } => format!(
                "chmod 600 {}; if others may have read it, remove it, and a new one is made: CSRF tokens end with the \
                 old one, and so do API keys and the keys of [jwt]; sessions do not",
                path.display()
            ),
            Self::ShortFile { .. } => {
                "put a copy of it back; or remove it, and a new one is made: CSRF tokens end with the old one, and so \
                 do API keys and the keys of [jwt]; sessions do not"
                    .into()
            }
        })
    }
}

/// Where the master key is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeptIn {
    /// Where `store.master_key` says.
    Policy,
    /// In this file.
    File(PathBuf),
    /// Nowhere: it ends with the process.
    Process,
}

/// The keys of a deployment with these secrets, whose state is kept at `url`.
pub(crate) fn read(secrets: &Secrets, url: Option<&StoreUrl>) -> Result<(Keys, KeptIn), KeyError> {
    if let Some(key) = &secrets.master_key {
        return Ok((of_policy(key, &secrets.previous_master_keys)?, KeptIn::Policy));
    }
    // Where nodes share a store, the policy must name the key: the engine is not built without it.
    let Some(path) = url.and_then(StoreUrl::path) else {
        // 48 bytes are not too few.
        let fresh = fresh();
        let keys = Keys::new(&[fresh.as_bytes()]);
        return keys.map(|keys| (keys, KeptIn::Process)).map_err(|short| short_at("store.master_key", short));
    };
    let path = PathBuf::from(format!("{path}.key"));
    Ok((of_file(&path)?, KeptIn::File(path)))
}

fn of_policy(key: &SecretString, previous: &[SecretString]) -> Result<Keys, KeyError> {
    let first = Keys::new(&[key.expose_secret().as_bytes()]);
    first.map_err(|short| short_at("store.master_key", short))?;
    let mut all = vec![key.expose_secret().as_bytes()];
    for (index, key) in previous.iter().enumerate() {
        let path = || format!("store.previous_master_keys[{index}]");
        Keys::new(&[key.expose_secret().as_bytes()]).map_err(|short| short_at(path(), short))?;
        all.push(key.expose_secret().as_bytes());
    }
    Keys::new(&all).map_err(|short| short_at("store.master_key", short))
}

fn short_at(path: impl Into<String>, short: ShortMasterKey) -> KeyError {
    KeyError::Short { path: path.into(), short }
}

/// Reads the key file, or makes it.
fn of_file(path: &Path) -> Result<Keys, KeyError> {
    let text = match File::open(path) {
        Ok(file) => read_from(&file, path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => return Err(KeyError::File { path: path.to_owned(), error }),
    };
    // Also one that was made a moment ago, or by a process that was ended in the middle of it.
    let text = if text.is_empty() { make(path)? } else { text };
    Keys::new(&[&text]).map_err(|short| KeyError::ShortFile { path: path.to_owned(), short })
}

fn read_from(file: &File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(failed)?.permissions());
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path: path.to_owned(), mode: mode & 0o7777 });
        }
    }
    // Never moved as it grows, so that no copy of it is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    file.take(LONGEST as u64).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a fresh key into the file. Of several processes that start at once one does, and the others read it.
fn make(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    let mut options = File::options();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    match file.lock() {
        // There two that start at the same moment for the first time may differ until they are started again.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        locked => locked.map_err(failed)?,
    }
    let text = read_from(&file, path)?;
    if !text.is_empty() {
        return Ok(text);
    }
    let fresh = fresh();
    // In one piece, and on the disk before anything is made with it.
    let line = Zeroizing::new([fresh.as_bytes(), b"\n"].concat());
    file.write_all(&line).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(line)
}

/// A fresh master key.
fn fresh() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; FRESH_BYTES]);
    OsEntropy.fill(bytes.as_mut());
    Zeroizing::new(STANDARD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        sync::{Arc, Barrier},
        thread,
    };

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn url(path: &Path) -> StoreUrl {
        StoreUrl::parse(&format!("sqlite:{}", path.display())).unwrap()
    }

    fn same(one: &Keys, other: &Keys) -> bool {
        one.derive("test", 1) == other.derive("test", 1)
    }

    #[test]
    fn the_policys_keys_are_taken_before_any_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let secrets = Secrets {
            master_key: Some(TWO.into()),
            previous_master_keys: vec![ONE.into()],
            ..Secrets::default()
        };
        let (keys, kept) = read(&secrets, Some(&url(&path))).unwrap();
        assert_eq!(kept, KeptIn::Policy);
        assert!(same(&keys, &Keys::new(&[TWO.as_bytes()]).unwrap()));
        let one = Keys::new(&[ONE.as_bytes()]).unwrap().derive("test", 1);
        assert_eq!(keys.derive_all("test", 1).last(), one);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        for (secrets, expected) in [
            (
                Secrets { master_key: Some("hunter2".into()), ..Secrets::default() },
                "store.master_key: the master key has 7 bytes",
            ),
            (
                Secrets { previous_master_keys: vec![ONE.into(), "hunter2".into()], ..secrets },
                "store.previous_master_keys[1]: the master key has 7 bytes",
            ),
        ] {
            let error = read(&secrets, None).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn a_process_without_a_file_has_keys_of_its_own() {
        for url in [None, StoreUrl::parse("memory:").ok()] {
            let read = || read(&Secrets::default(), url.as_ref()).unwrap();
            let (one, other) = (read(), read());
            assert_eq!(one.1, KeptIn::Process);
            assert!(!same(&one.0, &other.0));
        }
    }

    #[test]
    fn of_many_that_start_at_once_all_have_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = Arc::new(folder.path().join("state.db"));
        let start = Arc::new(Barrier::new(16));
        let starting: Vec<_> = (0..16)
            .map(|_| {
                let (path, start) = (Arc::clone(&path), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    read(&Secrets::default(), Some(&url(&path))).unwrap()
                })
            })
            .collect();
        let all: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        let file = folder.path().join("state.db.key");
        for (keys, kept) in &all {
            assert!(same(keys, &all[0].0));
            assert_eq!(*kept, KeptIn::File(file.clone()));
        }
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(STANDARD.decode(text.trim_end()).unwrap().len(), FRESH_BYTES);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_cannot_be_trusted_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path().join("state.db"), folder.path().join("state.db.key"));
        let shown = file.display();
        for (text, mode, expected) in [
            (
                ONE,
                0o640,
                Some(format!("the key file {shown} can be read by others than its owner (its mode is 640)")),
            ),
            (
                ONE,
                0o604,
                Some(format!("the key file {shown} can be read by others than its owner (its mode is 604)")),
            ),
            (
                "",
                0o644,
                Some(format!("the key file {shown} can be read by others than its owner (its mode is 644)")),
            ),
            (
                "hunter2\n",
                0o600,
                Some(format!(
                    "the key file {shown} does not hold a master key: the master key has 7 bytes, and must have 32 at least; make one with `openssl rand -base64 48`"
                )),
            ),
            (ONE, 0o600, None),
            (ONE, 0o400, None),
            ("", 0o600, None),
        ] {
            let _ = fs::remove_file(&file);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&Secrets::default(), Some(&url(&path)));
            assert_eq!(read.err().map(|error| error.to_string()), expected, "{text:?} {mode:o}");
        }
        let nowhere = folder.path().join("nowhere/state.db");
        let error = read(&Secrets::default(), Some(&url(&nowhere))).unwrap_err();
        assert!(
            error.to_string().ends_with("cannot be used: No such file or directory (os error 2)"),
            "{error}"
        );
    }
}
