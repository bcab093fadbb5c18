//! `cargo xtask bench`: the figures that matter, each beside what it is to reach.

mod beside;
mod built;
mod figure;
mod gungraun;
mod html;
mod layer;
mod load;
mod measure;
mod page;
mod reference;
mod server;
mod sessions;
mod stores;
mod tokens;

use self::figure::Figure;
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
    /// How often gateway and nginx, and the reference API with its policy and without, take turns for their CPU time, and
    /// the stores for their requests a second; how often tokens are issued, and keys rotated.
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
    /// Sessions and CSRF tokens, beside tower-sessions.
    Sessions,
    /// The stores: what they write, and what each costs beside memory.
    Stores,
    /// Tokens and API keys, beside jsonwebtoken; how fast they are issued, and how soon a rotation is known.
    Tokens,
    /// Cleaning HTML, beside ammonia.
    Html,
    /// The reference API with all controls, over the same without them.
    Reference,
}

impl Part {
    const ALL: [Self; 7] =
        [Self::Layer, Self::Gateway, Self::Sessions, Self::Stores, Self::Tokens, Self::Html, Self::Reference];

    /// As the page's marks name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Gateway => "gateway",
            Self::Sessions => "sessions",
            Self::Stores => "stores",
            Self::Tokens => "tokens",
            Self::Html => "html",
            Self::Reference => "reference",
        }
    }

    fn measure(self, rounds: usize) -> Result<Vec<Figure>, Failure> {
        match self {
            Self::Layer => layer::layer(),
            Self::Gateway => beside::nginx(rounds),
            Self::Sessions => sessions::sessions(),
            Self::Stores => stores::stores(rounds),
            Self::Tokens => tokens::tokens(rounds),
            Self::Html => html::html(),
            Self::Reference => reference::reference(rounds),
        }
    }
}

/// Measures what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut missed = Vec::new();
    for part in Part::ALL {
        if arguments.only.is_some_and(|only| only != part) {
            continue;
        }
        let figures = part.measure(arguments.rounds)?;
        let table = figure::table(&figures);
        print!("\n{table}");
        if arguments.write {
            page::write(&run::root(), part.name(), &table)?;
        }
        missed.extend(figures.into_iter().filter(Figure::fails).map(|figure| figure.what));
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::Unmet(format!("missed: {}", missed.join("; ")))) }
}
