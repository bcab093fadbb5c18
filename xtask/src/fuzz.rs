//! `cargo xtask fuzz`: runs the fuzz targets for a while and tells how much each did.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use crate::{failure::Failure, run};

/// Runs the fuzz targets, one after the other, and prints the executions of each.
///
/// The targets and their corpora are in `fuzz/`. A crash leaves its input in `fuzz/artifacts/TARGET/`, ends
/// the run with exit code 1, and is repeated by `cargo fuzz run --sanitizer none TARGET FILE`. What a run
/// learns stays in the build folder for the next one; `--keep` adds what covers something new to
/// `fuzz/corpus/TARGET/`.
/// Works with the stable toolchain: our code has no `unsafe`, so the address sanitizer is left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The targets to run; all of them when none is named.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Afterwards, add the inputs that cover something new to the checked-in corpus.
    #[arg(long)]
    keep: bool,
    /// List the targets and run nothing.
    #[arg(long)]
    list: bool,
}

/// How one target went.
struct Outcome {
    target: String,
    executions: Option<u64>,
    took: Duration,
    failed: bool,
}

/// Runs the targets.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let all = targets()?;
    if arguments.list {
        for target in &all {
            println!("{target}");
        }
        return Ok(());
    }
    if let Some(unknown) = arguments.targets.iter().find(|target| !all.contains(target)) {
        return Err(Failure::Unmet(format!("there is no target `{unknown}`; there are {}", all.join(", "))));
    }
    if !run::works("cargo", &["fuzz", "--version"]) {
        return Err(Failure::Unmet("cargo-fuzz is missing: run `cargo install --locked cargo-fuzz`".into()));
    }
    let chosen = if arguments.targets.is_empty() { &all } else { &arguments.targets };
    let mut outcomes = Vec::new();
    // A target that does not build is no crash, and its building is not counted in its seconds.
    run::run(run::cargo().args(["fuzz", "build", "--sanitizer", "none"]))?;
    for target in chosen {
        eprintln!("==> {target}, {} s", arguments.seconds);
        outcomes.push(fuzz(target, arguments.seconds)?);
        if arguments.keep {
            keep(target)?;
        }
    }
    report(&outcomes)
}

/// Runs one target and watches its output for the count.
fn fuzz(target: &str, seconds: u64) -> Result<Outcome, Failure> {
    let mut command = run::cargo();
    // libFuzzer writes what it learns into the first folder and only reads the others.
    command
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .args([learnt(target)?, corpus(target)?])
        .arg("--")
        .args([format!("-max_total_time={seconds}"), "-print_final_stats=1".into(), "-timeout=10".into()])
        .args(["-rss_limit_mb=2048", "-verbosity=0"])
        .stderr(Stdio::piped());
    let start = std::time::Instant::now();
    let mut child = command.spawn().map_err(Failure::io(run::line(&command)))?;
    let mut executions = None;
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.map_err(Failure::io("reading the fuzzer's output"))?;
        executions = executed(&line).or(executions);
        eprintln!("    {line}");
    }
    let status = child.wait().map_err(Failure::io(run::line(&command)))?;
    Ok(Outcome { target: target.to_owned(), executions, took: start.elapsed(), failed: !status.success() })
}

/// Adds what was learnt and covers something new to the checked-in corpus.
fn keep(target: &str) -> Result<(), Failure> {
    let mut command = run::cargo();
    command.args(["fuzz", "run", "--sanitizer", "none", target]);
    run::run(command.args([corpus(target)?, learnt(target)?]).args(["--", "-merge=1"]))
}

/// The inputs that are checked in.
fn corpus(target: &str) -> Result<PathBuf, Failure> {
    folder(run::root().join("fuzz/corpus").join(target))
}

/// The inputs that runs on this machine found.
fn learnt(target: &str) -> Result<PathBuf, Failure> {
    folder(bartizan_peers::target_dir().join("fuzz-corpus").join(target))
}

fn folder(path: PathBuf) -> Result<PathBuf, Failure> {
    fs::create_dir_all(&path).map_err(Failure::file(&path))?;
    Ok(path)
}

/// The count in libFuzzer's final statistics: `stat::number_of_executed_units: 123`.
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok()
}

fn report(outcomes: &[Outcome]) -> Result<(), Failure> {
    println!("\n{:<24} {:>14} {:>9}", "target", "executions", "seconds");
    for Outcome { target, executions, took, failed } in outcomes {
        let executions = executions.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let mark = if *failed { "  CRASHED" } else { "" };
        println!("{target:<24} {executions:>14} {:>9.0}{mark}", took.as_secs_f64());
    }
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.failed).map(|outcome| &*outcome.target).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Unmet(format!("crashed: {}", failed.join(", ")))) }
}

/// The targets by their files in `fuzz/fuzz_targets/`, sorted.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = run::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Failure::file(&folder))? {
        let path = entry.map_err(Failure::file(&folder))?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failed: bool) -> Outcome {
        Outcome { target: "path".into(), executions: Some(1), took: Duration::ZERO, failed }
    }

    #[test]
    fn the_count_is_read_from_the_statistics() {
        assert_eq!(executed("stat::number_of_executed_units: 7356702"), Some(7_356_702));
        assert_eq!(executed("stat::new_units_added:          2"), None);
        assert_eq!(executed("#2\tINITED cov: 6"), None);
    }

    #[test]
    fn a_crash_fails_the_command() {
        assert!(report(&[outcome(false)]).is_ok());
        assert_eq!(report(&[outcome(false), outcome(true)]).unwrap_err().to_string(), "crashed: path");
    }
}
