//! The stores: how much they write, and how many requests a second come through the layer with each.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Instant,
};

use bartizan_peers::{Postgres, Redis};
use serde::Deserialize;

use super::{
    built::built,
    figure::{Figure, median},
    load::Load,
    measure::CONNECTIONS,
};
use crate::{failure::Failure, run};

/// Requests to each store in a round.
const ROUND: usize = 2_000;

/// How many stores there are.
const STORES: usize = 4;

/// What the server says of a store.
#[derive(Debug, Deserialize)]
struct Served {
    store: String,
    address: SocketAddr,
    cookie: String,
    /// Those of 10 000 requests within a minute; of memory nobody counts them.
    writes: Option<u32>,
}

/// The process that serves the application behind each store, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Measures SQLite, Postgres and Redis beside memory, taking turns.
pub(super) fn stores(rounds: usize) -> Result<Vec<Figure>, Failure> {
    let missing =
        |what: &str| Failure::Unmet(format!("{what} is missing: run `cargo xtask test`, which gets it"));
    let postgres = Postgres::start().ok_or_else(|| missing("Postgres"))?;
    let redis = Redis::start().ok_or_else(|| missing("Redis"))?;
    let folder = tempfile::tempdir().map_err(Failure::io("a temporary folder"))?;
    let mut command = Command::new(built("bartizan-benches-stores", "bartizan-benches-stores")?);
    command
        .arg(folder.path().join("sessions.sqlite"))
        .args([postgres.url("postgres"), format!("127.0.0.1:{}", redis.port())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut server = Server(command.spawn().map_err(Failure::io(run::line(&command)))?);
    eprintln!("==> stores: writes of 10 000 requests");
    let output = server.0.stdout.take();
    let output = output.ok_or_else(|| Failure::Unmet("the stores' server cannot be read".into()))?;
    let stores = served(BufReader::new(output))?;
    let mut figures = writes(&stores);
    eprintln!("==> stores: requests a second, {rounds} rounds");
    let mut loads = Vec::new();
    for Served { address, cookie, .. } in &stores {
        loads.push(
            Load::open_as(*address, "/me", "api.example.com", cookie, CONNECTIONS)
                .map_err(Failure::io("connecting"))?,
        );
    }
    let mut times = Vec::new();
    // One round more, whose times are left out: caches and connections to the databases are cold in it.
    for round in 0..=rounds {
        let mut seconds = Vec::new();
        for load in &mut loads {
            let start = Instant::now();
            load.send(ROUND).map_err(Failure::io("sending requests"))?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        if round > 0 {
            times.push(seconds);
        }
    }
    figures.extend(ratios(&stores, &times)?);
    Ok(figures)
}

/// What the server says of all its stores, memory first.
fn served(said: impl BufRead) -> Result<Vec<Served>, Failure> {
    let mut served = Vec::new();
    for line in said.lines().take(STORES) {
        let line = line.map_err(Failure::io("reading what the stores' server says"))?;
        let store: Served = serde_json::from_str(&line)
            .map_err(|source| Failure::Json { what: "what the stores' server says".into(), source })?;
        served.push(store);
    }
    if served.len() == STORES {
        Ok(served)
    } else {
        Err(Failure::Unmet(format!("the stores' server serves {} of {STORES} stores", served.len())))
    }
}

fn writes(served: &[Served]) -> Vec<Figure> {
    let counted = served.iter().filter_map(|served| Some((&served.store, served.writes?)));
    counted
        .map(|(store, writes)| {
            let what = format!("{store}: writes of 10 000 requests of one session within a minute");
            Figure::gate(what, f64::from(writes), 0, 1.0)
        })
        .collect()
}

/// The rates of all but the first store over the first one's: the medians of the rounds' ratios.
fn ratios(served: &[Served], times: &[Vec<f64>]) -> Result<Vec<Figure>, Failure> {
    let of = |(index, served): (usize, &Served)| {
        let ratio = |round: &Vec<f64>| Some(round.first()? / round.get(index)?);
        let mut ratios: Vec<f64> = times.iter().filter_map(ratio).collect();
        let middle = median(&mut ratios).ok_or_else(|| Failure::Unmet("there were no rounds".into()))?;
        let what = format!(
            "requests a second with sessions in {} ÷ in memory, median of {} rounds",
            served.store,
            times.len()
        );
        Ok(Figure::reference(what, middle, 2))
    };
    served.iter().enumerate().skip(1).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(store: &str, writes: &str) -> String {
        format!(
            "{{\"store\":\"{store}\",\"address\":\"127.0.0.1:1\",\"cookie\":\"a=b\",\"writes\":{writes}}}\n"
        )
    }

    fn four() -> Vec<Served> {
        let lines = [("memory", "null"), ("SQLite", "1"), ("Postgres", "2"), ("Redis", "0")];
        let lines: String = lines.map(|(store, writes)| line(store, writes)).concat();
        served(lines.as_bytes()).unwrap()
    }

    #[test]
    fn a_store_that_writes_twice_fails() {
        let figures = writes(&four());
        let fails: Vec<_> = figures.iter().map(Figure::fails).collect();
        assert_eq!(fails, [false, true, false]);
        assert_eq!(figures[0].what, "SQLite: writes of 10 000 requests of one session within a minute");
    }

    #[test]
    fn rates_are_compared_round_by_round() {
        let times = [vec![1.0, 2.0, 4.0, 1.0], vec![10.0, 20.0, 20.0, 5.0], vec![1.0, 4.0, 4.0, 2.0]];
        let figures = ratios(&four(), &times).unwrap();
        let values: Vec<_> = figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [0.5, 0.25, 1.0]);
        assert!(ratios(&four(), &[]).is_err());
    }

    #[test]
    fn a_server_that_serves_less_than_all_is_an_error() {
        let error = served(line("memory", "null").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the stores' server serves 1 of 4 stores");
        assert!(served("panicked\n".as_bytes()).is_err());
    }
}
