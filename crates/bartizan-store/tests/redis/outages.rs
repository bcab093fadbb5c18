//! Servers that go away, stand still or refuse, and come back.

use std::time::Duration;

use bartizan_peers::{Redis, RedisCluster, until_async};
use bartizan_store::{RedisConfig, Store as _, StoreError};

use crate::given::{
    HOUR, NOW, RECOVERY, ask_everything, at, bucket, connect, key, quota, session, token,
    until_everything_is_answered,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_unavailable_and_comes_back_with_all_that_was_acknowledged() {
    let Some(mut redis) = Redis::start_durable() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    store.begin(session(key(1), "alice")).await.unwrap();
    assert!(store.consume(token(1), at(HOUR), NOW).await.unwrap());
    assert!(store.take(bucket(1), quota(), 2, NOW).await.unwrap().allowed);
    for _ in 0..2 {
        redis.kill();
        for answer in ask_everything(&store).await {
            let error = answer.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            assert!(
                error.to_string().starts_with(&format!("redis at 127.0.0.1:{} ", redis.port())),
                "{error}"
            );
        }
        redis.start_again();
        until_everything_is_answered(&store).await;
        assert_eq!(store.session(key(1), NOW).await.unwrap(), Some(session(key(1), "alice").record));
        assert!(!store.consume(token(1), at(HOUR), NOW).await.unwrap());
        assert!(!store.take(bucket(1), quota(), 1, NOW).await.unwrap().allowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_times_out() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    redis.freeze();
    for answer in ask_everything(&store).await {
        assert!(matches!(answer, Err(StoreError::Timeout { seconds: 2, .. })), "{answer:?}");
    }
    redis.thaw();
    until_everything_is_answered(&store).await;
}

/// The driver's own way to reconnect would give the server's refusal for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refused_meanwhile_is_asked_again() {
    let Some(mut redis) = Redis::start_with(&["--requirepass", "hunter2"]) else { return };
    let config = RedisConfig::server(format!("redis://:hunter2@127.0.0.1:{}", redis.port()));
    let store = connect(&config).await;
    redis.kill();
    redis.start_again_with(&["--requirepass", "another"]);
    // The first one finds the connection gone.
    for answer in ask_everything(&store).await.into_iter().skip(1) {
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("authentication failed") && !error.contains("hunter2"), "{error}");
    }
    redis.kill();
    redis.start_again_with(&["--requirepass", "hunter2"]);
    until_everything_is_answered(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_a_node_or_all_fails_in_time_and_recovers() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let mut config = RedisConfig::cluster(cluster.urls());
    config.timeout = Duration::from_millis(500);
    let store = connect(&config).await;
    store.begin(session(key(1), "alice")).await.unwrap();
    for dead in [0..1, 0..3] {
        cluster.nodes()[dead.clone()].iter_mut().for_each(Redis::kill);
        until_async("nodes that are away to be noticed", RECOVERY, async || {
            let answers = ask_everything(&store).await;
            // By default a cluster serves no slot where one is missing.
            answers.iter().all(Result::is_err).then_some(())
        })
        .await;
        cluster.nodes()[dead].iter_mut().for_each(Redis::start_again);
        cluster.wait_until_whole();
        until_everything_is_answered(&store).await;
        assert!(store.session(key(1), NOW).await.unwrap().is_some());
    }
    cluster.nodes()[1].freeze();
    until_async("a node that stands still to be noticed", RECOVERY, async || {
        ask_everything(&store).await.iter().all(Result::is_err).then_some(())
    })
    .await;
    cluster.nodes()[1].thaw();
    cluster.wait_until_whole();
    until_everything_is_answered(&store).await;
}

/// Whoever waits for a task that is gone, with the runtime that it ran on, is told so in time; and the next one has a
/// connection of its own runtime.
#[test]
fn a_runtime_that_ended_holds_nobody_up() {
    let Some(redis) = Redis::start() else { return };
    let Some(cluster) = RedisCluster::start() else { return };
    for config in [RedisConfig::server(redis.url()), RedisConfig::cluster(cluster.urls())] {
        let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let first = runtime();
        let store = first.block_on(connect(&config));
        first.shutdown_background();
        runtime().block_on(async {
            // Bounded, each of them.
            ask_everything(&store).await;
            until_everything_is_answered(&store).await;
        });
    }
}
