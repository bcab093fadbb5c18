//! `[store]`: where state is kept, and the keys that protect what clients hold of it.

use alloc::{borrow::ToOwned as _, boxed::Box, vec::Vec};
use core::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{InvalidValue, LimitStore, Policy, SecretRef, values::written_as_string};

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Where state is kept; `sqlite:bartizan.db` where the policy needs a store.
    pub url: Option<StoreUrl>,
    /// The password of Postgres or Redis.
    pub password: Option<SecretRef>,
    /// Whether the Redis at `url` is a node of a Redis Cluster.
    pub cluster: bool,
    /// More nodes of the cluster, for when the one at `url` is away at the start. The others are learnt from them.
    pub nodes: Vec<StoreUrl>,
    /// The certificates (PEM) of who vouches for Postgres or Redis, such as `"file:///etc/ssl/own-ca.pem"`; whom the
    /// machine trusts for Redis, and Mozilla's authorities for Postgres, where nothing is written.
    pub ca: Option<SecretRef>,
    /// How much a store in memory keeps at most.
    pub memory: Option<MemoryConfig>,
    /// What all keys are derived from: at least 32 bytes (`openssl rand -base64 48`), the same on every node. With
    /// `sqlite:` it is made where none is written, in a file beside the database.
    pub master_key: Option<SecretRef>,
    /// Master keys whose tokens are still accepted.
    pub previous_master_keys: Vec<SecretRef>,
}

/// `[store.memory]`: how much a store in memory keeps at most. What has ended does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Sessions, each of about 300 bytes; 1 000 000. One more is refused.
    pub sessions: Option<u32>,
    /// One-time tokens, each of about 60 bytes; 1 000 000. One more is refused.
    pub tokens: Option<u32>,
    /// Buckets of shared rate limits, each of about 50 bytes; 1 000 000. One more takes the place of the emptiest.
    pub buckets: Option<u32>,
    /// Revocations of tokens and of subjects, each of about 90 bytes; 1 000 000. One more is refused.
    pub revocations: Option<u32>,
    /// API keys, those that ended within the last 90 days among them, each of about 500 bytes; 100 000. One more is
    /// refused.
    pub api_keys: Option<u32>,
}

/// Where state is kept: `memory:`, `sqlite:PATH`, `postgres://user@host/database`, `redis://host:6379/0`, or
/// `rediss://…` for Redis by TLS. There is no password in it.
///
/// ```
/// use bartizan_core::policy::{StoreKind, StoreUrl};
/// let url = StoreUrl::parse("sqlite:/var/lib/bartizan.db").unwrap();
/// assert_eq!((url.kind(), url.path()), (StoreKind::Sqlite, Some("/var/lib/bartizan.db")));
/// assert!(StoreUrl::parse("postgres://app:hunter2@db.internal/app").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    kind: StoreKind,
    text: Box<str>,
}

/// What keeps state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StoreKind {
    /// This process: what it knows ends with it.
    Memory,
    /// A file of this machine.
    Sqlite,
    /// A server, shared by all nodes.
    Postgres,
    /// A server or a cluster, shared by all nodes.
    Redis,
}

/// What a URL begins with, and what it means.
const SCHEMES: [(&str, StoreKind); 6] = [
    ("memory:", StoreKind::Memory),
    ("sqlite:", StoreKind::Sqlite),
    ("postgres://", StoreKind::Postgres),
    ("postgresql://", StoreKind::Postgres),
    ("redis://", StoreKind::Redis),
    ("rediss://", StoreKind::Redis),
];

/// Where state is kept when nothing is said.
const USUAL: &str = "sqlite:bartizan.db";

impl StoreUrl {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        // Before any error that shows the text.
        if has_password(text) {
            return Err(InvalidValue::StorePassword);
        }
        let invalid = || InvalidValue::StoreUrl(text.to_owned());
        let (scheme, kind) =
            SCHEMES.into_iter().find(|(scheme, _)| text.starts_with(scheme)).ok_or_else(invalid)?;
        let rest = text.strip_prefix(scheme).ok_or_else(invalid)?;
        let is_place = match kind {
            StoreKind::Memory => rest.is_empty(),
            // A file, not SQLite's own names and options; those decide what is kept through a power cut.
            StoreKind::Sqlite => {
                !sqlite_path(rest).is_empty() && !rest.starts_with(':') && !rest.contains('?')
            }
            StoreKind::Postgres | StoreKind::Redis => !rest.is_empty(),
        };
        if !is_place || text.contains(|char: char| char.is_control()) {
            return Err(invalid());
        }
        Ok(Self { kind, text: text.into() })
    }

    /// What keeps state there.
    pub const fn kind(&self) -> StoreKind {
        self.kind
    }

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the URL itself asks for TLS: `rediss://`.
    pub fn is_tls(&self) -> bool {
        self.text.starts_with("rediss://")
    }

    /// What a parameter behind the `?` says.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.text.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The file, for SQLite alone. A path that is not absolute is below the working folder.
    pub fn path(&self) -> Option<&str> {
        match self.kind {
            StoreKind::Sqlite => self.text.strip_prefix("sqlite:").map(sqlite_path),
            _ => None,
        }
    }
}

/// `sqlite:///a` is widely written for `sqlite:/a`.
fn sqlite_path(rest: &str) -> &str {
    rest.strip_prefix("//").unwrap_or(rest)
}

/// Whether a URL has a password in it, or may have. One that is not escaped can hold every delimiter, so all that stands
/// before the last `@` may be part of it.
pub(super) fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let in_authority = rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    in_authority || rest.contains("password=")
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

written_as_string!(
    StoreUrl,
    "a place to keep state such as \"sqlite:bartizan.db\"",
    "^(memory:$|sqlite:[^?]+$|(postgres|postgresql|redis|rediss)://.+$)|\\$\\{env:",
    "Where state is kept: \"memory:\", \"sqlite:PATH\", \"postgres://user@host/database\", \"redis://host:6379/0\". The password stands in `password`."
);

impl Policy {
    /// Where state is kept. `None` where the policy needs no store and names none.
    pub fn store_url(&self) -> Option<StoreUrl> {
        let written = self.store.as_ref().map(|store| store.url.clone());
        match written {
            Some(Some(url)) => Some(url),
            None if !self.needs_store() => None,
            _ => Some(StoreUrl { kind: StoreKind::Sqlite, text: USUAL.into() }),
        }
    }

    /// Whether anything is kept.
    fn needs_store(&self) -> bool {
        self.session.is_some()
            || self.jwt.is_some()
            || self.api_keys.is_some()
            || self.rate_limit.store == LimitStore::Shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ApiKeysConfig, JwtConfig, RateLimitConfig};
    use alloc::format;

    #[test]
    fn urls() {
        use StoreKind::{Memory, Postgres, Redis, Sqlite};
        for (text, expected) in [
            ("memory:", Some((Memory, None))),
            ("sqlite:bartizan.db", Some((Sqlite, Some("bartizan.db")))),
            ("sqlite:/var/lib/b.db", Some((Sqlite, Some("/var/lib/b.db")))),
            ("sqlite:///var/lib/b.db", Some((Sqlite, Some("/var/lib/b.db")))),
            ("sqlite://b.db", Some((Sqlite, Some("b.db")))),
            ("postgres://bartizan@db.internal/app", Some((Postgres, None))),
            ("postgresql:///app?host=/run/postgresql", Some((Postgres, None))),
            ("redis://cache.internal:6379/0", Some((Redis, None))),
            ("rediss://bartizan@cache.internal", Some((Redis, None))),
            ("", None),
            ("memory", None),
            ("memory:x", None),
            ("sqlite:", None),
            ("sqlite://", None),
            ("sqlite::memory:", None),
            ("sqlite:b.db?mode=rwc", None),
            ("postgres://", None),
            ("mysql://db/app", None),
            ("bartizan.db", None),
            ("redis://cache\n", None),
        ] {
            let url = StoreUrl::parse(text);
            assert_eq!(url.as_ref().ok().map(|url| (url.kind(), url.path())), expected, "{text}");
            match url {
                Ok(url) => assert_eq!(url.as_str(), text),
                Err(error) => assert_eq!(error, InvalidValue::StoreUrl(text.into())),
            }
        }
    }

    #[test]
    fn a_password_has_no_place_in_it_and_is_not_shown() {
        for text in [
            "postgres://app:hunter2@db/app",
            "redis://:hunter2@cache",
            "postgres://app:hunter/2@db/app",
            "postgres://app:hunter?2#@db/app",
            "postgres://app@db/app?password=hunter2",
            "mysql://app:hunter2@db/app",
        ] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert_eq!(error, InvalidValue::StorePassword);
            assert!(!format!("{error}{error:?}").contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_store_is_named_where_one_is_needed() {
        let url = |url: &str| Some(StoreConfig { url: StoreUrl::parse(url).ok(), ..StoreConfig::default() });
        for (store, sessions, expected) in [
            (None, false, None),
            (None, true, Some("sqlite:bartizan.db")),
            (Some(StoreConfig::default()), false, Some("sqlite:bartizan.db")),
            (url("memory:"), true, Some("memory:")),
            (url("redis://cache"), false, Some("redis://cache")),
        ] {
            let policy = Policy { store, session: sessions.then(Default::default), ..Policy::default() };
            assert_eq!(policy.store_url().as_ref().map(StoreUrl::as_str), expected);
        }
        let policy = Policy { api_keys: Some(ApiKeysConfig::default()), ..Policy::default() };
        assert_eq!(policy.store_url().as_ref().map(StoreUrl::as_str), Some("sqlite:bartizan.db"));
        let (issuer, audience) = ("https://api.example.com".into(), "api".into());
        let jwt = JwtConfig { issuer, audience, ..JwtConfig::default() };
        let policy = Policy { jwt: Some(jwt), ..Policy::default() };
        assert_eq!(policy.store_url().as_ref().map(StoreUrl::as_str), Some("sqlite:bartizan.db"));
        let rate_limit = RateLimitConfig { store: LimitStore::Shared, ..RateLimitConfig::default() };
        let policy = Policy { rate_limit, ..Policy::default() };
        assert_eq!(policy.store_url().as_ref().map(StoreUrl::as_str), Some("sqlite:bartizan.db"));
    }
}
