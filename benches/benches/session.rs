//! Instructions (callgrind) and heap blocks (DHAT) of one request of somebody who is signed in: over the bare
//! application, and over header-only controls. `cargo xtask bench` subtracts.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use bartizan_benches::{
    apps::App,
    serve_once,
    signed_in::{self, Asks, Ready},
};
use gungraun::{Dhat, prelude::*};

const SESSION: Asks = Asks { session: true, token: false };
const TOKEN: Asks = Asks { session: false, token: true };
const BOTH: Asks = Asks { session: true, token: true };

// A GET, from `Service::call` until its response is dropped.
#[library_benchmark]
#[bench::bare(signed_in::bare())]
#[bench::header_only(signed_in::header_only(false))]
#[bench::session(signed_in::asking(SESSION, false))]
fn read<A: App>((mut app, request): Ready<A>) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

// A POST.
#[library_benchmark]
#[bench::header_only(signed_in::header_only(true))]
#[bench::session(signed_in::asking(SESSION, true))]
#[bench::token(signed_in::asking(TOKEN, true))]
#[bench::session_and_token(signed_in::asking(BOTH, true))]
fn change<A: App>((mut app, request): Ready<A>) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

library_benchmark_group!(name = session, benchmarks = [read, change]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = session);
