//! The task that reads the ring again before it is stale, and so turns it when it is time.

use std::time::Duration;

use bartizan_core::Clock as _;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::KeyRing;
use crate::OsClock;

/// How soon a ring is read again that could not be: much sooner than it is stale, and no burden to a store that comes back.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps a [`KeyRing`] fresh as long as this is held.
#[derive(Debug)]
#[must_use = "ends when it is dropped"]
pub struct Refreshing(AbortHandle);

impl Refreshing {
    pub(super) fn begin(ring: KeyRing, runtime: &Handle) -> Self {
        Self(runtime.spawn(run(ring)).abort_handle())
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(ring: KeyRing) {
    let mut is_failing = false;
    loop {
        let every = ring.refresh_every();
        sleep_until(Instant::now() + if is_failing { every.min(AGAIN) } else { every }).await;
        match ring.refresh(OsClock.now()).await {
            Ok(()) if is_failing => {
                is_failing = false;
                tracing::info!(target: "bartizan::key_ring", "the key ring is read again");
            }
            Ok(()) => {}
            Err(error) if is_failing => {
                tracing::debug!(target: "bartizan::key_ring", %error, "the key ring still cannot be read");
            }
            Err(error) => {
                is_failing = true;
                tracing::error!(
                    target: "bartizan::key_ring",
                    %error,
                    "the key ring cannot be read; what was read before is used until it is too old"
                );
            }
        }
    }
}
