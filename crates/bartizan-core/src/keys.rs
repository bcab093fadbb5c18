//! Keys that are derived from one master key (HKDF, RFC 5869): by purpose, so that none serves two, and by period, so
//! that they change by themselves and all nodes of a deployment agree without asking anyone.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Timestamp;

/// The fewest bytes that a master key may have: 256 bits.
pub const MASTER_KEY_BYTES: usize = 32;

/// How long a derived key is the one that new tokens are made with: 30 days. Those of the period before are accepted.
pub const PERIOD: Duration = Duration::from_hours(30 * 24);

/// The master keys of a deployment: the first makes, all are accepted. It has no way to be shown, and is wiped when the
/// last copy is dropped.
///
/// To change the master key, put the new one first and keep the old one until what was made with it has ended.
#[derive(Clone)]
pub struct Keys(Arc<[Master]>);

struct Master(Hkdf<Sha256>);

/// A master key that is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the master key has {0} bytes, and must have {MASTER_KEY_BYTES} at least; make one with `openssl rand -base64 48`"
)]
pub struct ShortMasterKey(pub usize);

/// A derived key: 256 bits, wiped when it is dropped.
pub type DerivedKey = Zeroizing<[u8; 32]>;

impl Keys {
    /// Of the secrets as they are written; white space around one is not part of it.
    ///
    /// ```
    /// use bartizan_core::keys::{Keys, ShortMasterKey};
    /// let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    /// assert_eq!(format!("{keys:?}"), "Keys([redacted])");
    /// assert_eq!(Keys::new(&[b"hunter2"]).unwrap_err(), ShortMasterKey(7));
    /// ```
    pub fn new(secrets: &[&[u8]]) -> Result<Self, ShortMasterKey> {
        let master = |secret: &&[u8]| {
            let secret = secret.trim_ascii();
            if secret.len() < MASTER_KEY_BYTES {
                return Err(ShortMasterKey(secret.len()));
            }
            Ok(Master(Hkdf::new(Some(b"bartizan master key 1"), secret)))
        };
        let masters: Vec<Master> = secrets.iter().map(master).collect::<Result<_, _>>()?;
        if masters.is_empty() { Err(ShortMasterKey(0)) } else { Ok(Self(masters.into())) }
    }

    /// The number of the period that `now` is in.
    pub fn period(now: Timestamp) -> u64 {
        // Never zero: PERIOD is a constant.
        u64::try_from(PERIOD.as_millis()).map_or(0, |length| now.0.checked_div(length).unwrap_or_default())
    }

    /// The key that things are made with for `purpose` in `period`.
    pub fn derive(&self, purpose: &str, period: u64) -> Option<DerivedKey> {
        self.0.first().and_then(|master| master.derive(purpose, period))
    }

    /// All keys of `purpose` and `period`: of each master key, the first one's first.
    pub fn derive_all(&self, purpose: &str, period: u64) -> impl Iterator<Item = DerivedKey> {
        self.0.iter().filter_map(move |master| master.derive(purpose, period))
    }
}

impl Master {
    fn derive(&self, purpose: &str, period: u64) -> Option<DerivedKey> {
        let mut key = Zeroizing::new([0; 32]);
        // One block is never too long (RFC 5869 §2.3), so there always is a key.
        let info = [purpose.as_bytes(), b"\0", &period.to_be_bytes()];
        self.0.expand_multi_info(&info, key.as_mut()).ok().map(|()| key)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

/// Two sets of keys are never told apart by their values.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Keys {}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"0123456789abcdef0123456789abcdef";
    const TWO: &[u8] = b"fedcba9876543210fedcba9876543210";

    #[test]
    fn keys_differ_by_master_purpose_and_period_and_by_nothing_else() {
        let (one, both) = (Keys::new(&[ONE]).unwrap(), Keys::new(&[TWO, ONE]).unwrap());
        let key = one.derive("csrf", 7).unwrap();
        assert_eq!(one.derive("csrf", 7), Some(key.clone()));
        assert_eq!(
            Keys::new(&[b" 0123456789abcdef0123456789abcdef\n"]).unwrap().derive("csrf", 7),
            Some(key.clone())
        );
        assert_ne!(one.derive("csrf", 8), Some(key.clone()));
        assert_ne!(one.derive("assertion", 7), Some(key.clone()));
        assert_ne!(both.derive("csrf", 7), Some(key.clone()));
        let all: Vec<DerivedKey> = both.derive_all("csrf", 7).collect();
        assert_eq!(all, [both.derive("csrf", 7).unwrap(), key]);
    }

    #[test]
    fn keys_are_the_same_where_they_are_one() {
        let keys = Keys::new(&[ONE]).unwrap();
        assert_eq!(keys, keys.clone());
        assert_ne!(keys, Keys::new(&[ONE]).unwrap());
    }

    #[test]
    fn a_short_key_is_none() {
        assert_eq!(Keys::new(&[]), Err(ShortMasterKey(0)));
        assert_eq!(Keys::new(&[ONE, &ONE[..31]]), Err(ShortMasterKey(31)));
        assert_eq!(Keys::new(&[b"                                 short"]), Err(ShortMasterKey(5)));
    }

    #[test]
    fn a_period_is_thirty_days() {
        let days = |days: u64| Timestamp(days * 24 * 3600 * 1000);
        assert_eq!(Keys::period(days(0)), 0);
        assert_eq!(Keys::period(Timestamp(days(30).0 - 1)), 0);
        assert_eq!(Keys::period(days(30)), 1);
    }
}
