//! How long it is from a change of one node's key ring until another node verifies by it, for `cargo xtask bench --only
//! tokens`.
//!
//! Arguments: how many rounds, the path of a new SQLite file, the URL of a Postgres, the address of a Redis. Prints a line
//! of JSON for each store, `{"store": "SQLite", "rotated": [0.002], "brought": [0.002]}`, with the seconds of all rounds.

use std::{env, error::Error, sync::Arc};

use bartizan_benches_tokens::rotating::{self, Seconds};
use bartizan_store::{
    PostgresOptions, PostgresStore, RedisConfig, RedisStore, SqliteStore, Store, StoreError,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [rounds, sqlite, postgres, redis] = &*arguments else {
        return Err("give the number of rounds, the path of a SQLite file, the URL of a Postgres and the address of a \
             Redis"
            .into());
    };
    let rounds = rounds.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        measure("SQLite", rounds, async || SqliteStore::open(sqlite).await).await?;
        let options = PostgresOptions::new(postgres)?;
        measure("Postgres", rounds, async || PostgresStore::connect(options.clone()).await).await?;
        let config = RedisConfig::server(format!("redis://{redis}"));
        measure("Redis", rounds, async || RedisStore::connect(&config).await).await
    })
}

async fn measure<S: Store>(
    name: &str,
    rounds: usize,
    connect: impl AsyncFn() -> Result<S, StoreError>,
) -> Result<(), Box<dyn Error>> {
    let stores: [Arc<dyn Store>; 2] = [Arc::new(connect().await?), Arc::new(connect().await?)];
    let measured = rotating::rounds(stores, rounds).await;
    let Seconds { rotated, brought } = measured.map_err(|error| format!("{name}: {error}"))?;
    println!("{}", serde_json::json!({ "store": name, "rotated": rotated, "brought": brought }));
    Ok(())
}
