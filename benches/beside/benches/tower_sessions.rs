//! Instructions (callgrind) and heap blocks (DHAT) of one request of somebody who is signed in, by `tower-sessions`.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use bartizan_benches::{
    apps::App,
    serve_once,
    signed_in::{self, Ready},
};
use bartizan_benches_beside::tower_sessions::tower_sessions;
use gungraun::{Dhat, prelude::*};

// From `Service::call` until the response is dropped.
#[library_benchmark]
#[bench::bare(signed_in::bare())]
#[bench::tower_sessions(tower_sessions())]
fn beside<A: App>((mut app, request): Ready<A>) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

library_benchmark_group!(name = sessions, benchmarks = [beside]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = sessions);
