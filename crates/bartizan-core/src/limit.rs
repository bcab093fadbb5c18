//! Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371 §A): a bucket that leaks at an even pace, kept as
//! one number.
//!
//! The number is the *theoretical arrival time* (TAT): when the bucket will be empty again. [`take`] is the whole
//! algorithm, a pure function of that number and the time; stores run it in one atomic step.

use alloc::boxed::Box;
use core::{net::IpAddr, num::NonZeroU32, time::Duration};

use sha2::{Digest as _, Sha256};

use crate::Timestamp;

/// How much may come: `burst` at once, and one more every `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    burst: NonZeroU32,
    /// In microseconds, so that a thousand a second is not rounded away.
    interval: u64,
}

/// No quota refills more slowly than this, and no bucket takes longer to empty: 32 days.
pub const LONGEST: Duration = Duration::from_hours(32 * 24);

impl Quota {
    /// `limit` in every `per`, of which `burst` may come at once. `None` where a refill would take no time or the
    /// whole burst longer than [`LONGEST`].
    ///
    /// ```
    /// use bartizan_core::limit::Quota;
    /// use std::time::Duration;
    /// // 60 a minute, 10 of them at once.
    /// let quota = Quota::new(60, Duration::from_secs(60), 10).unwrap();
    /// assert_eq!(quota.interval(), Duration::from_secs(1));
    /// assert!(Quota::new(0, Duration::from_secs(60), 10).is_none());
    /// ```
    pub fn new(limit: u32, per: Duration, burst: u32) -> Option<Self> {
        let burst = NonZeroU32::new(burst)?;
        let per = u64::try_from(per.as_micros()).ok()?;
        let interval = per.checked_div(limit.into()).filter(|interval| *interval > 0)?;
        let whole = interval.checked_mul(burst.get().into())?;
        (u128::from(whole) <= LONGEST.as_micros()).then_some(Self { burst, interval })
    }

    /// The same with room for so many more at once; less where that is more than a bucket holds.
    pub(crate) fn with_room_for(self, more: u32) -> Self {
        let most = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX) / self.interval;
        let burst = self.burst.saturating_add(more);
        let most = u32::try_from(most).ok().and_then(NonZeroU32::new).unwrap_or(burst);
        Self { burst: burst.min(most), ..self }
    }

    /// How many may come at once.
    pub const fn burst(self) -> u32 {
        self.burst.get()
    }

    /// How long until one more may come.
    pub const fn interval(self) -> Duration {
        Duration::from_micros(self.interval)
    }

    /// How long an exhausted bucket takes to be empty again; never zero.
    pub const fn window(self) -> Duration {
        Duration::from_micros(self.interval * self.burst.get() as u64)
    }
}

/// What came of taking from a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether there was enough in it. Where not, nothing was taken.
    pub allowed: bool,
    /// How many may still come at once.
    pub remaining: u32,
    /// How long until what was asked for may come; zero where it was allowed.
    pub retry_after: Duration,
    /// How long until the bucket is as if nothing had come.
    pub reset_after: Duration,
}

/// Takes `cost` from a bucket whose theoretical arrival time is `tat`, in microseconds since 1970; zero for a bucket
/// that nobody knows. Gives back what came of it, and the new `tat` to keep.
///
/// A cost of zero only looks. A cost above the burst is never allowed.
///
/// ```
/// use bartizan_core::{Timestamp, limit::{Quota, take}};
/// use std::time::Duration;
/// let quota = Quota::new(1, Duration::from_secs(1), 2).unwrap();
/// let now = Timestamp(1_000_000);
/// let (first, tat) = take(0, now, quota, 1);
/// assert!(first.allowed && first.remaining == 1);
/// let (second, tat) = take(tat, now, quota, 1);
/// assert!(second.allowed && second.remaining == 0);
/// let (third, _) = take(tat, now, quota, 1);
/// assert!(!third.allowed && third.retry_after == Duration::from_secs(1));
/// ```
pub fn take(tat: u64, now: Timestamp, quota: Quota, cost: u32) -> (Taken, u64) {
    let now = now.0.saturating_mul(1000);
    let window = quota.interval.saturating_mul(quota.burst.get().into());
    // A clock that stepped back must not lock anybody out for longer than an exhausted bucket would.
    let tat = tat.clamp(now, now.saturating_add(window));
    let wanted = tat.saturating_add(quota.interval.saturating_mul(cost.into()));
    let room = now.saturating_add(window);
    let allowed = wanted <= room;
    let kept = if allowed { wanted } else { tat };
    let remaining = room.saturating_sub(kept) / quota.interval;
    let taken = Taken {
        allowed,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        retry_after: Duration::from_micros(wanted.saturating_sub(room)),
        reset_after: Duration::from_micros(kept.saturating_sub(now)),
    };
    (taken, kept)
}

/// Which bucket: a rule of the policy, and whom it counts. 24 bytes, whoever it is, so that nobody can make a store
/// keep more for a longer name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey {
    rule: u64,
    who: [u8; 16],
}

impl LimitKey {
    /// Of a client's address: an IPv4 address, or the /64 that an IPv6 address is in, for a subscriber has all of it.
    pub fn address(rule: RuleId, address: IpAddr) -> Self {
        let who = match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => {
                let mut octets = address.octets();
                for octet in octets.iter_mut().skip(8) {
                    *octet = 0;
                }
                octets
            }
        };
        Self { rule: rule.0, who }
    }

    /// Of whoever these parts name together: a kind of principal and its id, an account and an address.
    pub fn named(rule: RuleId, parts: &[&[u8]]) -> Self {
        let digest = digest(parts);
        let mut who = [0; 16];
        for (byte, hashed) in who.iter_mut().zip(digest) {
            *byte = hashed;
        }
        Self { rule: rule.0, who }
    }

    /// For a store to keep: the rule first, then whom it counts.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (rule, who) = bytes.split_at_mut(8);
        rule.copy_from_slice(&self.rule.to_be_bytes());
        who.copy_from_slice(&self.who);
        bytes
    }
}

/// A limit of the policy, by its name, so that all nodes of one policy count together and a reload goes on counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

impl RuleId {
    /// Of a rule's place in the policy: `rate_limit.address`, or a route's pattern and that.
    pub fn named(parts: &[&str]) -> Self {
        let parts: Box<[&[u8]]> = parts.iter().map(|part| part.as_bytes()).collect();
        let mut first = [0; 8];
        for (byte, hashed) in first.iter_mut().zip(digest(&parts)) {
            *byte = hashed;
        }
        Self(u64::from_be_bytes(first))
    }
}

/// Each part with its length before it, so that no two lists of parts are one text.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn quota(limit: u32, seconds: u64, burst: u32) -> Quota {
        Quota::new(limit, Duration::from_secs(seconds), burst).unwrap()
    }

    #[test]
    fn quotas_that_mean_nothing_cannot_be_made() {
        let second = Duration::from_secs(1);
        assert!(Quota::new(1, Duration::ZERO, 1).is_none());
        assert!(Quota::new(0, second, 1).is_none());
        assert!(Quota::new(1, second, 0).is_none());
        assert!(Quota::new(2_000_000, second, 1).is_none());
        assert!(Quota::new(1, LONGEST, 2).is_none());
        assert!(Quota::new(1, Duration::MAX, 1).is_none());
        assert_eq!(Quota::new(1, LONGEST, 1).unwrap().window(), LONGEST);
        assert_eq!(Quota::new(1_000_000, second, 1).unwrap().interval(), Duration::from_micros(1));
    }

    #[test]
    fn room_is_made_for_as_many_as_a_bucket_holds() {
        let daily = |burst| quota(1, 24 * 3600, burst);
        for (quota, more, burst) in [
            (quota(10, 10, 3), 5, 8),
            (quota(10, 10, 3), 0, 3),
            (daily(30), 1, 31),
            (daily(30), 5, 32),
            (daily(30), u32::MAX, 32),
        ] {
            let roomy = quota.with_room_for(more);
            assert_eq!((roomy.burst(), roomy.interval()), (burst, quota.interval()), "{quota:?} {more}");
            assert!(roomy.window() <= LONGEST);
        }
    }

    #[test]
    fn a_burst_passes_and_then_one_each_interval() {
        let quota = quota(10, 10, 3);
        let mut tat = 0;
        let passed: Vec<bool> = [0_u64, 0, 0, 0, 500, 999, 1000, 1000, 2000, 10_000, 10_000, 10_000, 10_000]
            .into_iter()
            .map(|at| {
                let (taken, kept) = take(tat, Timestamp(1_000_000 + at), quota, 1);
                tat = kept;
                taken.allowed
            })
            .collect();
        assert_eq!(
            passed,
            [true, true, true, false, false, false, true, false, true, true, true, true, false]
        );
    }

    #[test]
    fn the_numbers_say_when_to_come_again() {
        let quota = quota(1, 10, 2);
        let now = Timestamp(1_000_000);
        let second = Duration::from_secs;
        for (tat_after, cost, allowed, remaining, retry, reset) in [
            (0, 0, true, 2, 0, 0),
            (0, 1, true, 1, 0, 10),
            (0, 2, true, 0, 0, 20),
            (0, 3, false, 2, 10, 0),
            (10, 1, true, 0, 0, 20),
            (20, 1, false, 0, 10, 20),
            (20, 0, true, 0, 0, 20),
            (15, 1, false, 0, 5, 15),
            // A tat from a clock that has since stepped back by an hour.
            (3600, 1, false, 0, 10, 20),
        ] {
            let tat = (1000 + tat_after) * 1_000_000;
            let (taken, _) = take(tat, now, quota, cost);
            let expected =
                Taken { allowed, remaining, retry_after: second(retry), reset_after: second(reset) };
            assert_eq!(taken, expected, "{tat_after} {cost}");
        }
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let quota = quota(1, 10, 1);
        let (_, tat) = take(0, Timestamp(1_000_000), quota, 1);
        let (refused, kept) = take(tat, Timestamp(1_005_000), quota, 1);
        assert!(!refused.allowed);
        assert_eq!(kept, tat);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_and_ipv4_neighbours_are_two() {
        let rule = RuleId::named(&["rate_limit.address"]);
        let key = |text: &str| LimitKey::address(rule, text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_ne!(
            key("192.0.2.1"),
            LimitKey::address(RuleId::named(&["other"]), "192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        let rule = RuleId::named(&["login"]);
        assert_ne!(LimitKey::named(rule, &[b"ab", b"c"]), LimitKey::named(rule, &[b"a", b"bc"]));
        assert_ne!(RuleId::named(&["ab", "c"]), RuleId::named(&["a", "bc"]));
        assert_eq!(LimitKey::named(rule, &[b"a"]).to_bytes().len(), 24);
    }
}
