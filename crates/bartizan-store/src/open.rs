//! From what a policy says to the store that it names.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::{fmt, sync::Arc};

use bartizan_core::policy::{StoreKind, StoreUrl};
use secrecy::SecretString;

#[cfg(feature = "sqlite")]
use crate::SqliteStore;
use crate::{MemoryLimits, MemoryStore, Store, StoreError};
#[cfg(feature = "postgres")]
use crate::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
use crate::{RedisConfig, RedisStore};

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
        f.debug_struct("StoreOptions")
            .field("url", &self.url)
            .field("has_password", &self.password.is_some())
            .finish_non_exhaustive()
    }
}

/// Opens the store that `options` name, within a tokio runtime that lives as long as the store. One in memory is empty;
/// a file or tables that are not there are made.
///
/// Only the memory store is always there. A build without the feature of another (`sqlite`, `postgres`, `redis`) says so
/// with [`StoreError::NotBuilt`].
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "redis")),
    expect(clippy::unused_async, reason = "only memory needs no waiting")
)]
pub async fn open(options: &StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match way(options)? {
        Way::Memory => Arc::new(MemoryStore::new(MemoryLimits::default())),
        #[cfg(feature = "sqlite")]
        Way::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
        #[cfg(feature = "postgres")]
        Way::Postgres(options) => Arc::new(PostgresStore::connect(*options).await?),
        #[cfg(feature = "redis")]
        Way::Redis(config) => Arc::new(RedisStore::connect(&config).await?),
    })
}

/// Whether [`open`] can try, without touching anything: the store is built, and its driver understands the URL.
pub fn can_open(options: &StoreOptions) -> Result<(), StoreError> {
    way(options).map(drop)
}

/// What a store is opened with.
enum Way {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresOptions>),
    #[cfg(feature = "redis")]
    Redis(Box<RedisConfig>),
}

fn way(options: &StoreOptions) -> Result<Way, StoreError> {
    let url = &options.url;
    match url.kind() {
        StoreKind::Memory => Ok(Way::Memory),
        #[cfg(feature = "sqlite")]
        StoreKind::Sqlite => Ok(Way::Sqlite(url.path().unwrap_or_default().into())),
        #[cfg(not(feature = "sqlite"))]
        StoreKind::Sqlite => Err(StoreError::NotBuilt { what: "SQLite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        StoreKind::Postgres => {
            let postgres = PostgresOptions::new(url.as_str()).map_err(|error| not_a_url(url, error))?;
            Ok(Way::Postgres(Box::new(match &options.password {
                Some(password) => postgres.password(password),
                None => postgres,
            })))
        }
        #[cfg(not(feature = "postgres"))]
        StoreKind::Postgres => Err(StoreError::NotBuilt { what: "Postgres", feature: "postgres" }),
        #[cfg(feature = "redis")]
        StoreKind::Redis => {
            let mut redis = RedisConfig::server(url.as_str());
            redis.password.clone_from(&options.password);
            redis.check().map_err(|error| not_a_url(url, error))?;
            Ok(Way::Redis(Box::new(redis)))
        }
        #[cfg(not(feature = "redis"))]
        StoreKind::Redis => Err(StoreError::NotBuilt { what: "Redis", feature: "redis" }),
        other => Err(StoreError::Foreign {
            what: url.to_string(),
            why: format!("this version has no store of the kind {other:?}"),
        }),
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn not_a_url(url: &StoreUrl, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Url { url: url.to_string(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> StoreOptions {
        StoreOptions::new(StoreUrl::parse(url).unwrap())
    }

    #[tokio::test]
    async fn what_is_built_opens() {
        assert!(open(&options("memory:")).await.is_ok());
        #[cfg(feature = "sqlite")]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            assert!(open(&options(&format!("sqlite:{}", path.display()))).await.is_ok());
            assert!(path.is_file());
        }
    }

    #[test]
    fn what_is_not_built_says_how_to_build_it() {
        for (url, what, feature, built) in [
            ("sqlite:/nowhere/state.db", "SQLite", "sqlite", cfg!(feature = "sqlite")),
            ("postgres://127.0.0.1:1/app", "Postgres", "postgres", cfg!(feature = "postgres")),
            ("redis://127.0.0.1:1", "Redis", "redis", cfg!(feature = "redis")),
        ] {
            let error = can_open(&options(url)).err().map(|error| error.to_string());
            let expected = format!(
                "this build keeps no state in {what}: build it with the feature `{feature}`, or name another `store.url`"
            );
            assert_eq!(error, (!built).then_some(expected));
        }
    }

    #[cfg(all(feature = "postgres", feature = "redis"))]
    #[test]
    fn a_url_that_its_driver_cannot_read_is_told_without_connecting() {
        for (url, expected) in [
            (
                "postgres://db.internal/app?sslmode=maybe",
                "`store.url = \"postgres://db.internal/app?sslmode=maybe\"`: the URL of Postgres cannot be read: unknown \
                 value \"maybe\" for `ssl_mode`",
            ),
            (
                "redis://db.internal/two",
                "`store.url = \"redis://db.internal/two\"`: the URL is none of Redis; write \
                 redis://[[user]:password@]host[:port][/database]: Invalid database number - InvalidClientConfig",
            ),
        ] {
            let with_password = options(url).password("hunter2".into());
            assert_eq!(can_open(&with_password).unwrap_err().to_string(), expected);
        }
    }
}
