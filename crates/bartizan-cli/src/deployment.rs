//! What commands administer from outside: the store that the policy names, and the keys of what is kept there.

use std::path::{Path, PathBuf};

use bartizan_core::{
    keys::Keys,
    policy::{Policy, StoreKind, StoreUrl},
};
use thiserror::Error;

use crate::{
    arguments::PolicyArguments,
    diagnostics,
    failure::Failure,
    policy::{self, Loaded, Source},
    secrets::{MissingSecrets, Secrets, StoreSecrets},
    serve::keys::{self, KeyError},
    store::{OpenError, OpenStore},
    terminal,
};

/// What is kept, and administered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// `[session]`
    Sessions,
    /// `[jwt]`
    Keys,
    /// `[api_keys]`
    ApiKeys,
}

impl Kept {
    const fn table(self) -> &'static str {
        match self {
            Self::Sessions => "[session]",
            Self::Keys => "[jwt]",
            Self::ApiKeys => "[api_keys]",
        }
    }

    const fn things(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Keys => "keys",
            Self::ApiKeys => "API keys",
        }
    }

    fn is_in(self, policy: &Policy) -> bool {
        match self {
            Self::Sessions => policy.session.is_some(),
            Self::Keys => policy.jwt.is_some(),
            Self::ApiKeys => policy.api_keys.is_some(),
        }
    }
}

/// Why there is nothing to administer.
#[derive(Debug, Error)]
pub(crate) enum DeploymentError {
    /// The table is not there.
    #[error("{policy} has no {} table, so there are no {}", kept.table(), kept.things())]
    None { policy: String, kept: Kept },
    /// `memory:`.
    #[error(
        "{policy} keeps {} in the memory of `bartizan serve` (`store.url = \"memory:\"`), into which nobody else sees",
        kept.things()
    )]
    InMemory { policy: String, kept: Kept },
    /// SQLite's file is not there, and is not made by looking into it.
    #[error("there is no file {}, so no `bartizan serve` has kept {} there", path.display(), kept.things())]
    NoFile { path: PathBuf, kept: Kept },
    /// Secrets that cannot be had.
    #[error(transparent)]
    Secrets(#[from] MissingSecrets),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The master key is none.
    #[error(transparent)]
    MasterKey(#[from] KeyError),
}

impl DeploymentError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::None { kept, .. } => {
                format!("write {}, or name the policy that has it with --policy", kept.table())
            }
            Self::InMemory { kept, .. } => format!(
                "write `[store] url = \"sqlite:bartizan.db\"` to keep them where they can be listed and ended; until \
                 then, a restart of `bartizan serve` ends all {}",
                kept.things()
            ),
            Self::NoFile { path, .. } if path.is_relative() => {
                "the path is relative to the working folder: run this in the folder that `bartizan serve` runs in".into()
            }
            Self::NoFile { .. } => {
                "does `bartizan serve` run with this policy and profile, on this machine?".into()
            }
            Self::Secrets(_) => return None,
            Self::Open(error) => return error.hint(),
            Self::MasterKey(error) => return error.hint(),
        })
    }
}

/// A policy that keeps something, and where.
pub(crate) struct Found {
    pub(crate) loaded: Loaded,
    /// What the policy is called.
    pub(crate) name: String,
    pub(crate) url: StoreUrl,
    kept: Kept,
}

impl Found {
    /// Opens the store, which is there: whoever looks into one must not make it.
    pub(crate) fn open(self) -> Result<Deployment, DeploymentError> {
        if let Some(path) = self.url.path().map(Path::new).filter(|path| !path.exists()) {
            return Err(DeploymentError::NoFile { path: path.to_owned(), kept: self.kept });
        }
        self.open_any()
    }

    /// Opens the store, and makes it where it is a file that is not there. In the wrong folder that should be seen.
    pub(crate) fn open_or_make(self) -> Result<Deployment, DeploymentError> {
        let is_new = self.url.path().is_some_and(|path| !Path::new(path).exists());
        let deployment = self.open_any()?;
        if is_new {
            terminal::print_error(&format!(
                "{} is made; `bartizan serve` goes on with it, if it runs in this folder\n",
                deployment.url
            ));
        }
        Ok(deployment)
    }

    fn open_any(self) -> Result<Deployment, DeploymentError> {
        let Self { loaded, name, url, kept } = self;
        if url.kind() == StoreKind::Memory {
            return Err(DeploymentError::InMemory { policy: name, kept });
        }
        let document = &loaded.document;
        let secrets = StoreSecrets::read(&document.policy, document.development())?;
        let Some(options) = secrets.options(&document.policy) else {
            return Err(DeploymentError::None { policy: name, kept });
        };
        let store = OpenStore::open(&options)?;
        Ok(Deployment { loaded, url, store })
    }
}

/// A policy, and its store.
pub(crate) struct Deployment {
    pub(crate) loaded: Loaded,
    pub(crate) url: StoreUrl,
    pub(crate) store: OpenStore,
}

impl Deployment {
    /// The policy that is meant. `None` where it has faults, which are printed.
    pub(crate) fn find(arguments: &PolicyArguments, kept: Kept) -> Result<Option<Found>, Failure> {
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
        let url = policy.store_url().filter(|_| kept.is_in(policy));
        Ok(Some(match url {
            Some(url) => Found { loaded, name: source.name, url, kept },
            None => return Err(DeploymentError::None { policy: source.name, kept }.into()),
        }))
    }

    /// Waits for what is asked of the store.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.store.wait_for(work)
    }

    /// The keys that `bartizan serve` has with this policy.
    pub(crate) fn keys(&self) -> Result<Keys, DeploymentError> {
        let document = &self.loaded.document;
        let secrets = Secrets::read_kept(&document.policy, document.development())?;
        let (keys, _) = keys::read(&secrets, Some(&self.url))?;
        Ok(keys)
    }

    pub(crate) fn close(self) {
        self.store.close();
    }
}
