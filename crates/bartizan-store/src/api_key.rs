//! What stores are told and say about API keys.

use std::time::Duration;

use bartizan_core::{
    Timestamp,
    api_key::{ApiKeyRecord, Rotated},
};

/// How long a key that has ended is still listed, before [`Store::prune`](crate::Store::prune) forgets it: 90 days.
pub const ENDED_KEY_KEPT: Duration = Duration::from_hours(90 * 24);

/// A key takes another's place: both sides of it are written down in one step, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// The old one, as it was read.
    pub old: ApiKeyRecord,
    /// When the old one ends; never later than it would.
    pub old_expires: Timestamp,
    /// The new one.
    pub new: ApiKeyRecord,
}

/// What came of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RotationOutcome {
    /// The new key is good, and the old one has its end.
    Done,
    /// Nothing was done: the old key is not any more what it was when it was read. Somebody has replaced or revoked it;
    /// read it again.
    Changed,
}

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyPage {
    /// The keys, by id.
    pub keys: Vec<ApiKeyRecord>,
    /// Whether there are more after the last one.
    pub more: bool,
}

impl KeyRotation {
    /// By what [`ApiKeys::rotate`](bartizan_core::api_key::ApiKeys::rotate) made of `old`.
    pub fn new(old: ApiKeyRecord, rotated: &Rotated) -> Self {
        Self { old, old_expires: rotated.old_expires, new: rotated.issued.record.clone() }
    }

    /// When the old one ends: a rotation prolongs nothing.
    pub(crate) fn end(&self) -> Timestamp {
        self.old.expires.map_or(self.old_expires, |expires| expires.min(self.old_expires))
    }

    /// Whether `kept` is the old one, which nobody has changed since. A use that was written down is no change.
    pub(crate) fn is_of(&self, kept: &ApiKeyRecord) -> bool {
        kept.mac == self.old.mac
            && kept.expires == self.old.expires
            && kept.revoked.is_none()
            && kept.replaced_by.is_none()
    }
}

/// When a key has ended: the last time there is, for one that has no end.
pub(crate) fn end(record: &ApiKeyRecord) -> Timestamp {
    let expires = record.expires.unwrap_or(Timestamp(u64::MAX));
    record.revoked.map_or(expires, |revoked| revoked.min(expires))
}

/// Which keys are forgotten at `now`: those that ended by then.
pub(crate) fn forgotten_by(now: Timestamp) -> Option<Timestamp> {
    let kept = u64::try_from(ENDED_KEY_KEPT.as_millis()).ok()?;
    now.0.checked_sub(kept).map(Timestamp)
}
