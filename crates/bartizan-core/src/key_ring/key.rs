//! One key of the ring: what it is for, when, and what state that is at a time.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use super::{Algorithm, RingError, Settings};
use crate::Timestamp;

/// The longest `kid`, in bytes: those of our own are 43.
pub const LONGEST_KID: usize = 128;

/// A key of the ring. Its private part is sealed by whoever made it; here it is only carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingKey {
    pub(super) kid: Box<str>,
    pub(super) algorithm: Algorithm,
    pub(super) created: Timestamp,
    pub(super) key_use: KeyUse,
    pub(super) revoked: Option<Timestamp>,
    pub(super) legacy: bool,
    pub(super) public: Option<Box<str>>,
    pub(super) sealed: Option<Sealed>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Signs inside its window, and verifies until its tokens have ended.
    Signs(Window),
    /// Verifies what another signed, the last of which ends at `until`.
    Verifies {
        /// When the last token made with it ends (its `exp`).
        until: Timestamp,
    },
}

/// When a key signs, by true time: a node holds back by the skew at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first millisecond.
    pub from: Timestamp,
    /// The first millisecond after it.
    pub until: Timestamp,
}

/// A private key or a secret, sealed outside: without the master key it says nothing, and it is not shown either.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What it is for.
    pub algorithm: Algorithm,
    /// From when on it is published: the time of the plan.
    pub created: Timestamp,
    /// When it is going to sign.
    pub window: Window,
}

/// What was made: the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// An RFC 7638 thumbprint; for HS256 random, since the thumbprint of a secret tells about it.
    pub kid: Box<str>,
    /// The public JWK's JSON; `None` for HS256, and only then.
    pub public: Option<Box<str>>,
    /// The private key or secret.
    pub sealed: Sealed,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Published, and not yet signing.
    Pending,
    /// Its window is open. Where two are, the one that began last signs.
    Active,
    /// Signs no more; what it signed is valid still.
    VerifyOnly,
    /// Nothing that it signed is valid; the next plan forgets it.
    Retired,
    /// Nothing that it signs or signed counts.
    Revoked,
}

impl RingKey {
    /// What tokens name it by. Of a legacy key, whose tokens may name none, what commands name it by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it is used with (RFC 8725 §3.1).
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Since when it is published.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// What it is for, and when.
    pub const fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// When it signs; `None` for one that only verifies.
    pub const fn window(&self) -> Option<Window> {
        match self.key_use {
            KeyUse::Signs(window) => Some(window),
            KeyUse::Verifies { .. } => None,
        }
    }

    /// When it was revoked.
    pub const fn revoked(&self) -> Option<Timestamp> {
        self.revoked
    }

    /// Whether its tokens are those of an application that moved to us: they may lack `kid`, `iss` and `aud`.
    pub const fn legacy(&self) -> bool {
        self.legacy
    }

    /// The public JWK's JSON; an HS256 key has none.
    pub fn public(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// The private key or secret; an imported public key has none.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// Where it is in its life, by `now` and nobody's skew; `longest` is
    /// [`Ring::longest_token`](super::Ring::longest_token).
    pub fn state(&self, longest: Duration, settings: &Settings, now: Timestamp) -> State {
        if self.revoked.is_some() {
            return State::Revoked;
        }
        if self.retires(longest, settings) <= now {
            return State::Retired;
        }
        match self.key_use {
            KeyUse::Signs(window) if now < window.from => State::Pending,
            KeyUse::Signs(window) if now < window.until => State::Active,
            KeyUse::Signs(_) | KeyUse::Verifies { .. } => State::VerifyOnly,
        }
    }

    /// Whether it can be what it says.
    pub(super) fn check(&self) -> Result<(), RingError> {
        let invalid = |why| Err(RingError::InvalidKey { kid: self.kid.clone(), why });
        // It goes into a header and into logs: printable, and no longer than what a token's may be.
        let printable = self.kid.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if self.kid.is_empty() || self.kid.len() > LONGEST_KID || !printable {
            return invalid("its kid must be 1 to 128 bytes of printable ASCII");
        }
        match (self.algorithm, &self.public, &self.sealed) {
            // The "public" part of a secret would be the secret (RFC 7518 §6.4.1).
            (Algorithm::Hs256, Some(_), _) => return invalid("HS256 has no public key"),
            (Algorithm::Hs256, None, None) => return invalid("HS256 needs its secret"),
            (Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Rs256, None, _) => {
                return invalid("its public key is missing");
            }
            _ => {}
        }
        match self.key_use {
            KeyUse::Signs(_) if self.sealed.is_none() => invalid("it cannot sign without its private key"),
            KeyUse::Signs(window) if window.until <= window.from => {
                invalid("its window ends before it begins")
            }
            KeyUse::Signs(_) | KeyUse::Verifies { .. } => Ok(()),
        }
    }
}

impl Window {
    /// Whether a node signs inside it whose clock says `now`: it may be off by `skew`.
    pub(super) fn is_open(self, skew: Duration, now: Timestamp) -> bool {
        self.from.after(skew) <= now && now.after(skew) < self.until
    }
}

impl Sealed {
    /// The bytes, for whoever can open them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<B: Into<Box<[u8]>>> From<B> for Sealed {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::fixture::{at, key, settings};
    use alloc::format;

    #[test]
    fn a_key_is_pending_then_active_then_verifies_then_retires_to_the_millisecond() {
        let settings = settings();
        let longest = settings.token_lifetime();
        // 15 minutes of a token, 1 of leeway, 2 of skew.
        let key = key("k", 0, 60, 120);
        for (now, state) in [
            (at(0), State::Pending),
            (Timestamp(at(60).0 - 1), State::Pending),
            (at(60), State::Active),
            (Timestamp(at(120).0 - 1), State::Active),
            (at(120), State::VerifyOnly),
            (Timestamp(at(138).0 - 1), State::VerifyOnly),
            (at(138), State::Retired),
        ] {
            assert_eq!(key.state(longest, &settings, now), state, "{now:?}");
            let revoked = RingKey { revoked: Some(at(0)), ..key.clone() };
            assert_eq!(revoked.state(longest, &settings, now), State::Revoked, "{now:?}");
        }
        let verifies = RingKey { key_use: KeyUse::Verifies { until: at(120) }, ..key };
        assert_eq!(verifies.state(longest, &settings, at(0)), State::VerifyOnly);
        assert_eq!(verifies.state(longest, &settings, Timestamp(at(123).0 - 1)), State::VerifyOnly);
        assert_eq!(verifies.state(longest, &settings, at(123)), State::Retired);
    }

    #[test]
    fn a_node_holds_back_by_the_skew_at_both_ends_of_a_window() {
        let window = Window { from: at(60), until: at(120) };
        let skew = Duration::from_mins(1);
        for (now, open) in [
            (Timestamp(at(61).0 - 1), false),
            (at(61), true),
            (Timestamp(at(119).0 - 1), true),
            (at(119), false),
        ] {
            assert_eq!(window.is_open(skew, now), open, "{now:?}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_what_it_says_is_refused() {
        let good = key("k", 0, 60, 120);
        let invalid = |change: fn(&mut RingKey)| {
            let mut key = good.clone();
            change(&mut key);
            key.check().map_err(|error| match error {
                RingError::InvalidKey { why, .. } => why,
                other => panic!("{other}"),
            })
        };
        assert_eq!(invalid(|_| {}), Ok(()));
        let kid = Err("its kid must be 1 to 128 bytes of printable ASCII");
        assert_eq!(invalid(|key| key.kid = "".into()), kid);
        assert_eq!(invalid(|key| key.kid = "a\n".into()), kid);
        assert_eq!(invalid(|key| key.kid = "ä".into()), kid);
        assert_eq!(invalid(|key| key.kid = "k".repeat(129).into()), kid);
        assert_eq!(invalid(|key| key.kid = "k".repeat(128).into()), Ok(()));
        assert_eq!(invalid(|key| key.algorithm = Algorithm::Hs256), Err("HS256 has no public key"));
        assert_eq!(
            invalid(|key| {
                key.algorithm = Algorithm::Hs256;
                key.public = None;
            }),
            Ok(())
        );
        assert_eq!(
            invalid(|key| {
                key.algorithm = Algorithm::Hs256;
                (key.public, key.sealed) = (None, None);
            }),
            Err("HS256 needs its secret")
        );
        assert_eq!(invalid(|key| key.public = None), Err("its public key is missing"));
        assert_eq!(invalid(|key| key.sealed = None), Err("it cannot sign without its private key"));
        assert_eq!(
            invalid(|key| key.key_use = KeyUse::Signs(Window { from: at(1), until: at(1) })),
            Err("its window ends before it begins")
        );
        assert_eq!(
            invalid(|key| (key.sealed, key.key_use) = (None, KeyUse::Verifies { until: at(1) })),
            Ok(())
        );
    }

    #[test]
    fn what_is_sealed_is_not_shown() {
        let shown = format!("{:?}", key("k", 0, 60, 120));
        assert!(shown.contains("sealed: Some(Sealed([redacted]))"), "{shown}");
    }
}
