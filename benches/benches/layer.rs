//! Instructions (callgrind) and heap blocks (DHAT) of one request through the layer, and through what it is
//! compared with. `cargo xtask bench` subtracts, and holds the differences against their targets.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use axum::body::Body;
use bartizan_benches::{
    apps::{self, App},
    requests, serve_once, warm,
};
use gungraun::{Dhat, prelude::*};
use http::Request;

// One request, from `Service::call` until its response is dropped.
#[library_benchmark]
#[bench::bare(warm(apps::bare(), requests::json))]
#[bench::tower_http(warm(apps::tower_http(), requests::json))]
#[bench::around(warm(apps::around(), requests::json))]
#[bench::inside_empty(warm(apps::inside_empty(), requests::json))]
#[bench::inside(warm(apps::inside(), requests::json))]
fn json<A: App>((mut app, request): (A, Request<Body>)) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

// The same, asked by a trusted origin.
#[library_benchmark]
#[bench::bare(warm(apps::bare(), requests::cross_origin))]
#[bench::tower_http(warm(apps::tower_http(), requests::cross_origin))]
#[bench::around(warm(apps::around(), requests::cross_origin))]
fn cross_origin<A: App>((mut app, request): (A, Request<Body>)) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

// A page, with a nonce.
#[library_benchmark]
#[bench::bare(warm(apps::bare(), requests::page))]
#[bench::around(warm(apps::around(), requests::page))]
fn page<A: App>((mut app, request): (A, Request<Body>)) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

// A request that is refused.
#[library_benchmark]
#[bench::tower_http(warm(apps::tower_http(), requests::forged))]
#[bench::around(warm(apps::around(), requests::forged))]
fn forged<A: App>((mut app, request): (A, Request<Body>)) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

library_benchmark_group!(name = layer, benchmarks = [json, cross_origin, page, forged]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = layer);
