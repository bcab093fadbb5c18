//! The reference API: what `GET /profile` of somebody signed in costs with all controls, over the same without them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    beside::free,
    built::built,
    figure::{Figure, median},
    load::Load,
    measure::{self, CONNECTIONS},
    server::{Server, Start},
};
use crate::failure::Failure;

/// Requests per round: about half a second of CPU time.
const ROUND: usize = 8_000;

/// In how many turns each round's requests are sent, so that what else the machine does falls on all variants alike.
const TURNS: usize = 20;

/// What is measured: without the layer first, for the others are compared with it.
const VARIANTS: [(&str, &str); 3] = [
    ("bare", "without the layer"),
    ("sqlite", "with all controls, sessions in SQLite"),
    ("memory", "with all controls, sessions in memory"),
];

/// The most that all controls may add in the deployment that people get: sessions in SQLite.
const TARGET: f64 = 1.15;

/// Measures the three, taking turns.
pub(super) fn reference(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let binary = built("bartizan-benches-reference", "bartizan-benches-reference")?;
    let folder = tempfile::tempdir().map_err(Failure::io("a temporary folder"))?;
    let variants: Vec<Variant> = VARIANTS
        .into_iter()
        .map(|(word, _)| Variant::new(word, &binary, folder.path()))
        .collect::<Result<_, _>>()?;
    eprintln!("==> reference API: instructions");
    let instructions = variants.iter().map(Variant::instructions).collect::<Result<Vec<_>, _>>()?;
    eprintln!("==> reference API: CPU time, {rounds} starts");
    figures(&instructions, &cpu(&variants, rounds)?)
}

/// One of the servers, with a folder of its own.
struct Variant {
    folder: PathBuf,
    start: Start,
}

impl Variant {
    fn new(word: &'static str, binary: &Path, folder: &Path) -> Result<Self, Failure> {
        let folder = folder.join(word);
        fs::create_dir(&folder).map_err(Failure::file(&folder))?;
        let address = free();
        let words = [
            binary.display().to_string(),
            folder.display().to_string(),
            address.to_string(),
            word.to_owned(),
        ];
        Ok(Self { start: Start { name: word, words: words.into(), address }, folder })
    }

    fn start(&self) -> Result<Server, Failure> {
        self.start.start(&[], &self.folder.join("output"))
    }

    /// Connections of whoever signed in when the server started.
    fn load(&self, address: SocketAddr) -> Result<Load, Failure> {
        let file = self.folder.join("cookie");
        let cookie = fs::read_to_string(&file).map_err(Failure::file(&file))?;
        Load::open_as(address, "/profile", &address.to_string(), &cookie, CONNECTIONS)
            .map_err(Failure::io("connecting"))
    }

    fn instructions(&self) -> Result<f64, Failure> {
        measure::instructions_of(&self.start, &self.folder, |server| self.load(server.address))
    }
}

/// The CPU seconds of each variant, round by round. Each round starts them anew: how the threads of a process wake one
/// another differs from start to start by several hundredths, and stays as it is.
fn cpu(variants: &[Variant], rounds: usize) -> Result<Vec<Vec<f64>>, Failure> {
    (0..rounds).map(|_| round(variants)).collect()
}

fn round(variants: &[Variant]) -> Result<Vec<f64>, Failure> {
    let (mut servers, mut loads) = (Vec::new(), Vec::new());
    for variant in variants {
        let server = variant.start()?;
        loads.push(variant.load(server.address)?);
        servers.push(server);
    }
    let mut turns = |count: usize| {
        for _ in 0..count {
            for load in &mut loads {
                load.send(ROUND / TURNS).map_err(Failure::io("sending requests"))?;
            }
        }
        Ok::<_, Failure>(())
    };
    let so_far = || servers.iter().map(measure::cpu_so_far).collect::<Result<Vec<_>, _>>();
    // Caches and connections to the database are cold at first.
    turns(2)?;
    let before = so_far()?;
    turns(TURNS)?;
    // Whoever has no turn spends nothing.
    let after = so_far()?;
    Ok(after.iter().zip(&before).map(|(after, before)| after - before).collect())
}

/// The figures, from what each variant needs, in the order of [`VARIANTS`].
fn figures(instructions: &[f64], times: &[Vec<f64>]) -> Result<Vec<Figure>, Failure> {
    let middle = |of: &dyn Fn(&[f64]) -> Option<f64>| {
        let mut values: Vec<f64> = times.iter().filter_map(|round| of(round)).collect();
        median(&mut values).ok_or_else(|| Failure::Unmet("there were no rounds".into()))
    };
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let micros = 1e6 / ROUND as f64;
    let mut figures = Vec::new();
    for (index, (word, what)) in VARIANTS.into_iter().enumerate() {
        let spent = middle(&|round| Some(round.get(index)? * micros))?;
        figures.push(Figure::reference(format!("`GET /profile` {what}: µs of CPU time"), spent, 1));
        if index > 0 {
            let ratio = middle(&|round| Some(round.get(index)? / round.first()?))?;
            let what = format!("the same ÷ without the layer, median of {} starts", times.len());
            figures.push(match word {
                "sqlite" => Figure::reported(what, ratio, 2, TARGET),
                _ => Figure::reference(what, ratio, 2),
            });
        }
    }
    let counted = VARIANTS.iter().zip(instructions);
    figures.extend(counted.map(|((_, what), counted)| {
        Figure::reference(format!("`GET /profile` {what}: user instructions"), *counted, 0)
    }));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_one_by_one() {
        // The machine was slow in the second round, for all of them.
        let times = [vec![0.4, 0.48, 0.44], vec![4.0, 4.4, 4.4], vec![0.4, 0.6, 0.42]];
        let figures = figures(&[1000.0, 1300.0, 1200.0], &times).unwrap();
        let values: Vec<_> = figures.iter().map(|figure| (figure.value * 100.0).round() / 100.0).collect();
        assert_eq!(values, [50.0, 75.0, 1.2, 55.0, 1.1, 1000.0, 1300.0, 1200.0]);
        let misses: Vec<_> = figures.iter().map(Figure::misses).collect();
        assert_eq!(misses, [false, false, true, false, false, false, false, false]);
        assert!(super::figures(&[], &[]).is_err());
    }
}
