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
        // Also a window that has just begun is opened for nodes whose clocks are behind: the key before, which they would
        // sign with until then, may be the one that is gone.
        timetable::set_right(&mut slots, settings, now, now.before(settings.head_start()));
        ring.set_windows(slots);
        Ok(ring)
    }
}
