//! What lies in Redis: nothing that lets anybody in, nothing for ever but keys and documents, and nothing that Redis
//! loses does harm.

use std::{fmt::Write as _, sync::Arc};

use bartizan_core::{
    Entropy,
    api_key::ApiKeyRecord,
    session::{Ending, NewSession, SessionId, SessionKey},
};
use bartizan_peers::Redis;
use bartizan_store::{DocumentName, RedisConfig, Store as _, StoreError};
use redis::{Commands as _, Connection};

use crate::{
    given::{HOUR, NOW, all_of, ask_everything, at, bucket, connect, key, quota, raw, session, token},
    issued,
};

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

impl Entropy for Counting {
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
    Counting(0).fill(&mut bits);
    store.begin(session(id.key(), "alice")).await.unwrap();
    store.consume(token(1), at(HOUR), NOW).await.unwrap();
    store.take(bucket(1), quota(), 1, NOW).await.unwrap();
    let dumped = dump(&mut raw(&redis));
    let mut names: Vec<&str> = dumped.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let hex = hex(id.key().as_bytes());
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(names.contains(&format!("{{bartizan}}:session:{hex}").as_str()), "{names:?}");
    let has = |needle: &[u8]| {
        dumped.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|part| part == needle))
    };
    assert!(has(b"alice") && has(hex.as_bytes()), "the dump is whole");
    let in_hex = self::hex(&bits);
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
async fn whoever_reads_all_of_it_has_no_api_key_and_no_document_is_of_a_time() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    let issued = issued::issue(NOW);
    assert!(store.create_api_key(issued.record.clone()).await.unwrap());
    let kept = store.api_key(issued.key.id(), at(1)).await.unwrap().unwrap();
    assert_eq!(issued.keys.peppers.verify(&issued.key, Some(&kept), at(1)), Ok(()));
    assert!(store.revoke_api_key(issued.key.id(), at(HOUR)).await.unwrap());
    assert!(store.replace_document(DocumentName::KEY_RING, None, b"{}".as_slice().into()).await.unwrap());
    store.revoke_token(token(1), at(HOUR), NOW).await.unwrap();
    store.revoke_subject("alice".into(), NOW, at(HOUR), NOW).await.unwrap();
    let mut connection = raw(&redis);
    let dumped = dump(&mut connection);
    let id = hex(issued.key.id().as_bytes());
    let mut lifetimes: Vec<(&str, bool)> = dumped
        .iter()
        .map(|(name, _)| (name.as_str(), connection.pttl::<_, i64>(name).unwrap() > 0))
        .collect();
    lifetimes.sort_unstable();
    let (record, revoked) =
        (format!("{{bartizan}}:api-key:{id}"), format!("{{bartizan}}:revoked-token:{}", hex(&token(1).0)));
    assert_eq!(
        lifetimes,
        [
            ("bartizan:document:key-ring", false),
            (record.as_str(), false),
            ("{bartizan}:api-keys", false),
            ("{bartizan}:api-keys-end", false),
            ("{bartizan}:api-keys-of:alice", false),
            ("{bartizan}:revoked-subject:alice", true),
            (revoked.as_str(), true),
        ]
    );
    let has = |needle: &[u8]| {
        dumped.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|part| part == needle))
    };
    assert!(has(hex(&issued.record.mac).as_bytes()), "the dump is whole");
    for (name, secret) in &issued.secrets {
        assert!(!has(secret), "{name} is there");
        assert!(!has(hex(secret).as_bytes()), "{name} is there in hex");
    }
    // Nothing is left of a key that ended long ago.
    assert_eq!(store.prune(at(91 * 24 * HOUR)).await.unwrap(), 1);
    let names: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
    assert!(!names.iter().any(|name| name.contains("api-key")), "{names:?}");
}

/// A use that cannot be read as one lets nobody in.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_wrote_about_keys_and_tokens_lets_nobody_in() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    let mut connection = raw(&redis);
    let foreign = |error: StoreError| assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    let record = issued::issue(NOW).record;
    for (field, value) in
        [("expires", "never"), ("last_used", "now"), ("bound_to", "192.0.2.1"), ("mac", "00")]
    {
        let _: usize = redis::cmd("DEL").arg(key_name(&record)).query(&mut connection).unwrap();
        assert!(store.create_api_key(record.clone()).await.unwrap());
        let _: i64 = connection.hset(key_name(&record), field, value).unwrap();
        foreign(store.api_key(record.id, NOW).await.unwrap_err());
        foreign(store.api_keys(None, None, 10).await.unwrap_err());
    }
    let _: () = connection.set("{bartizan}:revoked-subject:alice", "yesterday").unwrap();
    let _: () = connection.set(format!("{{bartizan}}:revoked-token:{}", hex(&token(1).0)), "soon").unwrap();
    foreign(store.is_revoked(None, None, "alice".into(), Some(NOW), NOW).await.unwrap_err());
    for (jti, key) in [(Some(token(1)), None), (Some(token(2)), Some(token(1)))] {
        foreign(store.is_revoked(jti, key, "bob".into(), Some(NOW), NOW).await.unwrap_err());
    }
    let _: i64 = connection.hset("bartizan:document:key-ring", "version", "last").unwrap();
    foreign(store.document(DocumentName::KEY_RING).await.unwrap_err());
    assert!(!store.replace_document(DocumentName::KEY_RING, None, Box::default()).await.unwrap());
}

fn key_name(record: &ApiKeyRecord) -> String {
    format!("{{bartizan}}:api-key:{}", hex(record.id.as_bytes()))
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
    let removed: u32 = connection.del(name_of(key(3))).unwrap();
    assert_eq!(removed, 1);
    assert_eq!(store.session(key(3), NOW).await.unwrap(), None);
    let counted = NewSession { most: Some(1), ..session(key(4), "alice") };
    assert_eq!(store.begin(counted).await.unwrap(), 0);
    let left: Vec<String> = connection.zrange("{bartizan}:subject:alice", 0, -1).unwrap();
    assert_eq!(left.len(), 1);
}

pub(crate) fn name_of(key: SessionKey) -> String {
    format!("{{bartizan}}:session:{}", hex(key.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_wrote_is_said_and_lets_nobody_in() {
    let Some(redis) = Redis::start() else { return };
    let store = connect(&RedisConfig::server(redis.url())).await;
    let mut connection = raw(&redis);
    for (number, field, value) in [(1, "touched", "soon"), (2, "bound_to", "192.0.2.1"), (3, "expires", "-1")]
    {
        store.begin(session(key(number), "alice")).await.unwrap();
        let _: i64 = connection.hset(name_of(key(number)), field, value).unwrap();
        let answer = store.session(key(number), NOW).await;
        let foreign = |answer: &StoreError| matches!(answer, StoreError::Foreign { .. });
        if field == "expires" {
            assert_eq!(answer.unwrap(), None, "it is a number, and long past");
        } else {
            assert!(answer.as_ref().is_err_and(foreign), "{answer:?}");
            let page = store.sessions(None, None, 10, NOW).await;
            assert!(page.as_ref().is_err_and(foreign), "{page:?}");
        }
        // It can be ended.
        store.end(all_of("alice")).await.unwrap();
        assert!(store.sessions(None, None, 10, NOW).await.unwrap().sessions.is_empty());
    }
    let _: () = connection.set(name_of(key(4)), "a string").unwrap();
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
    // A listing is asked for twice, and pruning is two scripts.
    assert_eq!((calls("evalsha"), calls("eval")), (40, 38));
    ask_everything(&store).await;
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut raw(&redis)).unwrap();
    assert!(
        stats.contains("cmdstat_evalsha:calls=60,") && stats.contains("cmdstat_eval:calls=38,"),
        "{stats}"
    );
}
