//! What is measured: one small JSON API, bare and behind the layers that are compared, and the requests to it.

pub mod apps;
pub mod requests;
pub mod signed_in;

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::body::Body;
use http::{Request, Response};
use tower::Service;

/// Polls `future` once. Nothing of what is measured waits for anything, so that no runtime's work is counted.
///
/// # Panics
///
/// If the future has to wait after all.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

/// Calls `service` once and polls its future once.
///
/// # Panics
///
/// If it has to wait, or is not ready.
pub fn serve_once<S>(service: &mut S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready(), "nothing to wait for");
    // Not `at_once`: what is measured is not to be moved once more.
    let future = pin!(service.call(request));
    match future.poll(&mut context) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

/// A service with its caches and counters as they are after many requests, and the request to measure.
pub fn warm<S>(mut service: S, request: impl Fn() -> Request<Body>) -> (S, Request<Body>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    for _ in 0..100 {
        drop(serve_once(&mut service, request()));
    }
    (service, request())
}
