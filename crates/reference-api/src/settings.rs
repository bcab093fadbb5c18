//! What an instance is started with.

use std::{
    collections::BTreeMap,
    env, fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use bartizan_core::policy::StoreUrl;
use secrecy::SecretString;

/// What an instance is started with. It shows no secret.
///
/// ```
/// use reference_api::Settings;
/// let mut settings = Settings::new("data");
/// settings.profile = Some("demo".into());
/// assert_eq!(settings.listen.port(), 8080);
/// ```
#[derive(Clone)]
pub struct Settings {
    /// The folder that everything is kept in. It is made where it is not there, for its owner alone.
    pub data: PathBuf,
    /// A policy file in the place of the one that is built in.
    pub policy: Option<PathBuf>,
    /// The policy's profile; `None` is production.
    pub profile: Option<String>,
    /// Where it listens. The policy is judged by it.
    pub listen: SocketAddr,
    /// Where accounts, comments and money are kept.
    pub database: DatabaseSettings,
    /// Where the engine keeps sessions, keys and limits; `None` is what the policy's `[store]` says, and where that says
    /// nothing a file in [`data`](Self::data).
    pub store: Option<StoreSettings>,
    /// The system's `ping`, by its absolute path.
    pub ping: PathBuf,
    /// How long `ping` may run.
    pub ping_timeout: Duration,
    /// How long a request may take in all; a body that comes slowly is cut off then.
    pub request_timeout: Duration,
    /// The variables that the policy's `${env:…}`, its `env://…` and its overrides (`BARTIZAN__…`) are read from.
    pub environment: BTreeMap<String, String>,
}

/// Where the application keeps its tables.
#[derive(Clone, Default)]
pub enum DatabaseSettings {
    /// A file in the data folder.
    #[default]
    Sqlite,
    /// A server, by a URL that may hold the password: `postgres://app:…@127.0.0.1/app`.
    Postgres(SecretString),
}

/// Where the engine keeps its state.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite:PATH`, `postgres://user@host/database`, `redis://host:6379/0`.
    pub url: StoreUrl,
    /// The password of Postgres or Redis.
    pub password: Option<SecretString>,
}

impl Settings {
    /// Everything in this folder, and as usual: production's policy on 127.0.0.1:8080, with an empty environment.
    pub fn new(data: impl AsRef<Path>) -> Self {
        Self {
            data: data.as_ref().to_owned(),
            policy: None,
            profile: None,
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            database: DatabaseSettings::Sqlite,
            store: None,
            ping: first_of(&["/usr/bin/ping", "/bin/ping", "/sbin/ping"]),
            ping_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_mins(1),
            environment: BTreeMap::new(),
        }
    }

    /// With the variables of this process. Those that are not Unicode count as not set.
    #[must_use]
    pub fn with_environment(mut self) -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.environment.extend(env::vars_os().filter_map(unicode));
        self
    }

    /// With the origin that browsers reach it by, as `REFERENCE_API_ORIGIN` in the environment says it.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.environment.insert("REFERENCE_API_ORIGIN".to_owned(), origin.into());
        self
    }
}

/// The first of these that is there; else the first.
fn first_of(paths: &[&str]) -> PathBuf {
    let found = paths.iter().map(Path::new).find(|path| path.exists());
    found.map_or_else(|| paths.first().copied().unwrap_or_default().into(), Path::to_owned)
}

impl fmt::Debug for Settings {
    /// Of the environment not even the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("data", &self.data)
            .field("policy", &self.policy)
            .field("profile", &self.profile)
            .field("listen", &self.listen)
            .field("database", &self.database)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres(_) => "Postgres([redacted])",
        })
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let mut settings = Settings::new("data").origin("http://localhost:8080");
        settings.database = DatabaseSettings::Postgres("postgres://app:hunter2@127.0.0.1/app".into());
        settings.store = StoreUrl::parse("redis://127.0.0.1:6379")
            .ok()
            .map(|url| StoreSettings { url, password: Some("hunter2".into()) });
        settings.environment.insert("MASTER_KEY".to_owned(), "hunter2".to_owned());
        let shown = format!("{settings:?}");
        assert!(shown.contains("redis://127.0.0.1:6379") && !shown.contains("hunter2"), "{shown}");
    }
}
