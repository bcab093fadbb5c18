//! Instructions and heap allocations of one request, as gungraun counts them.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::{failure::Failure, run};

/// What one benchmark counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

/// What the benchmarks of a run counted, by function and id: `("json", "around")`.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<(String, String), Count>);

/// The command for one of the benches in `benches/`.
pub(super) fn bench(name: &str) -> Command {
    let mut cargo = run::cargo();
    cargo.args(["bench", "--package", "bartizan-benches", "--bench", name]);
    cargo
}

/// The command for one of what ours is compared with. They have a workspace of their own: what they need is not in our lock
/// file, and changes no feature of what is ours.
pub(super) fn beside(name: &str) -> Command {
    let mut cargo = run::cargo();
    cargo.env("CARGO_TARGET_DIR", bartizan_peers::target_dir().join("beside"));
    cargo.args(["bench", "--manifest-path", "benches/beside/Cargo.toml", "--bench", name]);
    cargo
}

impl Counts {
    /// Runs a bench.
    pub(super) fn of(mut bench: Command) -> Result<Self, Failure> {
        if !run::works("gungraun-runner", &["--version"]) {
            return Err(Failure::Unmet(
                "gungraun-runner is missing: run `cargo install --locked gungraun-runner` in the version that \
                 Cargo.lock has of gungraun"
                    .into(),
            ));
        }
        Self::read(&run::read(bench.args(["--", "--output-format=json"]))?)
    }

    /// The counts in gungraun's output, one line of JSON for each benchmark.
    pub(super) fn read(output: &str) -> Result<Self, Failure> {
        let mut counts = Self::default();
        for line in output.lines().filter(|line| line.starts_with('{')) {
            let json: Value = serde_json::from_str(line)
                .map_err(|source| Failure::Json { what: "the output of gungraun".into(), source })?;
            let (Some(function), Some(id)) = (json["function_name"].as_str(), json["id"].as_str()) else {
                continue;
            };
            let count = counts.0.entry((function.to_owned(), id.to_owned())).or_default();
            for profile in json["profiles"].as_array().into_iter().flatten() {
                match profile["tool"].as_str() {
                    Some("Callgrind") => count.instructions = total(profile, "Ir").unwrap_or_default(),
                    Some("DHAT") => count.allocations = total(profile, "TotalBlocks").unwrap_or_default(),
                    _ => {}
                }
            }
        }
        Ok(counts)
    }

    /// What one benchmark counted, if it ran.
    pub(super) fn of_one(&self, function: &str, id: &str) -> Result<Count, Failure> {
        self.0
            .get(&(function.to_owned(), id.to_owned()))
            .copied()
            .filter(|count| count.instructions > 0.0)
            .ok_or_else(|| Failure::Unmet(format!("gungraun did not count `{function} {id}`")))
    }
}

fn total(profile: &Value, metric: &str) -> Option<f64> {
    profile["data"]["total"]["metrics"][metric]["values"]["new"].as_f64()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A line of gungraun's output.
    pub(in crate::bench) fn line(function: &str, id: &str, instructions: u64, allocations: u64) -> String {
        let profile = |tool: &str, metric: &str, new: u64| serde_json::json!({ "tool": tool, "data": { "total": { "metrics": { metric: { "values": { "new": new } } } } } });
        let profiles =
            [profile("Callgrind", "Ir", instructions), profile("DHAT", "TotalBlocks", allocations)];
        serde_json::json!({ "function_name": function, "id": id, "profiles": profiles }).to_string()
    }

    #[test]
    fn both_tools_are_read_and_a_benchmark_that_did_not_run_is_an_error() {
        let counts = Counts::read(&format!("running\n{}\n", line("json", "around", 12_000, 17))).unwrap();
        let expected = Count { instructions: 12_000.0, allocations: 17.0 };
        assert_eq!(counts.of_one("json", "around").unwrap(), expected);
        let error = counts.of_one("json", "inside").unwrap_err();
        assert_eq!(error.to_string(), "gungraun did not count `json inside`");
        assert!(Counts::read("{ broken").is_err());
    }
}
