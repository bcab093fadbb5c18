//! From what a policy says to the store that it names.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::{fmt, sync::Arc};

use bartizan_core::policy::{Policy, StoreKind, StoreUrl};
use secrecy::SecretString;

#[cfg(feature = "sqlite")]
use crate::SqliteStore;
use crate::{MemoryLimits, MemoryStore, Store, StoreError};
#[cfg(feature = "postgres")]
use crate::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
use crate::{RedisConfig, RedisStore};

/// What a certificate in PEM begins with (RFC 7468, section 5).
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

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
    /// The other nodes of a cluster that were named, where it is one.
    cluster: Option<Vec<StoreUrl>>,
    root_certificates: Option<Vec<u8>>,
    memory: MemoryLimits,
}

impl StoreOptions {
    /// The store at `url`, without a password.
    pub fn new(url: StoreUrl) -> Self {
        Self { url, password: None, cluster: None, root_certificates: None, memory: MemoryLimits::default() }
    }

    /// The store that a policy names, without what `password` and `ca` refer to. `None` where it names none and needs
    /// none.
    pub fn of(policy: &Policy) -> Option<Self> {
        let mut options = Self::new(policy.store_url()?);
        let Some(store) = &policy.store else { return Some(options) };
        if store.cluster {
            options.cluster = Some(store.nodes.clone());
        }
        if let Some(memory) = &store.memory {
            let most = |written: Option<u32>, usual| {
                written.map_or(usual, |most| usize::try_from(most).unwrap_or(usize::MAX))
            };
            let usual = options.memory;
            options.memory = MemoryLimits {
                sessions: most(memory.sessions, usual.sessions),
                tokens: most(memory.tokens, usual.tokens),
                buckets: most(memory.buckets, usual.buckets),
                revocations: most(memory.revocations, usual.revocations),
                api_keys: most(memory.api_keys, usual.api_keys),
            };
        }
        Some(options)
    }

    /// Where the state is kept.
    pub const fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// With a password: `store.password`, resolved.
    #[must_use]
    pub fn password(mut self, password: SecretString) -> Self {
        self.password = Some(password);
        self
    }

    /// With the certificates, in PEM, of who vouches for Postgres or Redis: `store.ca`, resolved.
    #[must_use]
    pub fn root_certificates(mut self, pem: Vec<u8>) -> Self {
        self.root_certificates = Some(pem);
        self
    }

    /// A Redis Cluster, of which these are nodes too: `store.cluster` and `store.nodes`.
    #[must_use]
    pub fn cluster(mut self, nodes: Vec<StoreUrl>) -> Self {
        self.cluster = Some(nodes);
        self
    }

    /// As much in memory: `store.memory`.
    #[must_use]
    pub const fn memory(mut self, limits: MemoryLimits) -> Self {
        self.memory = limits;
        self
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("url", &self.url)
            .field("has_password", &self.password.is_some())
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// Opens the store that `options` name, within a tokio runtime that lives as long as the store. One in memory is empty;
/// a file or tables that are not there are made.
///
/// Only the memory store is always there. A build without the feature of another (`sqlite`, `postgres`, `redis`) says so
/// with [`StoreError::NotBuilt`].
pub async fn open(options: &StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match way(options)? {
        Way::Memory => Arc::new(MemoryStore::new(options.memory)),
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
    // The drivers would trust nobody, and say that the server's issuer is unknown.
    let is_pem = |pem: &Vec<u8>| pem.windows(PEM.len()).any(|part| part == PEM);
    if !options.root_certificates.as_ref().is_none_or(is_pem) {
        return Err(StoreError::NoCertificate);
    }
    match url.kind() {
        StoreKind::Memory => Ok(Way::Memory),
        #[cfg(feature = "sqlite")]
        StoreKind::Sqlite => Ok(Way::Sqlite(url.path().unwrap_or_default().into())),
        #[cfg(not(feature = "sqlite"))]
        StoreKind::Sqlite => Err(StoreError::NotBuilt { what: "SQLite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        StoreKind::Postgres => {
            let mut postgres = PostgresOptions::new(url.as_str()).map_err(|error| not_a_url(url, error))?;
            if let Some(password) = &options.password {
                postgres = postgres.password(password);
            }
            if let Some(pem) = &options.root_certificates {
                postgres = postgres.root_certificates(pem.clone());
            }
            Ok(Way::Postgres(Box::new(postgres)))
        }
        #[cfg(not(feature = "postgres"))]
        StoreKind::Postgres => Err(StoreError::NotBuilt { what: "Postgres", feature: "postgres" }),
        #[cfg(feature = "redis")]
        StoreKind::Redis => {
            let mut redis = match &options.cluster {
                Some(nodes) => RedisConfig::cluster([url].into_iter().chain(nodes).map(StoreUrl::as_str)),
                None => RedisConfig::server(url.as_str()),
            };
            redis.password.clone_from(&options.password);
            redis.root_certificates.clone_from(&options.root_certificates);
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
    use bartizan_core::{
        Timestamp, TokenDigest,
        policy::{PolicyInput, load},
    };

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

    #[tokio::test]
    async fn what_a_policy_says_is_what_is_opened() {
        let text = "version = 1\n[store]\nurl = 'memory:'\nmemory = { sessions = 3, tokens = 1 }";
        let policy = load(&PolicyInput { text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
        let options = StoreOptions::of(&policy).unwrap();
        assert_eq!(options.memory, MemoryLimits { sessions: 3, tokens: 1, ..MemoryLimits::default() });
        let store = open(&options).await.unwrap();
        let (until, now) = (Timestamp(2000), Timestamp(1000));
        assert!(store.consume(TokenDigest([1; 32]), until, now).await.unwrap());
        let full = store.consume(TokenDigest([2; 32]), until, now).await.unwrap_err();
        // The keys that it names are the policy's.
        assert_eq!(
            full.to_string(),
            "the store of one-time tokens in memory is full: 1 entries are alive; raise store.memory.tokens or use a \
             store that is not in memory"
        );
        assert!(StoreOptions::of(&Policy::default()).is_none());
    }

    #[test]
    fn an_authority_is_a_certificate() {
        let with = |pem: &[u8]| can_open(&options("memory:").root_certificates(pem.to_vec()));
        assert!(with(b"Issued by us\n-----BEGIN CERTIFICATE-----\n").is_ok());
        for pem in [&b""[..], b"no certificate", b"-----BEGIN PRIVATE KEY-----\n"] {
            assert!(matches!(with(pem), Err(StoreError::NoCertificate)));
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
