//! When each key of the ring signs: one after the other, each known before it begins.

use alloc::{boxed::Box, vec::Vec};
use core::iter;

use super::{NewKey, Settings, Window};
use crate::Timestamp;

/// A key's place in the timetable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// `None` while it has to be made.
    pub(super) kid: Option<Box<str>>,
    pub(super) created: Timestamp,
    pub(super) window: Window,
}

impl Slot {
    /// The order in which keys sign; never a tie, so that all nodes have the same.
    pub(super) fn order(&self) -> (Timestamp, Timestamp, Option<&str>) {
        (self.window.from, self.created, self.kid.as_deref())
    }
}

/// Sets the windows right: none longer than `rotate_every`, none ending before its successor is known, and each
/// beginning when the one before ends. Where the first begins after `latest`, nobody would sign, so it begins at once.
///
/// What is right already stays as it is: windows get shorter by it, and longer only where a successor is late.
pub(super) fn set_right(slots: &mut [Slot], settings: &Settings, now: Timestamp, latest: Timestamp) {
    if let Some(first) = slots.first_mut()
        && first.window.from > latest
    {
        first.window.from = now.before(settings.head_start());
    }
    // The last one's successor can be made now at the earliest.
    let created: Vec<Timestamp> =
        slots.iter().skip(1).map(|slot| slot.created).chain(iter::once(now)).collect();
    let mut latest_begin = Timestamp(u64::MAX);
    for (slot, successor) in slots.iter_mut().zip(created) {
        let Window { from, until } = &mut slot.window;
        *from = (*from).min(latest_begin);
        let needed = successor.after(settings.publication()).after(settings.overlap());
        // Nodes that have not read this yet may go on signing to the end that they know.
        let shortest = needed.max(now.after(settings.settling()));
        *until = (*until).min(from.after(settings.rotate_every()).max(shortest)).max(needed);
        latest_begin = until.before(settings.overlap());
    }
}

/// Adds the keys that are missing: one that signs at once where there is none, and the next one whenever the last is
/// going to begin soon, so that a standby is always published when another key takes over.
pub(super) fn complete(slots: &mut Vec<Slot>, settings: &Settings, now: Timestamp) -> Vec<NewKey> {
    let mut new = Vec::new();
    // Windows begin further apart than keys are made ahead, so that this ends after three.
    while slots.last().is_none_or(|last| last.window.from <= now.after(settings.ahead())) {
        let from = match slots.last_mut() {
            None => now.before(settings.head_start()),
            Some(last) => {
                let known = now.after(settings.publication());
                last.window.until = last.window.until.max(known.after(settings.overlap()));
                last.window.until.before(settings.overlap())
            }
        };
        let window = Window { from, until: from.after(settings.rotate_every()) };
        new.push(NewKey { algorithm: settings.algorithm(), created: now, window });
        slots.push(Slot { kid: None, created: now, window });
    }
    new
}
