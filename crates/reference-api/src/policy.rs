//! The policy of an instance, and the engine that is built from it: at the start, and again where the lab turns a control
//! off.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bartizan::Engine;
use bartizan_core::{
    Deployment,
    keys::Keys,
    policy::{Diagnostic, Document, Policy, PolicyInput, load, load_and_build},
};
use thiserror::Error;

use crate::settings::Settings;

/// The policy that is built in.
pub const POLICY: &str = include_str!("../policy/bartizan.toml");

/// What the variables of overrides begin with.
const OVERRIDE: &str = "BARTIZAN__";

/// A policy, and all that it is read with.
pub(crate) struct PolicySource {
    name: String,
    text: String,
    profile: Option<String>,
    listen: SocketAddr,
    environment: BTreeMap<String, String>,
}

/// The policy cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// It could not be read.
    #[error("cannot read the policy {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It was read, and something is wrong with it.
    #[error("{0}")]
    Faulty(PolicyFaults),
    /// It lacks what this application does.
    #[error("the policy has no [{0}], and the reference API does nothing without: write the table")]
    Lacks(&'static str),
}

/// All that is wrong with a policy, one line each.
#[derive(Debug)]
pub struct PolicyFaults {
    name: String,
    faults: Vec<Diagnostic>,
}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy has faults:")?;
        for fault in &self.faults {
            write!(f, "\n{}:{fault}", self.name)?;
            if let Some(hint) = &fault.hint {
                write!(f, " ({hint})")?;
            }
        }
        Ok(())
    }
}

impl PolicySource {
    /// The policy that `settings` name.
    pub(crate) fn of(settings: &Settings) -> Result<Self, PolicyFault> {
        let (name, text) = match &settings.policy {
            None => ("bartizan.toml".to_owned(), POLICY.to_owned()),
            Some(path) => (path.display().to_string(), read(path)?),
        };
        Ok(Self {
            name,
            text,
            profile: settings.profile.clone(),
            listen: settings.listen,
            environment: settings.environment.clone(),
        })
    }

    /// Overrides one value of it, whatever the environment says. `value` is TOML.
    pub(crate) fn set(&mut self, key: &str, value: String) {
        self.environment.insert(format!("{OVERRIDE}{key}"), value);
    }

    /// The name of the profile.
    pub(crate) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("production")
    }

    /// A variable of its environment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    /// What it says.
    pub(crate) fn read(&self) -> Result<Policy, PolicyFault> {
        self.with(&[], |input| load(input).map(|document| document.policy))
    }

    /// Its engine, with these keys and under this overlay: overrides of single values, by their variables'
    /// names (`BARTIZAN__CSP__MODE`).
    pub(crate) fn engine(
        &self,
        keys: &Keys,
        overlay: &[(String, String)],
    ) -> Result<(Engine, Document), PolicyFault> {
        let deployment = self.deployment(keys);
        self.with(overlay, |input| load_and_build(input, |_| Ok(deployment)))
    }

    /// Where it is used, with these keys.
    pub(crate) fn deployment(&self, keys: &Keys) -> Deployment {
        Deployment {
            listen: Some(self.listen),
            development: self.profile() == "development",
            keys: Some(keys.clone()),
            ..Deployment::default()
        }
    }

    fn with<T>(
        &self,
        overlay: &[(String, String)],
        work: impl FnOnce(&PolicyInput<'_>) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<T, PolicyFault> {
        let mut overrides: BTreeMap<&str, &str> = self
            .environment
            .iter()
            .filter(|(name, _)| name.starts_with(OVERRIDE))
            .map(|(name, value)| (&**name, &**value))
            .collect();
        overrides.extend(overlay.iter().map(|(name, value)| (&**name, &**value)));
        let overrides: Vec<(String, String)> =
            overrides.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let input = PolicyInput {
            text: &self.text,
            profile: self.profile.as_deref(),
            env: &|name| self.variable(name),
            overrides: &overrides,
            ..PolicyInput::new(&self.name)
        };
        let faulty = |faults| PolicyFault::Faulty(PolicyFaults { name: self.name.clone(), faults });
        work(&input).map_err(faulty)
    }
}

fn read(path: &Path) -> Result<String, PolicyFault> {
    fs::read_to_string(path).map_err(|error| PolicyFault::Unreadable { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_page_quotes_it_to_the_letter() {
        let page = include_str!("../../../docs/reference-api.md");
        let quotes: Vec<_> =
            page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(quotes.len(), 3);
        for quote in quotes {
            assert!(POLICY.contains(quote), "{quote}");
        }
    }

    #[test]
    fn each_profile_of_the_built_in_policy_builds_without_a_warning() {
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        for (profile, environment) in [
            (None, &[][..]),
            (Some("production"), &[("REFERENCE_API_ORIGIN", "https://orders.example.com")]),
            (Some("development"), &[]),
            (Some("demo"), &[("REFERENCE_API_ORIGIN", "http://127.0.0.1:4711")]),
        ] {
            let mut settings = Settings::new("nowhere");
            settings.profile = profile.map(Into::into);
            let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            settings.environment.extend(pairs);
            let source = PolicySource::of(&settings).unwrap();
            let (engine, document) =
                source.engine(&keys, &[]).unwrap_or_else(|error| panic!("{profile:?}: {error}"));
            assert_eq!(engine.warnings(), [], "{profile:?}");
            let jwt = document.policy.jwt.unwrap();
            assert_eq!(document.policy.origin.public, [jwt.issuer], "{profile:?}");
        }
    }

    #[test]
    fn an_overlay_turns_a_control_off_and_a_fault_is_told() {
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        let source = PolicySource::of(&Settings::new("nowhere")).unwrap();
        let overlay = |value: &str| vec![("BARTIZAN__CSRF__MODE".to_owned(), value.to_owned())];
        let mode = |engine: &Engine| engine.modes().find(|(name, _)| *name == "csrf").map(|(_, mode)| mode);
        let (engine, _) = source.engine(&keys, &[]).unwrap();
        assert_eq!(mode(&engine), Some(bartizan::policy::Mode::Enforce));
        let (engine, _) = source.engine(&keys, &overlay("off")).unwrap();
        assert_eq!(mode(&engine), Some(bartizan::policy::Mode::Off));
        let error = source.engine(&keys, &overlay("sometimes")).unwrap_err();
        assert!(error.to_string().contains("csrf.mode"), "{error}");
    }
}
