//! Where Postgres is, and how it is spoken to.

use std::{fmt, net::IpAddr, num::NonZeroU32, str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where Postgres is, and how it is spoken to. It shows no password.
///
/// ```
/// use bartizan_store::PostgresOptions;
/// let options = PostgresOptions::new("postgres://bartizan:secret@db.internal/app")?;
/// assert_eq!(options.place(), "postgres at db.internal:5432");
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), bartizan_store::PostgresUrlError>(())
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) connect: PgConnectOptions,
    pub(super) connections: NonZeroU32,
    pub(super) timeout: Duration,
    place: String,
}

/// A URL does not say where Postgres is. No part of a password is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresUrlError {
    /// It is no URL of Postgres.
    #[error("a URL of Postgres begins with postgres:// or postgresql://")]
    Scheme,
    /// An `@` stands behind the authority: the name or the password before it was not encoded.
    #[error(
        "the URL of Postgres has an `@` behind its host; write `/`, `?`, `#` and `@` in a password as %2F, %3F, %23 and %40"
    )]
    Unencoded,
    /// A parameter that is not known, so that one that is misspelt does not go unheard.
    #[error("the URL of Postgres has the unknown parameter `{0}`; known are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
    /// Something else in it.
    #[error("the URL of Postgres cannot be read: {0}")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What may stand behind the `?`.
const PARAMETERS: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

impl PostgresOptions {
    /// From `postgres://user:password@host:port/database?sslmode=verify-full`. What it does not say comes from the
    /// variables that `psql` reads (`PGHOST`, `PGPASSWORD`, `PGPASSFILE` …).
    ///
    /// Where neither says how TLS is used, a host that is not this machine must have a certificate for its name
    /// (`verify-full`): by Mozilla's authorities, or by those of the file `sslrootcert`. Anything less is asked for
    /// by its name, `sslmode=require` or `sslmode=disable`.
    pub fn new(url: &str) -> Result<Self, PostgresUrlError> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or(PostgresUrlError::Scheme)?;
        // A password that was not encoded would become a part of the host, the path or a parameter, all of which are
        // shown.
        if rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@')) {
            return Err(PostgresUrlError::Unencoded);
        }
        let (_, query) = rest.split_once('?').unwrap_or_default();
        let mut names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
            name
        });
        if let Some(unknown) = names.clone().find(|name| !PARAMETERS.contains(name)) {
            return Err(PostgresUrlError::Parameter(unknown.to_owned()));
        }
        let mut connect = PgConnectOptions::from_str(url).map_err(invalid)?;
        let unsaid =
            !names.any(|name| name == "sslmode") && matches!(connect.get_ssl_mode(), PgSslMode::Prefer);
        if unsaid && !is_local(&connect) {
            connect = connect.ssl_mode(PgSslMode::VerifyFull);
        }
        if connect.get_application_name().is_none() {
            connect = connect.application_name("bartizan");
        }
        let place = place(&connect);
        Ok(Self {
            connect,
            connections: NonZeroU32::MIN.saturating_add(9),
            timeout: Duration::from_secs(5),
            place,
        })
    }

    /// The password, where it does not stand in the URL.
    #[must_use]
    pub fn password(self, password: &SecretString) -> Self {
        Self { connect: self.connect.password(password.expose_secret()), ..self }
    }

    /// The certificates, in PEM, of who vouches for the server, in the place of Mozilla's. Then the server must have one
    /// of theirs, and for its name unless the URL says `sslmode=verify-ca`, wherever it is.
    #[must_use]
    pub fn root_certificates(self, pem: Vec<u8>) -> Self {
        let mode = match self.connect.get_ssl_mode() {
            PgSslMode::VerifyCa => PgSslMode::VerifyCa,
            // An authority that nobody is asked to prove himself by would be worse than none.
            _ => PgSslMode::VerifyFull,
        };
        Self { connect: self.connect.ssl_mode(mode).ssl_root_cert_from_pem(pem), ..self }
    }

    /// How many connections there are at most; 10 unless it is said. Further requests wait for one.
    #[must_use]
    pub fn connections(self, connections: NonZeroU32) -> Self {
        Self { connections, ..self }
    }

    /// How long a request may take, the wait for a connection included; 5 seconds unless it is said, and at least one
    /// millisecond. Postgres ends a statement that takes longer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.max(Duration::from_millis(1)), ..self }
    }

    /// Where it is, for messages: `postgres at db.internal:5432`.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("place", &self.place)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What is within sqlx's error, which may be twice in a configuration's.
fn invalid(error: sqlx::Error) -> PostgresUrlError {
    match error {
        sqlx::Error::Configuration(source) => match source.downcast() {
            Ok(inner) => invalid(*inner),
            Err(source) => PostgresUrlError::Invalid(source),
        },
        other => PostgresUrlError::Invalid(other.into()),
    }
}

fn place(connect: &PgConnectOptions) -> String {
    let port = connect.get_port();
    match connect.get_socket() {
        Some(directory) => format!("postgres at {}/.s.PGSQL.{port}", directory.display()),
        None if connect.get_host().starts_with('/') => {
            format!("postgres at {}/.s.PGSQL.{port}", connect.get_host())
        }
        None => format!("postgres at {}:{port}", connect.get_host()),
    }
}

/// Whether what is said stays on this machine.
fn is_local(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    connect.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        for (url, place, mode) in [
            ("postgres://u:p@db.internal/app", "postgres at db.internal:5432", PgSslMode::VerifyFull),
            ("postgresql://db.internal:6432", "postgres at db.internal:6432", PgSslMode::VerifyFull),
            ("postgres://10.0.0.1/app", "postgres at 10.0.0.1:5432", PgSslMode::VerifyFull),
            ("postgres://db/app?sslmode=require", "postgres at db:5432", PgSslMode::Require),
            ("postgres://db/app?sslmode=prefer", "postgres at db:5432", PgSslMode::Prefer),
            ("postgres://db/app?sslmode=disable", "postgres at db:5432", PgSslMode::Disable),
            ("postgres://localhost/app", "postgres at localhost:5432", PgSslMode::Prefer),
            ("postgres://127.0.0.2:1/app", "postgres at 127.0.0.2:1", PgSslMode::Prefer),
            ("postgres://[::1]:1/app", "postgres at [::1]:1", PgSslMode::Prefer),
            ("postgres://u@%2Frun%2Fpg/app", "postgres at /run/pg/.s.PGSQL.5432", PgSslMode::Prefer),
            ("postgres:///app?host=/run/pg", "postgres at /run/pg/.s.PGSQL.5432", PgSslMode::Prefer),
        ] {
            let options = PostgresOptions::new(url).unwrap();
            assert_eq!(options.place(), place, "{url}");
            assert_eq!(format!("{:?}", options.connect.get_ssl_mode()), format!("{mode:?}"), "{url}");
        }
    }

    #[test]
    fn a_url_that_is_wrong_says_why_and_shows_no_password() {
        let unencoded = "the URL of Postgres has an `@` behind its host; write `/`, `?`, `#` and `@` in a password as \
                         %2F, %3F, %23 and %40";
        let scheme = "a URL of Postgres begins with postgres:// or postgresql://";
        for (url, message) in [
            ("mysql://u:hunter2@db", scheme),
            ("db.internal", scheme),
            ("postgres://u:1/hunter2@db/app", unencoded),
            ("postgres://u:1?hunter2@db/app", unencoded),
            ("postgres://u:1#hunter2@db/app", unencoded),
            ("postgres://u:hunter2@db:port/app", "the URL of Postgres cannot be read: invalid port number"),
            (
                "postgres://db/app?sslmod=hunter2",
                "the URL of Postgres has the unknown parameter `sslmod`; known are application_name, dbname, host, \
                 hostaddr, options, port, sslcert, sslkey, sslmode, sslrootcert, user",
            ),
            (
                "postgres://db/app?sslmode=maybe",
                "the URL of Postgres cannot be read: unknown value \"maybe\" for `ssl_mode`",
            ),
        ] {
            let error = PostgresOptions::new(url).unwrap_err();
            assert_eq!(error.to_string(), message, "{url}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn nothing_shows_the_password() {
        let options = PostgresOptions::new("postgres://u:hunter2@db/app").unwrap();
        let options =
            options.connections(NonZeroU32::MIN).timeout(Duration::ZERO).password(&"hunter2".into());
        assert_eq!(
            format!("{options:?}"),
            "PostgresOptions { place: \"postgres at db:5432\", connections: 1, timeout: 1ms, .. }"
        );
    }
}
