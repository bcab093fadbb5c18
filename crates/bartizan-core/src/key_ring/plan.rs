//! What has to be done to a ring at a time, if anything: asked by every node, done by the one that writes first.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{NewKey, Ring, Settings, Window, timetable};
use crate::Timestamp;

/// What has to be done to a ring, all in one write ([`Ring::apply`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What changes in what there is.
    pub changes: Vec<Change>,
    /// The keys to make.
    pub generate: Vec<NewKey>,
}

/// A change to what is in a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing that the key signed is valid.
    Forget {
        /// Which.
        kid: Box<str>,
    },
    /// Tokens are going to live longer.
    RaiseLongestToken {
        /// How long.
        to: Duration,
    },
    /// The key signs at another time.
    Retime {
        /// Which.
        kid: Box<str>,
        /// When.
        window: Window,
    },
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.generate.is_empty()
    }
}

/// What has to be done to `ring` now. A ring to which it was done has nothing left to do.
///
/// To be asked each time that the ring was read, and done by compare-and-set on the version that was read. Where
/// another node was first, its ring is read and this asked again; what was made for nothing is thrown away.
pub fn plan(ring: &Ring, settings: &Settings, now: Timestamp) -> Plan {
    let mut changes = Vec::new();
    if ring.longest_token < settings.token_lifetime() {
        changes.push(Change::RaiseLongestToken { to: settings.token_lifetime() });
    }
    let longest = ring.longest_token.max(settings.token_lifetime());
    for key in ring.keys.iter().filter(|key| key.retires(longest, settings) <= now) {
        changes.push(Change::Forget { kid: key.kid.clone() });
    }
    let before = ring.slots(now);
    let mut slots = before.clone();
    timetable::set_right(&mut slots, settings, now, now);
    let generate = timetable::complete(&mut slots, settings, now);
    for (slot, before) in slots.into_iter().zip(before) {
        if let Some(kid) = slot.kid.filter(|_| slot.window != before.window) {
            changes.push(Change::Retime { kid, window: slot.window });
        }
    }
    Plan { changes, generate }
}
