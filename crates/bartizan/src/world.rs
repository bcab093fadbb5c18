//! What the engine takes as arguments and a running program has: the time and chance.

use std::time::{SystemTime, UNIX_EPOCH};

use bartizan_core::{Clock, Entropy, Timestamp};
use rand::Rng as _;

/// Randomness for nonces and request ids: a stream cipher per thread, seeded by the operating system and
/// reseeded after every 64 KiB.
///
/// # Panics
///
/// On first use in a thread, and at a reseeding, where the operating system has no randomness to give.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The system's clock. Before 1970 it reads as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock;

impl Clock for OsClock {
    fn now(self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_does_not_repeat() {
        let mut draws = [[0_u8; 16]; 2];
        for draw in &mut draws {
            OsEntropy.fill(draw);
        }
        assert_ne!(draws[0], draws[1]);
        assert_ne!(draws[0], [0; 16]);
    }

    #[test]
    fn time_is_in_milliseconds() {
        // 2020-01-01 and 2200-01-01.
        assert!((1_577_836_800_000..7_258_118_400_000).contains(&OsClock.now().0));
    }
}
