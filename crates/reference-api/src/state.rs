//! The engine's store, which is looked after as long as the instance runs.

use std::{path::Path, sync::Arc, time::Duration};

use bartizan::{Answers, OsClock, Store};
use bartizan_core::{Clock as _, policy::Policy};
use bartizan_store::{StoreError, StoreOptions};
use secrecy::SecretString;
use tokio::{task::AbortHandle, time::interval};

use crate::settings::Settings;

/// How often what has ended is forgotten.
const PRUNE_EVERY: Duration = Duration::from_mins(5);

/// Where the engine keeps its state by default.
pub(crate) fn usual_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("state.db").display())
}

/// Opens the store that the policy names; with the password of `settings`, or else of the policy.
pub(crate) async fn open(
    settings: &Settings,
    policy: &Policy,
    password: Option<SecretString>,
) -> Result<Arc<dyn Store>, StoreError> {
    let options = StoreOptions::of(policy).ok_or_else(|| StoreError::Foreign {
        what: "[store]".to_owned(),
        why: "the policy names no store, and needs none".to_owned(),
    })?;
    let given = settings.store.as_ref().and_then(|store| store.password.clone());
    let options = match given.or(password) {
        Some(password) => options.password(password),
        None => options,
    };
    bartizan_store::open(&options).await
}

/// Forgets what has ended, now and then, as long as it is held.
#[derive(Debug)]
pub(crate) struct Pruning(AbortHandle);

impl Pruning {
    /// Begins.
    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        let task = async move {
            let mut ticks = interval(PRUNE_EVERY);
            loop {
                ticks.tick().await;
                if let Err(error) = store.prune(OsClock.now()).await {
                    tracing::warn!(target: "reference_api", %error, "what has ended cannot be forgotten now");
                }
            }
        };
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for Pruning {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A store, as who answers.
pub(crate) fn answers(store: &Arc<dyn Store>) -> Arc<dyn Answers> {
    Arc::clone(store) as Arc<dyn Answers>
}
