//! The parts of `cargo metadata` that the checks read.

use serde::Deserialize;

use crate::{failure::Failure, run};

/// `cargo metadata --no-deps`: our crates and what each asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

/// One of our crates.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<Kind>,
    pub(super) uses_default_features: bool,
    pub(super) features: Vec<String>,
}

/// Which table it stands in; none for `[dependencies]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Dev,
    Build,
}

impl Metadata {
    /// Asks cargo.
    pub(super) fn read() -> Result<Self, Failure> {
        let mut cargo = run::cargo();
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
        serde_json::from_str(&run::read(&mut cargo)?)
            .map_err(|source| Failure::Json { what: "cargo metadata".into(), source })
    }
}
