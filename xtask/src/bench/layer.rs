//! The tower layer: instructions and heap allocations of one request, over those of the bare application.

use std::collections::BTreeMap;

use serde_json::Value;

use super::figure::Figure;
use crate::{failure::Failure, run};

/// What one benchmark counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    instructions: f64,
    allocations: f64,
}

/// By function and id: `("json", "around")`.
type Counts = BTreeMap<(String, String), Count>;

/// Runs the benches of `benches/` and takes the differences that have a target.
pub(super) fn layer() -> Result<Vec<Figure>, Failure> {
    if !run::works("gungraun-runner", &["--version"]) {
        return Err(Failure::Unmet(
            "gungraun-runner is missing: run `cargo install --locked gungraun-runner` in the version that \
             Cargo.lock has of gungraun"
                .into(),
        ));
    }
    let mut cargo = run::cargo();
    cargo.args(["bench", "--package", "bartizan-benches", "--bench", "layer", "--", "--output-format=json"]);
    figures(&counts(&run::read(&mut cargo)?)?)
}

/// The counts in gungraun's output, one line of JSON for each benchmark.
fn counts(output: &str) -> Result<Counts, Failure> {
    let mut counts = Counts::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        let json: Value = serde_json::from_str(line)
            .map_err(|source| Failure::Json { what: "the output of gungraun".into(), source })?;
        let (Some(function), Some(id)) = (json["function_name"].as_str(), json["id"].as_str()) else {
            continue;
        };
        let count = counts.entry((function.to_owned(), id.to_owned())).or_default();
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

fn total(profile: &Value, metric: &str) -> Option<f64> {
    profile["data"]["total"]["metrics"][metric]["values"]["new"].as_f64()
}

/// What is to be reached, and beside it what is only of interest.
fn figures(counts: &Counts) -> Result<Vec<Figure>, Failure> {
    let of = |function: &str, id: &str| {
        counts
            .get(&(function.to_owned(), id.to_owned()))
            .copied()
            .filter(|count| count.instructions > 0.0)
            .ok_or_else(|| Failure::Unmet(format!("gungraun did not count `{function} {id}`")))
    };
    let (bare, others) = (of("json", "bare")?, of("json", "tower_http")?);
    let (around, inside, empty) = (of("json", "around")?, of("json", "inside")?, of("json", "inside_empty")?);
    let over = around.instructions - bare.instructions;
    let theirs = others.instructions - bare.instructions;
    let mut figures = vec![
        Figure::gate("layer around the Router: instructions over bare", over, 0, 5_999.0),
        Figure::gate("the same ÷ the tower-http stack of equal features", over / theirs, 2, 0.5),
        Figure::reference("the tower-http stack: instructions over bare", theirs, 0),
        Figure::gate(
            "through `Router::layer`: instructions over an empty layer",
            inside.instructions - empty.instructions,
            0,
            6_499.0,
        ),
        Figure::gate(
            "layer around the Router: heap allocations over bare",
            around.allocations - bare.allocations,
            0,
            2.0,
        ),
        Figure::reference(
            "the tower-http stack: heap allocations over bare",
            others.allocations - bare.allocations,
            0,
        ),
    ];
    for (function, what) in [("cross_origin", "a trusted origin's request"), ("page", "a page with a nonce")]
    {
        let (bare, around) = (of(function, "bare")?, of(function, "around")?);
        figures.push(Figure::reference(
            format!("layer, {what}: instructions over bare"),
            around.instructions - bare.instructions,
            0,
        ));
    }
    figures.push(Figure::reference(
        "layer, a refused request: instructions",
        of("forged", "around")?.instructions,
        0,
    ));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(function: &str, id: &str, instructions: u64, allocations: u64) -> String {
        let profile = |tool: &str, metric: &str, new: u64| serde_json::json!({ "tool": tool, "data": { "total": { "metrics": { metric: { "values": { "new": new } } } } } });
        let profiles =
            [profile("Callgrind", "Ir", instructions), profile("DHAT", "TotalBlocks", allocations)];
        serde_json::json!({ "function_name": function, "id": id, "profiles": profiles }).to_string()
    }

    fn output(around: u64, allocations: u64) -> String {
        [
            line("json", "bare", 10_000, 5),
            line("json", "tower_http", 24_000, 20),
            line("json", "around", around, allocations),
            line("json", "inside_empty", 12_000, 9),
            line("json", "inside", 18_000, 11),
            line("cross_origin", "bare", 10_000, 5),
            line("cross_origin", "around", 17_000, 9),
            line("page", "bare", 10_000, 5),
            line("page", "around", 18_000, 9),
            line("forged", "around", 9_000, 9),
        ]
        .join("\n")
    }

    #[test]
    fn figures_are_differences_and_missing_one_fails() {
        let fails = |around, allocations| {
            let figures = figures(&counts(&output(around, allocations)).unwrap()).unwrap();
            figures.into_iter().filter(Figure::fails).map(|figure| figure.what).collect::<Vec<_>>()
        };
        assert_eq!(fails(15_000, 7), [""; 0]);
        assert_eq!(fails(16_000, 7), ["layer around the Router: instructions over bare"]);
        assert_eq!(fails(18_000, 7).len(), 2);
        assert_eq!(fails(15_000, 8), ["layer around the Router: heap allocations over bare"]);
    }

    #[test]
    fn a_benchmark_that_did_not_run_is_an_error() {
        let without = output(15_000, 7).replace("inside_empty", "other");
        let error = figures(&counts(&without).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "gungraun did not count `json inside_empty`");
        assert!(counts("{ broken").is_err());
    }
}
