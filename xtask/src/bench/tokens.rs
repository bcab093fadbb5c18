//! Tokens and API keys: instructions over header-only controls, beside `jsonwebtoken`; tokens issued a second; how soon a
//! rotation is known elsewhere.

use std::process::Command;

use bartizan_peers::{Postgres, Redis};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    built::built,
    figure::{Figure, median},
    gungraun::{self, Counts},
};
use crate::{failure::Failure, run};

/// The algorithms, as figures and benches name them.
const ALGORITHMS: [(&str, &str); 4] =
    [("HS256", "hs256"), ("EdDSA", "eddsa"), ("ES256", "es256"), ("RS256", "rs256")];

/// Tokens and bare signatures for each second of CPU time, round by round.
#[derive(Debug, Deserialize)]
struct Rates {
    algorithm: String,
    issued: Vec<f64>,
    signed: Vec<f64>,
}

/// Seconds until the other node verifies a token of a key, round by round.
#[derive(Debug, Deserialize)]
struct Delays {
    store: String,
    /// That was rotated to.
    rotated: Vec<f64>,
    /// That the node had not heard of.
    brought: Vec<f64>,
}

/// Measures all of it.
pub(super) fn tokens(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let mut ours = run::cargo();
    ours.args(["bench", "--package", "bartizan-benches-tokens", "--bench", "token"]);
    let mut figures = verifying(&Counts::of(ours)?, &Counts::of(gungraun::beside("jsonwebtoken"))?)?;
    eprintln!("==> tokens: issued a second, {rounds} rounds");
    figures.extend(issuing(&lines(&issued(rounds)?)?)?);
    eprintln!("==> tokens: rotations, {rounds} rounds");
    figures.extend(rotating(&lines(&rotations(rounds)?)?)?);
    Ok(figures)
}

fn verifying(ours: &Counts, beside: &Counts) -> Result<Vec<Figure>, Failure> {
    let base = ours.of_one("token", "header_only")?;
    let mut figures = Vec::new();
    for (name, id) in ALGORITHMS {
        let (token, theirs) = (ours.of_one("token", id)?, beside.of_one("verify", id)?);
        let over = token.instructions - base.instructions;
        figures.extend([
            Figure::reference(format!("{name} token: instructions over header-only controls"), over, 0),
            Figure::reference(
                format!("`jsonwebtoken` alone, the same {name} token: instructions"),
                theirs.instructions,
                0,
            ),
            Figure::reference(format!("{name} token ÷ `jsonwebtoken`"), over / theirs.instructions, 2),
        ]);
    }
    let (token, claims) = (ours.of_one("token", "eddsa")?, ours.of_one("token", "claims")?);
    let (key, key_base) = (ours.of_one("api_key", "required")?, ours.of_one("api_key", "header_only")?);
    figures.extend([
        Figure::reference(
            "EdDSA token: heap allocations over header-only controls",
            token.allocations - base.allocations,
            0,
        ),
        Figure::reference(
            "`jsonwebtoken` alone, the same EdDSA token: heap allocations",
            beside.of_one("verify", "eddsa")?.allocations,
            0,
        ),
        Figure::reference(
            "a handler that takes `Claims<T>`: instructions more",
            claims.instructions - token.instructions,
            0,
        ),
        Figure::reference(
            "API key in memory: instructions over header-only controls",
            key.instructions - key_base.instructions,
            0,
        ),
        Figure::reference(
            "API key in memory: heap allocations over header-only controls",
            key.allocations - key_base.allocations,
            0,
        ),
    ]);
    Ok(figures)
}

/// What the program says that issues tokens.
fn issued(rounds: usize) -> Result<String, Failure> {
    let program = built("bartizan-benches-tokens", "bartizan-benches-tokens")?;
    run::read(Command::new(program).arg(rounds.to_string()))
}

fn issuing(rates: &[Rates]) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for Rates { algorithm, issued, signed } in rates {
        let mut ratios: Vec<f64> =
            issued.iter().zip(signed).map(|(issued, signed)| signed / issued).collect();
        figures.extend([
            Figure::reference(
                format!(
                    "an {algorithm} token is issued: CPU time ÷ a bare signature, median of {} rounds",
                    ratios.len()
                ),
                middle(&mut ratios)?,
                2,
            ),
            Figure::reference(
                format!("{algorithm} tokens issued in a second of CPU time, on the machine of this page"),
                middle(&mut issued.clone())?,
                0,
            ),
        ]);
    }
    Ok(figures)
}

/// What the program says that rotates.
fn rotations(rounds: usize) -> Result<String, Failure> {
    let missing =
        |what: &str| Failure::Unmet(format!("{what} is missing: run `cargo xtask test`, which gets it"));
    let postgres = Postgres::start().ok_or_else(|| missing("Postgres"))?;
    let redis = Redis::start().ok_or_else(|| missing("Redis"))?;
    let folder = tempfile::tempdir().map_err(Failure::io("a temporary folder"))?;
    let mut rotation = Command::new(built("bartizan-benches-stores", "rotation")?);
    rotation.arg(rounds.to_string()).arg(folder.path().join("ring.sqlite"));
    run::read(rotation.args([postgres.url("postgres"), format!("127.0.0.1:{}", redis.port())]))
}

fn rotating(delays: &[Delays]) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for Delays { store, rotated, brought } in delays {
        for (seconds, what) in [
            (rotated, "a rotation begins until another node verifies"),
            (brought, "an import begins until another node verifies"),
        ] {
            let mut milliseconds: Vec<f64> = seconds.iter().map(|seconds| seconds * 1000.0).collect();
            let what = format!("{store}: ms from when {what}, median of {} rounds", milliseconds.len());
            figures.push(Figure::reference(what, middle(&mut milliseconds)?, 1));
        }
    }
    Ok(figures)
}

/// A program's lines of JSON.
fn lines<T: DeserializeOwned>(said: &str) -> Result<Vec<T>, Failure> {
    let read = |line| {
        serde_json::from_str(line)
            .map_err(|source| Failure::Json { what: "what was measured".into(), source })
    };
    said.lines().map(read).collect()
}

fn middle(values: &mut [f64]) -> Result<f64, Failure> {
    median(values).ok_or_else(|| Failure::Unmet("there were no rounds".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gungraun::tests::line;

    #[test]
    fn each_is_compared_with_the_same_request_without_it_and_the_same_token_alone() {
        let mut ours = vec![
            line("token", "header_only", 10_000, 10),
            line("token", "claims", 131_000, 46),
            line("api_key", "header_only", 10_500, 10),
            line("api_key", "required", 40_500, 31),
        ];
        let mut theirs = Vec::new();
        for (number, (_, id)) in (1..).zip(ALGORITHMS) {
            ours.push(line("token", id, 10_000 + 60_000 * number, 40));
            theirs.push(line("verify", id, 40_000 * number, 25));
        }
        let counts = |lines: &[String]| Counts::read(&lines.join("\n")).unwrap();
        let figures = verifying(&counts(&ours), &counts(&theirs)).unwrap();
        let values: Vec<_> = figures.iter().map(|figure| figure.value).collect();
        let verified = [60_000.0, 40_000.0, 1.5, 120_000.0, 80_000.0, 1.5, 180_000.0, 120_000.0, 1.5];
        assert_eq!(values[..9], verified);
        assert_eq!(values[9..], [240_000.0, 160_000.0, 1.5, 30.0, 25.0, 1_000.0, 30_000.0, 21.0]);
        assert!(verifying(&counts(&ours), &Counts::default()).is_err());
    }

    #[test]
    fn rates_are_compared_round_by_round() {
        let said = r#"{"algorithm":"EdDSA","issued":[10.0,20.0,40.0],"signed":[20.0,30.0,50.0]}"#;
        let values: Vec<_> =
            issuing(&lines(said).unwrap()).unwrap().iter().map(|figure| figure.value).collect();
        assert_eq!(values, [1.5, 20.0]);
        assert!(issuing(&lines(r#"{"algorithm":"EdDSA","issued":[],"signed":[]}"#).unwrap()).is_err());
    }

    #[test]
    fn delays_are_told_in_milliseconds() {
        let said = r#"{"store":"SQLite","rotated":[0.001,0.003,0.002],"brought":[0.5,0.004,0.003]}"#;
        let values: Vec<_> =
            rotating(&lines(said).unwrap()).unwrap().iter().map(|figure| figure.value).collect();
        assert_eq!(values, [2.0, 4.0]);
        assert!(lines::<Delays>("SQLite").is_err());
    }
}
