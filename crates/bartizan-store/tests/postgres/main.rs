//! The store in Postgres does what every store must do, survives its server, and says what is wrong.

mod conforms;
mod connections;
mod errors;
#[path = "../issued/mod.rs"]
mod issued;
mod outages;
mod schema;
mod secrets;
mod writes;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
    session::{NewSession, SessionKey, SessionRecord},
};
use bartizan_peers::Postgres;
use bartizan_store::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// An empty database of a server that nobody stops; `None` where there is no Postgres.
async fn database() -> Option<String> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Postgres::start).as_ref()?;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    execute(&server.url("postgres"), format!("CREATE DATABASE {name}")).await;
    Some(server.url(&name))
}

fn options(url: &str) -> PostgresOptions {
    // More than is usual: the machine has other tests to run.
    PostgresOptions::new(url).unwrap().timeout(Duration::from_secs(20))
}

async fn store(url: &str) -> PostgresStore {
    PostgresStore::connect(options(url)).await.unwrap()
}

/// Does something by hand.
async fn execute(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

/// Looks something up by hand: a text.
async fn look_up(url: &str, sql: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap().get(0)
}

fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

fn new(number: u64) -> NewSession {
    let record = SessionRecord {
        subject: "alice".into(),
        scopes: vec!["read".into()],
        created: NOW,
        touched: NOW,
        idle: Duration::from_mins(30),
        expires: NOW.after(Duration::from_hours(12)),
    };
    NewSession { key: key(number), record, replaces: None, most: None }
}

/// An API key of Alice's.
fn api_key(number: u8) -> ApiKeyRecord {
    ApiKeyRecord {
        id: KeyId::from_bytes([number; 16]),
        mac: [number; 32],
        pepper: PepperId::from_bytes([1; 8]),
        owner: "alice".into(),
        name: "nightly backup".into(),
        scopes: vec!["read".into()],
        created: NOW,
        expires: None,
        revoked: None,
        replaced_by: None,
        last_used: None,
    }
}
