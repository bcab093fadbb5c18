//! What is wrong with a server or with what is said of it.

use std::{
    error::Error as _,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Instant,
};

use bartizan_peers::{Redis, RedisCluster};
use bartizan_store::{RedisConfig, RedisStore, Store as _, StoreError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::given::{BOUND, ask_everything, connect, key, raw, session};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_once() {
    let Some(open) = Redis::start() else { return };
    let Some(closed) = Redis::start_with(&["--requirepass", "secret"]) else { return };
    let Some(mut gone) = Redis::start() else { return };
    gone.kill();
    let primary = open.port().to_string();
    let Some(replica) = Redis::start_with(&["--replicaof", "127.0.0.1", &primary]) else { return };
    let Some(cluster) = RedisCluster::start() else { return };
    let (web, silent, hasty) =
        (listen("HTTP/1.1 400 Bad Request\r\n\r\n").await, listen_only().await, listen("").await);

    let at_port = |port| RedisConfig::server(format!("redis://:hunter2@127.0.0.1:{port}"));
    for (name, config, expected) in [
        ("wrong password", at_port(closed.port()), "authentication failed"),
        (
            "wrong user",
            RedisConfig::server(format!("redis://bob:hunter2@127.0.0.1:{}", closed.port())),
            "authentication failed",
        ),
        ("no password", RedisConfig::server(closed.url()), "NOAUTH"),
        ("nobody listens", at_port(gone.port()), "refused"),
        // A label has 63 octets at most (RFC 1035, section 2.3.4), so no server is asked for this one.
        (
            "no such host",
            RedisConfig::server(format!("redis://:hunter2@{}", "a".repeat(64))),
            "cannot be reached",
        ),
        ("a web server", at_port(web), "cannot be reached"),
        ("silence", at_port(silent), "did not answer within 2 s"),
        ("hangs up", at_port(hasty), "cannot be reached"),
        (
            "no TLS there",
            RedisConfig::server(format!("rediss://127.0.0.1:{}", open.port())),
            "did not answer",
        ),
        ("a database that is not there", RedisConfig::server(format!("{}/99", open.url())), "out of range"),
        ("a replica", RedisConfig::server(replica.url()), "name its primary"),
        (
            "a node of a cluster",
            RedisConfig::server(cluster.urls().remove(0)),
            "a node of a cluster: write `cluster = true`",
        ),
        ("no cluster", RedisConfig::cluster([open.url()]), "cluster support disabled"),
        ("a cluster that is gone", RedisConfig::cluster([gone.url()]), "cannot be reached"),
        (
            "a silent cluster",
            RedisConfig::cluster([format!("redis://:hunter2@127.0.0.1:{silent}")]),
            "redis cluster at 127.0.0.1",
        ),
    ] {
        let started = Instant::now();
        let error = RedisStore::connect(&config).await.expect_err(name);
        assert!(started.elapsed() < BOUND, "{name}: {:?}", started.elapsed());
        let said = error.to_string();
        assert!(said.contains(expected), "{name}: {said}");
        let everything = format!("{said} {error:?} {:?}", error.source());
        assert!(!everything.contains("hunter2"), "{name}: {everything}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_server_must_be_the_one_that_is_meant() {
    let Some((_redis, tls)) = Redis::start_with_tls() else { return };
    let mut config = RedisConfig::server(format!("rediss://127.0.0.1:{}", tls.port));
    let trusts = |config: &RedisConfig| {
        let config = config.clone();
        async move { RedisStore::connect(&config).await.map_err(|error| error.to_string()) }
    };
    let error = trusts(&config).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "the system knows nothing of it: {error}");
    config.root_certificates = Some(tls.root.clone());
    assert!(ask_everything(&trusts(&config).await.unwrap()).await.iter().all(Result::is_ok));
    config.urls = vec![format!("rediss://localhost:{}", tls.port).into()];
    let error = trusts(&config).await.unwrap_err();
    assert!(error.contains("not valid for name"), "the certificate is for 127.0.0.1: {error}");
    config.urls = vec![format!("rediss://127.0.0.1:{}/#insecure", tls.port).into()];
    let error = trusts(&config).await.unwrap_err();
    assert!(error.contains("insecure"), "nothing goes unverified: {error}");
}

#[test]
fn a_redis_that_evicts_is_warned_of() {
    let Some(keeps) = Redis::start() else { return };
    let Some(evicts) = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let warned = |redis: &Redis| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = RedisConfig::server(redis.url());
        tracing::subscriber::with_default(subscriber, || runtime.block_on(connect(&config)));
        let log = log.0.lock().unwrap().clone();
        String::from_utf8(log).unwrap()
    };
    assert_eq!(warned(&keeps), "");
    let log = warned(&evicts);
    assert!(log.contains("WARN") && log.contains("maxmemory_policy=\"allkeys-lru\""), "{log}");
    assert!(log.contains(&format!("redis at 127.0.0.1:{}", evicts.port())), "{log}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The least that a user needs: its own keys, and what the scripts call.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_few_rights_is_enough() {
    let Some(redis) = Redis::start() else { return };
    let mut connection = raw(&redis);
    let mut rights = redis::cmd("ACL");
    rights.arg("SETUSER").arg("bartizan").arg("on").arg(">hunter2").arg("~bartizan:*").arg("~{bartizan}:*");
    for command in
        "eval evalsha get set pexpire pttl exists del hset hget hmget hgetall zadd zrem zscore zrange \
                    zrangebylex zrangebyscore"
            .split_whitespace()
    {
        rights.arg(format!("+{command}"));
    }
    let _: () = rights.query(&mut connection).unwrap();
    let config = RedisConfig::server(format!("redis://bartizan:hunter2@127.0.0.1:{}", redis.port()));
    let store = connect(&config).await;
    for answer in ask_everything(&store).await {
        answer.unwrap();
    }
    let mut elsewhere = config.clone();
    elsewhere.prefix = "other".to_owned();
    let error = connect(&elsewhere).await.begin(session(key(1), "alice")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

/// Answers everybody with the same, whatever they say, and hangs up.
async fn listen(answer: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

/// Takes connections and says nothing.
async fn listen_only() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    port
}
