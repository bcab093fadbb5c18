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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::{
        Algorithm, KeyRingConfig, KeyUse, RingKey,
        fixture::{at, config, key, make, planned, ring, settings, windows},
    };
    use proptest::prelude::*;
    use std::vec;

    /// The ring of a first start at minute 100: `a` signs, `b` waits.
    fn two() -> Ring {
        ring([key("a", 100, 97, 217), key("b", 100, 215, 335)])
    }

    #[test]
    fn a_first_start_makes_a_key_that_signs_at_once_and_its_standby() {
        let plan = plan(&Ring::default(), &settings(), at(100));
        let new = |from, until| NewKey {
            algorithm: Algorithm::EdDsa,
            created: at(100),
            window: Window { from: at(from), until: at(until) },
        };
        assert_eq!(plan.changes, [Change::RaiseLongestToken { to: Duration::from_mins(15) }]);
        assert_eq!(plan.generate, [new(97, 217), new(215, 335)]);
    }

    #[test]
    fn a_ring_turns_at_its_times() {
        let lower = KeyRingConfig { rotate_every: Duration::from_mins(30), ..config() };
        let higher = KeyRingConfig { rotate_every: Duration::from_hours(5), ..config() };
        let three = || ring([key("a", 100, 97, 217), key("b", 100, 215, 335), key("c", 191, 333, 453)]);
        let one = || ring([key("a", 100, 97, 217)]);
        for (name, ring, config, now, keys) in [
            ("nothing to do", two(), config(), at(100), vec![(97, 217), (215, 335)]),
            ("the planner is behind", two(), config(), at(98), vec![(97, 217), (215, 335)]),
            (
                "before the next is due",
                two(),
                config(),
                Timestamp(at(191).0 - 1),
                vec![(97, 217), (215, 335)],
            ),
            ("the next is due", two(), config(), at(191), vec![(97, 217), (215, 335), (333, 453)]),
            ("the second takes over", three(), config(), at(215), vec![(97, 217), (215, 335), (333, 453)]),
            ("the first is forgotten", three(), config(), at(235), vec![(215, 335), (333, 453)]),
            (
                "just before that",
                three(),
                config(),
                Timestamp(at(235).0 - 1),
                vec![(97, 217), (215, 335), (333, 453)],
            ),
            ("no standby", one(), config(), at(150), vec![(97, 217), (215, 335)]),
            ("no standby, and late", one(), config(), at(210), vec![(97, 224), (222, 342), (340, 460)]),
            (
                "nobody planned until shortly before the end",
                two(),
                config(),
                at(330),
                vec![(215, 344), (342, 462), (460, 580)],
            ),
            ("until after the end", two(), config(), at(340), vec![(215, 335), (337, 457), (455, 575)]),
            (
                "for years",
                two(),
                config(),
                at(5_000_000),
                vec![(4_999_997, 5_000_117), (5_000_115, 5_000_235)],
            ),
            (
                "rotate_every is lowered",
                two(),
                lower.clone(),
                at(150),
                vec![(97, 158), (156, 186), (184, 214)],
            ),
            ("early in a window", two(), lower, at(105), vec![(97, 127), (125, 155), (153, 183)]),
            ("rotate_every is raised", two(), higher.clone(), at(150), vec![(97, 217), (215, 335)]),
            ("and counts for the next", two(), higher, at(191), vec![(97, 217), (215, 335), (333, 633)]),
        ] {
            let settings = Settings::new(&config).unwrap();
            let after = planned(&ring, &settings, now);
            assert_eq!(windows(&after), keys, "{name}");
            assert_eq!(plan(&after, &settings, now), Plan::default(), "{name}: and then nothing");
        }
    }

    #[test]
    fn a_key_stays_while_the_longest_token_ever_recorded_may_be_valid() {
        let long = Ring { longest_token: Duration::from_hours(1), ..two() };
        let settings = settings();
        let forgets = |ring: &Ring, now| {
            let is_a = |change: &Change| *change == Change::Forget { kid: "a".into() };
            plan(ring, &settings, now).changes.iter().any(is_a)
        };
        // The node's own tokens live for 15 minutes only.
        assert!(!forgets(&long, Timestamp(at(280).0 - 1)));
        assert!(forgets(&long, at(280)));
        assert!(forgets(&two(), at(235)));
        let verifies = RingKey { key_use: KeyUse::Verifies { until: at(500) }, ..key("a", 0, 1, 2) };
        assert!(!forgets(&ring([verifies.clone()]), Timestamp(at(503).0 - 1)));
        assert!(forgets(&ring([verifies]), at(503)));
    }

    #[test]
    fn a_longer_lifetime_is_recorded_and_a_shorter_one_is_not() {
        for (minutes, changes) in [
            (14, vec![]),
            (15, vec![]),
            (16, vec![Change::RaiseLongestToken { to: Duration::from_mins(16) }]),
        ] {
            let config = KeyRingConfig { token_lifetime: Duration::from_mins(minutes), ..config() };
            let settings = Settings::new(&config).unwrap();
            assert_eq!(plan(&two(), &settings, at(150)).changes, changes, "{minutes}");
        }
    }

    #[test]
    fn another_algorithm_is_that_of_the_next_key() {
        let settings = Settings::new(&KeyRingConfig { algorithm: Algorithm::Es256, ..config() }).unwrap();
        assert!(plan(&two(), &settings, at(150)).is_empty());
        let [ref new] = plan(&two(), &settings, at(191)).generate[..] else { panic!() };
        assert_eq!(new.algorithm, Algorithm::Es256);
    }

    #[test]
    fn a_plan_takes_exactly_the_keys_that_it_asked_for_and_no_name_twice() {
        use crate::key_ring::RingError;
        let (ring, settings) = (two(), settings());
        let plan = plan(&ring, &settings, at(191));
        assert_eq!(ring.apply(&plan, []), Err(RingError::Materials { asked: 1, given: 0 }));
        let named_a =
            make(&plan).into_iter().map(|made| crate::key_ring::Material { kid: "a".into(), ..made });
        let named_a: Vec<_> = named_a.collect();
        assert_eq!(ring.apply(&plan, named_a), Err(RingError::DuplicateKid("a".into())));
    }

    proptest! {
        #[test]
        fn whatever_is_done_each_window_begins_before_the_one_before_has_ended(
            rotate_every in 26..200_u64,
            steps in proptest::collection::vec((0..60_u64, 0..6_usize, 0..3_u64), 1..60),
        ) {
            let config = KeyRingConfig { rotate_every: Duration::from_mins(rotate_every), ..config() };
            let settings = Settings::new(&config).unwrap();
            let (mut ring, mut now) = (Ring::default(), at(0));
            for (minutes, what, off) in steps {
                now = now.after(Duration::from_mins(minutes));
                // The clock of whoever does it.
                let clock = now.after(settings.skew()).before(settings.skew() * u32::try_from(off).unwrap());
                let live: Vec<_> = ring.slots(clock).into_iter().filter_map(|slot| slot.kid).collect();
                ring = match (what, live.first(), live.last()) {
                    (0, _, _) => ring.rotate_now(&settings, clock).unwrap_or(ring),
                    (1, Some(first), _) => ring.revoke(first, &settings, clock).unwrap(),
                    (2, _, Some(last)) => ring.revoke(last, &settings, clock).unwrap(),
                    _ => ring,
                };
                ring = planned(&ring, &settings, clock);
                prop_assert_eq!(plan(&ring, &settings, clock), Plan::default());
                let slots = ring.slots(clock);
                prop_assert!(slots[0].window.from <= clock);
                for pair in slots.windows(2) {
                    prop_assert!(pair[1].window.from <= pair[0].window.until.before(settings.overlap()));
                }
                // One stands ready.
                prop_assert!(slots.last().unwrap().window.from > clock);
                prop_assert_eq!(Ring::from_json(&ring.to_json()).unwrap(), ring.clone());
            }
        }
    }
}
