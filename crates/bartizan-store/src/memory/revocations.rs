//! Revocations in memory. None is forgotten before its time, whatever comes.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

use bartizan_core::{Timestamp, TokenDigest};

use crate::StoreError;

/// When a full store looks through all of them for those that have ended: at most once a second.
const LOOK_AFTER: u64 = 1000;

/// How many are not worth a look.
const FEW: usize = 64;

/// Revocations. Each request with a token reads them, and few write: readers do not wait for one another.
#[derive(Debug)]
pub(super) struct Revocations {
    kept: RwLock<Kept>,
    limit: usize,
}

#[derive(Debug)]
struct Kept {
    /// Tokens, and keys with all that they signed; until when each is remembered.
    tokens: BTreeMap<TokenDigest, Timestamp>,
    subjects: BTreeMap<Box<str>, Cutoff>,
    looked: Timestamp,
    /// With how many it is looked through next, so that it stays below twice what is alive.
    look_at: usize,
}

/// What was issued `before` is revoked, as long as `until` has not come.
#[derive(Clone, Copy, Debug)]
struct Cutoff {
    before: Timestamp,
    until: Timestamp,
}

impl Revocations {
    pub(super) fn new(limit: usize) -> Self {
        let kept =
            Kept { tokens: BTreeMap::new(), subjects: BTreeMap::new(), looked: Timestamp(0), look_at: FEW };
        Self { kept: RwLock::new(kept), limit }
    }

    pub(super) fn revoke_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if until <= now {
            return Ok(());
        }
        let mut kept = self.write();
        if !kept.tokens.contains_key(&digest) {
            kept.make_room(self.limit, now)?;
        }
        let known = kept.tokens.entry(digest).or_insert(until);
        *known = until.max(*known);
        Ok(())
    }

    pub(super) fn revoke_subject(
        &self,
        subject: Box<str>,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if until <= now {
            return Ok(());
        }
        let mut kept = self.write();
        if let Some(known) = kept.subjects.get_mut(&subject) {
            // What has ended is as if it were not there.
            let earlier = if known.until > now { known.before } else { Timestamp(0) };
            *known = Cutoff { before: before.max(earlier), until: until.max(known.until) };
            return Ok(());
        }
        kept.make_room(self.limit, now)?;
        kept.subjects.insert(subject, Cutoff { before, until });
        Ok(())
    }

    pub(super) fn has(
        &self,
        digests: [Option<TokenDigest>; 2],
        subject: &str,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = digests.into_iter().flatten().filter_map(|digest| kept.tokens.get(&digest));
        let issued = issued.unwrap_or(Timestamp(0));
        tokens.any(|until| now < *until)
            || kept.subjects.get(subject).is_some_and(|cutoff| now < cutoff.until && issued < cutoff.before)
    }

    pub(super) fn prune(&self, now: Timestamp) -> u64 {
        self.write().prune(now)
    }

    /// Nothing that holds it panics half way, so what a panic elsewhere left behind is whole.
    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }

    fn make_room(&mut self, limit: usize, now: Timestamp) -> Result<(), StoreError> {
        let is_due = self.len() >= limit && now.0.abs_diff(self.looked.0) >= LOOK_AFTER;
        if is_due || self.len() >= self.look_at {
            self.prune(now);
            self.looked = now;
            self.look_at = FEW.max(self.len() * 2);
        }
        if self.len() >= limit {
            return Err(StoreError::Full {
                what: "the store of revocations in memory",
                limit,
                key: "store.memory.revocations",
            });
        }
        Ok(())
    }

    fn prune(&mut self, now: Timestamp) -> u64 {
        let before = self.len();
        self.tokens.retain(|_, until| now < *until);
        self.subjects.retain(|_, cutoff| now < cutoff.until);
        (before - self.len()) as u64
    }
}
