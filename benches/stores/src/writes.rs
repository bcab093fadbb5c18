//! How often a store is written to by the requests of one session within a minute, as the database counts it.

use std::{error::Error, time::Duration};

use bartizan_core::{
    Answer, Query, Timestamp,
    session::{NewSession, SessionKey, SessionRecord, TOUCH_AFTER},
};
use bartizan_store::Store;
use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How many requests come within the minute.
const REQUESTS: u64 = 10_000;

/// Who counts writes from outside.
pub(crate) enum Counter {
    /// By the version of the data, which is another one when somebody else has written
    /// (<https://www.sqlite.org/pragma.html#pragma_data_version>); so it is looked at after every request.
    Sqlite { connection: SqliteConnection, version: i64, writes: u64 },
    /// By a trigger that draws from a sequence.
    Postgres(PgConnection),
    /// By its own statistics of `HSET`, which a session's touch is one of.
    Redis(String),
}

impl Counter {
    pub(crate) async fn sqlite(path: &str) -> Result<Self, sqlx::Error> {
        let connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await?;
        Ok(Self::Sqlite { connection, version: 0, writes: 0 })
    }

    pub(crate) async fn postgres(url: &str) -> Result<Self, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        let spy = "
            CREATE SEQUENCE public.written MINVALUE 0;
            CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM nextval('public.written');
                RETURN NULL;
            END $$;
            CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON bartizan.sessions
                FOR EACH ROW EXECUTE FUNCTION public.note()";
        sqlx::raw_sql(spy).execute(&mut connection).await?;
        Ok(Self::Postgres(connection))
    }

    pub(crate) fn redis(address: &str) -> Self {
        Self::Redis(address.to_owned())
    }

    /// How many there were, up to a constant.
    async fn look(&mut self) -> Result<u64, Box<dyn Error>> {
        Ok(match self {
            Self::Sqlite { connection, version, writes } => {
                let now: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?;
                *writes += u64::from(now != *version);
                *version = now;
                *writes
            }
            Self::Postgres(connection) => {
                let drawn = "SELECT last_value + is_called::int FROM public.written";
                let drawn: i64 = sqlx::query_scalar(drawn).fetch_one(connection).await?;
                drawn.try_into()?
            }
            Self::Redis(address) => {
                let mut stream = TcpStream::connect(&*address).await?;
                stream.write_all(b"INFO commandstats\r\nQUIT\r\n").await?;
                let mut statistics = String::new();
                stream.read_to_string(&mut statistics).await?;
                let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_hset:calls="));
                calls.and_then(|line| line.split(',').next()).ok_or("Redis counted no HSET")?.parse()?
            }
        })
    }

    fn must_look_often(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }
}

/// The writes of 10 000 requests of one session within the minute that begins when its last touch is due to be renewed.
pub(crate) async fn of_a_minute(store: &impl Store, mut counter: Counter) -> Result<u64, Box<dyn Error>> {
    let began = Timestamp(1_800_000_000_000);
    let key = SessionKey::of(b"ten thousand requests");
    let (idle, absolute) = (Duration::from_mins(30), Duration::from_hours(12));
    let record = SessionRecord::new("alice", vec!["read".into()], began, idle, absolute);
    store.begin(NewSession { key, record, replaces: None, most: None }).await?;
    let before = counter.look().await?;
    let due = began.after(TOUCH_AFTER);
    for request in 0..REQUESTS {
        // Six milliseconds apart: the last comes just before the minute is over.
        let now = due.after(Duration::from_millis(request * 6));
        if !matches!(store.answer(Query::Session { key, now }).await, Answer::Session(_)) {
            return Err(format!("request {request} found no session").into());
        }
        if counter.must_look_often() {
            counter.look().await?;
        }
    }
    Ok(counter.look().await? - before)
}
