//! Attacks on logins, on a driven clock.

use super::*;
use crate::{DenialCode, Reason, limit};
use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// A guard, and the buckets that answer it.
struct World {
    guard: LoginGuard,
    buckets: BTreeMap<LimitKey, u64>,
    now: Timestamp,
}

/// All that the questions of one turn come to: refused for so many seconds, or put off for so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allowed(u128),
    Reported(u64),
    Refused(u64),
}

use Outcome::{Allowed, Refused, Reported};

impl World {
    fn new(config: LoginProtectionConfig, mode: Mode) -> Self {
        let mut problems = Problems::default();
        let guard = LoginGuard::compile(&config, mode, LimitStore::Local, &mut problems).unwrap();
        assert_eq!(problems.finish(), Ok(Vec::new()));
        Self { guard, buckets: BTreeMap::new(), now: Timestamp(1_700_000_000_000) }
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn before(&mut self, account: Option<&str>, address: &str) -> Outcome {
        let turn = self.guard.before(account, address.parse().ok(), self.now);
        self.ask(turn)
    }

    fn failed(&mut self, account: &str, address: &str) -> Outcome {
        let turn = self.guard.failed(account, address.parse().ok(), self.now);
        self.ask(turn)
    }

    /// An attempt with a wrong password: what was answered, and whether the password was looked at.
    fn attempt(&mut self, account: &str, address: &str) -> (Outcome, bool) {
        match self.before(Some(account), address) {
            Allowed(_) => (self.failed(account, address), true),
            refused => (refused, false),
        }
    }

    fn ask(&mut self, mut turn: LoginTurn) -> Outcome {
        while let Some(query) = turn.ask() {
            let Query::Take { key, quota, cost, now, .. } = query else { panic!() };
            let tat = self.buckets.entry(key).or_default();
            let (taken, kept) = limit::take(*tat, now, quota, cost);
            *tat = kept;
            turn.supply(&Answer::Taken(taken));
        }
        match turn.verdict() {
            LoginVerdict::Allowed { delay } => Allowed(delay.as_millis()),
            LoginVerdict::Reported { retry_after } => Reported(retry_after.as_secs()),
            LoginVerdict::Refused { retry_after } => Refused(retry_after.as_secs()),
            LoginVerdict::Unavailable => panic!("every question is answered"),
        }
    }
}

fn world() -> World {
    World::new(LoginProtectionConfig::default(), Mode::Enforce)
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

#[test]
fn five_failures_on_an_account_close_it_to_that_address_alone() {
    let mut world = world();
    for _ in 0..5 {
        assert_eq!(world.attempt("alice", HERE), (Allowed(0), true));
    }
    assert_eq!(world.attempt("alice", HERE), (Refused(180), false));
    assert_eq!(world.before(Some("bob"), HERE), Allowed(0));
    assert_eq!(world.before(Some("alice"), THERE), Allowed(0));
    // As most applications compare names.
    assert_eq!(world.before(Some(" Alice "), HERE), Refused(180));
    world.later(179);
    assert_eq!(world.before(Some("alice"), HERE), Refused(1));
    world.later(1);
    assert_eq!(world.attempt("alice", HERE), (Allowed(0), true));
    assert_eq!(world.attempt("alice", HERE), (Refused(180), false));
}

#[test]
fn twenty_failures_close_an_address_whatever_the_accounts() {
    let mut world = world();
    for number in 0..20 {
        assert_eq!(world.attempt(&format!("user{number}"), HERE), (Allowed(0), true), "{number}");
    }
    assert_eq!(world.before(None, HERE), Refused(45));
    assert_eq!(world.attempt("alice", HERE), (Refused(45), false));
    assert_eq!(world.before(None, THERE), Allowed(0));
}

#[test]
fn who_signs_in_is_not_counted() {
    let mut world = world();
    for number in 0..1000 {
        let account = format!("user{}", number % 7);
        // Before the password was looked at, and when it was right.
        assert_eq!(world.before(Some(&account), HERE), Allowed(0));
        assert_eq!(world.before(Some(&account), HERE), Allowed(0));
    }
}

#[test]
fn of_many_attempts_at_once_no_more_count_than_of_as_many_in_turn() {
    let mut world = world();
    for _ in 0..100 {
        assert_eq!(world.before(Some("alice"), HERE), Allowed(0));
    }
    // All are looked at; what they are answered is the same for a wrong password and for the right one.
    let answers: Vec<Outcome> = (0..99).map(|_| world.failed("alice", HERE)).collect();
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Allowed(_))).count(), 5);
    assert_eq!(world.before(Some("alice"), HERE), Refused(180));
}

#[test]
fn nobody_can_lock_a_victim_out() {
    let mut world = world();
    for number in 0..2000 {
        let address = format!("198.51.{}.{}", number / 250, number % 250);
        assert!(matches!(world.attempt("alice", &address), (Allowed(_), true)), "{number}");
    }
    assert_eq!(world.before(Some("alice"), HERE), Allowed(8000));
    assert_eq!(world.before(Some("bob"), HERE), Allowed(0));
    // And it passes: three minutes for each failure that is still remembered.
    world.later(8 * 180);
    assert_eq!(world.before(Some("alice"), HERE), Allowed(0));
}

#[test]
fn failures_from_everywhere_put_answers_off_longer_each_time() {
    let mut world = world();
    let delays: Vec<Outcome> =
        (0..14).map(|number| world.failed("alice", &format!("192.0.2.{number}"))).collect();
    let expected = [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];
    assert_eq!(delays, expected.map(Allowed));
}

#[test]
fn an_address_that_nobody_knows_closes_nothing() {
    let mut world = world();
    for _ in 0..30 {
        assert!(matches!(world.attempt("alice", "a Unix socket"), (Allowed(_), true)));
    }
    assert_eq!(world.before(None, "a Unix socket"), Allowed(0));
}

#[test]
fn an_ipv6_subscriber_is_one() {
    let mut world = world();
    for number in 0..5 {
        world.failed("alice", &format!("2001:db8::{number}"));
    }
    assert_eq!(world.before(Some("alice"), "2001:db8::ffff"), Refused(180));
    assert_eq!(world.before(Some("alice"), "2001:db8:0:1::1"), Allowed(0));
}

#[test]
fn mode_report_lets_everybody_pass_at_once() {
    let mut world = World::new(LoginProtectionConfig::default(), Mode::Report);
    for _ in 0..20 {
        world.failed("alice", HERE);
    }
    assert_eq!(world.before(Some("alice"), HERE), Reported(180));
    assert_eq!(world.before(Some("alice"), THERE), Allowed(0));
}

#[test]
fn who_counts_and_does_not_answer_closes_the_door_where_it_is_enforced() {
    for (mode, expected) in [
        (Mode::Enforce, LoginVerdict::Unavailable),
        (Mode::Report, LoginVerdict::Allowed { delay: Duration::ZERO }),
    ] {
        let world = World::new(LoginProtectionConfig::default(), mode);
        // The last question is not even asked.
        for answered in 0..3 {
            let mut turn = world.guard.before(Some("alice"), HERE.parse().ok(), world.now);
            for _ in 0..answered {
                let Some(Query::Take { quota, cost, now, .. }) = turn.ask() else { panic!() };
                turn.supply(&Answer::Taken(limit::take(0, now, quota, cost).0));
            }
            assert_eq!(turn.verdict(), expected, "{answered}");
            while turn.ask().is_some() {
                turn.supply(&Answer::Unavailable);
            }
            assert_eq!(turn.verdict(), expected, "{answered}");
            assert_eq!(turn.reason().code() == DenialCode::StoreUnavailable, mode == Mode::Enforce);
        }
    }
}

#[test]
fn the_reason_names_the_limit_that_decided() {
    let answer = |remaining, seconds| {
        let retry_after = Duration::from_secs(seconds);
        Answer::Taken(Taken { allowed: remaining > 0, remaining, retry_after, reset_after: retry_after })
    };
    for (address, pair, expected) in [
        (answer(0, 900), answer(5, 0), "address"),
        (answer(20, 0), answer(0, 900), "account"),
        (answer(0, 900), answer(0, 730), "address"),
        (answer(0, 860), answer(0, 900), "account"),
    ] {
        let world = world();
        let mut turn = world.guard.before(Some("alice"), HERE.parse().ok(), world.now);
        for answer in [&address, &pair, &answer(13, 0)] {
            assert!(turn.ask().is_some());
            turn.supply(answer);
        }
        assert!(matches!(turn.verdict(), LoginVerdict::Refused { .. }), "{expected}: {:?}", turn.verdict());
        let key = format!("session.login_protection.{expected}");
        assert_eq!(turn.reason(), Reason::with_value(DenialCode::RateLimited, key.as_bytes()));
    }
}

#[test]
fn of_two_verdicts_the_worse_holds() {
    let seconds = Duration::from_secs;
    let (allowed, delayed) =
        (LoginVerdict::Allowed { delay: seconds(0) }, LoginVerdict::Allowed { delay: seconds(2) });
    let reported = |retry| LoginVerdict::Reported { retry_after: seconds(retry) };
    let refused = |retry| LoginVerdict::Refused { retry_after: seconds(retry) };
    for (one, other, expected) in [
        (allowed, delayed, delayed),
        (delayed, reported(1), reported(1)),
        (reported(3), reported(2), reported(3)),
        (reported(3), LoginVerdict::Unavailable, LoginVerdict::Unavailable),
        (LoginVerdict::Unavailable, refused(1), refused(1)),
        (refused(1), refused(2), refused(2)),
        (refused(1), delayed, refused(1)),
    ] {
        assert_eq!((one.and(other), other.and(one)), (expected, expected), "{one:?} {other:?}");
    }
}

#[test]
fn what_is_written_holds_and_what_cannot_be_is_told() {
    let limit = |limit, seconds| {
        let per = policy::Duration(Duration::from_secs(seconds));
        Some(LimitConfig { limit, per, burst: None })
    };
    let config = LoginProtectionConfig {
        address: limit(2, 60),
        account: limit(1, 31 * 86_400),
        longest_delay: Some(policy::Duration(Duration::ZERO)),
        ..LoginProtectionConfig::default()
    };
    let mut world = World::new(config, Mode::Enforce);
    assert_eq!(world.attempt("alice", HERE), (Allowed(0), true));
    assert_eq!(world.attempt("alice", HERE), (Refused(31 * 86_400), false));
    assert_eq!(world.attempt("bob", HERE), (Allowed(0), true));
    assert_eq!(world.attempt("carol", HERE), (Refused(30), false));

    let config = LoginProtectionConfig {
        address: limit(0, 60),
        account: limit(1, 33 * 86_400),
        longest_delay: Some(policy::Duration(Duration::from_secs(31))),
        ..LoginProtectionConfig::default()
    };
    let mut problems = Problems::default();
    assert!(LoginGuard::compile(&config, Mode::Enforce, LimitStore::Local, &mut problems).is_none());
    let paths: Vec<String> = problems.finish().unwrap_err().into_iter().map(|error| error.path).collect();
    let expected = ["address.limit", "account", "longest_delay"];
    assert_eq!(paths, expected.map(|key| format!("session.login_protection.{key}")));
}
