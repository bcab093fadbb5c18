//! Counts what the stores write, and serves one application behind each: for `cargo xtask bench --only stores`.
//!
//! Arguments: the path of a new SQLite file, the URL of a Postgres, the address of a Redis. Prints a line of JSON for each
//! store, `{"store": "SQLite", "address": "127.0.0.1:4000", "cookie": "__Host-session=…", "writes": 1}`, and serves until
//! its standard input ends.

mod serve;
mod writes;

use std::{env, error::Error, io, time::Duration};

use bartizan_store::{
    MemoryLimits, MemoryStore, PostgresOptions, PostgresStore, RedisConfig, RedisStore, SqliteStore,
};

use writes::Counter;

/// More than is usual: what is measured is not whether a busy machine is in time.
const TIMEOUT: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [sqlite, postgres, redis] = &*arguments else {
        return Err("give the path of a SQLite file, the URL of a Postgres and the address of a Redis".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        Box::pin(serve::serve("memory", MemoryStore::new(MemoryLimits::default()), None)).await?;

        let store = SqliteStore::open_with_timeout(sqlite, TIMEOUT).await?;
        let writes = writes::of_a_minute(&store, Counter::sqlite(sqlite).await?).await?;
        Box::pin(serve::serve("SQLite", store, Some(writes))).await?;

        let store = PostgresStore::connect(PostgresOptions::new(postgres)?.timeout(TIMEOUT)).await?;
        let writes = writes::of_a_minute(&store, Counter::postgres(postgres).await?).await?;
        Box::pin(serve::serve("Postgres", store, Some(writes))).await?;

        let mut config = RedisConfig::server(format!("redis://{redis}"));
        config.timeout = TIMEOUT;
        let store = RedisStore::connect(&config).await?;
        let writes = writes::of_a_minute(&store, Counter::redis(redis)).await?;
        Box::pin(serve::serve("Redis", store, Some(writes))).await
    })?;
    // The servers run on the runtime's threads.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
