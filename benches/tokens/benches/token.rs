//! Instructions (callgrind) and heap blocks (DHAT) of one request with a token or an API key, over header-only controls.
//! `cargo xtask bench` subtracts.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use std::hint::black_box;

use bartizan::jwt::Algorithm;
use bartizan_benches::{apps::App, serve_once, signed_in::Ready};
use bartizan_benches_tokens::bearing::{self, Credential};
use gungraun::{Dhat, prelude::*};

// From `Service::call` until the response is dropped.
#[library_benchmark]
#[bench::header_only(bearing::header_only(Credential::Token(Algorithm::EdDsa)))]
#[bench::hs256(bearing::required(Credential::Token(Algorithm::Hs256)))]
#[bench::eddsa(bearing::required(Credential::Token(Algorithm::EdDsa)))]
#[bench::es256(bearing::required(Credential::Token(Algorithm::Es256)))]
#[bench::rs256(bearing::required(Credential::Token(Algorithm::Rs256)))]
#[bench::claims(bearing::claimed(Algorithm::EdDsa))]
fn token<A: App>((mut app, request): Ready<A>) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

#[library_benchmark]
#[bench::header_only(bearing::header_only(Credential::ApiKey))]
#[bench::required(bearing::required(Credential::ApiKey))]
fn api_key<A: App>((mut app, request): Ready<A>) -> A {
    drop(black_box(serve_once(&mut app, black_box(request))));
    app
}

library_benchmark_group!(name = tokens, benchmarks = [token, api_key]);

main!(config = LibraryBenchmarkConfig::default().tool(Dhat::default()), library_benchmark_groups = tokens);
