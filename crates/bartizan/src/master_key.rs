//! The keys of the policy's `store.master_key`, read once at start.

use std::{
    env, fmt, fs,
    io::{self, Read as _},
};

use bartizan_core::{
    keys::{Keys, ShortMasterKey},
    policy::{Policy, SecretProvider, SecretRef},
};
use zeroize::Zeroizing;

/// No master key is longer; what is, is some other file.
const LONGEST: usize = 4096;

/// A master key that the policy names and that cannot be had. Nothing of its value is in it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reference}: {why}")]
pub struct MasterKeyError {
    /// Where in the policy: `store.master_key`.
    path: String,
    /// The reference, as it is written.
    reference: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unset,
    File(io::Error),
    TooLong,
    Short(ShortMasterKey),
    Elsewhere,
    Literal,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("the environment variable is not set, or is not text"),
            Self::File(error) => error.fmt(f),
            Self::TooLong => write!(f, "the value is longer than {LONGEST} bytes"),
            Self::Short(short) => short.fmt(f),
            Self::Elsewhere => f.write_str(
                "this is not read here: write `env://NAME` or `file:///path`, or fetch it and pass it by `PolicyFile::keys`",
            ),
            Self::Literal => {
                f.write_str("a secret is not written into the policy outside the development profile")
            }
        }
    }
}

/// The keys of `policy`; `None` where it names no master key.
pub(crate) fn read(policy: &Policy, development: bool) -> Result<Option<Keys>, MasterKeyError> {
    let Some(store) = &policy.store else { return Ok(None) };
    let Some(first) = &store.master_key else { return Ok(None) };
    let previous = store.previous_master_keys.iter().enumerate();
    let previous = previous.map(|(index, key)| (format!("store.previous_master_keys[{index}]"), key));
    let mut secrets = Vec::new();
    for (path, reference) in [("store.master_key".to_owned(), first)].into_iter().chain(previous) {
        let error = |why| MasterKeyError { path: path.clone(), reference: reference.to_string(), why };
        let secret = secret(reference, development).map_err(error)?;
        // Each by itself, so that the one that is too short is named.
        Keys::new(&[&secret]).map_err(|short| error(Why::Short(short)))?;
        secrets.push(secret);
    }
    let secrets: Vec<&[u8]> = secrets.iter().map(|secret| &secret[..]).collect();
    Ok(Keys::new(&secrets).ok())
}

fn secret(reference: &SecretRef, development: bool) -> Result<Zeroizing<Vec<u8>>, Why> {
    let name = reference.name().unwrap_or_default();
    let secret = match reference.provider() {
        SecretProvider::Env => Zeroizing::new(env::var(name).map_err(|_| Why::Unset)?.into_bytes()),
        SecretProvider::File => {
            // Never moved as it grows, so that no copy of it is left behind. One byte more than may be tells.
            let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
            let file = fs::File::open(name).map_err(Why::File)?;
            file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(Why::File)?;
            bytes
        }
        SecretProvider::Literal if development => {
            Zeroizing::new(reference.expose_literal().unwrap_or_default().as_bytes().to_vec())
        }
        SecretProvider::Literal => return Err(Why::Literal),
        _ => return Err(Why::Elsewhere),
    };
    if secret.len() > LONGEST { Err(Why::TooLong) } else { Ok(secret) }
}
