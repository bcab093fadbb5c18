//! The store in Redis does what every store must do, on one server and on a cluster; and what is its own: outages,
//! misconfiguration, what lies in Redis and for how long.

use std::{
    error::Error as _,
    future::Future,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bartizan_core::{
    Timestamp, TokenDigest,
    limit::{LimitKey, Quota, RuleId},
    session::{Ending, NewSession, SessionId, SessionKey, SessionRecord},
};
use bartizan_peers::{Redis, RedisCluster, until_async};
use bartizan_store::{
    BoxFuture, RedisConfig, RedisStore, Store, StoreError,
    conformance::{self, Place},
};
use redis::{Commands as _, Connection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const HOUR: u64 = 3_600_000;
/// How long it may take in a test, on a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(4);
/// How long recovery may take.
const RECOVERY: Duration = Duration::from_secs(30);

fn at(milliseconds: u64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

fn session(key: SessionKey, subject: &str) -> NewSession {
    let record = SessionRecord {
        subject: subject.into(),
        scopes: vec!["read".into(), "write".into()],
        created: NOW,
        touched: NOW,
        idle: Duration::from_mins(30),
        expires: at(12 * HOUR),
    };
    NewSession { key, record, replaces: None, most: None }
}

fn token(number: u64) -> TokenDigest {
    TokenDigest(*key(number).as_bytes())
}

fn bucket(number: u64) -> LimitKey {
    LimitKey::named(RuleId::named(&["test"]), &[&number.to_be_bytes()])
}

fn quota() -> Quota {
    Quota::new(1, Duration::from_mins(1), 2).unwrap()
}

fn all_of(subject: &str) -> Ending {
    Ending::AllOf { subject: subject.into(), except: None }
}

async fn connect(config: &RedisConfig) -> RedisStore {
    RedisStore::connect(config).await.unwrap()
}

/// How Redis's own client sees it.
fn raw(redis: &Redis) -> Connection {
    redis::Client::open(redis.url()).unwrap().get_connection().unwrap()
}

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

/// What each method says, and that none takes longer than it may.
async fn ask_everything(store: &RedisStore) -> Vec<Result<(), StoreError>> {
    async fn bounded<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<(), StoreError> {
        let started = Instant::now();
        let answer = asked.await.map(drop);
        assert!(started.elapsed() < BOUND, "after {:?}: {answer:?}", started.elapsed());
        answer
    }
    vec![
        bounded(store.session(key(1), NOW)).await,
        bounded(store.begin(session(key(2), "alice"))).await,
        bounded(store.end(Ending::One(key(2)))).await,
        bounded(store.end(all_of("nobody"))).await,
        bounded(store.sessions(None, None, 10, NOW)).await,
        bounded(store.consume(token(2), at(HOUR), NOW)).await,
        bounded(store.take(bucket(2), quota(), 1, NOW)).await,
        bounded(store.prune(NOW)).await,
    ]
}

async fn until_everything_is_answered(store: &RedisStore) {
    until_async("the store to recover", RECOVERY, async || {
        ask_everything(store).await.into_iter().all(|answer| answer.is_ok()).then_some(())
    })
    .await;
}

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
        ("no such host", RedisConfig::server("redis://:hunter2@redis.invalid"), "cannot be reached"),
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
        ("a node of a cluster", RedisConfig::server(cluster.urls().remove(0)), "set cluster"),
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

/// All that is in there: names and contents as Redis writes them to disk, and as text.
fn dump(connection: &mut Connection) -> Vec<(String, Vec<u8>)> {
    let names: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
    let mut dumped = Vec::new();
    for name in names {
        let kind: String = redis::cmd("TYPE").arg(&name).query(connection).unwrap();
        let content: redis::Value = match kind.as_str() {
            "hash" => redis::cmd("HGETALL").arg(&name).query(connection),
            "zset" => redis::cmd("ZRANGE").arg(&name).arg(0).arg(-1).arg("WITHSCORES").query(connection),
            "string" => redis::cmd("GET").arg(&name).query(connection),
            other => panic!("{name} is a {other}"),
        }
        .unwrap();
        let mut bytes: Vec<u8> = redis::cmd("DUMP").arg(&name).query(connection).unwrap();
        bytes.extend_from_slice(name.as_bytes());
        flatten(content, &mut bytes);
        dumped.push((name, bytes));
    }
    dumped
}

fn flatten(value: redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend_from_slice(&[&b" "[..], &bytes].concat()),
        redis::Value::Array(values) => values.into_iter().for_each(|value| flatten(value, into)),
        other => panic!("{other:?}"),
    }
}

struct Counting(u8);

impl bartizan_core::Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(167).wrapping_add(13);
            *byte = self.0;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_all_of_it_has_no_session() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    let id = SessionId::new(&mut Counting(0));
    let mut bits = [0; 32];
    bartizan_core::Entropy::fill(&mut Counting(0), &mut bits);
    store.begin(session(id.key(), "alice")).await.unwrap();
    store.consume(token(1), at(HOUR), NOW).await.unwrap();
    store.take(bucket(1), quota(), 1, NOW).await.unwrap();
    let dumped = dump(&mut raw(&redis));
    let mut names: Vec<&str> = dumped.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let hex: String = id.key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(names.contains(&format!("{{bartizan}}:session:{hex}").as_str()), "{names:?}");
    let has = |needle: &[u8]| {
        dumped.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|part| part == needle))
    };
    assert!(has(b"alice") && has(hex.as_bytes()), "the dump is whole");
    let in_hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, needle) in
        [("the id", id.expose().as_bytes()), ("its bits", &bits), ("in hex", in_hex.as_bytes())]
    {
        assert!(!has(needle), "{name} is there");
    }
    // What is there, as a cookie, is hashed once more.
    for cookie in [hex.as_bytes(), id.key().as_bytes()] {
        assert_eq!(store.session(SessionKey::of(cookie), NOW).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_forgotten_by_itself() {
    let Some(redis) = Redis::start() else { return };
    let store = Arc::new(connect(&RedisConfig::server(redis.url())).await);
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..20_u64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in part * 500..(part + 1) * 500 {
                // Three each: the third is refused.
                for allowed in [true, true, false] {
                    assert_eq!(store.take(bucket(number), quota(), 1, NOW).await.unwrap().allowed, allowed);
                }
            }
            for number in part * 50..(part + 1) * 50 {
                store.consume(token(number), at(HOUR), NOW).await.unwrap();
                store.begin(session(key(number), &format!("subject {}", number % 100))).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let mut connection = raw(&redis);
    let names: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
    let begins = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert_eq!(begins("bartizan:limit:"), 10_000);
    assert_eq!(begins("bartizan:token:"), 1000);
    assert_eq!(begins("{bartizan}:session:"), 1000);
    assert_eq!(begins("{bartizan}:subject:"), 100);
    assert_eq!(names.len(), 10_000 + 1000 + 1000 + 100 + 2, "nothing else");
    for name in &names {
        let lifetime: i64 = connection.pttl(name).unwrap();
        // The bucket's two minutes, the token's hour, the session's half hour; and what is kept longer than needed.
        let (least, most) = match name.split(':').nth(usize::from(name.starts_with("bartizan"))) {
            Some("limit") => (120_000, 180_000),
            Some("token") => (3_600_000, 3_660_000),
            _ => (1_800_000, 1_800_000 + 3_600_000),
        };
        assert!((least..=most).contains(&lifetime), "{name} lives for {lifetime} ms");
    }
    // A bucket is a number: some hundred bytes, whoever it is.
    let bytes: u64 = redis::cmd("MEMORY")
        .arg("USAGE")
        .arg(names.iter().find(|name| name.starts_with("bartizan:limit:")))
        .query(&mut connection)
        .unwrap();
    assert!(bytes < 200, "{bytes}");
    // All of it ends, and prune leaves nothing of the sessions.
    assert_eq!(store.prune(at(HOUR)).await.unwrap(), 1000);
    let names: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with('{')).count(), 0, "{names:?}");
}

/// Whatever takes its index away ends a session: none is left that "sign out everywhere" does not reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_its_place_in_the_index_is_none() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    store.begin(session(key(1), "alice")).await.unwrap();
    store.begin(session(key(2), "alice")).await.unwrap();
    let mut connection = raw(&redis);
    let removed: u32 = connection.del("{bartizan}:subject:alice").unwrap();
    assert_eq!(removed, 1);
    assert_eq!(store.session(key(1), NOW).await.unwrap(), None);
    assert!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.is_empty());
    assert_eq!(store.end(Ending::One(key(1))).await.unwrap(), 0);
    assert_eq!(store.end(all_of("alice")).await.unwrap(), 0);
    // One that begins now does not bring them back.
    store.begin(session(key(3), "alice")).await.unwrap();
    assert_eq!(store.session(key(2), NOW).await.unwrap(), None);
    assert!(store.session(key(3), NOW).await.unwrap().is_some());
    // And a record without which the index is wrong is repaired.
    let removed: u32 = connection.del(connection_name(key(3))).unwrap();
    assert_eq!(removed, 1);
    assert_eq!(store.session(key(3), NOW).await.unwrap(), None);
    let counted = NewSession { most: Some(1), ..session(key(4), "alice") };
    assert_eq!(store.begin(counted).await.unwrap(), 0);
    let left: Vec<String> = connection.zrange("{bartizan}:subject:alice", 0, -1).unwrap();
    assert_eq!(left.len(), 1);
}

fn connection_name(key: SessionKey) -> String {
    let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{{bartizan}}:session:{hex}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_wrote_is_said_and_lets_nobody_in() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    let mut connection = raw(&redis);
    for (number, field, value) in [(1, "touched", "soon"), (2, "bound_to", "192.0.2.1"), (3, "expires", "-1")]
    {
        store.begin(session(key(number), "alice")).await.unwrap();
        let _: i64 = connection.hset(connection_name(key(number)), field, value).unwrap();
        let answer = store.session(key(number), NOW).await;
        let foreign = |answer: &StoreError| matches!(answer, StoreError::Foreign { .. });
        match field {
            // It is a number, and long past.
            "expires" => assert_eq!(answer.unwrap(), None),
            _ => {
                assert!(answer.as_ref().is_err_and(foreign), "{answer:?}");
                let page = store.sessions(None, None, 10, NOW).await;
                assert!(page.as_ref().is_err_and(foreign), "{page:?}");
            }
        }
        // It can be ended.
        store.end(all_of("alice")).await.unwrap();
        assert!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.is_empty());
    }
    let _: () = connection.set(connection_name(key(4)), "a string").unwrap();
    let answer = store.session(key(4), NOW).await;
    assert!(matches!(answer, Err(StoreError::Foreign { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    for _ in 0..2 {
        let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut raw(&redis)).unwrap();
        assert!(ask_everything(&store).await.iter().all(Result::is_ok));
    }
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut raw(&redis)).unwrap();
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    assert_eq!((calls("evalsha"), calls("eval")), (16, 16));
    ask_everything(&store).await;
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut raw(&redis)).unwrap();
    assert!(
        stats.contains("cmdstat_evalsha:calls=24,") && stats.contains("cmdstat_eval:calls=16,"),
        "{stats}"
    );
}
