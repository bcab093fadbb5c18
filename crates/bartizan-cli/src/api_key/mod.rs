//! `bartizan api-key`: API keys in the store that the policy names, made, listed, replaced and revoked from outside.

mod create;
mod list;
mod revoke;
mod rotate;

use bartizan::StoreError;
use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, ApiKeys, Issued, KeyId, NotIssued, NotOne, NotRotated, Peppers},
};
use thiserror::Error;

use crate::{
    Outcome,
    arguments::{ApiKeyArguments, ApiKeyCommand, PolicyArguments},
    deployment::{Deployment, Kept},
    failure::Failure,
    terminal::{self, printable},
    when::{ahead, minute},
};

/// How many keys are asked for at a time: as many as a store gives.
const AT_A_TIME: u32 = 1000;

/// Why API keys cannot be listed or changed.
#[derive(Debug, Error)]
pub(crate) enum ApiKeyFailure {
    /// The policy has none.
    #[error("the policy has no [api_keys] table, or no master key to keep them by")]
    NoTable,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key that cannot be made.
    #[error("the key was not made: {0}")]
    NotIssued(#[from] NotIssued),
    /// A key that cannot be replaced.
    #[error("the key was not replaced: {0}")]
    NotRotated(#[from] NotRotated),
    /// It is not clear which.
    #[error(transparent)]
    NotOne(#[from] NotOne),
    /// No such key.
    #[error("there is no key {0}")]
    Unknown(KeyId),
    /// It was revoked before.
    #[error("the key {0} was revoked already; nothing is left to do")]
    Revoked(KeyId),
    /// Somebody was first.
    #[error("the key {0} was changed by somebody else in this moment, and was left as it is")]
    Changed(KeyId),
    /// Nobody was there to be asked.
    #[error("this revokes an API key for good, and nobody can be asked: standard input is not a terminal")]
    NotAsked,
}

impl ApiKeyFailure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(_) | Self::NotOne(_) => {
                "`bartizan api-key list --all` shows those that there are".into()
            }
            Self::Changed(_) => "`bartizan api-key list --all` shows what has become of it".into(),
            Self::NotAsked => "--yes revokes it without asking".into(),
            _ => return None,
        })
    }
}

/// Makes, lists, replaces or revokes keys.
pub(crate) fn run(arguments: &ApiKeyArguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        ApiKeyCommand::Create(arguments) => create::run(arguments),
        ApiKeyCommand::List(arguments) => list::run(arguments),
        ApiKeyCommand::Rotate(arguments) => rotate::run(arguments),
        ApiKeyCommand::Revoke(arguments) => revoke::run(arguments),
    }
}

fn deployment(arguments: &PolicyArguments) -> Result<Option<Deployment>, Failure> {
    let Some(found) = Deployment::find(arguments, Kept::ApiKeys)? else { return Ok(None) };
    Ok(Some(found.open()?))
}

/// How keys are made in this deployment: as the policy says, with the peppers of its master keys.
fn maker(deployment: &Deployment) -> Result<ApiKeys, Failure> {
    let policy = deployment.loaded.engine.api_keys().ok_or(ApiKeyFailure::NoTable)?;
    let peppers = Peppers::derive(&deployment.keys()?).ok_or(ApiKeyFailure::NoTable)?;
    Ok(ApiKeys { peppers, ..policy.clone() })
}

/// All keys of one owner or of all, also those that have ended.
fn all(deployment: &Deployment, owner: Option<&str>) -> Result<Vec<ApiKeyRecord>, ApiKeyFailure> {
    let mut keys: Vec<ApiKeyRecord> = Vec::new();
    loop {
        let after = keys.last().map(|key| key.id);
        let page = deployment.store.store().api_keys(owner.map(Into::into), after, AT_A_TIME);
        let page = deployment.wait_for(page)?;
        let ends = !page.more || page.keys.is_empty();
        keys.extend(page.keys);
        if ends {
            return Ok(keys);
        }
    }
}

/// The key `id`, as it is kept. It is not touched: looking is no use of it.
fn one(deployment: &Deployment, id: KeyId) -> Result<ApiKeyRecord, ApiKeyFailure> {
    let keys = all(deployment, None)?;
    keys.into_iter().find(|key| key.id == id).ok_or(ApiKeyFailure::Unknown(id))
}

/// Shows a key, the one time that it is shown: it alone on standard output.
fn show(issued: &Issued, now: Timestamp) -> Result<(), Failure> {
    let Issued { key, record } = issued;
    let ends = record.expires.map_or_else(
        || "it does not end by itself".into(),
        |at| format!("it ends {} ({})", minute(at), ahead(at, now)),
    );
    terminal::print_error(&format!(
        "the key {} of {}, `{}`; {ends}\nThis is the key. It is not shown again: keep it now.\n",
        record.id,
        printable(&record.owner),
        printable(&record.name),
    ));
    terminal::print(&format!("{}\n", key.expose()))
}
