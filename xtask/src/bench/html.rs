//! Cleaning HTML: instructions and time beside ammonia, which reads with the same parser.

use serde_json::Value;

use super::{figure::Figure, gungraun::Counts};
use crate::{failure::Failure, run};

/// The inputs of `benches/beside/html`: name, what it is, and the most that our time may be of ammonia's.
const INPUTS: [(&str, &str, f64); 6] = [
    ("plain", "text without markup, 280 characters", 0.02),
    ("plain_long", "text without markup, 100 KB", 0.02),
    ("comment", "comment with three tags", 1.0),
    ("article", "article of 100 KB", 1.0),
    ("misnested", "tags that cross each other", 1.0),
    ("nested", "elements nested 5 000 deep", 1.0),
];

/// Measures all of it.
pub(super) fn html() -> Result<Vec<Figure>, Failure> {
    let bench = |name: &str| {
        let mut cargo = run::cargo();
        // A workspace of its own: what it needs is not in our lock file.
        cargo.env("CARGO_TARGET_DIR", bartizan_peers::target_dir().join("beside")).args([
            "bench",
            "--manifest-path",
            "benches/beside/html/Cargo.toml",
            "--bench",
            name,
        ]);
        cargo
    };
    let times = run::read(&mut bench("clean_times"))?;
    figures(&times, &Counts::of(bench("clean"))?)
}

fn figures(times: &str, counts: &Counts) -> Result<Vec<Figure>, Failure> {
    let times: Value = serde_json::from_str(times)
        .map_err(|source| Failure::Json { what: "the output of the bench `clean_times`".into(), source })?;
    let mut figures = Vec::new();
    for (name, what, most) in INPUTS {
        let time = times[name].as_f64().filter(|ratio| *ratio > 0.0);
        let time =
            time.ok_or_else(|| Failure::Unmet(format!("`clean_times` did not measure `{name}`: {times}")))?;
        figures.push(Figure::gate(format!("{what}: time, `clean` ÷ ammonia"), time, 3, most));
        let (ours, theirs) = (counts.of_one("ours", name)?, counts.of_one("ammonia", name)?);
        figures.push(Figure::reference(format!("{what}: instructions of `clean`"), ours.instructions, 0));
        figures.push(Figure::reference(format!("{what}: instructions of ammonia"), theirs.instructions, 0));
        let ratio = ours.instructions / theirs.instructions;
        let what = format!("{what}: instructions, `clean` ÷ ammonia");
        // Counted they repeat, so that a gate on them does not depend on the machine. Of plain text each instruction of
        // ours reads 32 bytes, which time knows and a count does not.
        figures.push(if most < 1.0 {
            Figure::reference(what, ratio, 3)
        } else {
            Figure::gate(what, ratio, 3, most)
        });
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gungraun::tests::line;

    #[test]
    fn each_input_is_compared_with_ammonia_and_a_slower_one_fails() {
        let lines: Vec<_> = INPUTS
            .iter()
            .flat_map(|(name, ..)| [line("ours", name, 500, 1), line("ammonia", name, 1_000, 9)])
            .collect();
        let counts = Counts::read(&lines.join("\n")).unwrap();
        let times = r#"{"plain": 0.03, "plain_long": 0.01, "comment": 0.5, "article": 1.1, "misnested": 0.5, "nested": 0.1}"#;
        let figures = figures(times, &counts).unwrap();
        let missed: Vec<_> =
            figures.iter().filter(|figure| figure.fails()).map(|figure| &*figure.what).collect();
        assert_eq!(
            missed,
            [
                "text without markup, 280 characters: time, `clean` ÷ ammonia",
                "article of 100 KB: time, `clean` ÷ ammonia"
            ]
        );
        assert_eq!(figures.len(), 24);
    }

    #[test]
    fn a_missing_time_is_an_error() {
        let error = figures("{}", &Counts::default()).unwrap_err();
        assert_eq!(error.to_string(), "`clean_times` did not measure `plain`: {}");
    }
}
