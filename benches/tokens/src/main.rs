//! Says how many tokens a second are issued by each algorithm, for `cargo xtask bench --only tokens`.
//!
//! Argument: how many rounds. Prints a line of JSON for each algorithm,
//! `{"algorithm": "HS256", "issued": [250000.0], "signed": [900000.0]}`, with the rates of all rounds.

use std::{env, error::Error};

use bartizan_benches_tokens::{ALGORITHMS, issuing};

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = env::args().nth(1).ok_or("give the number of rounds")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for algorithm in ALGORITHMS {
        let (issued, signed) = runtime.block_on(issuing::rounds(algorithm, rounds));
        println!(
            "{}",
            serde_json::json!({ "algorithm": algorithm.as_str(), "issued": issued, "signed": signed })
        );
    }
    Ok(())
}
