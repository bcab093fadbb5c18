//! How often keys change, and what has to be waited for: checked once, so that every rotation works out.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Algorithm, RingKey};

/// Nothing lasts longer: ten years. Sums of such spans are far from any overflow.
const LONGEST: Duration = Duration::from_hours(24 * 3653);

/// What the ring turns by, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingConfig {
    /// The algorithm of new keys.
    pub algorithm: Algorithm,
    /// How long a key signs.
    pub rotate_every: Duration,
    /// How long verifiers may keep our JWK set: the `max-age` of its `Cache-Control` (RFC 9111 §5.2.2.1). No node
    /// works on a ring that it read longer ago.
    pub jwks_max_age: Duration,
    /// The longest that a token of ours is valid.
    pub token_lifetime: Duration,
    /// How long after its end a verifier still accepts a token.
    pub leeway: Duration,
    /// How much a clock may be off, either way.
    pub skew: Duration,
}

impl Default for KeyRingConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::EdDsa,
            rotate_every: Duration::from_hours(30 * 24),
            jwks_max_age: Duration::from_mins(5),
            token_lifetime: Duration::from_mins(15),
            leeway: Duration::from_mins(1),
            skew: Duration::from_mins(1),
        }
    }
}

/// What the ring turns by, and can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings(KeyRingConfig);

/// A setting with which tokens would be refused, or keys would pile up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Something that must last takes no time.
    #[error("{0} is zero; write a time span, such as \"15m\"")]
    Zero(&'static str),
    /// Something would take more than ten years.
    #[error("{name} is {span:?}, and must be at most ten years")]
    TooLong {
        /// The setting.
        name: &'static str,
        /// What it is.
        span: Duration,
    },
    /// Keys change before verifiers can know them.
    #[error(
        "rotate_every is {rotate_every:?}, but a key is published for {publication:?} before it signs, and its standby \
         as long before that; make it at least {least:?}, or jwks_max_age shorter"
    )]
    TooOften {
        /// The setting.
        rotate_every: Duration,
        /// How long a key is published before it signs.
        publication: Duration,
        /// The shortest that works.
        least: Duration,
    },
    /// Tokens live longer than keys sign, so that keys would pile up behind the active one.
    #[error(
        "tokens live {token_lifetime:?}, longer than the {rotate_every:?} that a key signs; make the tokens' lifetime \
         shorter, or rotate_every longer"
    )]
    OutlivesKeys {
        /// The tokens' lifetime.
        token_lifetime: Duration,
        /// How long a key signs.
        rotate_every: Duration,
    },
}

impl Settings {
    /// Checks them; all errors are given together.
    ///
    /// ```
    /// use bartizan_core::key_ring::{KeyRingConfig, Settings};
    /// use std::time::Duration;
    /// let config = KeyRingConfig { rotate_every: Duration::from_mins(20), ..KeyRingConfig::default() };
    /// let [error] = Settings::new(&config).unwrap_err()[..] else { panic!() };
    /// assert_eq!(
    ///     error.to_string(),
    ///     "rotate_every is 1200s, but a key is published for 720s before it signs, and its standby as long before that; \
    ///      make it at least 1560s, or jwks_max_age shorter"
    /// );
    /// ```
    pub fn new(config: &KeyRingConfig) -> Result<Self, Vec<SettingsError>> {
        let settings = Self(config.clone());
        let KeyRingConfig { rotate_every, jwks_max_age, token_lifetime, leeway, skew, .. } = *config;
        let mut errors = Vec::new();
        for (name, span) in [
            ("rotate_every", rotate_every),
            ("jwks_max_age", jwks_max_age),
            ("the tokens' lifetime", token_lifetime),
        ] {
            if span.is_zero() {
                errors.push(SettingsError::Zero(name));
            }
        }
        for (name, span) in [
            ("rotate_every", rotate_every),
            ("jwks_max_age", jwks_max_age),
            ("the tokens' lifetime", token_lifetime),
            ("leeway", leeway),
            ("skew", skew),
        ] {
            if span > LONGEST {
                errors.push(SettingsError::TooLong { name, span });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (publication, least) = (settings.publication(), settings.shortest_rotation());
        if rotate_every < least {
            errors.push(SettingsError::TooOften { rotate_every, publication, least });
        }
        if token_lifetime > rotate_every {
            errors.push(SettingsError::OutlivesKeys { token_lifetime, rotate_every });
        }
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// The algorithm of new keys.
    pub const fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// How long a key signs.
    pub const fn rotate_every(&self) -> Duration {
        self.0.rotate_every
    }

    /// The `max-age` that the JWK set is served with, and how long a [`Snapshot`](super::Snapshot) is good for.
    pub const fn jwks_max_age(&self) -> Duration {
        self.0.jwks_max_age
    }

    /// The longest that a token of this node is valid.
    pub const fn token_lifetime(&self) -> Duration {
        self.0.token_lifetime
    }

    /// How much a clock may be off, and how long a write may take.
    pub const fn skew(&self) -> Duration {
        self.0.skew
    }

    /// How long a key is published before it signs: 2 × max-age, so that neither a node nor a verifier works on what it
    /// had before, and 2 × skew, for the planner's clock and for its write.
    pub const fn publication(&self) -> Duration {
        self.jwks_max_age().saturating_mul(2).saturating_add(self.skew().saturating_mul(2))
    }

    /// What two successive windows share: on each clock one ends, less the skew, when the other begins, plus the skew.
    pub(super) const fn overlap(&self) -> Duration {
        self.skew().saturating_mul(2)
    }

    /// How long ago a window began that is open to all nodes now: one skew for the planner that is ahead, one for the
    /// signer that is behind, and one by which it holds back.
    pub(super) const fn head_start(&self) -> Duration {
        self.skew().saturating_mul(3)
    }

    /// After which no node works on the ring as it is now: it was read max-age ago at most, the planner may be behind,
    /// the write may take as long, and nodes hold back by one skew.
    pub(super) const fn settling(&self) -> Duration {
        self.jwks_max_age().saturating_add(self.skew().saturating_mul(3))
    }

    /// How long before the last key begins the next one is made: once to be published when it begins, and once as
    /// the time in which nodes may be off.
    pub(super) const fn ahead(&self) -> Duration {
        self.publication().saturating_mul(2)
    }

    /// How long after the end of a key's last token the key is kept.
    pub const fn grace(&self) -> Duration {
        self.0.leeway.saturating_add(self.skew().saturating_mul(2))
    }

    /// Windows begin so far apart that at most two keys wait.
    const fn shortest_rotation(&self) -> Duration {
        self.ahead().saturating_add(self.overlap())
    }
}

impl RingKey {
    /// When nothing that it signed is valid any more: at `longest` after its window, or, imported to verify, at its
    /// end, plus leeway and 2 × skew.
    pub fn retires(&self, longest: Duration, settings: &Settings) -> crate::Timestamp {
        match self.key_use() {
            super::KeyUse::Signs(window) => window.until.after(longest).after(settings.grace()),
            super::KeyUse::Verifies { until } => until.after(settings.grace()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use std::vec;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_would() {
        let config = KeyRingConfig::default;
        let least = Duration::from_mins(26);
        let just_less = Duration::from_millis(26 * 60_000 - 1);
        let publication = Duration::from_mins(12);
        let cases = [
            ("the defaults", config(), vec![]),
            ("the shortest", KeyRingConfig { rotate_every: least, ..config() }, vec![]),
            (
                "a millisecond shorter",
                KeyRingConfig { rotate_every: just_less, ..config() },
                vec![SettingsError::TooOften { rotate_every: just_less, publication, least }],
            ),
            (
                "tokens as long as keys",
                KeyRingConfig { rotate_every: MINUTE * 60, token_lifetime: MINUTE * 60, ..config() },
                vec![],
            ),
            (
                "tokens longer than keys",
                KeyRingConfig { rotate_every: MINUTE * 60, token_lifetime: MINUTE * 61, ..config() },
                vec![SettingsError::OutlivesKeys { token_lifetime: MINUTE * 61, rotate_every: MINUTE * 60 }],
            ),
            (
                "both at once",
                KeyRingConfig { rotate_every: MINUTE, ..config() },
                vec![
                    SettingsError::TooOften { rotate_every: MINUTE, publication, least },
                    SettingsError::OutlivesKeys { token_lifetime: MINUTE * 15, rotate_every: MINUTE },
                ],
            ),
            (
                "zeros",
                KeyRingConfig {
                    rotate_every: Duration::ZERO,
                    jwks_max_age: Duration::ZERO,
                    token_lifetime: Duration::ZERO,
                    leeway: Duration::ZERO,
                    skew: Duration::ZERO,
                    ..config()
                },
                vec![
                    SettingsError::Zero("rotate_every"),
                    SettingsError::Zero("jwks_max_age"),
                    SettingsError::Zero("the tokens' lifetime"),
                ],
            ),
            (
                "for ever",
                KeyRingConfig { rotate_every: Duration::MAX, skew: Duration::MAX, ..config() },
                vec![
                    SettingsError::TooLong { name: "rotate_every", span: Duration::MAX },
                    SettingsError::TooLong { name: "skew", span: Duration::MAX },
                ],
            ),
        ];
        for (name, config, errors) in cases {
            assert_eq!(Settings::new(&config).err().unwrap_or_default(), errors, "{name}");
        }
        assert_eq!(
            SettingsError::OutlivesKeys { token_lifetime: MINUTE * 61, rotate_every: MINUTE * 60 }
                .to_string(),
            "tokens live 3660s, longer than the 3600s that a key signs; make the tokens' lifetime shorter, or \
             rotate_every longer"
        );
    }
}
