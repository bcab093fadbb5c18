//! `cargo xtask schema`: the JSON Schema of the policy file, from the types that read it.

use std::fs;

use bartizan_core::policy::schema_text;

use crate::{failure::Failure, run};

/// The file at the workspace's root.
pub(crate) const FILE: &str = "bartizan.schema.json";

/// Writes bartizan.schema.json from the policy's types.
///
/// Editors complete and check `bartizan.toml` with it. It is checked in; `cargo xtask tidy` fails while it
/// is not what the types say.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if the file is not current.
    #[arg(long)]
    check: bool,
}

/// Writes or checks the file.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = run::root().join(FILE);
    let current = schema_text();
    if fs::read_to_string(&path).is_ok_and(|found| found == current) {
        println!("{FILE} is current");
        return Ok(());
    }
    if arguments.check {
        return Err(Failure::Unmet(format!("{FILE} is not what the types say: run `cargo xtask schema`")));
    }
    fs::write(&path, current).map_err(Failure::file(&path))?;
    println!("{FILE} written");
    Ok(())
}
