//! Keys that others made: an application moves to us with the tokens that are out, or with the key that its verifiers
//! know.

use alloc::boxed::Box;

use super::{Algorithm, KeyUse, Ring, RingError, RingKey, Sealed, Settings, Window, timetable};
use crate::Timestamp;

/// A key to take over. It keeps its `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What its tokens name it by; where they name none, what commands are to name it by.
    pub kid: Box<str>,
    /// The one algorithm that it is used with.
    pub algorithm: Algorithm,
    /// What it is for.
    pub import_use: ImportUse,
    /// Whether its tokens may lack `kid`, `iss` and `aud`.
    pub legacy: bool,
    /// The public JWK's JSON; `None` for HS256, and only then.
    pub public: Option<Box<str>>,
    /// The private key or secret; not needed for a public key that only verifies.
    pub sealed: Option<Sealed>,
}

/// What an imported key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportUse {
    /// It signs: in an empty ring at once, else after the keys that are there.
    Signs,
    /// It verifies what is out there.
    Verifies {
        /// When the last token made with it ends.
        until: Timestamp,
    },
}

impl Ring {
    /// The ring with the key.
    pub fn import(&self, import: Import, settings: &Settings, now: Timestamp) -> Result<Self, RingError> {
        let mut ring = self.clone();
        let key_use = match import.import_use {
            ImportUse::Verifies { until } if until <= now => {
                let why = "its last token has ended, so there is nothing left to verify";
                return Err(RingError::InvalidKey { kid: import.kid, why });
            }
            ImportUse::Verifies { until } => KeyUse::Verifies { until },
            ImportUse::Signs => {
                let mut slots = ring.slots(now);
                timetable::set_right(&mut slots, settings, now, now);
                let from = match slots.last_mut() {
                    None => now.before(settings.head_start()),
                    Some(last) => last.window.until.before(settings.overlap()),
                };
                ring.set_windows(slots);
                KeyUse::Signs(Window { from, until: from.after(settings.rotate_every()) })
            }
        };
        ring.add(RingKey {
            kid: import.kid,
            algorithm: import.algorithm,
            created: now,
            key_use,
            revoked: None,
            legacy: import.legacy,
            public: import.public,
            sealed: import.sealed,
        })?;
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::{
        Snapshot,
        fixture::{at, key, planned, ring, settings, windows},
    };

    fn import(kid: &str, import_use: ImportUse) -> Import {
        Import {
            kid: kid.into(),
            algorithm: Algorithm::Rs256,
            import_use,
            legacy: true,
            public: Some("{}".into()),
            sealed: Some((*b"sealed").into()),
        }
    }

    #[test]
    fn a_signing_key_signs_at_once_in_an_empty_ring_and_else_after_those_that_are_there() {
        let settings = settings();
        let empty = Ring::default().import(import("old", ImportUse::Signs), &settings, at(100)).unwrap();
        assert_eq!(windows(&planned(&empty, &settings, at(100))), [(97, 217), (215, 335)]);
        let key_of = |ring: &Ring| ring.key("old").map(|key| (key.algorithm(), key.legacy(), key.created()));
        assert_eq!(key_of(&empty), Some((Algorithm::Rs256, true, at(100))));

        let two = ring([key("a", 100, 97, 217), key("b", 100, 215, 335)]);
        let behind = two.import(import("old", ImportUse::Signs), &settings, at(150)).unwrap();
        assert_eq!(windows(&planned(&behind, &settings, at(150))), [(97, 217), (215, 335), (333, 453)]);
        // There was no standby, and no time to publish this one.
        let one = ring([key("a", 100, 97, 217)]);
        let late = one.import(import("old", ImportUse::Signs), &settings, at(210)).unwrap();
        assert_eq!(windows(&late), [(97, 224), (222, 342)]);
    }

    #[test]
    fn a_verify_only_key_verifies_to_its_end_and_never_signs() {
        let settings = settings();
        let until = at(500);
        let secret = Import {
            algorithm: Algorithm::Hs256,
            public: None,
            ..import("SECRET_KEY", ImportUse::Verifies { until })
        };
        let ring = Ring::default().import(secret, &settings, at(100)).unwrap();
        let ring = planned(&ring, &settings, at(100));
        assert_eq!(windows(&ring), [(97, 217), (215, 335)]);
        for (now, verifies) in
            [(at(100), true), (at(500), true), (Timestamp(at(503).0 - 1), true), (at(503), false)]
        {
            let snapshot = Snapshot::new(ring.clone(), settings.clone(), now);
            assert_eq!(snapshot.verifier("SECRET_KEY", now).unwrap().is_some(), verifies, "{now:?}");
            // No secret is published.
            assert!(snapshot.published(now).unwrap().all(|key| key.kid() != "SECRET_KEY"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let (settings, ring) = (settings(), ring([key("a", 100, 97, 217)]));
        let refused = |import| ring.import(import, &settings, at(150)).unwrap_err();
        assert_eq!(refused(import("a", ImportUse::Signs)), RingError::DuplicateKid("a".into()));
        let why = "its last token has ended, so there is nothing left to verify";
        assert_eq!(
            refused(import("old", ImportUse::Verifies { until: at(150) })),
            RingError::InvalidKey { kid: "old".into(), why }
        );
        let why = "it cannot sign without its private key";
        assert_eq!(
            refused(Import { sealed: None, ..import("old", ImportUse::Signs) }),
            RingError::InvalidKey { kid: "old".into(), why }
        );
    }
}
