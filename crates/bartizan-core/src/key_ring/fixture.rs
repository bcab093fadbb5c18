//! What the tests of the ring share: a clock in minutes, short keys, materials named in order.

use core::sync::atomic::{AtomicU64, Ordering};
use std::{format, vec::Vec};

use super::{Algorithm, KeyRingConfig, KeyUse, Material, Plan, Ring, RingKey, Settings, Window, plan};
use crate::Timestamp;

/// So many minutes after a day in 2023.
pub(super) fn at(minutes: u64) -> Timestamp {
    Timestamp(1_700_000_000_000 + minutes * 60_000)
}

/// A key signs for 2 hours; max-age 5 minutes, skew and leeway 1 minute, tokens 15: published for 12 minutes, and made
/// 24 minutes before the last one begins.
pub(super) fn config() -> KeyRingConfig {
    KeyRingConfig { rotate_every: core::time::Duration::from_hours(2), ..KeyRingConfig::default() }
}

pub(super) fn settings() -> Settings {
    Settings::new(&config()).unwrap()
}

/// A key that signs from and until these minutes.
pub(super) fn key(kid: &str, created: u64, from: u64, until: u64) -> RingKey {
    RingKey {
        kid: kid.into(),
        algorithm: Algorithm::EdDsa,
        created: at(created),
        key_use: KeyUse::Signs(Window { from: at(from), until: at(until) }),
        revoked: None,
        legacy: false,
        public: Some("{}".into()),
        sealed: Some((*b"sealed").into()),
    }
}

pub(super) fn ring(keys: impl IntoIterator<Item = RingKey>) -> Ring {
    Ring { keys: keys.into_iter().collect(), longest_token: config().token_lifetime }
}

/// Keys for the plan, each with a name that no other has.
pub(super) fn make(plan: &Plan) -> Vec<Material> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let made = plan.generate.iter().map(|new| Material {
        kid: format!("new{}", NUMBER.fetch_add(1, Ordering::Relaxed)).into(),
        public: (new.algorithm != Algorithm::Hs256).then(|| "{}".into()),
        sealed: (*b"sealed").into(),
    });
    made.collect()
}

/// The ring after its plan.
pub(super) fn planned(ring: &Ring, settings: &Settings, now: Timestamp) -> Ring {
    let plan = plan(ring, settings, now);
    ring.apply(&plan, make(&plan)).unwrap()
}

/// The windows of the ring's keys in minutes after `at(0)`, in the order in which they begin; revoked ones left out.
pub(super) fn windows(ring: &Ring) -> Vec<(i64, i64)> {
    let minutes =
        |time: Timestamp| (i64::try_from(time.0).unwrap() - i64::try_from(at(0).0).unwrap()) / 60_000;
    let keys = ring.keys.iter().filter(|key| key.revoked.is_none());
    let mut windows: Vec<_> = keys
        .filter_map(RingKey::window)
        .map(|window| (minutes(window.from), minutes(window.until)))
        .collect();
    windows.sort_unstable();
    windows
}
