//! What a store keeps of a key, and whether a key that a client presents is the one.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, hint::black_box, time::Duration};

use subtle::ConstantTimeEq as _;

use super::{ApiKey, KeyId, PepperId, Peppers};
use crate::Timestamp;

/// How old `last_used` must be before the next use is written down: one hour.
pub const TOUCH_AFTER: Duration = Duration::from_hours(1);

/// What a store keeps of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// What it is called.
    pub id: KeyId,
    /// HMAC-SHA-256 of its secret by the pepper.
    pub mac: [u8; 32],
    /// Which pepper.
    pub pepper: PepperId,
    /// Whose it is: a subject.
    pub owner: Box<str>,
    /// What its owner calls it: `nightly backup`.
    pub name: Box<str>,
    /// What may be done with it.
    pub scopes: Vec<Box<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends. `None` is never.
    pub expires: Option<Timestamp>,
    /// When it was revoked, which ends it at once.
    pub revoked: Option<Timestamp>,
    /// The key that has taken its place.
    pub replaced_by: Option<KeyId>,
    /// When its last use was written down; at most [`TOUCH_AFTER`] before the last use. `None` is never.
    pub last_used: Option<Timestamp>,
}

/// A key that has been replaced, and is still good for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// By which.
    pub by: KeyId,
    /// When it ends.
    pub ends: Timestamp,
}

/// The key that a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// Which.
    pub id: KeyId,
    /// What has taken its place, if anything has.
    pub replaced: Option<Replaced>,
}

/// Why a key that is whole is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// Nobody knows it.
    #[error("no key has this id")]
    Unknown,
    /// Somebody knows the id and made up a secret.
    #[error("its secret is not the one of this id")]
    Secret,
    /// The master key was changed, and the one before is not there any more.
    #[error("its pepper {0} is of no master key here; put that key into store.previous_master_keys")]
    Pepper(PepperId),
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It was replaced, and the grace that it had is over.
    #[error("it was replaced by {0}, and its grace is over")]
    Replaced(KeyId),
}

impl Peppers {
    /// Whether `key` is the key of `record`, and good at `now`. Without a record it is known to nobody.
    ///
    /// All that is wrong costs the same: the MAC is computed and compared (in constant time) also where there is no
    /// record, so that no clock tells which ids exist. What has ended is told apart only where the secret is right.
    ///
    /// # Errors
    ///
    /// Says why it is not good.
    pub fn verify(
        &self,
        key: &ApiKey,
        record: Option<&ApiKeyRecord>,
        now: Timestamp,
    ) -> Result<(), ApiKeyError> {
        let (has_pepper, mac) = self.mac(record.map(|record| record.pepper), key);
        let kept = record.map_or([0; 32], |record| record.mac);
        // Not to be left out where it changes nothing.
        let is_right = black_box(mac.ct_eq(&kept));
        let record = record.filter(|record| record.id == key.id()).ok_or(ApiKeyError::Unknown)?;
        if !has_pepper {
            return Err(ApiKeyError::Pepper(record.pepper));
        }
        if !bool::from(is_right) {
            return Err(ApiKeyError::Secret);
        }
        record.check(now)
    }
}

impl ApiKeyRecord {
    /// Whether it is good at `now`, as far as the record says.
    ///
    /// # Errors
    ///
    /// Says how it has ended.
    pub fn check(&self, now: Timestamp) -> Result<(), ApiKeyError> {
        // Whatever the clock of the node that revoked it showed.
        if self.revoked.is_some() {
            return Err(ApiKeyError::Revoked);
        }
        match (self.expires, self.replaced_by) {
            (Some(expires), by) if now >= expires => {
                Err(by.map_or(ApiKeyError::Expired, ApiKeyError::Replaced))
            }
            _ => Ok(()),
        }
    }

    /// What has taken its place, and until when it is good in spite of that.
    pub fn replaced(&self) -> Option<Replaced> {
        Some(Replaced { by: self.replaced_by?, ends: self.expires? })
    }

    /// Whether a use of it is to be written down.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.last_used.is_none_or(|last| now >= last.after(TOUCH_AFTER))
    }
}

impl fmt::Debug for ApiKeyRecord {
    /// Not the MAC, which nobody has to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyRecord")
            .field("id", &self.id)
            .field("pepper", &self.pepper)
            .field("owner", &self.owner)
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .field("revoked", &self.revoked)
            .field("replaced_by", &self.replaced_by)
            .field("last_used", &self.last_used)
            .finish_non_exhaustive()
    }
}
