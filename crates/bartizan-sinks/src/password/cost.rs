//! What a hash costs.

use super::PasswordError;
use argon2::{Algorithm, Argon2, Params, Version};

/// OWASP's choices for argon2id, equal in strength: KiB of memory and passes, by one lane (Password Storage Cheat
/// Sheet).
const OWASP: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The most that is computed, also for a stored hash: 1 GiB, 32 passes, 16 lanes.
const MOST: (u32, u32, u32) = (1_048_576, 32, 16);

/// The memory, passes and lanes of argon2id: what a guess costs a thief, and a login the server.
///
/// ```
/// use bartizan_sinks::password::{Cost, CostError};
///
/// assert_eq!(Cost::new(19_456, 2, 1), Ok(Cost::OWASP));
/// assert!(matches!(Cost::new(4_096, 1, 1), Err(CostError::TooLittle { .. })));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why a cost is refused.
///
/// ```
/// # use bartizan_sinks::password::Cost;
/// let refused = Cost::new(4_096, 1, 1).unwrap_err();
/// assert_eq!(refused.to_string(), "4096 KiB in 1 passes is less than OWASP asks for: take 19456 KiB and 2, or more");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CostError {
    /// It is less than any of OWASP's choices.
    #[error("{memory_kib} KiB in {passes} passes is less than OWASP asks for: take 19456 KiB and 2, or more")]
    TooLittle {
        /// The memory that was asked for, in KiB.
        memory_kib: u32,
        /// The passes that were asked for.
        passes: u32,
    },
    /// It is more than a server can mean.
    #[error("more than 1048576 KiB, 32 passes or 16 lanes: no server can afford that for each login")]
    TooMuch,
    /// There are no lanes, or not 8 KiB for each.
    #[error("there must be at least one lane, and 8 KiB of memory for each")]
    Lanes,
}

impl Cost {
    /// 19 MiB, two passes, one lane.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, Passwords};
    /// let passwords = Passwords::new(4).cost(Cost::OWASP); // which is what it is anyway
    /// ```
    pub const OWASP: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };

    /// So many KiB, passes and lanes, at least as much as one of OWASP's choices.
    ///
    /// ```
    /// # use bartizan_sinks::password::Cost;
    /// assert!(Cost::new(65_536, 3, 4).is_ok());
    /// ```
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CostError> {
        if !OWASP.iter().any(|&(memory, times)| memory_kib >= memory && passes >= times) {
            return Err(CostError::TooLittle { memory_kib, passes });
        }
        Self::read(memory_kib, passes, lanes)
    }

    /// Almost nothing: for tests that make many accounts. What it hashes is as good as unprotected.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, Passwords};
    /// let passwords = Passwords::new(1).cost(Cost::dangerously_cheap());
    /// ```
    pub fn dangerously_cheap() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    }

    /// What a stored hash says, however little; but not more than the server can bear.
    pub(super) fn read(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CostError> {
        let (most_memory, most_passes, most_lanes) = MOST;
        if memory_kib > most_memory || passes > most_passes || lanes > most_lanes {
            return Err(CostError::TooMuch);
        }
        let cost = Self { memory_kib, passes, lanes };
        if cost.params().is_ok() { Ok(cost) } else { Err(CostError::Lanes) }
    }

    /// Argon2id of this cost.
    pub(super) fn argon2(self) -> Argon2<'static> {
        // Only what has these parameters is a `Cost`.
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params().unwrap_or(Params::DEFAULT))
    }

    /// Computes a hash that nobody has, for an account that nobody has.
    pub(super) fn spend(self, password: &[u8]) -> Result<(), PasswordError> {
        let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
        let computed = self.argon2().hash_password_into(password, b"salt of no one's", &mut hash);
        // So that it is computed, though nobody looks at it.
        std::hint::black_box(hash);
        computed.map_err(|_| PasswordError::Failed)
    }

    fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(Params::DEFAULT_OUTPUT_LEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_owasps_or_more() {
        for (memory_kib, passes, lanes, error) in [
            (19_456, 2, 1, None),
            (47_104, 1, 1, None),
            (7_168, 5, 1, None),
            (1_048_576, 32, 16, None),
            (19_456, 1, 1, Some(CostError::TooLittle { memory_kib: 19_456, passes: 1 })),
            (19_455, 2, 1, Some(CostError::TooLittle { memory_kib: 19_455, passes: 2 })),
            (7_167, 32, 1, Some(CostError::TooLittle { memory_kib: 7_167, passes: 32 })),
            (1_048_577, 2, 1, Some(CostError::TooMuch)),
            (19_456, 33, 1, Some(CostError::TooMuch)),
            (19_456, 2, 17, Some(CostError::TooMuch)),
            (19_456, 2, 0, Some(CostError::Lanes)),
        ] {
            assert_eq!(Cost::new(memory_kib, passes, lanes).err(), error, "{memory_kib} {passes} {lanes}");
        }
        assert_eq!(Cost::read(7, 1, 1), Err(CostError::Lanes));
        assert_eq!(Cost::read(8, 0, 1), Err(CostError::Lanes));
    }
}
