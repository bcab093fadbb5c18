//! Chance that is the same for the same seed.

/// Marsaglia's xorshift with a multiplication (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % end
    }

    /// Whether one of `times` happens now.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of so many.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    /// How far a clock is off: as far as it may, or anything between.
    pub(crate) fn offset(&mut self, most: u64) -> i64 {
        let most = i64::try_from(most).unwrap();
        match self.below(4) {
            0 => most,
            1 => -most,
            _ => i64::try_from(self.below(2 * most.unsigned_abs() + 1)).unwrap() - most,
        }
    }
}
