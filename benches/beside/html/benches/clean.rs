//! Instructions (callgrind) and heap blocks (DHAT) of one cleaning, by ours and by ammonia.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use bartizan_benches_beside_html as html;
use gungraun::{Dhat, prelude::*};

/// What is done once per process is not counted.
fn warm(input: fn() -> String) -> String {
    html::ours(&html::comment());
    html::theirs(&html::comment());
    input()
}

#[library_benchmark]
#[bench::plain(warm(html::plain))]
#[bench::plain_long(warm(html::plain_long))]
#[bench::comment(warm(html::comment))]
#[bench::article(warm(html::article))]
#[bench::misnested(warm(html::misnested))]
#[bench::nested(warm(html::nested))]
fn ours(input: String) -> String {
    black_box(html::ours(black_box(&input)));
    input
}

#[library_benchmark]
#[bench::plain(warm(html::plain))]
#[bench::plain_long(warm(html::plain_long))]
#[bench::comment(warm(html::comment))]
#[bench::article(warm(html::article))]
#[bench::misnested(warm(html::misnested))]
#[bench::nested(warm(html::nested))]
fn ammonia(input: String) -> String {
    black_box(html::theirs(black_box(&input)));
    input
}

library_benchmark_group!(name = clean, benchmarks = [ours, ammonia]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = clean);
