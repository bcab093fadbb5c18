//! Where a Redis is, and the client that is made from it.

use std::{fmt::Write as _, time::Duration};

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo as _, RedisError, TlsCertificates,
    cluster::{ClusterClient, ClusterClientBuilder},
};
use secrecy::{ExposeSecret as _, SecretString};

/// Where a Redis is, and how it is spoken to.
///
/// ```
/// use bartizan_store::RedisConfig;
/// use std::time::Duration;
/// let mut config = RedisConfig::server("redis://:secret@db.internal:6379/2");
/// config.timeout = Duration::from_secs(1);
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS, or `unix://…`. For a cluster, one
    /// or more of its nodes, with the same user and password; the others are learnt from them.
    pub urls: Vec<SecretString>,
    /// The password, where it does not stand in the URLs.
    pub password: Option<SecretString>,
    /// Whether it is a Redis Cluster.
    pub cluster: bool,
    /// What the name of every key begins with: `bartizan`. No braces.
    pub prefix: String,
    /// How long a method may take in all, connecting included: two seconds.
    pub timeout: Duration,
    /// For TLS, the certificates (PEM) of who may vouch for the server; `None` is who the system trusts.
    pub root_certificates: Option<Vec<u8>>,
}

impl RedisConfig {
    /// A single server.
    pub fn server(url: impl Into<SecretString>) -> Self {
        Self::new(vec![url.into()], false)
    }

    /// Whether it can be used, without connecting.
    pub(crate) fn check(&self) -> Result<(), impl std::error::Error + Send + Sync + 'static> {
        Opener::new(self).map(drop)
    }

    /// A cluster, by some of its nodes.
    pub fn cluster<U: Into<SecretString>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self::new(urls.into_iter().map(Into::into).collect(), true)
    }

    fn new(urls: Vec<SecretString>, cluster: bool) -> Self {
        Self {
            urls,
            password: None,
            cluster,
            prefix: "bartizan".to_owned(),
            timeout: Duration::from_secs(2),
            root_certificates: None,
        }
    }
}

/// What a [`RedisConfig`] says that cannot be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("no URL is given; write redis://host:6379")]
    NoUrl,
    #[error("{0} URLs are given for a single server; name one, or say that it is a cluster")]
    ManyUrls(usize),
    #[error("the prefix {0:?} is empty or has a brace in it; braces say which slot of a cluster a key is in")]
    Prefix(String),
    #[error("a timeout of {0:?} is none; give it a second or two")]
    Timeout(Duration),
    #[error("the URL is none of Redis; write redis://[[user]:password@]host[:port][/database]: {0}")]
    Url(RedisError),
    #[error("{0}")]
    Client(RedisError),
}

/// What connections are made by.
pub(super) enum Opener {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Opener {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConfigError> {
        if config.prefix.is_empty() || config.prefix.contains(['{', '}']) {
            return Err(ConfigError::Prefix(config.prefix.clone()));
        }
        if config.timeout.is_zero() {
            return Err(ConfigError::Timeout(config.timeout));
        }
        let nodes = nodes(config)?;
        trust_aws_lc();
        let certificates = config
            .root_certificates
            .as_ref()
            .map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) });
        if config.cluster {
            let builder = ClusterClientBuilder::new(nodes)
                .connection_timeout(config.timeout)
                .response_timeout(config.timeout)
                .overall_response_timeout(None)
                // A slot that has moved is asked for elsewhere; a step that is repeated changes nothing more, but that a
                // bucket is taken from twice.
                .retries(3)
                .min_retry_wait(10)
                .max_retry_wait(200);
            let builder = match certificates {
                Some(certificates) => builder.certs(certificates),
                None => builder,
            };
            return Ok(Self::Cluster(Box::new(builder.build().map_err(ConfigError::Client)?)));
        }
        let count = nodes.len();
        let node = nodes.into_iter().next().filter(|_| count == 1).ok_or(ConfigError::ManyUrls(count))?;
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(node, certificates),
            None => Client::open(node),
        };
        Ok(Self::Server(Box::new(client.map_err(ConfigError::Client)?)))
    }
}

/// `redis at db.internal:6379`: no user and no password is in it.
pub(super) fn what(config: &RedisConfig) -> String {
    let mut what = if config.cluster { "redis cluster" } else { "redis" }.to_owned();
    let nodes = nodes(config).unwrap_or_default();
    for (at, node) in nodes.iter().enumerate() {
        let _ = write!(what, "{} {}", if at == 0 { " at" } else { "," }, node.addr());
    }
    what
}

fn nodes(config: &RedisConfig) -> Result<Vec<ConnectionInfo>, ConfigError> {
    if config.urls.is_empty() {
        return Err(ConfigError::NoUrl);
    }
    let nodes = config.urls.iter().map(|url| {
        let node = url.expose_secret().into_connection_info()?;
        let Some(password) = &config.password else { return Ok(node) };
        let settings = node.redis_settings().clone().set_password(password.expose_secret());
        Ok(node.set_redis_settings(settings))
    });
    nodes.collect::<Result<_, _>>().map_err(ConfigError::Url)
}

/// The driver takes the process's provider of cryptography, and panics where rustls cannot tell which that is: where an
/// application was built with two. Whoever has chosen one is left with it.
fn trust_aws_lc() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_can_stand_apart() {
        let mut config = RedisConfig::server("redis://alice@db/2");
        config.password = Some("hünter:2/@".into());
        assert!(!format!("{config:?}").contains("nter"));
        let nodes = nodes(&config).unwrap();
        let settings = nodes[0].redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("alice"), Some("hünter:2/@")));
        assert_eq!(settings.db(), 2);
    }

    #[test]
    fn what_cannot_be_is_said_and_no_password_with_it() {
        let url = "redis://alice:hunter2@db.internal:6380/2";
        let with = |change: fn(&mut RedisConfig)| {
            let mut config = RedisConfig::server(url);
            change(&mut config);
            config
        };
        for (config, expected) in [
            (RedisConfig::cluster::<&str>([]), "no URL is given"),
            (with(|config| config.urls.push("redis://b".into())), "2 URLs are given"),
            (with(|config| config.prefix.clear()), "the prefix \"\" is empty"),
            (with(|config| config.prefix = "a{b}".to_owned()), "the prefix \"a{b}\" is empty or has a brace"),
            (with(|config| config.timeout = Duration::ZERO), "a timeout of 0ns is none"),
            (RedisConfig::server("http://alice:hunter2@db"), "the URL is none of Redis"),
            (RedisConfig::server("redis://alice:hunter2@db/two"), "the URL is none of Redis"),
            (
                RedisConfig::cluster(["redis://:hunter2@a", "redis://:hunter3@b"]),
                "Cannot use different password",
            ),
        ] {
            let error = Opener::new(&config).err().expect(expected);
            let (said, debug) = (error.to_string(), format!("{error:?} {config:?}"));
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("hunter") && !debug.contains("hunter"), "{said} {debug}");
        }
    }

    #[test]
    fn a_server_is_named_without_its_password() {
        for (config, expected) in [
            (RedisConfig::server("redis://alice:hunter2@db.internal:6380/2"), "redis at db.internal:6380"),
            (RedisConfig::server("rediss://db"), "redis at db:6379"),
            (RedisConfig::server("nonsense"), "redis"),
            (
                RedisConfig::cluster(["redis://:hunter2@a:7000", "redis://:hunter2@b:7000"]),
                "redis cluster at a:7000, b:7000",
            ),
        ] {
            assert_eq!(what(&config), expected);
        }
    }
}
