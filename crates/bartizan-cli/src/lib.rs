//! The `bartizan` command, as a library: whatever ships the command (the binary here, the Python wheel) calls
//! [`run`] with its arguments.
//!
//! Each subcommand is a module. It reads what it is given, asks [`bartizan_core`] or [`bartizan_gateway`], and
//! renders the answer; decisions are made there, not here.

mod api_key;
mod arguments;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod deployment;
mod diagnostics;
mod explain;
mod failure;
mod fetch;
mod init;
mod keys;
mod log;
mod openapi;
mod policy;
mod report;
mod request;
mod schema;
mod secrets;
mod serve;
mod session;
mod store;
mod terminal;
mod token;
mod when;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use crate::{
    arguments::{Arguments, Command},
    failure::Failure,
};

/// How a command ended, where it did not fail to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well: exit code 0.
    Fine,
    /// It ran, and what it looked at has faults, which it has printed: exit code 1.
    Faults,
    /// It could not look, and has said why, where 1 would be an answer: exit code 2.
    Undecided,
}

/// Runs the command that `arguments` name (the first is the program's own name) to its end.
///
/// The exit code is 0 where all is well, 1 where errors were found or the gateway could not start, 2 where the
/// arguments are wrong or `token inspect` could not look, and 130 where a second Ctrl-C ended the gateway before its requests did.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are "errors" too, for standard output and with exit code 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match &arguments.command {
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Session(arguments) => session::run(arguments),
        Command::Keys(arguments) => keys::run(arguments),
        Command::ApiKey(arguments) => api_key::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Schema => schema::run(),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Faults) => ExitCode::from(1),
        Ok(Outcome::Undecided) => ExitCode::from(2),
        // Whoever read our output has seen enough (`bartizan schema | head`).
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(1)
        }
    }
}
