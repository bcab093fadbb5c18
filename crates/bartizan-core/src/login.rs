//! How often a login may fail (ASVS 6.3.1, NIST SP 800-63B §3.2.2), so that a password cannot be guessed and nobody can
//! be locked out.
//!
//! Failures are counted by address and by the pair of account and address; where there were too many, no further
//! attempt is looked at. An account by itself is never closed, or whoever knows its name could close it: failures from
//! wherever only put its answers off, a little longer each time.

mod turn;

use alloc::format;
use core::{net::IpAddr, time::Duration};

pub use turn::LoginTurn;

use crate::{
    Answer, PolicyErrorKind, Query, Timestamp,
    controls::rate_limit::{Rule, quota},
    error::Problems,
    limit::{LimitKey, Quota, RuleId, Taken},
    policy::{self, LimitConfig, LimitStore, LoginProtectionConfig, Mode},
};

/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// So many failures beyond those that an account may have make a difference.
const DELAYS: u32 = 8;

/// No answer is put off for longer: whoever waits for it would give up.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Guards logins; [`Engine::login_guard`](crate::Engine::login_guard) has it.
///
/// Whoever checks a password asks three times, and does what the [verdict](LoginTurn::verdict) says:
///
/// 1. [`before`](Self::before) it is looked at, with what is known by then. A refusal ends it.
/// 2. Where it was wrong, [`failed`](Self::failed). A refusal is answered in the place of "wrong password".
/// 3. Where it was right, [`before`](Self::before) once more, with the account. A refusal is answered in the place of
///    the session. Of many attempts at once, all may have been let in before the first had failed; so the one that
///    guessed right counts for nothing if by now too many have failed, and looks like the others.
///
/// A gateway does not know the account before its upstream has answered: it asks `before(None, …)` on the way there, and
/// with the account that the upstream names on the way back. An evaluation, and the edits of its response, do so by
/// themselves on the routes of `session.handoff.login`.
///
/// Only failures are counted, so that however many people sign in from one address, none is in another's way.
///
/// ```
/// use bartizan_core::{Answer, Deployment, Engine, Timestamp, login::LoginVerdict, policy::{Policy, SessionConfig}};
/// use std::time::Duration;
///
/// # let mut policy = Policy::default();
/// # policy.session = Some(SessionConfig::default());
/// # policy.default.require = Some(bartizan_core::policy::RequireConfig::One(bartizan_core::policy::CredentialKind::Nothing));
/// # let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
/// # let engine = Engine::build(&policy, &deployment).unwrap();
/// # fn ask(query: bartizan_core::Query) -> Answer {
/// #     let bartizan_core::Query::Take { quota, cost, now, .. } = query else { unreachable!() };
/// #     Answer::Taken(bartizan_core::limit::take(0, now, quota, cost).0)
/// # }
/// let guard = engine.login_guard().expect("the policy has sessions");
/// let mut turn = guard.before(Some("alice"), "192.0.2.1".parse().ok(), Timestamp(1_700_000_000_000));
/// while let Some(query) = turn.ask() {
///     turn.supply(&ask(query));
/// }
/// // Where it refuses, `turn.reason()` is for the log.
/// assert_eq!(turn.verdict(), LoginVerdict::Allowed { delay: Duration::ZERO });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoginGuard {
    mode: Mode,
    address: Rule,
    pair: Rule,
    account: Rule,
    slowdown: Slowdown,
}

/// A question about a login.
#[derive(Clone, Debug)]
struct Question {
    query: Query,
    mode: Mode,
    quota: Quota,
    about: About,
}

/// What the answers of a [`LoginTurn`] come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginVerdict {
    /// Go on.
    Allowed {
        /// Put the answer off for so long, be it yes or no; mostly zero.
        delay: Duration,
    },
    /// Mode `report`: go on, and log that it would have been refused.
    Reported {
        /// How long until the next attempt would be looked at.
        retry_after: Duration,
    },
    /// Too many have failed: 429.
    Refused {
        /// How long until the next attempt is looked at.
        retry_after: Duration,
    },
    /// Whoever counts cannot be asked: 503.
    Unavailable,
}

/// Which limit a question is about.
#[derive(Clone, Copy, Debug)]
enum About {
    Address,
    Pair,
    Account(Slowdown),
}

/// How failures put an account's answers off.
#[derive(Clone, Copy, Debug)]
struct Slowdown {
    /// So many do not.
    free: u32,
    longest: Duration,
}

impl LoginGuard {
    /// Compiles `[session.login_protection]`. `None` where it is off.
    pub(crate) fn compile(
        config: &LoginProtectionConfig,
        mode: Mode,
        store: LimitStore,
        problems: &mut Problems,
    ) -> Option<Self> {
        const AT: &str = "session.login_protection";
        let mut limit = |key: &str, written: Option<LimitConfig>, default| {
            let limit = written.unwrap_or(LimitConfig {
                limit: default,
                per: policy::Duration(Duration::from_mins(15)),
                burst: None,
            });
            quota(limit, &format!("{AT}.{key}"), problems)
        };
        let (address, pair) = (limit("address", config.address, 20), limit("account", config.account, 5));
        let longest = config.longest_delay.map_or(Duration::from_secs(8), |delay| delay.0);
        if longest > LONGEST_DELAY {
            problems.error(
                format!("{AT}.longest_delay"),
                None,
                PolicyErrorKind::OutOfRange("at most 30 seconds, for nobody waits longer for an answer"),
            );
        }
        let (address, pair) = (address?, pair?);
        let rule = |name: &str, quota| Rule { id: RuleId::named(&[AT, name]), quota, store };
        (mode != Mode::Off).then(|| Self {
            mode,
            address: rule("address", address),
            pair: rule("pair", pair),
            account: rule("account", pair.with_room_for(DELAYS)),
            slowdown: Slowdown { free: pair.burst(), longest },
        })
    }

    /// What to ask before a password is looked at, and once more when it was right; with the account where it is known.
    /// Nothing is taken.
    pub fn before(&self, account: Option<&str>, address: Option<IpAddr>, now: Timestamp) -> LoginTurn {
        self.turn(account, address, 0, now)
    }

    /// What to ask when a login has failed: it is counted.
    ///
    /// `account` is whatever the client said, whether there is such an account or not.
    pub fn failed(&self, account: &str, address: Option<IpAddr>, now: Timestamp) -> LoginTurn {
        self.turn(Some(account), address, 1, now)
    }

    fn turn(&self, account: Option<&str>, address: Option<IpAddr>, cost: u32, now: Timestamp) -> LoginTurn {
        let question =
            |rule: Rule, query, about| Question { query, mode: self.mode, quota: rule.quota, about };
        // As most applications find accounts; whose names differ by more than that, count together and no worse.
        let account = account.map(|account| account.trim().to_lowercase());
        let account = account.as_deref().map(str::as_bytes);
        let from = address.map(|address| {
            question(self.address, self.address.take_address(address, cost, now), About::Address)
        });
        let pair = account.zip(address).map(|(account, address)| {
            let network = LimitKey::address(self.pair.id, address).to_bytes();
            question(self.pair, self.pair.take_named(&[account, &network], cost, now), About::Pair)
        });
        let account = account.map(|account| {
            let query = self.account.take_named(&[account], cost, now);
            question(self.account, query, About::Account(self.slowdown))
        });
        LoginTurn::new([from, pair, account])
    }
}

impl LoginVerdict {
    /// What both come to: the refusal, and of two the longer one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused { retry_after: one }, Self::Refused { retry_after: two }) => {
                Self::Refused { retry_after: one.max(two) }
            }
            (refused @ Self::Refused { .. }, _) | (_, refused @ Self::Refused { .. }) => refused,
            (Self::Unavailable, _) | (_, Self::Unavailable) => Self::Unavailable,
            (Self::Reported { retry_after: one }, Self::Reported { retry_after: two }) => {
                Self::Reported { retry_after: one.max(two) }
            }
            (reported @ Self::Reported { .. }, _) | (_, reported @ Self::Reported { .. }) => reported,
            (Self::Allowed { delay: one }, Self::Allowed { delay: two }) => {
                Self::Allowed { delay: one.max(two) }
            }
        }
    }
}

impl Question {
    /// What the answer comes to.
    fn judge(&self, answer: &Answer) -> LoginVerdict {
        let Answer::Taken(taken) = answer else { return self.unanswered() };
        if let About::Account(slowdown) = self.about {
            let failures = self.quota.burst().saturating_sub(taken.remaining);
            let delay = if self.mode == Mode::Enforce { slowdown.delay(failures) } else { Duration::ZERO };
            return LoginVerdict::Allowed { delay };
        }
        if taken.allowed && (self.takes() || taken.remaining > 0) {
            return LoginVerdict::Allowed { delay: Duration::ZERO };
        }
        let retry_after = self.until_one(*taken);
        match self.mode {
            Mode::Enforce => LoginVerdict::Refused { retry_after },
            Mode::Report | Mode::Off => LoginVerdict::Reported { retry_after },
        }
    }

    /// Which limit it is about, as the policy calls it.
    const fn limit(&self) -> &'static [u8] {
        match self.about {
            About::Address => b"session.login_protection.address",
            About::Pair | About::Account(_) => b"session.login_protection.account",
        }
    }

    fn unanswered(&self) -> LoginVerdict {
        match self.mode {
            Mode::Enforce => LoginVerdict::Unavailable,
            Mode::Report | Mode::Off => LoginVerdict::Allowed { delay: Duration::ZERO },
        }
    }

    fn takes(&self) -> bool {
        matches!(self.query, Query::Take { cost, .. } if cost > 0)
    }

    /// How long until there is one in the bucket.
    fn until_one(&self, taken: Taken) -> Duration {
        taken.reset_after.saturating_add(self.quota.interval()).saturating_sub(self.quota.window())
    }
}

impl Slowdown {
    /// How long an answer is put off after so many failures.
    fn delay(self, failures: u32) -> Duration {
        match failures.saturating_sub(self.free) {
            0 => Duration::ZERO,
            beyond => FIRST_DELAY.saturating_mul(1 << (beyond - 1).min(DELAYS)).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests;
