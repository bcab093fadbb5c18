//! Rotation by command: nobody notices, except that it is earlier.

use super::{Ring, Settings, timetable};
use crate::Timestamp;

/// There is no key that could take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring has no standby that could take over; one is made by the next plan, so try again after it")]
pub struct NoStandby;

impl Ring {
    /// The ring in which the standby's window begins as early as its publication allows, and the active key's ends then.
    /// It is the same ring where that is so already.
    ///
    /// The standby has been published for long as a rule, and signs at once on each node that has read the ring. The
    /// active key's window stays open until the others have.
    pub fn rotate_now(&self, settings: &Settings, now: Timestamp) -> Result<Self, NoStandby> {
        let mut slots = self.slots(now);
        let standby = slots.iter_mut().find(|slot| slot.window.from > now).ok_or(NoStandby)?;
        let known = standby.created.after(settings.publication());
        let from = standby.window.from.min(known.max(now.before(settings.head_start())));
        standby.window.from = from;
        let end = from.after(settings.overlap()).max(now.after(settings.settling()));
        for slot in slots.iter_mut().filter(|slot| slot.window.from < from) {
            slot.window.until = slot.window.until.min(end);
        }
        timetable::set_right(&mut slots, settings, now, now);
        let mut ring = self.clone();
        ring.set_windows(slots);
        Ok(ring)
    }
}
