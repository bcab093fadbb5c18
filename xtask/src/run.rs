//! Running other programs from the workspace's root, and telling how long each took.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// The workspace's root: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The `cargo` that runs us.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// Whether `program` can be run with `arguments`.
pub(crate) fn works<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs `command` with our own input and output.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(Failure::io(line(command)))?;
    if status.success() { Ok(()) } else { Err(Failure::Command { command: line(command), status }) }
}

/// Runs `command` and returns what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(Failure::io(line(command)))?;
    if !output.status.success() {
        return Err(Failure::Command { command: line(command), status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Steps that all run, whatever becomes of the others, and are summed up at the end.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Runs one step and says whether it succeeded.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) -> bool {
        eprintln!("\n==> {name}");
        let start = Instant::now();
        let failure = work().err().map(|failure| failure.to_string());
        if let Some(failure) = &failure {
            eprintln!("error: {failure}");
        }
        let succeeded = failure.is_none();
        self.0.push(Step { name: name.to_owned(), took: start.elapsed(), failure });
        succeeded
    }

    /// Prints the summary; an error if any step failed.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        eprintln!();
        for step in &self.0 {
            let mark = if step.failure.is_none() { "ok    " } else { "FAILED" };
            eprintln!("{mark} {:>7.1} s  {}", step.took.as_secs_f64(), step.name);
        }
        let failed: Vec<_> = self.0.iter().filter(|step| step.failure.is_some()).collect();
        if failed.is_empty() {
            eprintln!("\nAll {} steps passed.", self.0.len());
            return Ok(());
        }
        let names: Vec<_> = failed.iter().map(|step| step.name.as_str()).collect();
        Err(Failure::Unmet(format!(
            "{} of {} steps failed: {}",
            failed.len(),
            self.0.len(),
            names.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_whole_and_is_named() {
        let mut steps = Steps::default();
        assert!(steps.step("first", || Ok(())));
        assert!(!steps.step("second", || Err(Failure::Unmet("no".into()))));
        assert!(steps.step("third", || Ok(())));
        assert_eq!(steps.finish().unwrap_err().to_string(), "1 of 3 steps failed: second");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--doc"]);
        assert_eq!(line(&command), "cargo test --doc");
    }
}
