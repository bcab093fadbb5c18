//! `bartizan session`: the sessions in the store that the policy names, listed and ended from outside.

mod key;
mod list;
mod revoke;
mod when;

use std::path::{Path, PathBuf};

use bartizan::{OsClock, StoreError};
use bartizan_core::{
    Clock as _,
    policy::{StoreKind, StoreUrl},
};
use bartizan_store::SessionPage;
use thiserror::Error;

pub(crate) use key::KeyDigits;

use crate::{
    Outcome,
    arguments::{PolicyArguments, SessionArguments, SessionCommand},
    diagnostics,
    failure::Failure,
    policy::{self, Source},
    secrets::{MissingSecrets, StoreSecrets},
    store::{OpenError, OpenStore},
    terminal,
};

/// How many sessions are asked for at a time: as many as a store gives.
const AT_A_TIME: u32 = 1000;

/// Why sessions cannot be listed or ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// No `[session]`.
    #[error("{0} has no [session] table, so there are no sessions")]
    None(String),
    /// `memory:`.
    #[error(
        "{0} keeps sessions in the memory of `bartizan serve` (`store.url = \"memory:\"`), into which nobody else sees"
    )]
    InMemory(String),
    /// SQLite's file is not there, and is not made by looking into it.
    #[error("there is no file {}, so no `bartizan serve` has kept sessions there", .0.display())]
    NoFile(PathBuf),
    /// Secrets that cannot be had.
    #[error(transparent)]
    Secrets(#[from] MissingSecrets),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
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
            Self::None(_) => "write [session], or name the policy that has it with --policy".into(),
            Self::InMemory(_) => {
                "write `[store] url = \"sqlite:bartizan.db\"` to keep them where they can be listed and ended; until \
                 then, a restart of `bartizan serve` ends them all"
                    .into()
            }
            Self::NoFile(path) if path.is_relative() => {
                "the path is relative to the working folder: run this in the folder that `bartizan serve` runs in".into()
            }
            Self::NoFile(_) => "does `bartizan serve` run with this policy and profile, on this machine?".into(),
            Self::Open(error) => return error.hint(),
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
        let source = Source::find(arguments.policy.as_deref())?.ok_or(Failure::NoPolicy)?;
        let profile = arguments.profile.profile.as_deref();
        let loaded = match policy::load(&source, profile, None, policy::stand_in_keys())? {
            Ok(loaded) => loaded,
            Err(faults) => {
                diagnostics::print(&source, &faults);
                return Ok(None);
            }
        };
        let policy = &loaded.document.policy;
        let Some(url) = policy.store_url().filter(|_| policy.session.is_some()) else {
            return Err(SessionError::None(source.name).into());
        };
        if url.kind() == StoreKind::Memory {
            return Err(SessionError::InMemory(source.name).into());
        }
        if let Some(path) = url.path().map(Path::new).filter(|path| !path.exists()) {
            return Err(SessionError::NoFile(path.to_owned()).into());
        }
        let secrets =
            StoreSecrets::read(policy, loaded.document.development()).map_err(SessionError::from)?;
        let Some(options) = secrets.options(policy) else {
            return Err(SessionError::None(source.name).into());
        };
        let store = OpenStore::open(&options).map_err(SessionError::from)?;
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
