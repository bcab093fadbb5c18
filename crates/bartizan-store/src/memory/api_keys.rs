//! API keys in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, KeyId, PepperId},
};

use crate::{
    ApiKeyPage, KeyRotation, RotationOutcome, StoreError,
    api_key::{end, forgotten_by},
};

/// The keys. Each request with one reads it, and it is written to once an hour: readers do not wait for one another.
#[derive(Debug)]
pub(super) struct ApiKeys {
    kept: RwLock<Kept>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<KeyId, ApiKeyRecord>,
    owners: BTreeSet<(Box<str>, KeyId)>,
}

impl ApiKeys {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: RwLock::default(), limit }
    }

    pub(super) fn create(&self, record: ApiKeyRecord) -> Result<bool, StoreError> {
        let mut kept = self.write();
        if let Some(known) = kept.records.get(&record.id) {
            return Ok(known.mac == record.mac);
        }
        kept.insert(record, self.limit)?;
        Ok(true)
    }

    pub(super) fn find(&self, id: KeyId, now: Timestamp) -> Option<ApiKeyRecord> {
        let is_due = |record: &ApiKeyRecord| record.is_stale(now) && record.check(now).is_ok();
        let found = self.read().records.get(&id).cloned()?;
        if !is_due(&found) {
            return Some(found);
        }
        let mut kept = self.write();
        let record = kept.records.get_mut(&id)?;
        // It may have been touched, or ended, in between.
        if is_due(record) {
            record.last_used = Some(now);
        }
        Some(record.clone())
    }

    pub(super) fn rotate(&self, rotation: &KeyRotation) -> Result<RotationOutcome, StoreError> {
        let KeyRotation { old, new, .. } = rotation;
        let mut kept = self.write();
        let Some(known) = kept.records.get(&old.id) else { return Ok(RotationOutcome::Changed) };
        if !rotation.is_of(known) || kept.records.contains_key(&new.id) {
            let is_done = known.replaced_by == Some(new.id)
                && kept.records.get(&new.id).is_some_and(|known| known.mac == new.mac);
            return Ok(if is_done { RotationOutcome::Done } else { RotationOutcome::Changed });
        }
        kept.insert(new.clone(), self.limit)?;
        if let Some(known) = kept.records.get_mut(&old.id) {
            known.expires = Some(rotation.end());
            known.replaced_by = Some(new.id);
        }
        Ok(RotationOutcome::Done)
    }

    pub(super) fn revoke(&self, id: KeyId, now: Timestamp) -> bool {
        let mut kept = self.write();
        let Some(record) = kept.records.get_mut(&id).filter(|record| record.revoked.is_none()) else {
            return false;
        };
        record.revoked = Some(now);
        true
    }

    pub(super) fn page(&self, owner: Option<&str>, after: Option<KeyId>, most: u32) -> ApiKeyPage {
        let most = usize::try_from(most.clamp(1, 1000)).unwrap_or(1000);
        let all = self.read();
        let mut keys: Vec<ApiKeyRecord> = if let Some(owner) = owner {
            let first = after.map_or(Included((owner.into(), KeyId::from_bytes([0; 16]))), |after| {
                Excluded((owner.into(), after))
            });
            let ids = all.owners.range((first, Unbounded)).take_while(|(of, _)| **of == *owner);
            ids.filter_map(|(_, id)| all.records.get(id)).take(most + 1).cloned().collect()
        } else {
            let first = after.map_or(Unbounded, Excluded);
            all.records.range((first, Unbounded)).map(|(_, record)| record).take(most + 1).cloned().collect()
        };
        let more = keys.len() > most;
        keys.truncate(most);
        ApiKeyPage { keys, more }
    }

    pub(super) fn peppers(&self, now: Timestamp) -> Vec<PepperId> {
        let kept = self.read();
        let alive = kept.records.values().filter(|record| now < end(record));
        let peppers: BTreeSet<PepperId> = alive.map(|record| record.pepper).collect();
        peppers.into_iter().collect()
    }

    pub(super) fn prune(&self, now: Timestamp) -> u64 {
        let Some(by) = forgotten_by(now) else { return 0 };
        let mut kept = self.write();
        let Kept { records, owners } = &mut *kept;
        let before = records.len();
        records.retain(|id, record| {
            let is_kept = end(record) > by;
            if !is_kept {
                owners.remove(&(record.owner.clone(), *id));
            }
            is_kept
        });
        (before - records.len()) as u64
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing that holds it panics half way, so what a panic elsewhere left behind is whole.
    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn insert(&mut self, record: ApiKeyRecord, limit: usize) -> Result<(), StoreError> {
        if self.records.len() >= limit {
            return Err(StoreError::Full {
                what: "the store of API keys in memory",
                limit,
                key: "store.memory.api_keys",
            });
        }
        self.owners.insert((record.owner.clone(), record.id));
        self.records.insert(record.id, record);
        Ok(())
    }
}
