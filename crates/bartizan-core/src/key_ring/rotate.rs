//! Rotation by command: nobody notices, except that it is earlier.

use super::{Ring, Settings, timetable};
use crate::Timestamp;

/// There is no key that could take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring has no standby that could take over; one is made by the next plan, so try again after it")]
pub struct NoStandby;

impl Ring {
    /// The ring in which the standby's window begins as early as its publication allows, and the active key's ends
    /// then. It is the same ring where that is so already.
    ///
    /// The standby has been published for long as a rule, and signs at once on each node that has read the ring. The
    /// active key's window stays open until the others have. While one key is taking over from another, that is
    /// completed, and no further one begins.
    pub fn rotate_now(&self, settings: &Settings, now: Timestamp) -> Result<Self, NoStandby> {
        let mut slots = self.slots(now);
        // A window that has just begun by this clock has not by others: a key must not be passed over.
        let open = now.before(settings.head_start());
        let standby = slots.iter_mut().skip(1).find(|slot| slot.window.from > open).ok_or(NoStandby)?;
        let known = standby.created.after(settings.publication());
        let from = standby.window.from.min(known.max(open));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::fixture::{at, key, ring, settings, windows};
    use std::vec;

    #[test]
    fn the_standby_takes_over_as_early_as_it_is_known_and_the_active_key_ends_when_all_nodes_have_read() {
        let (a, b, c) = (key("a", 100, 97, 217), key("b", 100, 215, 335), key("c", 191, 333, 453));
        for (name, keys, now, turned) in [
            ("published for long", vec![a.clone(), b.clone()], at(150), vec![(97, 158), (147, 267)]),
            ("published just now", vec![a.clone(), b.clone()], at(105), vec![(97, 114), (112, 232)]),
            ("known since a minute", vec![a.clone(), b.clone()], at(113), vec![(97, 121), (112, 232)]),
            (
                "a third waits",
                vec![a.clone(), b.clone(), c.clone()],
                at(200),
                vec![(97, 208), (197, 317), (315, 435)],
            ),
            (
                "while one takes over by itself, that is completed",
                vec![a.clone(), b.clone(), c.clone()],
                at(216),
                vec![(97, 217), (213, 333), (331, 451)],
            ),
            (
                "so it is by a clock that is ahead",
                vec![a, b, c],
                at(215),
                vec![(97, 217), (212, 332), (330, 450)],
            ),
        ] {
            let rotated = ring(keys).rotate_now(&settings(), now).unwrap();
            assert_eq!(windows(&rotated), turned, "{name}");
        }
    }

    #[test]
    fn a_second_command_before_the_standby_has_begun_changes_nothing() {
        let settings = settings();
        let two = ring([key("a", 100, 97, 217), key("b", 100, 215, 335)]);
        let rotated = two.rotate_now(&settings, at(105)).unwrap();
        assert_eq!(rotated.rotate_now(&settings, at(106)), Ok(rotated.clone()));
        // By a clock that is behind.
        assert_eq!(rotated.rotate_now(&settings, at(103)), Ok(rotated));
    }

    #[test]
    fn without_a_standby_nothing_is_rotated() {
        assert_eq!(ring([key("a", 100, 97, 217)]).rotate_now(&settings(), at(150)), Err(NoStandby));
        assert_eq!(Ring::default().rotate_now(&settings(), at(150)), Err(NoStandby));
        let revoked = ring([key("a", 100, 97, 217), key("b", 100, 215, 335)])
            .revoke("b", &settings(), at(120))
            .unwrap();
        assert_eq!(revoked.rotate_now(&settings(), at(150)), Err(NoStandby));
    }
}
