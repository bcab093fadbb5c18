//! `cargo xtask test`: all tests of the workspace, with what they need.

use crate::{
    failure::Failure,
    run::{self, Steps},
};

/// Runs all tests.
///
/// Gets the programs that the tests talk to (Chromium, FastAPI; by apt-get as root on Debian), builds the
/// binary, runs every test (by cargo-nextest where it is installed, else by `cargo test`), then the examples in
/// the documentation, and sums up. Exit code 1 if anything failed. What cannot be had is skipped and said at
/// the end; with CI set in the environment it is a failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the tests whose names contain this.
    filter: Option<String>,
    /// Only this crate.
    #[arg(short, long, value_name = "CRATE")]
    package: Option<String>,
    /// Use `cargo test` even where cargo-nextest is installed.
    #[arg(long)]
    no_nextest: bool,
}

/// Runs the steps.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut steps = Steps::default();
    let scope: Vec<&str> = match &arguments.package {
        Some(package) => vec!["--package", package],
        None => vec!["--workspace"],
    };
    let mut warnings = Vec::new();
    steps.step("programs that the tests talk to", || install(&mut warnings));
    let built = steps
        .step("build the binary", || run::run(run::cargo().args(["build", "--package", "bartizan-cli"])));
    if built {
        let nextest = !arguments.no_nextest && run::works("cargo", &["nextest", "--version"]);
        steps.step(if nextest { "tests (cargo nextest)" } else { "tests (cargo test)" }, || {
            let mut command = run::cargo();
            if nextest {
                command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "warn"]);
            } else {
                command.args(["test", "--no-fail-fast"]);
            }
            command.args(&scope).args(["--lib", "--bins", "--tests", "--examples"]).args(&arguments.filter);
            run::run(&mut command)
        });
        steps.step("examples in the documentation", || {
            run::run(run::cargo().args(["test", "--doc"]).args(&scope).args(&arguments.filter))
        });
    }
    // What was skipped must not be overlooked in a long output.
    for warning in &warnings {
        eprintln!("\n{warning}");
    }
    steps.finish()
}

/// Installs what can be installed, and keeps the lines that say what will be skipped.
fn install(warnings: &mut Vec<String>) -> Result<(), Failure> {
    let mut output = Vec::new();
    let outcome = bartizan_peers::install::ensure(&mut output);
    let output = String::from_utf8_lossy(&output);
    eprint!("{output}");
    warnings.extend(output.lines().filter(|line| line.starts_with("WARNING")).map(str::to_owned));
    outcome.map_err(|error| Failure::Unmet(error.to_string()))
}
