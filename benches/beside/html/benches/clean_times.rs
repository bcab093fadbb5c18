//! Time of ours ÷ time of ammonia, which take turns in one process. Prints `{"plain": 0.01, …}`: of each the shortest
//! of the rounds, for what other programs of the machine take away only makes a turn longer.

use std::{hint::black_box, time::Instant};

use bartizan_benches_beside_html::{INPUTS, ours, theirs};

const ROUNDS: usize = 400;

/// Seconds of one turn: long beside the clock's steps, and short beside those of the scheduler.
const TURN: f64 = 0.000_2;

fn main() {
    let ratios: Vec<_> =
        INPUTS.iter().map(|(name, input)| format!("\"{name}\": {:.6}", ratio(&input()))).collect();
    println!("{{{}}}", ratios.join(", "));
}

fn ratio(input: &str) -> f64 {
    let (often_ours, often_theirs) = (often(ours, input), often(theirs, input));
    let (mut least_ours, mut least_theirs) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        least_ours = turn(ours, input, often_ours).min(least_ours);
        least_theirs = turn(theirs, input, often_theirs).min(least_theirs);
    }
    least_ours / least_theirs
}

/// So often that one turn is long beside the clock's steps.
fn often(clean: fn(&str) -> usize, input: &str) -> u32 {
    let mut times = 1;
    while times < 1_000_000 && turn(clean, input, times) * f64::from(times) < TURN {
        times *= 2;
    }
    times
}

/// Seconds that one takes.
fn turn(clean: fn(&str) -> usize, input: &str, times: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        black_box(clean(black_box(input)));
    }
    start.elapsed().as_secs_f64() / f64::from(times)
}
