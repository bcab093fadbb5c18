//! `bartizan session`: the sessions in the store that the policy names, listed and ended from outside.

mod key;
mod list;
mod revoke;

use bartizan::{OsClock, StoreError};
use bartizan_core::{Clock as _, policy::StoreUrl};
use bartizan_store::SessionPage;
use thiserror::Error;

pub(crate) use key::KeyDigits;

use crate::{
    Outcome,
    arguments::{PolicyArguments, SessionArguments, SessionCommand},
    deployment::{Deployment, Kept},
    failure::Failure,
    store::OpenStore,
    terminal,
};

/// How many sessions are asked for at a time: as many as a store gives.
const AT_A_TIME: u32 = 1000;

/// Why sessions cannot be listed or ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No session has this key.
    #[error("no session that is alive has a key that begins with {0}")]
    Unknown(KeyDigits),
    /// Several have.
    #[error("more than one session has a key that begins with {0}")]
    Ambiguous(KeyDigits),
    /// The session that was to stay is another's.
    #[error("the session {key} is of {}, not of {}", terminal::printable(.owner), terminal::printable(.subject))]
    NotTheirs { key: KeyDigits, owner: String, subject: String },
    /// Nobody was there to be asked.
    #[error("this ends sessions, and nobody can be asked: standard input is not a terminal")]
    NotAsked,
}

impl SessionError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(_) => "`bartizan session list` shows those that are alive".into(),
            Self::Ambiguous(_) => "write more of it: `bartizan session list --json` shows whole keys".into(),
            Self::NotAsked => "--yes ends them without asking".into(),
            _ => return None,
        })
    }
}

/// Lists or ends sessions.
pub(crate) fn run(arguments: &SessionArguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        SessionCommand::List(arguments) => list::run(arguments),
        SessionCommand::Revoke(arguments) => revoke::run(arguments),
    }
}

/// The sessions of one store.
struct Sessions {
    store: OpenStore,
    url: StoreUrl,
}

impl Sessions {
    /// Opens the store of the policy. `None` where the policy has faults, which are printed.
    fn open(arguments: &PolicyArguments) -> Result<Option<Self>, Failure> {
        let Some(found) = Deployment::find(arguments, Kept::Sessions)? else { return Ok(None) };
        let Deployment { store, url, .. } = found.open()?;
        Ok(Some(Self { store, url }))
    }

    /// All that are alive, of one subject or all, page by page.
    fn pages(&self, subject: Option<&str>) -> impl Iterator<Item = Result<SessionPage, SessionError>> {
        let (store, now) = (self.store.store(), OsClock.now());
        let mut next = Some(None);
        std::iter::from_fn(move || {
            let page = store.sessions(subject.map(Into::into), next?, AT_A_TIME, now);
            let page = self.store.wait_for(page);
            next = match &page {
                Ok(page) if page.more => page.sessions.last().map(|last| Some(last.key)),
                _ => None,
            };
            Some(page.map_err(SessionError::from))
        })
    }

    fn close(self) {
        self.store.close();
    }
}
