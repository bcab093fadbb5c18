//! One-time tokens in memory. A token that was used is never forgotten before its time, whatever comes.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use bartizan_core::{Timestamp, TokenDigest};

use super::{SHARDS, lock, shard_of, sweep::Swept};
use crate::StoreError;

/// When a full store looks through all its tokens for those that have ended: at most once a second.
const LOOK_AFTER: u64 = 1000;

#[derive(Debug)]
pub(super) struct Tokens {
    /// By digest, until when. Digests are evenly spread; whoever grinds tokens until they meet in one part makes his
    /// own wait for one another.
    shards: [Mutex<Swept<[u8; 32], Timestamp>>; SHARDS],
    count: AtomicUsize,
    limit: usize,
    looked: AtomicU64,
}

impl Tokens {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            shards: [const { Mutex::new(Swept::new()) }; SHARDS],
            count: AtomicUsize::new(0),
            limit,
            looked: AtomicU64::new(0),
        }
    }

    pub(super) fn consume(
        &self,
        token: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if until <= now {
            return Ok(false);
        }
        self.look_through(now);
        let TokenDigest(digest) = token;
        let mut shard = lock(&self.shards[shard_of(digest[0])]);
        let swept = shard.sweep(|until| *until <= now).len();
        self.count.fetch_sub(swept, Relaxed);
        match shard.map.get_mut(&digest) {
            Some(known) if *known > now => Ok(false),
            Some(known) => {
                *known = until;
                Ok(true)
            }
            None if self.count.fetch_add(1, Relaxed) >= self.limit => {
                self.count.fetch_sub(1, Relaxed);
                Err(StoreError::Full {
                    what: "the store of one-time tokens in memory",
                    limit: self.limit,
                    key: "store.memory.tokens",
                })
            }
            None => {
                shard.map.insert(digest, until);
                Ok(true)
            }
        }
    }

    pub(super) fn prune(&self, now: Timestamp) -> u64 {
        let mut pruned = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.map.len();
            shard.map.retain(|_, until| *until > now);
            let gone = before - shard.map.len();
            self.count.fetch_sub(gone, Relaxed);
            pruned += gone as u64;
        }
        pruned
    }

    /// Before a token is refused for want of room, what has ended makes room.
    fn look_through(&self, now: Timestamp) {
        if self.count.load(Relaxed) < self.limit {
            return;
        }
        let looked = self.looked.load(Relaxed);
        // One task looks; the others go on with what there is.
        if now.0.abs_diff(looked) >= LOOK_AFTER
            && self.looked.compare_exchange(looked, now.0, Relaxed, Relaxed).is_ok()
        {
            self.prune(now);
        }
    }
}
