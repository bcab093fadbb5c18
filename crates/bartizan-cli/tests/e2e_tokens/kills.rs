//! Processes that are killed while they rotate: no key that was told of is lost, and nothing is left half done.

use std::{
    env,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use bartizan::jwt::{KeyRing, verifying_key};
use bartizan_core::{
    Timestamp,
    jwt::{Jwk, Rules, Token},
    key_ring::{KeyRingConfig, Ring, Settings},
    policy::StoreUrl,
};
use bartizan_peers::{Postgres, Redis};
use bartizan_store::DocumentName;

use crate::{ISSUER, Place, Service, alice, keys, store};

const ROUNDS: u64 = 100;

/// How far the clock goes on from one rotation to the next: a standby is published for long enough then.
const STEP: Duration = Duration::from_mins(30);

const SIGKILL: i32 = 9;

/// Not a test: what the next ones run and kill. It rotates without end, and says what came of it when it is done.
#[test]
fn rotating_process() {
    let Ok(url) = env::var("BARTIZAN_TEST_URL") else { return };
    let password = env::var("BARTIZAN_TEST_PASSWORD").ok();
    let mut now = Timestamp(env::var("BARTIZAN_TEST_FROM").unwrap().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&StoreUrl::parse(&url).unwrap(), password.as_deref()).await;
        let settings = Settings::new(&KeyRingConfig::default()).unwrap();
        let ring = KeyRing::open(store, keys(), settings, now).await.unwrap();
        loop {
            now = now.after(STEP);
            ring.refresh(now).await.unwrap();
            ring.rotate(now).await.unwrap();
            let token = ring.issue(&alice(), now).unwrap().token;
            // The standby that this rotation made, which nothing was signed with yet.
            println!("rotated {} {token} {}", now.0, ring.ring().keys().last().unwrap().kid());
        }
    });
}

async fn survives_kills(service: &Service) {
    let mut from = Timestamp(1_800_000_000_000);
    let (mut rotations, mut ahead) = (0, 0);
    // Any numbers, the same each time.
    let mut chance = 1_u64;
    for round in 0..ROUNDS {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "kills::rotating_process", "--nocapture"])
            .env("BARTIZAN_TEST_URL", service.url.as_str())
            .env("BARTIZAN_TEST_FROM", from.0.to_string())
            .envs(service.password.map(|password| ("BARTIZAN_TEST_PASSWORD", password)));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut rotated = lines.filter_map(|line| {
            // What the test harness prints may stand before it.
            let (_, told) = line.split_once("rotated ")?;
            let mut words = told.split(' ').map(str::to_owned);
            let at = Timestamp(words.next()?.parse().unwrap());
            Some((at, words.next()?, words.next()?))
        });
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut last = None;
        for _ in 0..=(chance >> 62) {
            last = rotated.next().or(last);
        }
        // Not to wait for anything: somewhere within the next rotation.
        thread::sleep(Duration::from_micros((chance >> 33) % 8000));
        child.kill().unwrap();
        let mut told: Vec<_> = last.into_iter().collect();
        told.extend(rotated);
        assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "it ended by itself in round {round}");
        let (at, token, standby) = told.last().unwrap();
        rotations += told.len();

        // What was told of is there, whatever was under way.
        let document = service.store().await.document(DocumentName::KEY_RING).await.unwrap().unwrap();
        let ring = Ring::from_json(&document.body).unwrap();
        let token = Token::parse(token.as_bytes()).unwrap();
        let kid = token.kid().unwrap().to_owned();
        let key = ring.keys().iter().find(|key| key.kid() == kid);
        let key = key.unwrap_or_else(|| panic!("the key {kid} is lost in round {round}"));
        assert!(ring.keys().iter().any(|key| key.kid() == standby), "{standby} is lost in round {round}");
        let public = Jwk::parse(key.public().unwrap().as_bytes()).unwrap();
        let public = verifying_key(&public.key).unwrap();
        assert_eq!(&*token.verify(&public, &Rules::new(ISSUER, "api"), *at).unwrap().subject, "alice");

        // It can be worked with: each of its keys opens, one signs, and another waits.
        let now = at.after(STEP).after(Duration::from_secs(1));
        let node = KeyRing::open(service.store().await, keys(), service.issuers().ring().clone(), now).await;
        let node = node.unwrap();
        let issued = node.issue(&alice(), now).unwrap();
        let issued = Token::parse(issued.token.as_bytes()).unwrap();
        ahead += usize::from(issued.kid() != Some(&*kid));
        let key = node.verifying_key(issued.kid().unwrap(), now).await.unwrap().unwrap();
        issued.verify(&key, &Rules::new(ISSUER, "api"), now).unwrap();
        assert!((2..=5).contains(&node.ring().keys().len()), "{} keys", node.ring().keys().len());
        from = now;
    }
    println!("{rotations} rotations, {ROUNDS} kills; {ahead} times a rotation was done that was not told of");
}

#[tokio::test]
async fn rotations_in_a_sqlite_file_survive_kills() {
    survives_kills(&Service::new(&Place::Sqlite, "")).await;
}

#[tokio::test]
async fn rotations_in_postgres_survive_kills() {
    let Some(postgres) = Postgres::start() else { return };
    survives_kills(&Service::new(&Place::Postgres(&postgres), "")).await;
}

#[tokio::test]
async fn rotations_in_a_redis_survive_kills() {
    let Some(mut redis) = Redis::start_durable() else { return };
    let service = Service::new(&Place::Redis(&redis.url()), "");
    survives_kills(&service).await;
    // It has written down all of it.
    let document = async || service.store().await.document(DocumentName::KEY_RING).await.unwrap().unwrap();
    let before = document().await;
    redis.kill();
    redis.start_again();
    assert!(document().await == before, "the ring is not what it was");
}
