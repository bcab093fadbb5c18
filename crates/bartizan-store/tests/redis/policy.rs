//! What a policy says of a Redis, opened by it.

use bartizan_core::policy::{Policy, PolicyInput, load};
use bartizan_peers::{Redis, RedisCluster, free_port};
use bartizan_store::{StoreError, StoreOptions, open};

use crate::given::{HOUR, NOW, all_of, at, bucket, key, quota, session, token};

/// A policy with these lines of `[store]`.
fn policy(store: &str) -> Policy {
    let text = format!("version = 1\n[store]\nmaster_key = 'env://KEY'\n{store}");
    load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_opened_by_any_of_its_nodes() {
    let Some(cluster) = RedisCluster::start() else { return };
    let urls = cluster.urls();
    let nodes = format!("nodes = ['{}', '{}']", urls[1], urls[2]);
    // Nobody listens there.
    let away = format!("redis://127.0.0.1:{}", free_port());
    for store in [
        format!("url = '{}'\ncluster = true", urls[0]),
        format!("url = '{}'\ncluster = true\n{nodes}", urls[0]),
        format!("url = '{away}'\ncluster = true\n{nodes}"),
    ] {
        let store = open(&StoreOptions::of(&policy(&store)).unwrap()).await.unwrap();
        store.begin(session(key(1), "alice")).await.unwrap();
        assert_eq!(store.session(key(1), NOW).await.unwrap(), Some(session(key(1), "alice").record));
        // These are on all three nodes.
        for number in 0..20 {
            assert!(store.consume(token(number), at(HOUR), NOW).await.unwrap());
            assert!(!store.consume(token(number), at(HOUR), NOW).await.unwrap());
            assert!(store.take(bucket(number), quota(), 2, NOW).await.unwrap().allowed);
            assert!(!store.take(bucket(number), quota(), 1, NOW).await.unwrap().allowed);
        }
        assert_eq!(store.end(all_of("alice")).await.unwrap(), 1);
        // For the next one.
        for url in &urls {
            let mut node = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
            redis::cmd("FLUSHALL").exec(&mut node).unwrap();
        }
    }

    for (store, expected) in [
        (
            format!("url = '{}'", urls[0]),
            format!(
                "redis at {} cannot be reached: it is a node of a cluster: write `cluster = true` - InvalidClientConfig",
                &urls[0]["redis://".len()..]
            ),
        ),
        (
            format!("url = '{away}'\ncluster = true"),
            format!("redis cluster at {} cannot be reached: ", &away["redis://".len()..]),
        ),
    ] {
        let error = open(&StoreOptions::of(&policy(&store)).unwrap()).await.err().unwrap();
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_vouches_for_a_server() {
    let Some((_redis, tls)) = Redis::start_with_tls() else { return };
    let policy = policy(&format!("url = 'rediss://127.0.0.1:{}'\nca = 'file:///ca.pem'", tls.port));
    // What `ca` refers to is read by whoever knows how.
    let options = StoreOptions::of(&policy).unwrap();
    let Err(StoreError::Unavailable { source, .. }) = open(&options).await else { panic!("it is trusted") };
    assert!(source.to_string().contains("UnknownIssuer"), "{source}");
    let store = open(&options.clone().root_certificates(tls.root.clone())).await.unwrap();
    assert!(store.consume(token(1), at(HOUR), NOW).await.unwrap());
    let error = open(&options.root_certificates(b"no certificate".to_vec())).await.err().unwrap();
    assert!(error.to_string().starts_with("`store.ca`"), "{error}");
}
