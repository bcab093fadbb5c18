//! Waiting for something to become true: looked at again and again until a deadline, never slept for.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Calls `probe` until it gives a value, and fails the test with `what` when `limit` has passed.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        thread::sleep(INTERVAL);
    }
}

/// [`until`] for tests that run on tokio.
pub async fn until_async<T>(what: &str, limit: Duration, probe: impl AsyncFnMut() -> Option<T>) -> T {
    match poll(limit, probe).await {
        Some(value) => value,
        None => panic!("waited {limit:?} in vain for {what}"),
    }
}

/// Calls `probe` until it gives a value or `limit` has passed.
pub(crate) async fn poll<T>(limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe().await {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
