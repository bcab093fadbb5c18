//! `bartizan keys`: the key ring in the store that the policy names, seen and turned from outside.

mod export;
mod import;
mod list;
mod revoke;
mod rotate;
mod timeline;

use std::{io, path::PathBuf};

use bartizan::{
    StoreError,
    jwt::{ImportFault, KeyRing, KeyRingError},
};
use bartizan_core::{
    Timestamp,
    jwt::Issuers,
    key_ring::{DocumentError, Ring, RingKey},
    policy::StoreUrl,
};
use bartizan_store::DocumentName;
use thiserror::Error;

use crate::{
    Outcome,
    arguments::{KeysArguments, KeysCommand, PolicyArguments},
    deployment::{Deployment, Kept},
    failure::Failure,
    policy::Loaded,
    terminal::printable,
};

/// How many characters of a `kid` a table shows.
const SHOWN: usize = 16;

/// How many characters of a `kid` must be written, where not all are.
const FEWEST: usize = 8;

/// Why the key ring cannot be seen or changed.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    /// Nobody has made it.
    #[error("there is no key ring in {0} yet")]
    NoRing(StoreUrl),
    /// No `[jwt]`.
    #[error("the policy has no [jwt] table")]
    NoTable,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept is no ring.
    #[error("what {url} keeps as the key ring is none: {error}")]
    Document { url: StoreUrl, error: DocumentError },
    /// The ring.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// No key of this name.
    #[error("the ring has no key whose kid begins with `{}`", printable(.0))]
    Unknown(String),
    /// Several.
    #[error("more than one key of the ring has a kid that begins with `{}`", printable(.0))]
    Ambiguous(String),
    /// One that was revoked before.
    #[error("the key {kid} was revoked {ago}; nothing is left to do")]
    Revoked { kid: Box<str>, ago: String },
    /// Only the ring was written.
    #[error(
        "the key {kid} is revoked in the ring, and the store could not be told to refuse its tokens at once: {error}"
    )]
    Half { kid: Box<str>, error: StoreError },
    /// Too little of a name.
    #[error("`{}` is too short to name a key: write {FEWEST} characters of its kid, or more", printable(.0))]
    Short(String),
    /// Nobody was there to be asked.
    #[error("this revokes a key for good, and nobody can be asked: standard input is not a terminal")]
    NotAsked,
    /// The key's file.
    #[error("the key in {file} cannot be read: {error}")]
    Read { file: String, error: io::Error },
    /// The key's variable.
    #[error("the secret cannot be read: {0}")]
    Secret(String),
    /// What is in it.
    #[error("{file}: {fault}")]
    Import { file: String, fault: ImportFault },
    /// Neither PEM nor JWK.
    #[error("{0} is neither PEM nor JWK")]
    NoForm(String),
    /// A public key that is to sign.
    #[error("{0} is a public key, and cannot sign")]
    PublicKey(String),
    /// More than a key.
    #[error("{} is longer than a key can be", .0.display())]
    Long(PathBuf),
}

impl KeysError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRing(_) => "`bartizan serve` makes it when it starts for the first time; `bartizan keys import` too".into(),
            Self::Unknown(_) | Self::Short(_) => "`bartizan keys list` shows those that it has".into(),
            Self::Ambiguous(_) => "write more of it: `bartizan keys list --json` shows whole kids".into(),
            Self::Half { .. } => {
                "run it again: until then a node refuses them only when it has read the ring".into()
            }
            Self::NotAsked => "--yes revokes it without asking".into(),
            Self::NoForm(_) => {
                "a PEM begins with `-----BEGIN`, a JWK with `{`; a secret as it stands in an app's settings needs --secret"
                    .into()
            }
            Self::PublicKey(_) => {
                "say until when it is to verify, with --for 30d; or import the private key to sign with it".into()
            }
            _ => return None,
        })
    }
}

/// Sees or turns the ring.
pub(crate) fn run(arguments: &KeysArguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        KeysCommand::List(arguments) => list::run(arguments),
        KeysCommand::Rotate(arguments) => rotate::run(arguments),
        KeysCommand::Revoke(arguments) => revoke::run(arguments),
        KeysCommand::Import(arguments) => import::run(arguments),
        KeysCommand::ExportJwks(arguments) => export::run(arguments),
    }
}

/// Opens the store that the ring is kept in. `None` where the policy has faults, which are printed.
pub(crate) fn deployment(arguments: &PolicyArguments) -> Result<Option<Deployment>, Failure> {
    let Some(found) = Deployment::find(arguments, Kept::Keys)? else { return Ok(None) };
    Ok(Some(found.open()?))
}

/// The ring as it is kept. It is neither turned nor made, and no key of it is opened.
pub(crate) fn kept(deployment: &Deployment) -> Result<Ring, KeysError> {
    let store = deployment.store.store();
    let document = deployment.wait_for(store.document(DocumentName::KEY_RING))?;
    let document = document.ok_or_else(|| KeysError::NoRing(deployment.url.clone()))?;
    Ring::from_json(&document.body)
        .map_err(|error| KeysError::Document { url: deployment.url.clone(), error })
}

/// The ring, to work with: it is read, and turned where it is time.
pub(crate) fn open(deployment: &Deployment, now: Timestamp) -> Result<KeyRing, Failure> {
    kept(deployment)?;
    let (keys, settings) = (deployment.keys()?, issuers(&deployment.loaded)?.ring().clone());
    let store = deployment.store.store().clone();
    let ring = deployment.wait_for(KeyRing::open(store, keys, settings, now));
    Ok(ring.map_err(KeysError::from)?)
}

/// Whose tokens are accepted, and what our ring turns by.
pub(crate) fn issuers(loaded: &Loaded) -> Result<&Issuers, KeysError> {
    loaded.engine.issuers().ok_or(KeysError::NoTable)
}

/// The one key whose `kid` is this, or begins so.
fn find<'r>(ring: &'r Ring, kid: &str) -> Result<&'r RingKey, KeysError> {
    if let Some(key) = ring.key(kid) {
        return Ok(key);
    }
    // What a table shows ends so.
    let beginning = kid.strip_suffix('…').unwrap_or(kid);
    if beginning.len() < FEWEST {
        return Err(KeysError::Short(kid.to_owned()));
    }
    let mut meant = ring.keys().iter().filter(|key| key.kid().starts_with(beginning));
    match (meant.next(), meant.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(KeysError::Unknown(kid.to_owned())),
        (Some(_), Some(_)) => Err(KeysError::Ambiguous(kid.to_owned())),
    }
}

/// As much of a `kid` as a table shows.
fn shown(kid: &str) -> String {
    if kid.chars().count() <= SHOWN + 1 {
        return kid.to_owned();
    }
    kid.chars().take(SHOWN).chain(['…']).collect()
}
