//! A server, by URL.

use std::{net::IpAddr, str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    ConnectOptions as _, Executor as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::DatabaseError;

const SCHEMA: &str = include_str!("postgres.sql");

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

const CONNECTIONS: u32 = 10;

/// Connects, and makes the tables that are not there.
pub(super) async fn open(url: &SecretString) -> Result<PgPool, DatabaseError> {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options(url)?)
        .await?;
    let mut transaction = pool.begin().await?;
    // Of two nodes that start at once one makes the tables, and the other finds them.
    transaction.execute("SELECT pg_advisory_xact_lock(4711081500)").await?;
    transaction.execute(SCHEMA).await?;
    transaction.commit().await?;
    Ok(pool)
}

/// What the URL says. A server on another machine must have a certificate for its name, unless the URL asks for less.
fn options(url: &SecretString) -> Result<PgConnectOptions, DatabaseError> {
    let url = url.expose_secret();
    // Not the driver's words: they may quote the password.
    let mut options = PgConnectOptions::from_str(url).map_err(|_| DatabaseError::Url)?;
    // In the query alone: a password may have the same letters.
    let says = url.split_once('?').is_some_and(|(_, query)| query.contains("sslmode="));
    if !says && !is_local(options.get_host()) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    Ok(options.application_name("reference-api").disable_statement_logging())
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with('/') || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_has_to_prove_who_it_is() {
        for (url, expected) in [
            ("postgres://app:pw@127.0.0.1:5432/app", false),
            ("postgres://app:pw@localhost/app", false),
            ("postgres://app:pw@db.internal/app", true),
            ("postgres://app:sslmode=@db.internal/app", true),
            ("postgres://app:pw@db.internal/app?sslmode=require", false),
        ] {
            let mode = options(&url.into()).unwrap().get_ssl_mode();
            assert_eq!(matches!(mode, PgSslMode::VerifyFull), expected, "{url}");
        }
        let error = options(&"postgres://app:hunter2@[/app".into()).unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }
}
