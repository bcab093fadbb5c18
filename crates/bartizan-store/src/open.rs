//! From what a policy says to the store that it names.

use std::{fmt, sync::Arc};

use bartizan_core::policy::{StoreKind, StoreUrl};
use secrecy::SecretString;

#[cfg(feature = "sqlite")]
use crate::SqliteStore;
use crate::{MemoryLimits, MemoryStore, Store, StoreError};

/// Which store, and how to get in.
///
/// ```
/// use bartizan_core::policy::StoreUrl;
/// use bartizan_store::StoreOptions;
/// let options = StoreOptions::new(StoreUrl::parse("postgres://app@db.internal/app")?).password("hunter2".into());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// # Ok::<(), bartizan_core::policy::InvalidValue>(())
/// ```
#[derive(Clone)]
pub struct StoreOptions {
    url: StoreUrl,
    password: Option<SecretString>,
}

impl StoreOptions {
    /// The store at `url`, without a password.
    pub const fn new(url: StoreUrl) -> Self {
        Self { url, password: None }
    }

    /// With a password: `store.password`, resolved.
    #[must_use]
    pub fn password(mut self, password: SecretString) -> Self {
        self.password = Some(password);
        self
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Opens the store that `options` name, within a tokio runtime that lives as long as the store. One in memory is empty;
/// a file or tables that are not there are made.
///
/// Only the memory store is always there. A build without the feature of another (`sqlite`, `postgres`, `redis`) says so
/// with [`StoreError::NotBuilt`].
pub async fn open(options: &StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    let StoreOptions { url, .. } = options;
    match url.kind() {
        StoreKind::Memory => Ok(Arc::new(MemoryStore::new(MemoryLimits::default()))),
        #[cfg(feature = "sqlite")]
        StoreKind::Sqlite => Ok(Arc::new(SqliteStore::open(url.path().unwrap_or_default()).await?)),
        #[cfg(not(feature = "sqlite"))]
        StoreKind::Sqlite => Err(StoreError::NotBuilt { what: "SQLite", feature: "sqlite" }),
        StoreKind::Postgres => Err(StoreError::NotBuilt { what: "Postgres", feature: "postgres" }),
        StoreKind::Redis => Err(StoreError::NotBuilt { what: "Redis", feature: "redis" }),
        other => Err(StoreError::Foreign {
            what: url.to_string(),
            why: format!("this version has no store of the kind {other:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(url: &str) -> Result<Arc<dyn Store>, StoreError> {
        open(&StoreOptions::new(StoreUrl::parse(url).unwrap())).await
    }

    #[tokio::test]
    async fn what_is_built_opens() {
        assert!(opened("memory:").await.is_ok());
        #[cfg(feature = "sqlite")]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            assert!(opened(&format!("sqlite:{}", path.display())).await.is_ok());
            assert!(path.is_file());
        }
    }

    #[tokio::test]
    async fn what_is_not_built_says_how_to_build_it() {
        for (url, what, feature, built) in [
            ("sqlite:/nowhere/state.db", "SQLite", "sqlite", cfg!(feature = "sqlite")),
            ("postgres://127.0.0.1:1/app", "Postgres", "postgres", false),
            ("redis://127.0.0.1:1", "Redis", "redis", false),
        ] {
            let error = opened(url).await.err().expect("there is nothing");
            if built {
                assert!(!matches!(error, StoreError::NotBuilt { .. }), "{error}");
            } else {
                let expected = format!(
                    "this build keeps no state in {what}: build it with the feature `{feature}`, or name another `store.url`"
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
