//! What is typed after `bartizan demo`.

use std::path::PathBuf;

use bartizan_core::policy::StoreUrl;
use clap::Args;

/// Run the reference API and a site that attacks it, with a page that shows each attack being stopped
///
/// Nothing else is needed: no service, no policy, no network. The reference API is at localhost:8080, and its first page is
/// the attack lab: a card for each attack, a button that makes it, what was sent and what came back, and the rule that
/// stopped it. The attacker's site is at 127.0.0.1:8081, which is another site to a browser.
///
/// Everything is kept in one folder. The first start makes four accounts there and prints their passwords, this once.
///
/// It is for this machine: it listens on 127.0.0.1 alone, and its lab can switch controls off.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan demo --open
  bartizan demo --port 9000 --attacker-port 9001
  bartizan demo --data /tmp/demo        with a folder that can be thrown away
  bartizan demo --database postgres://app@127.0.0.1/app --store redis://127.0.0.1:6379

Try:
  http://localhost:8080/          the lab: press \"Run all attacks\"
  http://localhost:8080/docs      the API, to read and to call

Environment:
  BARTIZAN_DEMO_DATABASE          the URL of --database, for one with a password
  BARTIZAN_DEMO_STORE_PASSWORD    the password of --store

Ctrl-C stops it. The folder can be removed then.")]
pub(crate) struct DemoArguments {
    /// Open the lab in the browser
    #[arg(long)]
    pub(crate) open: bool,
    /// The port of the API and the lab; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "8080")]
    pub(crate) port: u16,
    /// The port of the attacker's site; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "8081")]
    pub(crate) attacker_port: u16,
    /// The folder to keep everything in; it is made where it is not there
    #[arg(long, value_name = "DIR", default_value = "bartizan-demo")]
    pub(crate) data: PathBuf,
    /// Keep accounts, comments and money in Postgres instead of SQLite
    #[arg(long, value_name = "URL", env = "BARTIZAN_DEMO_DATABASE", hide_env = true, value_parser = postgres_url)]
    pub(crate) database: Option<DatabaseUrl>,
    /// Keep sessions, keys and limits there instead of in SQLite
    #[arg(long, value_name = "URL", value_parser = store_url)]
    pub(crate) store: Option<StoreUrl>,
}

/// The URL of a Postgres database. It may hold a password, and shows nothing.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(pub(crate) String);

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl([redacted])")
    }
}

fn postgres_url(text: &str) -> Result<DatabaseUrl, &'static str> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        Ok(DatabaseUrl(text.to_owned()))
    } else {
        Err(
            "write it as postgres://user@host/database; without --database there is SQLite in the folder of --data",
        )
    }
}

fn store_url(text: &str) -> Result<StoreUrl, String> {
    StoreUrl::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_postgres_and_its_url_is_never_shown() {
        let url = postgres_url("postgres://app:hunter2@127.0.0.1/app").unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl([redacted])");
        for text in ["sqlite:app.db", "mysql://app@host/app", ""] {
            assert!(postgres_url(text).is_err(), "{text}");
        }
    }
}
