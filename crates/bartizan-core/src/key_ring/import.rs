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
