//! The store in Redis does what every store must do, on one server and on a cluster.

mod contents;
mod given;
#[path = "../issued/mod.rs"]
mod issued;
mod outages;
mod policy;
mod refusals;
mod resharding;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use bartizan_peers::{Redis, RedisCluster};
use bartizan_store::{
    BoxFuture, RedisConfig, Store,
    conformance::{self, Place},
};

use given::connect;

/// A prefix of keys on a server or a cluster that many cases share.
struct Shared<S> {
    server: Arc<Mutex<S>>,
    restart: fn(&mut S),
    config: RedisConfig,
}

impl<S: Send + 'static> Place for Shared<S> {
    fn store(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(connect(&self.config).await) as Arc<dyn Store> })
    }

    fn restart(&self) -> Option<BoxFuture<'_, ()>> {
        let (server, restart) = (Arc::clone(&self.server), self.restart);
        let restarted = tokio::task::spawn_blocking(move || restart(&mut server.lock().unwrap()));
        Some(Box::pin(async { restarted.await.unwrap() }))
    }

    fn forgets_by_itself(&self) -> bool {
        true
    }
}

async fn conforms<S: Send + 'static>(server: S, restart: fn(&mut S), config: RedisConfig) {
    static CASES: AtomicU64 = AtomicU64::new(0);
    let server = Arc::new(Mutex::new(server));
    conformance::run(async || {
        let mut config = config.clone();
        config.prefix = format!("case{}", CASES.fetch_add(1, Ordering::Relaxed));
        // A case has hundreds of calls under way at once, and the machine other tests.
        config.timeout = Duration::from_secs(20);
        Shared { server: Arc::clone(&server), restart, config }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_one_server() {
    let Some(redis) = Redis::start_durable() else { return };
    let config = RedisConfig::server(redis.url());
    conforms(
        redis,
        |redis| {
            redis.kill();
            redis.start_again();
        },
        config,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_a_cluster() {
    let Some(cluster) = RedisCluster::start() else { return };
    let config = RedisConfig::cluster(cluster.urls());
    conforms(
        cluster,
        |cluster| {
            cluster.nodes().iter_mut().for_each(Redis::kill);
            cluster.nodes().iter_mut().for_each(Redis::start_again);
            cluster.wait_until_whole();
        },
        config,
    )
    .await;
}
