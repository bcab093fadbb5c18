//! From a policy file on disk to an engine, with the environment of this process.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use bartizan_core::{
    Deployment, Engine,
    keys::Keys,
    policy::{Diagnostic, PolicyInput, load_and_build},
};
use thiserror::Error;

use crate::master_key::{self, MasterKeyError};

/// What the variables of overrides begin with.
const OVERRIDE: &str = "BARTIZAN__";

/// A policy file to be read: the same file, and the same rules, as the gateway's.
///
/// `${env:NAME}` in it and overrides such as `BARTIZAN__CORS__MAX_AGE=5m` are looked up in this process's
/// environment, once, when it is loaded. The profile is the one that is [named](Self::profile), else the one in
/// `BARTIZAN_PROFILE`, else production.
///
/// ```no_run
/// use bartizan::PolicyFile;
///
/// let engine = PolicyFile::new("bartizan.toml").profile("development").load()?;
/// for warning in engine.warnings() {
///     eprintln!("{}: {}", warning.path, warning.message);
/// }
/// # Ok::<(), bartizan::PolicyFileError>(())
/// ```
///
/// The keys that CSRF tokens are made with are of the policy's `store.master_key`, where that is an `env://NAME` or a
/// `file:///path`; nothing else of `[store]` is read.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    path: PathBuf,
    profile: Option<String>,
    keys: Option<Keys>,
}

impl PolicyFile {
    /// The file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), profile: None, keys: None }
    }

    /// Chooses a profile by name, whatever the environment says.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The keys that CSRF tokens are made with and API keys are kept by, of a master key that the application fetched
    /// itself; the policy's are not read then.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Reads the file and builds its engine, or says all that is wrong with it.
    pub fn load(&self) -> Result<Engine, PolicyFileError> {
        let text = fs::read_to_string(&self.path)
            .map_err(|source| PolicyFileError::Unreadable { path: self.path.clone(), source })?;
        let from_environment = || variable("BARTIZAN_PROFILE").filter(|name| !name.is_empty());
        let profile = self.profile.clone().or_else(from_environment);
        let name = self.path.display().to_string();
        let overrides = overrides();
        let input = PolicyInput {
            text: &text,
            profile: profile.as_deref(),
            env: &variable,
            overrides: &overrides,
            ..PolicyInput::new(&name)
        };
        let development = profile.as_deref() == Some("development");
        let mut keys = Ok(self.keys.clone());
        let built = load_and_build(&input, |policy| {
            if let Ok(None) = keys {
                keys = master_key::read(policy, development);
            }
            let keys = keys.as_ref().ok().cloned().flatten();
            Ok(Deployment { development, keys, ..Deployment::default() })
        });
        match built {
            Ok((engine, _)) => keys.map(|_| engine).map_err(PolicyFileError::MasterKey),
            Err(faults) => Err(PolicyFileError::Faulty(Faults { path: self.path.clone(), faults })),
        }
    }
}

/// A variable of the environment. One that is not Unicode counts as not set.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The overrides, sorted, so that their faults come in the same order each time.
fn overrides() -> Vec<(String, String)> {
    let unicode = env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(OVERRIDE))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let mut overrides: Vec<_> = unicode.collect();
    overrides.sort();
    overrides
}

/// A policy file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// It could not be read.
    #[error("cannot read the policy {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It was read, and something is wrong with it.
    #[error(transparent)]
    Faulty(Faults),
    /// Its master key cannot be had.
    #[error("a master key of the policy cannot be read: {0}")]
    MasterKey(MasterKeyError),
}

/// All that is wrong with a policy file, one line each.
#[derive(Debug)]
pub struct Faults {
    path: PathBuf,
    faults: Vec<Diagnostic>,
}

impl Faults {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, in the order of the file; at least one.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.faults
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = if self.faults.len() == 1 { "fault" } else { "faults" };
        write!(f, "the policy has {} {faults}", self.faults.len())?;
        for fault in &self.faults {
            write!(f, "\n{}:{fault}", self.path.display())?;
            if let Some(hint) = &fault.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
