//! What a node works on: the ring as it was read, for as long as that may be relied on.

use core::time::Duration;

use super::{Ring, RingKey, Settings, State};
use crate::Timestamp;

/// The ring as a node read it.
///
/// It is good for [`jwks_max_age`](super::KeyRingConfig::jwks_max_age), so a node that is cut off stops; it should be
/// read again several times within that. A `kid` that it does not have may be that of a key that had to begin at once:
/// the node reads again (not more often than every few seconds), and where it cannot, it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    ring: Ring,
    settings: Settings,
    read: Timestamp,
}

/// The ring was read too long ago to be relied on; the answer to a client is 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key ring was read {age:?} ago, and may be relied on for {most:?}; see why the store does not answer, or whether \
     the clock was set back"
)]
pub struct Stale {
    /// How long ago it was read, by the node's clock.
    pub age: Duration,
    /// How old it may be.
    pub most: Duration,
}

/// Why no token can be made now; the answer to a client is 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSigning {
    /// The ring is too old.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// No key's window is open.
    #[error("no key of the ring signs now; one does after the next plan, so see why none was carried out")]
    NoKey,
    /// Keys are not kept for so long.
    #[error(
        "a token for {asked:?} was asked for, and the ring keeps keys for tokens of {recorded:?}; the next plan raises that"
    )]
    Lifetime {
        /// How long the token was to live.
        asked: Duration,
        /// How long tokens may live.
        recorded: Duration,
    },
}

impl Snapshot {
    /// The ring that was read. `read` is this node's time *before* it asked for it.
    pub const fn new(ring: Ring, settings: Settings, read: Timestamp) -> Self {
        Self { ring, settings, read }
    }

    /// The ring, whatever its age.
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The key that signs a token that is going to live for `lifetime`, by this node's clock. The token's `exp` must
    /// not be rounded up beyond that.
    pub fn signer(&self, lifetime: Duration, now: Timestamp) -> Result<&RingKey, NotSigning> {
        self.fresh(now)?;
        let recorded = self.ring.longest_token;
        if lifetime > recorded {
            return Err(NotSigning::Lifetime { asked: lifetime, recorded });
        }
        let skew = self.settings.skew();
        let open = |key: &&RingKey| {
            key.revoked.is_none() && key.window().is_some_and(|window| window.is_open(skew, now))
        };
        // Of two, the one that began last: the other is on its way out.
        let begun = |key: &&RingKey| (key.window().map(|window| window.from), key.created, key.kid.clone());
        self.ring.keys.iter().filter(open).max_by_key(begun).ok_or(NotSigning::NoKey)
    }

    /// The key that verifies tokens of this `kid`.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Result<Option<&RingKey>, Stale> {
        Ok(self.verifiers(now)?.find(|key| &*key.kid == kid))
    }

    /// All keys that verify: those that sign, are going to, or did, while anything that they signed is valid.
    pub fn verifiers(&self, now: Timestamp) -> Result<impl Iterator<Item = &RingKey>, Stale> {
        self.fresh(now)?;
        let longest = self.ring.longest_token;
        Ok(self.ring.keys.iter().filter(move |key| {
            !matches!(key.state(longest, &self.settings, now), State::Retired | State::Revoked)
        }))
    }

    /// The keys of the JWK set: those that verify and have a public part. It is served with a `max-age` of
    /// [`Settings::jwks_max_age`]; a node whose ring is stale must not serve one.
    pub fn published(&self, now: Timestamp) -> Result<impl Iterator<Item = &RingKey>, Stale> {
        Ok(self.verifiers(now)?.filter(|key| key.public.is_some()))
    }

    fn fresh(&self, now: Timestamp) -> Result<(), Stale> {
        let (age, most) = (now.since(self.read), self.settings.jwks_max_age());
        // A clock that was set back says nothing about the age.
        let set_back = now.after(self.settings.skew()) < self.read;
        if age > most || set_back { Err(Stale { age, most }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::{
        Algorithm,
        fixture::{at, key, ring, settings},
    };
    use alloc::borrow::ToOwned as _;
    use std::vec::Vec;

    const LIFETIME: Duration = Duration::from_mins(15);

    fn snapshot(read: Timestamp) -> Snapshot {
        Snapshot::new(ring([key("a", 100, 97, 217), key("b", 100, 215, 335)]), settings(), read)
    }

    #[test]
    fn one_key_ends_when_the_next_begins_on_each_clock() {
        for (now, kid) in [
            (at(98), Ok("a")),
            (Timestamp(at(98).0 - 1), Err(NotSigning::NoKey)),
            (Timestamp(at(216).0 - 1), Ok("a")),
            (at(216), Ok("b")),
            (Timestamp(at(334).0 - 1), Ok("b")),
            (at(334), Err(NotSigning::NoKey)),
        ] {
            assert_eq!(snapshot(now).signer(LIFETIME, now).map(RingKey::kid), kid, "{now:?}");
        }
    }

    #[test]
    fn of_two_open_windows_the_one_that_began_last_signs() {
        let both = ring([key("b", 100, 140, 260), key("a", 100, 97, 217)]);
        let signer = |ring: Ring| {
            let snapshot = Snapshot::new(ring, settings(), at(150));
            snapshot.signer(LIFETIME, at(150)).map(|key| key.kid().to_owned())
        };
        assert_eq!(signer(both.clone()), Ok("b".into()));
        let mut revoked = both;
        revoked.keys[0].revoked = Some(at(150));
        assert_eq!(signer(revoked), Ok("a".into()));
    }

    #[test]
    fn nothing_is_made_of_a_ring_that_was_read_too_long_ago() {
        let most = Duration::from_mins(5);
        let stale = |age| Some(Stale { age, most });
        for (now, expected) in [
            (at(150), None),
            (at(155), None),
            (Timestamp(at(155).0 + 1), stale(most + Duration::from_millis(1))),
            // A clock that was set back by no more than it may be off, and by more.
            (at(149), None),
            (Timestamp(at(149).0 - 1), stale(Duration::ZERO)),
        ] {
            let snapshot = snapshot(at(150));
            assert_eq!(snapshot.verifier("a", now).err(), expected, "{now:?}");
            assert_eq!(snapshot.published(now).err(), expected, "{now:?}");
            assert_eq!(snapshot.signer(LIFETIME, now).err(), expected.map(NotSigning::Stale), "{now:?}");
        }
    }

    #[test]
    fn no_token_lives_longer_than_the_ring_keeps_keys() {
        let asked = LIFETIME + Duration::from_millis(1);
        assert_eq!(
            snapshot(at(150)).signer(asked, at(150)),
            Err(NotSigning::Lifetime { asked, recorded: LIFETIME })
        );
    }

    #[test]
    fn what_verifies_is_published_except_secrets() {
        let mut ring = ring([
            key("retired", 0, 10, 130),
            key("verifies", 0, 13, 133),
            key("revoked", 0, 97, 217),
            key("active", 0, 97, 217),
            key("secret", 0, 97, 217),
            key("pending", 100, 215, 335),
        ]);
        ring.keys[2].revoked = Some(at(100));
        (ring.keys[4].algorithm, ring.keys[4].public) = (Algorithm::Hs256, None);
        let snapshot = Snapshot::new(ring, settings(), at(150));
        let kids: Vec<_> = snapshot.verifiers(at(150)).unwrap().map(RingKey::kid).collect();
        assert_eq!(kids, ["verifies", "active", "secret", "pending"]);
        let kids: Vec<_> = snapshot.published(at(150)).unwrap().map(RingKey::kid).collect();
        assert_eq!(kids, ["verifies", "active", "pending"]);
    }
}
