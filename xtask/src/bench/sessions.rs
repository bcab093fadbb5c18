//! Sessions and CSRF tokens: instructions over header-only controls, beside tower-sessions; and bytes.

use serde_json::Value;

use super::{
    figure::Figure,
    gungraun::{self, Counts},
};
use crate::{failure::Failure, run};

/// Measures all of it.
pub(super) fn sessions() -> Result<Vec<Figure>, Failure> {
    let counts = Counts::of(gungraun::bench("session"))?;
    let mut figures = figures(&counts, &Counts::of(gungraun::beside("tower_sessions"))?)?;
    let bytes = footprint(&run::read(&mut gungraun::bench("footprint"))?)?;
    figures.push(Figure::gate("idle session in the memory store: bytes", bytes, 0, 299.0));
    Ok(figures)
}

fn figures(counts: &Counts, beside: &Counts) -> Result<Vec<Figure>, Failure> {
    let (get, post) = (counts.of_one("read", "header_only")?, counts.of_one("change", "header_only")?);
    let session = counts.of_one("read", "session")?;
    let (bare, theirs) = (beside.of_one("beside", "bare")?, beside.of_one("beside", "tower_sessions")?);
    let over_get = session.instructions - get.instructions;
    let over_bare = theirs.instructions - bare.instructions;
    let mut figures = vec![
        Figure::reference("session in memory: instructions over header-only controls", over_get, 0),
        Figure::reference("tower-sessions in memory: instructions over bare", over_bare, 0),
        Figure::reference("session in memory ÷ tower-sessions", over_get / over_bare, 2),
        Figure::reference(
            "session in memory: heap allocations over header-only controls",
            session.allocations - get.allocations,
            0,
        ),
        Figure::reference(
            "tower-sessions in memory: heap allocations over bare",
            theirs.allocations - bare.allocations,
            0,
        ),
    ];
    for (id, what) in [("token", "CSRF token"), ("session_and_token", "session in memory and CSRF token")] {
        let over = counts.of_one("change", id)?.instructions - post.instructions;
        figures.push(Figure::reference(
            format!("{what}, a POST: instructions over header-only controls"),
            over,
            0,
        ));
    }
    Ok(figures)
}

/// The bytes in `{"session": 123}`.
fn footprint(said: &str) -> Result<f64, Failure> {
    let json: Value = serde_json::from_str(said)
        .map_err(|source| Failure::Json { what: "the output of the bench `footprint`".into(), source })?;
    let bytes = json["session"].as_f64().filter(|bytes| *bytes > 0.0);
    bytes.ok_or_else(|| Failure::Unmet(format!("the bench `footprint` counted no bytes: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gungraun::tests::line;

    #[test]
    fn each_is_compared_with_the_same_request_without_it() {
        let ours = [
            line("read", "header_only", 12_000, 15),
            line("read", "session", 35_000, 38),
            line("change", "header_only", 13_000, 15),
            line("change", "token", 70_000, 25),
            line("change", "session_and_token", 77_000, 42),
        ];
        let theirs = [line("beside", "bare", 7_000, 13), line("beside", "tower_sessions", 18_500, 28)];
        let counts = |lines: &[String]| Counts::read(&lines.join("\n")).unwrap();
        let values: Vec<_> = figures(&counts(&ours), &counts(&theirs)).unwrap();
        let values: Vec<_> = values.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [23_000.0, 11_500.0, 2.0, 23.0, 15.0, 57_000.0, 64_000.0]);
    }

    #[test]
    fn bytes_are_read() {
        assert!(footprint("{\"session\": 231}\n").is_ok_and(|bytes| (bytes - 231.0).abs() < 0.1));
        for said in ["", "{}", "{\"session\": 0}"] {
            assert!(footprint(said).is_err(), "{said}");
        }
    }
}
