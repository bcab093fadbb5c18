//! Counts what the stores write, and serves one application behind each: for `cargo xtask bench --only sessions`.
//!
//! Arguments: the path of a new SQLite file, the URL of a Postgres, the address of a Redis. Prints a line of JSON for each
//! store, `{"store": "SQLite", "address": "127.0.0.1:4000", "cookie": "__Host-session=…", "writes": 1}`, and serves until
//! its standard input ends.

mod serve;
mod writes;

use std::{env, error::Error, io, sync::Arc};

use bartizan_core::policy::StoreUrl;
use bartizan_store::{Store, StoreOptions};

use writes::Counter;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [sqlite, postgres, redis] = &*arguments else {
        return Err("give the path of a SQLite file, the URL of a Postgres and the address of a Redis".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        serve::serve("memory", open("memory:").await?, None).await?;
        let store = open(&format!("sqlite:{sqlite}")).await?;
        let writes = writes::of_a_minute(&*store, Counter::sqlite(sqlite).await?).await?;
        serve::serve("SQLite", store, Some(writes)).await?;
        let store = open(postgres).await?;
        let writes = writes::of_a_minute(&*store, Counter::postgres(postgres).await?).await?;
        serve::serve("Postgres", store, Some(writes)).await?;
        let store = open(&format!("redis://{redis}")).await?;
        let writes = writes::of_a_minute(&*store, Counter::redis(redis)).await?;
        serve::serve("Redis", store, Some(writes)).await
    })?;
    // The servers run on the runtime's threads.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

async fn open(url: &str) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    Ok(bartizan_store::open(&StoreOptions::new(StoreUrl::parse(url)?)).await?)
}
