//! Instructions (callgrind) and heap blocks (DHAT) of verifying one token by `jsonwebtoken`.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use bartizan::jwt::Algorithm;
use bartizan_benches_beside::jsonwebtoken::Ready;
use gungraun::{Dhat, prelude::*};

#[library_benchmark]
#[bench::hs256(Ready::new(Algorithm::Hs256))]
#[bench::eddsa(Ready::new(Algorithm::EdDsa))]
#[bench::es256(Ready::new(Algorithm::Es256))]
#[bench::rs256(Ready::new(Algorithm::Rs256))]
fn verify(ready: Ready) -> Ready {
    drop(black_box(ready.verify()));
    ready
}

library_benchmark_group!(name = jsonwebtoken, benchmarks = [verify]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = jsonwebtoken);
