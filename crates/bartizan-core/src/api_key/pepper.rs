//! What secrets are kept by: an HMAC (RFC 2104) whose key a copy of the store does not have.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::ApiKey;
use crate::keys::Keys;

/// What peppers are derived for, and what their ids are.
const PURPOSE: &str = "api-key-pepper";
const ID_PURPOSE: &str = "api-key-pepper-id";

/// Keys are verified as long as they live, so that a pepper is of no period.
const FOREVER: u64 = 0;

/// What a pepper is called: 64 bits that tell master keys apart and say nothing of them. It stands in each record, so
/// that it can be seen which master keys are still needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PepperId([u8; 8]);

impl PepperId {
    /// From what a store kept.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PepperId({self})")
    }
}

/// The peppers of a deployment, one of each master key: the first one's makes, all are accepted. A master key may be
/// taken away when no record names its pepper any more.
///
/// They have no way to be shown.
#[derive(Clone)]
pub struct Peppers {
    first: Pepper,
    older: Arc<[Pepper]>,
}

#[derive(Clone)]
struct Pepper {
    id: PepperId,
    mac: Hmac<Sha256>,
}

impl Peppers {
    /// Of these master keys. There always are some: deriving does not fail.
    pub fn derive(keys: &Keys) -> Option<Self> {
        let ids = keys.derive_all(ID_PURPOSE, FOREVER);
        let mut peppers = ids.zip(keys.derive_all(PURPOSE, FOREVER)).filter_map(|(id, key)| {
            let id = PepperId(*id.first_chunk()?);
            // A key of any length will do (RFC 2104 §2).
            Some(Pepper { id, mac: Hmac::new_from_slice(&*key).ok()? })
        });
        Some(Self { first: peppers.next()?, older: peppers.collect::<Vec<_>>().into() })
    }

    /// What they are called, the one that makes first.
    pub fn ids(&self) -> impl Iterator<Item = PepperId> {
        self.all().map(|pepper| pepper.id)
    }

    /// What a store keeps of a new key's secret.
    pub(super) fn keep(&self, key: &ApiKey) -> (PepperId, [u8; 32]) {
        (self.first.id, self.first.of(key))
    }

    /// The HMAC of a key's secret by the pepper `id`, and whether there is such a pepper; if not, it is by another.
    pub(super) fn mac(&self, id: Option<PepperId>, key: &ApiKey) -> (bool, [u8; 32]) {
        let pepper = self.all().find(|pepper| Some(pepper.id) == id);
        (pepper.is_some(), pepper.unwrap_or(&self.first).of(key))
    }

    fn all(&self) -> impl Iterator<Item = &Pepper> {
        core::iter::once(&self.first).chain(self.older.iter())
    }
}

impl Pepper {
    fn of(&self, key: &ApiKey) -> [u8; 32] {
        self.mac.clone().chain_update(key.secret()).finalize().into_bytes().into()
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peppers([redacted])")
    }
}
