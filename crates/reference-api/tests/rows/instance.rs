//! An instance on a free port, with a folder of its own.

use std::collections::BTreeMap;

use reference_api::{DatabaseSettings, Opened, ReferenceApi, Settings};
use secrecy::ExposeSecret as _;
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::client::Client;

/// A running instance. It ends with its value.
pub(crate) struct Instance {
    pub(crate) origin: String,
    pub(crate) folder: TempDir,
    passwords: BTreeMap<String, String>,
    serving: AbortHandle,
    pub(crate) database: DatabaseSettings,
}

impl Instance {
    /// In the demo profile, on SQLite, but for what is changed.
    pub(crate) async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://{address}");
        let mut settings = Settings::new(folder.path().join("data")).origin(&origin);
        settings.profile = Some("demo".into());
        settings.listen = address;
        change(&mut settings);
        let Opened { api, accounts } = ReferenceApi::open(&settings).await.unwrap();
        let passwords = accounts
            .into_iter()
            .map(|account| (account.name, account.password.expose_secret().to_owned()))
            .collect();
        let served = api.clone();
        let serving = tokio::spawn(async move { served.serve(listener).await }).abort_handle();
        Self { origin, folder, passwords, serving, database: settings.database }
    }

    /// The password that an account got at the first start.
    pub(crate) fn password(&self, name: &str) -> &str {
        &self.passwords[name]
    }

    /// Whether it found the accounts that another had made.
    pub(crate) fn has_no_passwords(&self) -> bool {
        self.passwords.is_empty()
    }

    /// Changes its database behind its back.
    pub(crate) async fn execute(&self, sql: &str) {
        self.texts(sql).await;
    }

    /// The one text that a query finds in its database.
    pub(crate) async fn text(&self, sql: &str) -> String {
        self.texts(sql).await.pop().unwrap()
    }

    /// What a query finds in its database, of the first column.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = || sqlx::AssertSqlSafe(sql.to_owned());
        let rows: Vec<(Option<String>,)> = match &self.database {
            DatabaseSettings::Sqlite => {
                let path = self.folder.path().join("data/app.db");
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
                let rows = sqlx::query_as(sql()).fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                rows
            }
            DatabaseSettings::Postgres(url) => {
                let options: PgConnectOptions = url.expose_secret().parse().unwrap();
                let mut connection = options.connect().await.unwrap();
                let rows = sqlx::query_as(sql()).fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                rows
            }
        };
        rows.into_iter().filter_map(|(text,)| text).collect()
    }

    /// A client that nobody knows.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.origin)
    }

    /// A client that has signed in.
    pub(crate) async fn signed_in(&self, name: &str) -> Client {
        let client = self.client();
        let body = serde_json::json!({ "username": name, "password": self.password(name) });
        let response = client.post("/login", &body).await;
        assert_eq!(response.status, 200, "{}", response.text());
        client
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
