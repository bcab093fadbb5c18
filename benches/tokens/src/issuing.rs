//! At what rates tokens are issued, beside bare signatures by the same key.

use std::{
    fs,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use bartizan::{
    OsClock,
    jwt::{Algorithm, SigningKey},
    policy::CredentialKind,
};
use bartizan_core::Clock as _;
use bartizan_store::{MemoryLimits, MemoryStore};

use crate::node::{Node, access_token};

/// How long each works in a round.
const ROUND: Duration = Duration::from_millis(200);

/// How often something is done before the clock is read again, whose reading is then nothing beside it.
const BATCH: u32 = 64;

/// Tokens and bare signatures for each second of CPU time, taken in turns. The ring has one key, and the signatures are
/// of what it signs for a token: header and claims.
///
/// # Panics
///
/// If the ring does not sign, or the system does not say how much CPU time was spent.
pub async fn rounds(algorithm: Algorithm, rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
    let node = Node::open(store, algorithm, CredentialKind::Jwt, OsClock.now()).await;
    let (_, key) = node.ring.signer(access_token().lifetime, OsClock.now()).expect("the ring signs");
    let token = node.issue(OsClock.now()).token;
    let signed = token.rsplit_once('.').expect("three parts").0.as_bytes();
    let mut sign = bare(&key);
    // Once more, whose rates are left out: caches are cold.
    let turns = (0..=rounds).map(|_| {
        let issued = rate(|| drop(black_box(node.issue(OsClock.now()))));
        (issued, rate(|| sign(black_box(signed))))
    });
    turns.skip(1).unzip()
}

/// What signs a message.
type Sign = Box<dyn FnMut(&[u8])>;

/// Signs by the library alone.
fn bare(key: &SigningKey) -> Sign {
    let (random, bytes) = (SystemRandom::new(), key.to_bytes().expect("a key of ours"));
    match key.algorithm() {
        Algorithm::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
            Box::new(move |message| _ = black_box(hmac::sign(&key, message)))
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).expect("a key");
            Box::new(move |message| _ = black_box(pair.sign(message)))
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes).expect("a key");
            Box::new(move |message| _ = black_box(pair.sign(&random, message)))
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(&bytes).expect("a key");
            let mut signature = vec![0; pair.public_modulus_len()];
            Box::new(move |message| {
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                black_box(signed).expect("it signs");
            })
        }
    }
}

/// How often `work` is done for each second of CPU time.
fn rate(mut work: impl FnMut()) -> f64 {
    let (began, before) = (Instant::now(), cpu_time());
    let mut times = 0;
    while began.elapsed() < ROUND {
        for _ in 0..BATCH {
            work();
        }
        times += BATCH;
    }
    f64::from(times) / cpu_time().saturating_sub(before).as_secs_f64()
}

/// The CPU time of this thread (the first field of `schedstat`, in proc(5)).
fn cpu_time() -> Duration {
    let said = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let spent = said.split(' ').next().and_then(|spent| spent.parse().ok());
    Duration::from_nanos(spent.expect("a number"))
}
