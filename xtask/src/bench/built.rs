//! The programs that are measured, built as release artefacts are.

use std::path::PathBuf;

use crate::{failure::Failure, run};

/// The profile of release artefacts. That of `--release` is made for whoever builds from source and waits for it.
const PROFILE: &str = "dist";

/// Builds `program` of `package`, and says where it is.
pub(super) fn built(package: &str, program: &str) -> Result<PathBuf, Failure> {
    run::run(run::cargo().args(["build", "--profile", PROFILE, "--package", package, "--bin", program]))?;
    Ok(bartizan_peers::target_dir().join(PROFILE).join(program))
}
