//! Gets the programs that the tests need and the machine lacks.

use std::{
    env, fs,
    io::{self, Write},
    path::PathBuf,
    process::Command,
};

use thiserror::Error;

use crate::fastapi;

/// A program that tests use: its names, and Debian's package.
struct Program {
    purpose: &'static str,
    names: &'static [&'static str],
    package: &'static str,
}

pub(crate) const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
pub(crate) const CHROMEDRIVER: &[&str] = &["chromedriver"];
pub(crate) const OPENSSL: &[&str] = &["openssl"];
pub(crate) const REDIS_SERVER: &[&str] = &["redis-server", "valkey-server"];
pub(crate) const REDIS_CLI: &[&str] = &["redis-cli", "valkey-cli"];

pub(crate) const POSTGRES: &[&str] = &["postgres"];

const PROGRAMS: [Program; 7] = [
    Program { purpose: "the browser tests", names: CHROMIUM, package: "chromium" },
    Program { purpose: "the browser tests", names: CHROMEDRIVER, package: "chromium-driver" },
    Program { purpose: "the browser tests of FastAPI's documentation", names: OPENSSL, package: "openssl" },
    Program { purpose: "the comparison with nginx", names: &["nginx"], package: "nginx-light" },
    Program { purpose: "the tests with Postgres", names: POSTGRES, package: "postgresql" },
    Program { purpose: "the tests of the store in Redis", names: REDIS_SERVER, package: "redis-server" },
    Program {
        purpose: "the tests of the store in a Redis Cluster",
        names: REDIS_CLI,
        package: "redis-tools",
    },
];

/// Something that the tests need could not be had.
#[derive(Debug, Error)]
pub enum InstallError {
    /// Programs that are neither there nor could be installed.
    #[error("{} missing; on Debian: apt-get install -y --no-install-recommends {}", .0.join(", "), .1.join(" "))]
    Missing(Vec<&'static str>, Vec<&'static str>),
    /// A command that failed.
    #[error("{command} failed: {output}")]
    Command {
        /// As it was run.
        command: String,
        /// What it said.
        output: String,
    },
    /// The report could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Installs what is missing: programs with `apt-get` (as root on Debian), Python packages into a virtual
/// environment under `target/`. What it does is written to `out`.
///
/// What cannot be had is an error when `CI` is set. Elsewhere it is a line in `out`, and the tests that need it
/// say that they are skipped.
pub fn ensure(out: &mut dyn Write) -> Result<(), InstallError> {
    let missing = missing();
    if !missing.is_empty() && is_root() && find(&["apt-get"]).is_some() {
        let packages: Vec<_> = missing.iter().map(|program| program.package).collect();
        writeln!(out, "installing {}", packages.join(", "))?;
        // On a new machine the lists are missing too. A failure shows in what is missing afterwards.
        apt_get(&["update", "-q"]);
        apt_get(&[&["install", "-q", "-y", "--no-install-recommends"], &packages[..]].concat());
    }
    let missing = self::missing();
    if !missing.is_empty() {
        let names = missing.iter().map(|program| program.names[0]).collect();
        let packages = missing.iter().map(|program| program.package).collect();
        let error = InstallError::Missing(names, packages);
        if on_ci() {
            return Err(error);
        }
        for program in missing {
            writeln!(out, "WARNING: without {}, {} will be skipped", program.names[0], program.purpose)?;
        }
        writeln!(out, "WARNING: {error}")?;
    }
    match fastapi::virtual_environment() {
        Err(error) if on_ci() => return Err(error),
        Err(error) => writeln!(out, "WARNING: the tests with FastAPI will be skipped: {error}")?,
        Ok(_) => {}
    }
    Ok(())
}

/// The value; or, outside CI, a line on standard error and `None`.
pub(crate) fn or_skip<T>(what: &str, found: Result<T, InstallError>) -> Option<T> {
    match found {
        Ok(value) => Some(value),
        Err(error) if on_ci() => panic!("{what}: {error}"),
        Err(error) => {
            // Not `eprintln`, which the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED, for want of {what}: {error}");
            None
        }
    }
}

/// The first of these programs on the `PATH`, or in the directories that a plain user's `PATH` lacks.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin".into(), "/sbin".into()].into_iter().chain(postgres_directories());
    let directories: Vec<_> = env::split_paths(&path).chain(beside).collect();
    names
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|candidate| candidate.is_file())
}

/// The programs `names`, or which of Debian's packages has them.
pub(crate) fn require(names: &'static [&'static str]) -> Result<PathBuf, InstallError> {
    find(names).ok_or_else(|| {
        let package = PROGRAMS.iter().find(|program| program.names == names).map(|program| program.package);
        InstallError::Missing(vec![names[0]], package.into_iter().collect())
    })
}

/// Where Debian has the programs of Postgres, the newest version first.
fn postgres_directories() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|version| version.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.iter().map(|version| format!("/usr/lib/postgresql/{version}/bin").into()).collect()
}

fn missing() -> Vec<&'static Program> {
    PROGRAMS.iter().filter(|program| find(program.names).is_none()).collect()
}

fn apt_get(arguments: &[&str]) {
    let result = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    if let Ok(output) = result
        && !output.status.success()
    {
        let _ =
            writeln!(io::stderr(), "apt-get {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn on_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether the browser needs `--no-sandbox`: Chromium's sandbox refuses to run for root.
pub(crate) fn runs_as_root() -> bool {
    is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_to_install() {
        let error = InstallError::Missing(vec!["chromium", "nginx"], vec!["chromium", "nginx-light"]);
        assert_eq!(
            error.to_string(),
            "chromium, nginx missing; on Debian: apt-get install -y --no-install-recommends chromium nginx-light"
        );
        assert!(find(&["sh"]).is_some());
        assert!(find(&["no-such-program"]).is_none());
        assert!(matches!(require(&["no-such-program"]), Err(InstallError::Missing(..))));
    }
}
