//! `cargo xtask test`: all tests of the workspace, with what they need.

use crate::{
    failure::Failure,
    run::{self, Steps},
};

/// Runs all tests.
///
/// Builds the binary, checks that what the tests talk to is there, runs every test
/// (by cargo-nextest where it is installed, else by `cargo test`), then the examples in the documentation, and
/// sums up. Exit code 1 if anything failed.
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
    steps.finish()
}
