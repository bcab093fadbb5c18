//! `cargo xtask bench`: the figures that matter, each beside what it is to reach.

mod beside;
mod figure;
mod layer;
mod load;
mod measure;
mod page;
mod server;

use crate::{failure::Failure, run};

/// Measures, and prints each figure with its target.
///
/// Instruction counts come from valgrind and are the same on every run; times are taken as ratios of two
/// programs that take turns within one run. Exit code 1 if a figure that is a gate misses its target.
/// `docs/performance.md` tells the method.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Measure only this part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// How often gateway and nginx take turns for their CPU time.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Write the printed tables into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The tower layer, over the bare application and beside tower-http.
    Layer,
    /// The gateway, beside nginx.
    Gateway,
}

/// Measures what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let mut figures = Vec::new();
    if wanted(Part::Layer) {
        figures.extend(layer::layer()?);
    }
    if wanted(Part::Gateway) {
        figures.extend(beside::nginx(arguments.rounds)?);
    }
    let table = figure::table(&figures);
    print!("\n{table}");
    if arguments.write {
        page::write(&run::root(), &table)?;
    }
    let missed: Vec<_> = figures.iter().filter(|figure| figure.fails()).map(|figure| &*figure.what).collect();
    if missed.is_empty() { Ok(()) } else { Err(Failure::Unmet(format!("missed: {}", missed.join("; ")))) }
}
