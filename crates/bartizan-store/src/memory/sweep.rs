//! A map that forgets what has ended a little with each insertion, so that it stays bounded where nobody prunes it.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// How many entries each insertion looks at. With more than one, a map in which everything ends holds less than
/// twice what is alive.
pub(super) const STEPS: usize = 4;

/// A map, and how far the last look went.
///
/// It is a tree, not a hash table: it has an order, in which looking can go on and a listing can be read, it never
/// doubles at once, and no choice of keys makes it slow.
#[derive(Debug)]
pub(super) struct Swept<K, V> {
    pub(super) map: BTreeMap<K, V>,
    last: Option<K>,
}

impl<K: Ord + Copy, V> Swept<K, V> {
    pub(super) const fn new() -> Self {
        Self { map: BTreeMap::new(), last: None }
    }

    /// The next `steps` entries, round and round; all of them where there are fewer.
    pub(super) fn next(&mut self, steps: usize) -> impl Iterator<Item = (&K, &V)> {
        let after = self.map.range((self.last.map_or(Unbounded, Excluded), Unbounded));
        let before = self.last.map(|last| self.map.range(..=last)).into_iter().flatten();
        let looked = after.chain(before).take(steps);
        self.last = looked.clone().last().map(|(key, _)| *key);
        looked
    }

    /// Looks at the next few entries, forgets those that have ended, and gives them back.
    pub(super) fn sweep(&mut self, ended: impl Fn(&V) -> bool) -> Vec<(K, V)> {
        let keys: Vec<K> = self.next(STEPS).filter(|(_, value)| ended(value)).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.map.remove_entry(&key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_round_and_forgets_what_has_ended() {
        let mut swept = Swept::new();
        swept.map.extend((0..10).map(|n| (n, n % 3 == 0)));
        let mut forgotten = Vec::new();
        for expected in [&[0, 3][..], &[6], &[9], &[], &[]] {
            let now: Vec<i32> = swept.sweep(|ended| *ended).into_iter().map(|(key, _)| key).collect();
            assert_eq!(now, expected, "after {forgotten:?}");
            forgotten.extend(now);
        }
        assert_eq!(swept.map.len(), 6);
    }

    #[test]
    fn every_entry_comes_round() {
        let mut swept = Swept::new();
        swept.map.extend((0..6).map(|n| (n, ())));
        let mut look = |steps| swept.next(steps).map(|(key, ())| *key).collect::<Vec<i32>>();
        assert_eq!(look(4), [0, 1, 2, 3]);
        assert_eq!(look(4), [4, 5, 0, 1]);
        assert_eq!(look(10), [2, 3, 4, 5, 0, 1]);
        assert_eq!(look(1), [2]);
        swept.map.clear();
        assert_eq!(swept.next(4).count(), 0);
        swept.map.extend([(1, ()), (2, ())]);
        assert_eq!(swept.next(1).map(|(key, ())| *key).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_map_in_which_everything_ends_stays_small() {
        let mut swept = Swept::new();
        for now in 0..100_000_u64 {
            swept.sweep(|ends| *ends <= now);
            // Each lives for 100 insertions; the order of the keys is another than that of their coming.
            swept.map.insert(now.wrapping_mul(0x9e37_79b9_7f4a_7c15), now + 100);
            assert!(swept.map.len() <= 200, "{} at {now}", swept.map.len());
        }
    }
}
