//! From what a policy says to the store that it names.

use std::{fmt, sync::Arc};

use bartizan_core::policy::{StoreKind, StoreUrl};
#[cfg(any(feature = "postgres", feature = "redis"))]
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
#[cfg(any(feature = "postgres", feature = "redis"))]
use secrecy::ExposeSecret as _;
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

    /// The URL as drivers take it, with the password in it.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    fn with_password(&self) -> SecretString {
        let url = self.url.as_str();
        let (Some(password), Some((scheme, rest))) = (&self.password, url.split_once("://")) else {
            return url.into();
        };
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let user = rest[..authority].rfind('@').unwrap_or(0);
        let password = utf8_percent_encode(password.expose_secret(), NON_ALPHANUMERIC);
        let host = rest[user..].trim_start_matches('@');
        format!("{scheme}://{}:{password}@{host}", &rest[..user]).into()
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
        #[cfg(feature = "postgres")]
        StoreKind::Postgres => {
            let place = || url.to_string();
            let postgres = crate::PostgresOptions::new(options.with_password().expose_secret())
                .map_err(|error| StoreError::Unavailable { what: place(), source: error.into() })?;
            Ok(Arc::new(crate::PostgresStore::connect(postgres).await?))
        }
        #[cfg(not(feature = "postgres"))]
        StoreKind::Postgres => Err(StoreError::NotBuilt { what: "Postgres", feature: "postgres" }),
        #[cfg(feature = "redis")]
        StoreKind::Redis => {
            let redis = crate::RedisConfig::server(options.with_password());
            Ok(Arc::new(crate::RedisStore::connect(&redis).await?))
        }
        #[cfg(not(feature = "redis"))]
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

    #[cfg(any(feature = "postgres", feature = "redis"))]
    #[test]
    fn a_password_is_encoded_into_the_url() {
        for (url, expected) in [
            ("postgres://app@db.internal/app", "postgres://app:p%40%2F%3Aw@db.internal/app"),
            ("redis://127.0.0.1:6379/0", "redis://:p%40%2F%3Aw@127.0.0.1:6379/0"),
            ("redis://user@cache", "redis://user:p%40%2F%3Aw@cache"),
        ] {
            let options = StoreOptions::new(StoreUrl::parse(url).unwrap()).password("p@/:w".into());
            assert_eq!(options.with_password().expose_secret(), expected);
        }
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
            ("postgres://127.0.0.1:1/app", "Postgres", "postgres", cfg!(feature = "postgres")),
            ("redis://127.0.0.1:1", "Redis", "redis", cfg!(feature = "redis")),
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
