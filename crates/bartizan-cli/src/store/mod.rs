//! The store that the policy names, opened on a runtime of its own.

mod home;

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bartizan::{OsClock, Store, StoreError};
use bartizan_core::{
    Clock as _,
    policy::{StoreKind, StoreUrl},
};
use bartizan_store::StoreOptions;
use thiserror::Error;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
    time::{self, Instant, MissedTickBehavior},
};

use crate::store::home::AtHome;

/// How long a store may take to open: longer than its own limits, and not for ever.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often what has ended is forgotten.
const PRUNE_EVERY: Duration = Duration::from_mins(5);

/// How long a store may take at the end to write down what it has not.
const CLOSING: Duration = Duration::from_secs(5);

/// Why there is no store.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// What the store says.
    #[error("the store cannot be opened: {error}")]
    Store {
        url: StoreUrl,
        #[source]
        error: StoreError,
    },
    /// No thread for it.
    #[error("cannot start the store's thread: {0}")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// What to do about it, where the store does not say it.
    pub(crate) fn hint(&self) -> Option<String> {
        let Self::Store { url, error } = self else { return None };
        match (url.kind(), error) {
            (
                StoreKind::Postgres | StoreKind::Redis,
                StoreError::Unavailable { .. } | StoreError::Timeout { .. },
            ) => Some(format!(
                "does it run there (`store.url = \"{url}\"`), and is `store.password` its password?"
            )),
            (StoreKind::Sqlite, StoreError::Timeout { .. }) => {
                Some("another program holds the file locked: end it, or name another file".into())
            }
            _ => None,
        }
    }
}

/// A store, and the thread that its connections live on.
pub(crate) struct OpenStore {
    runtime: Runtime,
    store: Arc<dyn Store>,
    pruning: OnceLock<JoinHandle<()>>,
}

impl OpenStore {
    /// Opens the store of `options`, within a bounded time.
    pub(crate) fn open(options: &StoreOptions) -> Result<Self, OpenError> {
        let url = options.url();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let opened = runtime.block_on(async { time::timeout(PATIENCE, bartizan_store::open(options)).await });
        let opened = opened.unwrap_or_else(|_| {
            Err(StoreError::Timeout { what: url.to_string(), seconds: PATIENCE.as_secs() })
        });
        let store = opened.map_err(|error| OpenError::Store { url: url.clone(), error })?;
        let store = match url.kind() {
            // These need nothing of the runtime that asks them: locks here, threads of its own there.
            StoreKind::Memory | StoreKind::Sqlite => store,
            _ => AtHome::of(store, runtime.handle().clone()),
        };
        Ok(Self { runtime, store, pruning: OnceLock::new() })
    }

    /// The store; it can be asked on any runtime.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where its connections live, and what belongs to it can run.
    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Waits for what is asked of it.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// From now on forgets what has ended, every few minutes.
    pub(crate) fn prune_regularly(&self) {
        // Where it was asked for before, one is enough.
        self.pruning.get_or_init(|| self.runtime.spawn(prune(Arc::clone(&self.store))));
    }

    /// Lets the store write down what it has not. Whoever asked it has been answered.
    pub(crate) fn close(self) {
        let Self { runtime, store, pruning } = self;
        if let Some(pruning) = pruning.into_inner() {
            pruning.abort();
        }
        drop(store);
        // Stores end in tasks of their own, once nobody holds them any more.
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let deadline = Instant::now() + CLOSING;
            while metrics.num_alive_tasks() > 0 && Instant::now() < deadline {
                time::sleep(Duration::from_millis(2)).await;
            }
        });
        runtime.shutdown_background();
    }
}

async fn prune(store: Arc<dyn Store>) {
    let mut turns = time::interval(PRUNE_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Err(error) = store.prune(OsClock.now()).await {
            tracing::warn!(target: "bartizan::store", %error, "what has ended cannot be forgotten; trying again later");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::{
        Timestamp,
        session::{NewSession, SessionKey, SessionRecord},
    };
    use bartizan_store::{MemoryLimits, MemoryStore};

    fn session(key: u8, now: Timestamp, life: Duration) -> NewSession {
        let record = SessionRecord::new("alice", Vec::new(), now, life, life);
        NewSession { key: SessionKey::from_bytes([key; 32]), record, replaces: None, most: None }
    }

    /// On runtimes of one thread each, as the gateway's are, that come and go.
    fn ask<T: Send + 'static>(
        store: &Arc<dyn Store>,
        question: impl AsyncFnOnce(&dyn Store) -> T + Send + 'static,
    ) -> T {
        let store = Arc::clone(store);
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(question(&*store))
        });
        thread.join().unwrap()
    }

    #[test]
    fn a_store_is_asked_on_runtimes_that_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        for url in ["memory:".to_owned(), format!("sqlite:{}", path.display())] {
            let url = StoreUrl::parse(&url).unwrap();
            let open = OpenStore::open(&StoreOptions::new(url)).unwrap();
            open.prune_regularly();
            for (store, key) in [
                (Arc::clone(open.store()), 1),
                (AtHome::of(Arc::clone(open.store()), open.runtime.handle().clone()), 2),
            ] {
                for _ in 0..8 {
                    let (now, life) = (OsClock.now(), Duration::from_mins(1));
                    let begun = ask(&store, async move |store| store.begin(session(key, now, life)).await);
                    assert_eq!(begun.unwrap(), 0);
                    let key = SessionKey::from_bytes([key; 32]);
                    let found = ask(&store, async move |store| store.session(key, now).await);
                    assert_eq!(&*found.unwrap().unwrap().subject, "alice");
                }
            }
            open.close();
        }
        // The last one to leave tidies up.
        assert!(path.is_file());
        assert!(!path.with_extension("db-wal").exists());
    }

    #[test]
    fn what_has_ended_is_forgotten_at_once_and_then_regularly() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryLimits::default()));
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pruning = tokio::spawn(prune(Arc::clone(&store)));
            for key in 0..3 {
                let long_ago = Timestamp(1000);
                store.begin(session(key, long_ago, Duration::from_secs(1))).await.unwrap();
                time::sleep(PRUNE_EVERY + Duration::from_secs(1)).await;
                // As of then it would still be there.
                let kept = store.session(SessionKey::from_bytes([key; 32]), long_ago).await.unwrap();
                assert_eq!(kept, None);
            }
            pruning.abort();
        });
    }
}
