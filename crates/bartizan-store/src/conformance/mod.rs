//! What every store must do, as cases that run against any of them: each sentence of [`Store`] is held by one.
//!
//! A back end's tests say how to get an empty [`Place`], and [`run`] does the rest:
//!
//! ```
//! use bartizan_store::{BoxFuture, MemoryLimits, MemoryStore, Store, conformance::{self, Place}};
//! use std::sync::Arc;
//!
//! struct Memory(Arc<dyn Store>);
//!
//! impl Place for Memory {
//!     fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
//!         Box::pin(std::future::ready(Arc::clone(&self.0)))
//!     }
//!     fn restart(&self) -> Option<BoxFuture<'_, ()>> {
//!         None
//!     }
//!     fn forgets_by_itself(&self) -> bool {
//!         false
//!     }
//! }
//!
//! # async fn test() {
//! // In a `#[tokio::test(flavor = "multi_thread")]`.
//! conformance::run(async || Memory(Arc::new(MemoryStore::new(MemoryLimits::default())))).await;
//! # }
//! ```
//!
//! `BARTIZAN_CASE=words` runs the cases whose name contains them. The clock of the cases is driven: it starts in 2027,
//! and jumps. A back end that also counts by a clock of its own must not forget earlier for it.

mod api_key_races;
mod api_keys;
mod documents;
mod given;
mod limits;
mod pages;
mod races;
mod renewals;
mod restarts;
mod revocations;
mod sessions;
mod texts;
mod tokens;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{BoxFuture, Store};

/// No case takes longer, on a machine that has other things to do.
const LONGEST: Duration = Duration::from_mins(2);

/// Where one case has its store: a file, a schema, a prefix of keys. Empty when the case gets it.
pub trait Place: Send + Sync + 'static {
    /// Opens the store. Each call is another node: where the back end can be shared, the stores share nothing but it.
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Restarts what keeps the state, or does nothing where the stores' going away is a restart. The case has dropped
    /// its stores. `None` where the state goes with its store, and the cases about restarts are left out.
    fn restart(&self) -> Option<BoxFuture<'_, ()>>;

    /// Whether what keeps the state forgets tokens, revocations and buckets without being told, so that `prune` need not count them.
    fn forgets_by_itself(&self) -> bool;
}

/// One thing that every store must do.
#[derive(Clone, Copy)]
pub struct Case {
    /// The behaviour, as the name of a function.
    pub name: &'static str,
    /// Panics where the store does otherwise.
    pub run: fn(Arc<dyn Place>) -> BoxFuture<'static, ()>,
}

/// The list of a file's cases.
macro_rules! case_list {
    ($($name:ident,)+) => {
        pub(super) const CASES: &[$crate::conformance::Case] = &[
            $($crate::conformance::Case { name: stringify!($name), run: |place| Box::pin($name(place)) },)+
        ];
    };
}
use case_list;

/// All cases.
pub fn cases() -> impl Iterator<Item = Case> {
    [
        sessions::CASES,
        renewals::CASES,
        texts::CASES,
        pages::CASES,
        tokens::CASES,
        limits::CASES,
        documents::CASES,
        revocations::CASES,
        api_keys::CASES,
        api_key_races::CASES,
        races::CASES,
        restarts::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Runs each case in an empty place, all of them, and says by name which passed.
///
/// # Panics
///
/// At the end, where any case failed.
pub async fn run<P: Place>(mut empty: impl AsyncFnMut() -> P) {
    let wanted = std::env::var("BARTIZAN_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for case in cases().filter(|case| case.name.contains(&wanted)) {
        let place = Arc::new(empty().await);
        let started = Instant::now();
        // In a task of its own, so that a case that panics does not keep the others from running.
        let passed = match tokio::spawn(tokio::time::timeout(LONGEST, (case.run)(place))).await {
            Ok(Ok(())) => "ok",
            Ok(Err(_)) => "TOOK TOO LONG",
            Err(_) => "FAILED",
        };
        println!("{} … {passed} ({} ms)", case.name, started.elapsed().as_millis());
        if passed != "ok" {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "these do not hold: {failed:?}");
}
