//! Revocation of a key: nothing that it signed or signs counts from when a node has read it.

use alloc::boxed::Box;

use super::{Ring, Settings, timetable};
use crate::Timestamp;

/// Why a key could not be revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// No key has this name.
    #[error("the ring has no key {0:?}; `bartizan keys list` shows those that it has")]
    NoSuchKey(Box<str>),
    /// It was done before.
    #[error("the key {kid:?} was revoked already, at {} ms since 1970; nothing is left to do", at.0)]
    AlreadyRevoked {
        /// Which.
        kid: Box<str>,
        /// When.
        at: Timestamp,
    },
}

impl Ring {
    /// The ring in which the key is revoked and, if it was the one that signs, its standby signs at once. The next
    /// [`plan`](super::plan()) makes what is missing then.
    pub fn revoke(&self, kid: &str, settings: &Settings, now: Timestamp) -> Result<Self, RevokeError> {
        let mut ring = self.clone();
        let key = ring.keys.iter_mut().find(|key| &*key.kid == kid);
        let key = key.ok_or_else(|| RevokeError::NoSuchKey(kid.into()))?;
        if let Some(at) = key.revoked {
            return Err(RevokeError::AlreadyRevoked { kid: kid.into(), at });
        }
        key.revoked = Some(now);
        let mut slots = ring.slots(now);
        // Also a window that has just begun is opened for nodes whose clocks are behind: the key before, which they
        // would sign with until then, may be the one that is gone.
        timetable::set_right(&mut slots, settings, now, now.before(settings.head_start()));
        ring.set_windows(slots);
        Ok(ring)
    }

    /// When no token is good any more that was issued before `issued`, whichever key signed it: as long as a revocation
    /// of such tokens must be remembered. Those of an imported key may live longer than ours, so it is asked how long
    /// each key is good, and not how long a token lives.
    pub fn tokens_end(&self, settings: &Settings, issued: Timestamp) -> Timestamp {
        let longest = self.longest_token().max(settings.token_lifetime());
        // Also those whose turn to sign has not come: with an imported one somebody else has signed all along.
        let ends =
            self.keys.iter().filter(|key| key.revoked.is_none()).map(|key| key.retires(longest, settings));
        // Also of keys that are made until then.
        ends.fold(issued.after(longest).after(settings.grace()), Timestamp::max)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::key_ring::{
        KeyUse, RingKey, Snapshot, State,
        fixture::{at, key, planned, ring, settings, windows},
    };
    use std::vec;

    fn three() -> Ring {
        ring([key("a", 100, 97, 217), key("b", 100, 215, 335), key("c", 191, 333, 453)])
    }

    #[test]
    fn what_is_left_takes_over_and_the_next_plan_makes_what_is_missing() {
        let two = || ring([key("a", 100, 97, 217), key("b", 100, 215, 335)]);
        for (name, ring, kids, now, left, then) in [
            ("the active key", two(), vec!["a"], at(150), vec![(147, 267)], vec![(147, 267), (265, 385)]),
            ("the standby", two(), vec!["b"], at(150), vec![(97, 217)], vec![(97, 217), (215, 335)]),
            (
                "the standby, shortly before it begins",
                two(),
                vec!["b"],
                at(210),
                vec![(97, 224)],
                vec![(97, 224), (222, 342), (340, 460)],
            ),
            ("both", two(), vec!["a", "b"], at(150), vec![], vec![(147, 267), (265, 385)]),
            ("both, the standby first", two(), vec!["b", "a"], at(150), vec![], vec![(147, 267), (265, 385)]),
            (
                "the active key of three",
                three(),
                vec!["a"],
                at(200),
                vec![(197, 317), (315, 435)],
                vec![(197, 317), (315, 435)],
            ),
            (
                "the standby of three",
                three(),
                vec!["b"],
                at(204),
                vec![(97, 217), (215, 335)],
                vec![(97, 217), (215, 335), (333, 453)],
            ),
            (
                "the standby, and the next one was published just now",
                ring([key("a", 100, 97, 217), key("b", 100, 215, 335), key("c", 206, 333, 453)]),
                vec!["b"],
                at(207),
                vec![(97, 220), (218, 338)],
                vec![(97, 220), (218, 338), (336, 456)],
            ),
            (
                "the one before, while the next takes over",
                three(),
                vec!["a"],
                at(216),
                vec![(213, 333), (331, 451)],
                vec![(213, 333), (331, 451)],
            ),
            (
                "one that only verifies",
                three(),
                vec!["a"],
                at(220),
                vec![(215, 335), (333, 453)],
                vec![(215, 335), (333, 453)],
            ),
        ] {
            let settings = settings();
            let revoked = kids.iter().fold(ring, |ring, kid| ring.revoke(kid, &settings, now).unwrap());
            assert_eq!(windows(&revoked), left, "{name}");
            assert_eq!(windows(&planned(&revoked, &settings, now)), then, "{name}, and then");
        }
    }

    #[test]
    fn a_node_that_has_read_signs_with_the_standby_whatever_its_clock_and_one_that_has_not_stops() {
        let (ring, settings, lifetime) = (three(), settings(), Duration::from_mins(15));
        // The one that revokes is a minute ahead: it is 149 by true time.
        let revoked = ring.revoke("a", &settings, at(150)).unwrap();
        for clock in [148, 149, 150] {
            let snapshot = Snapshot::new(revoked.clone(), settings.clone(), at(clock));
            assert_eq!(snapshot.signer(lifetime, at(clock)).unwrap().kid(), "b", "{clock}");
            assert_eq!(snapshot.verifier("a", at(clock)), Ok(None));
        }
        // Read a moment before.
        let late = Snapshot::new(ring, settings, at(149));
        assert_eq!(late.signer(lifetime, at(154)).unwrap().kid(), "a");
        assert!(late.signer(lifetime, Timestamp(at(154).0 + 1)).is_err());
    }

    #[test]
    fn tokens_end_with_the_last_key_that_may_have_signed_them() {
        let settings = settings();
        let old = RingKey { key_use: KeyUse::Verifies { until: at(400) }, ..key("old", 100, 97, 217) };
        let with = |imported: &RingKey| ring([three().keys, vec![imported.clone()]].concat());
        let one = |key| ring([key]);
        // A token of 15 minutes, 1 of leeway, 2 of skew; of a key that only verifies the last two are added.
        for (name, ring, issued, ends) in [
            ("no key at all", Ring::default(), at(100), at(118)),
            ("of one key", one(key("a", 100, 97, 217)), at(150), at(235)),
            // It was imported, and will sign for us after the others: with it another application does already.
            ("of a key whose turn comes later", three(), at(150), at(471)),
            ("of one that is not made yet", three(), at(1000), at(1018)),
            (
                "of an imported key",
                with(&RingKey { key_use: KeyUse::Verifies { until: at(600) }, ..old.clone() }),
                at(150),
                at(603),
            ),
            ("of one that ends before the others", with(&old), at(150), at(471)),
            ("of one that was revoked", one(RingKey { revoked: Some(at(149)), ..old }), at(150), at(168)),
        ] {
            assert_eq!(ring.tokens_end(&settings, issued), ends, "{name}");
        }
    }

    #[test]
    fn a_key_is_revoked_once_and_for_good() {
        let settings = settings();
        assert_eq!(three().revoke("d", &settings, at(150)), Err(RevokeError::NoSuchKey("d".into())));
        let revoked = three().revoke("a", &settings, at(150)).unwrap();
        assert_eq!(
            revoked.revoke("a", &settings, at(151)),
            Err(RevokeError::AlreadyRevoked { kid: "a".into(), at: at(150) })
        );
        let later = planned(&revoked, &settings, at(234));
        let key = later.key("a").unwrap();
        assert_eq!(key.state(later.longest_token(), &settings, at(234)), State::Revoked);
        // Its last token has ended.
        assert_eq!(planned(&later, &settings, at(235)).key("a"), None);
    }
}
