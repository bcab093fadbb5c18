//! The ring itself: the keys, and how long tokens live.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{Change, KeyUse, Material, Plan, RingKey, timetable::Slot};
use crate::Timestamp;

/// All keys of a deployment. An empty one is that of the first start.
///
/// It is stored whole, by compare-and-set ([`to_json`](Self::to_json)); every change gives a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    pub(super) keys: Vec<RingKey>,
    pub(super) longest_token: Duration,
}

/// What cannot be in a ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// Two keys with one name.
    #[error(
        "there already is a key with the kid {0:?}; a kid names one key for ever, so give this one another"
    )]
    DuplicateKid(Box<str>),
    /// A key that cannot be what it says.
    #[error("the key {kid:?} cannot be used: {why}")]
    InvalidKey {
        /// Which.
        kid: Box<str>,
        /// What is wrong.
        why: &'static str,
    },
    /// Not as many keys as the plan asked for.
    #[error(
        "the plan asked for {asked} new keys and was given {given}; make one for each of `Plan::generate`"
    )]
    Materials {
        /// How many the plan has.
        asked: usize,
        /// How many were made.
        given: usize,
    },
}

impl Ring {
    /// All keys, in no order.
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The key of this name, whatever its state.
    pub fn key(&self, kid: &str) -> Option<&RingKey> {
        self.keys.iter().find(|key| &*key.kid == kid)
    }

    /// The longest that any token of ours lives; it only rises.
    pub const fn longest_token(&self) -> Duration {
        self.longest_token
    }

    /// The ring after `plan`, with a key for each of [`Plan::generate`], in their order.
    pub fn apply(
        &self,
        plan: &Plan,
        made: impl IntoIterator<Item = Material, IntoIter: ExactSizeIterator>,
    ) -> Result<Self, RingError> {
        let mut ring = self.clone();
        for change in &plan.changes {
            ring.change(change);
        }
        let made = made.into_iter();
        if made.len() != plan.generate.len() {
            return Err(RingError::Materials { asked: plan.generate.len(), given: made.len() });
        }
        for (new, material) in plan.generate.iter().zip(made) {
            ring.add(RingKey {
                kid: material.kid,
                algorithm: new.algorithm,
                created: new.created,
                key_use: KeyUse::Signs(new.window),
                revoked: None,
                legacy: false,
                public: material.public,
                sealed: Some(material.sealed),
            })?;
        }
        Ok(ring)
    }

    pub(super) fn add(&mut self, key: RingKey) -> Result<(), RingError> {
        key.check()?;
        if self.key(&key.kid).is_some() {
            return Err(RingError::DuplicateKid(key.kid));
        }
        self.keys.push(key);
        Ok(())
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Forget { kid } => self.keys.retain(|key| key.kid != *kid),
            Change::RaiseLongestToken { to } => self.longest_token = self.longest_token.max(*to),
            Change::Retime { kid, window } => {
                if let Some(key) = self.keys.iter_mut().find(|key| key.kid == *kid) {
                    key.key_use = KeyUse::Signs(*window);
                }
            }
        }
    }

    /// The keys that sign or are going to, in the order in which they begin.
    pub(super) fn slots(&self, now: Timestamp) -> Vec<Slot> {
        let slot = |key: &RingKey| {
            let window = key.window().filter(|window| now < window.until)?;
            let kid = Some(key.kid.clone());
            key.revoked.is_none().then_some(Slot { kid, created: key.created, window })
        };
        let mut slots: Vec<Slot> = self.keys.iter().filter_map(slot).collect();
        slots.sort_by(|one, other| one.order().cmp(&other.order()));
        slots
    }

    /// Writes the windows of `slots` into their keys.
    pub(super) fn set_windows(&mut self, slots: Vec<Slot>) {
        for Slot { kid, window, .. } in slots {
            if let Some(kid) = kid {
                self.change(&Change::Retime { kid, window });
            }
        }
    }
}
