//! Rate limits in memory: as many buckets as may be, of which those about to be empty make room.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Mutex,
};

use bartizan_core::{
    Timestamp,
    limit::{self, LimitKey, Quota, Taken},
};

use super::{SHARDS, lock, sweep::Swept};

/// Among how many the one that makes room is chosen.
const SAMPLE: usize = 16;

/// Buckets of rate limits; which one is forgotten when there are too many, [`MemoryStore`](super::MemoryStore) says.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// By key, the theoretical arrival time in microseconds.
    shards: [Mutex<Swept<LimitKey, u64>>; SHARDS],
    /// Chooses the part. Keyed, so that nobody can choose addresses that crowd out one part.
    hash: RandomState,
    /// For each part.
    limit: usize,
}

impl Buckets {
    /// Room for `limit`, rounded up.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            shards: [const { Mutex::new(Swept::new()) }; SHARDS],
            hash: RandomState::new(),
            limit: limit.div_ceil(SHARDS).max(1),
        }
    }

    pub(crate) fn take(&self, key: LimitKey, quota: Quota, cost: u32, now: Timestamp) -> Taken {
        let part = usize::try_from(self.hash.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let mut shard = lock(&self.shards[part]);
        if let Some(tat) = shard.map.get_mut(&key) {
            let (taken, kept) = limit::take(*tat, now, quota, cost);
            *tat = kept;
            return taken;
        }
        let (taken, kept) = limit::take(0, now, quota, cost);
        // A look, or a refusal, leaves nothing behind.
        if !is_empty(kept, now) {
            shard.sweep(|tat| is_empty(*tat, now));
            if shard.map.len() >= self.limit {
                make_room(&mut shard);
            }
            shard.map.insert(key, kept);
        }
        taken
    }

    pub(super) fn prune(&self, now: Timestamp) -> u64 {
        let mut pruned = 0;
        for shard in &self.shards {
            let map = &mut lock(shard).map;
            let before = map.len();
            map.retain(|_, tat| !is_empty(*tat, now));
            pruned += (before - map.len()) as u64;
        }
        pruned
    }
}

/// Whether the bucket is as if nothing had come.
fn is_empty(tat: u64, now: Timestamp) -> bool {
    tat <= now.0.saturating_mul(1000)
}

/// Forgets the bucket of the sample that would be empty the earliest (why, see [`MemoryStore`](super::MemoryStore)).
fn make_room(shard: &mut Swept<LimitKey, u64>) {
    let earliest = shard.next(SAMPLE).min_by_key(|(_, tat)| **tat).map(|(key, _)| *key);
    if let Some(key) = earliest {
        shard.map.remove(&key);
    }
}
