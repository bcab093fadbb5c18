//! Time of ours ÷ time of ammonia, which take turns in one process. Prints `{"plain": 0.01, …}`, each the median of
//! the rounds.

use std::{hint::black_box, time::Instant};

use bartizan_benches_beside_html::{INPUTS, ours, theirs};

const ROUNDS: usize = 31;

fn main() {
    let ratios: Vec<_> =
        INPUTS.iter().map(|(name, input)| format!("\"{name}\": {:.6}", ratio(&input()))).collect();
    println!("{{{}}}", ratios.join(", "));
}

fn ratio(input: &str) -> f64 {
    let (often_ours, often_theirs) = (often(ours, input), often(theirs, input));
    let mut ratios: Vec<_> =
        (0..ROUNDS).map(|_| turn(ours, input, often_ours) / turn(theirs, input, often_theirs)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

/// So often that one turn is long beside the clock's steps.
fn often(clean: fn(&str) -> usize, input: &str) -> u32 {
    let mut times = 1;
    while times < 1_000_000 && turn(clean, input, times) * f64::from(times) < 0.002 {
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
