//! How long it is from a change of one node's key ring until another node verifies by it, for `cargo xtask bench --only
//! tokens`.
//!
//! Arguments: how many rounds, the path of a new SQLite file, the URL of a Postgres, the address of a Redis. Prints a line
//! of JSON for each store, `{"store": "SQLite", "rotated": [0.002], "brought": [0.002]}`, with the seconds of all rounds:
//! for the standby that takes over by a rotation, and for a key that the other node has never heard of.

use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bartizan::{
    jwt::{Algorithm, ImportedKey},
    policy::CredentialKind,
};
use bartizan_benches_tokens::node::Node;
use bartizan_core::{Timestamp, key_ring::ImportUse};
use bartizan_store::{
    MemoryLimits, MemoryStore, PostgresOptions, PostgresStore, RedisConfig, RedisStore, SqliteStore, Store,
    StoreError,
};

/// A round is an hour long by the clock that the nodes are given, so that each standby is known before it takes over.
const ROUND: Duration = Duration::from_hours(1);

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

/// Measures two nodes, each with its own connections to the store.
async fn measure<S: Store>(
    name: &str,
    rounds: usize,
    connect: impl AsyncFn() -> Result<S, StoreError>,
) -> Result<(), Box<dyn Error>> {
    let mut now = Timestamp(1_800_000_000_000);
    let here = open(Arc::new(connect().await?), now).await;
    let there = open(Arc::new(connect().await?), now).await;
    let (mut rotated, mut brought) = (Vec::new(), Vec::new());
    // Once more, whose times are left out: connections are cold.
    for _ in 0..=rounds {
        now = now.after(ROUND);
        here.ring.refresh(now).await?;
        there.ring.refresh(now).await?;

        let began = Instant::now();
        here.ring.rotate(now).await?;
        let token = here.issue(now).token;
        if !there.admits(&token, now).await {
            return Err(format!("{name}: a token of a key that was rotated to is not good elsewhere").into());
        }
        rotated.push(began.elapsed().as_secs_f64());

        // A node that has just asked does not ask again.
        let now = now.after(Duration::from_secs(10));
        let other = open(Arc::new(MemoryStore::new(MemoryLimits::default())), now).await;
        let token = other.issue(now).token;
        let key = ImportedKey::from_jwk(&other.verifies_with(now))?;
        let until = now.after(Duration::from_mins(30));
        let began = Instant::now();
        here.ring.import(key, ImportUse::Verifies { until }, now).await?;
        if !there.admits(&token, now).await {
            return Err(format!("{name}: a token of a key that was imported is not good elsewhere").into());
        }
        brought.push(began.elapsed().as_secs_f64());
    }
    let (rotated, brought) = (rotated.get(1..), brought.get(1..));
    println!("{}", serde_json::json!({ "store": name, "rotated": rotated, "brought": brought }));
    Ok(())
}

async fn open(store: Arc<dyn Store>, now: Timestamp) -> Node {
    Node::open(store, Algorithm::EdDsa, CredentialKind::Jwt, now).await
}
