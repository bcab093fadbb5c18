//! The machine, driven: what each lookup at each time is told.

use bartizan_core::jwt::{Jwk, JwkSet, PublicKey};

use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);

/// So many seconds after the start.
fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

/// A set with keys of these names.
fn set(kids: &[&str]) -> KeySet {
    let mut set = JwkSet::default();
    for (number, kid) in kids.iter().enumerate() {
        let mut point = [0; 32];
        point[0] = u8::try_from(number).unwrap();
        set.keys.push(Jwk { key: PublicKey::Ed25519(point), kid: Some((*kid).into()) });
    }
    KeySet::new(&set).0
}

/// What a lookup is told, in short.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Known,
    /// And a refresh begins.
    Refresh,
    /// A fetch begins.
    Begin,
    /// One runs.
    Wait,
    Unknown,
    Unavailable,
}

impl<T> From<Lookup<T>> for Told {
    fn from(lookup: Lookup<T>) -> Self {
        match lookup {
            Lookup::Known { refresh: false, .. } => Self::Known,
            Lookup::Known { refresh: true, .. } => Self::Refresh,
            Lookup::Wait { begin: true } => Self::Begin,
            Lookup::Wait { begin: false } => Self::Wait,
            Lookup::Unknown => Self::Unknown,
            Lookup::Unavailable => Self::Unavailable,
        }
    }
}

/// What happens to a cache.
enum Step {
    /// At this second, a token with this `kid` comes.
    Ask(u64, &'static str, Told),
    /// At this second, the keys are loaded.
    Load(u64, Told),
    /// The fetch brings these, with this `max-age`.
    Bring(&'static [&'static str], Option<u64>),
    Fail,
}

use Step::{Ask, Bring, Fail, Load};
use Told::{Begin, Known, Refresh, Unavailable, Unknown, Wait};

fn drive(name: &str, steps: &[Step]) {
    let mut cache = Cache::new(RemoteKeySettings::default());
    for (number, step) in steps.iter().enumerate() {
        match step {
            Ask(second, kid, expected) => {
                let told = Told::from(cache.lookup(kid, Algorithm::EdDsa, at(*second)));
                assert_eq!(told, *expected, "{name}: step {number}, second {second}, {kid}");
            }
            Load(second, expected) => {
                let told = Told::from(cache.load(at(*second)));
                assert_eq!(told, *expected, "{name}: step {number}, second {second}");
            }
            Bring(kids, max_age) => cache.succeed(set(kids), max_age.map(Duration::from_secs)),
            Fail => cache.fail(),
        }
    }
}

#[test]
fn keys_are_fetched_when_they_are_first_needed() {
    drive(
        "by a token",
        &[
            Ask(0, "a", Begin),
            Ask(0, "a", Wait),
            Ask(1, "b", Wait),
            Load(1, Wait),
            Bring(&["a"], None),
            Ask(0, "a", Known),
            Ask(1, "b", Unknown),
            Load(1, Known),
        ],
    );
    drive("by a start", &[Load(0, Begin), Load(0, Wait), Bring(&["a"], None), Ask(0, "a", Known)]);
}

#[test]
fn a_name_that_is_not_there_is_asked_for_once_in_a_cooldown() {
    drive(
        "a rotation",
        &[
            Load(0, Begin),
            Bring(&["a"], None),
            Ask(29, "b", Unknown),
            Ask(30, "b", Begin),
            Ask(30, "c", Wait),
            // Who has a key waits for nothing.
            Ask(30, "a", Known),
            Bring(&["a", "b"], None),
            Ask(30, "b", Known),
            Ask(30, "c", Unknown),
            Ask(59, "c", Unknown),
            Ask(60, "c", Begin),
            // The old key is taken back.
            Bring(&["b", "c"], None),
            Ask(60, "a", Unknown),
        ],
    );
}

#[test]
fn an_old_token_that_keeps_coming_leaves_the_fetches_to_others() {
    drive(
        "waits double",
        &[
            Load(0, Begin),
            Bring(&["a"], Some(3600)),
            Ask(30, "old", Begin),
            Bring(&["a"], Some(3600)),
            Ask(59, "old", Unknown),
            Ask(60, "old", Begin),
            Bring(&["a"], Some(3600)),
            // Now for a minute.
            Ask(90, "old", Unknown),
            Ask(119, "old", Unknown),
            Ask(119, "new", Begin),
            Bring(&["a", "new"], Some(3600)),
            Ask(148, "old", Unknown),
            Ask(149, "old", Begin),
            Bring(&["a"], Some(3600)),
            // For two.
            Ask(268, "old", Unknown),
            Ask(269, "old", Begin),
            Bring(&["a"], Some(3600)),
            // For four.
            Ask(508, "old", Unknown),
            Ask(509, "old", Begin),
            Bring(&["a"], Some(3600)),
            // For five, the most.
            Ask(808, "old", Unknown),
            Ask(809, "old", Begin),
            Bring(&["a"], Some(3600)),
            Ask(1108, "old", Unknown),
            Ask(1109, "old", Begin),
            // It is there after all.
            Bring(&["a", "old"], Some(3600)),
            Ask(1109, "old", Known),
        ],
    );
    drive(
        "it is forgotten",
        &[
            Load(0, Begin),
            Bring(&["a"], Some(3600)),
            Ask(30, "old", Begin),
            Bring(&["a"], Some(3600)),
            Ask(90, "old", Begin),
            Bring(&["a"], Some(3600)),
            // 30 s again, as it did not come for so long.
            Ask(119, "old", Unknown),
            Ask(120, "old", Begin),
        ],
    );
}

#[test]
fn the_names_that_are_remembered_are_few() {
    let mut cache = Cache::new(RemoteKeySettings::default());
    let mut now = START;
    let mut fetches = 0;
    for number in 0..100_000_u32 {
        now = now.after(Duration::from_millis(97));
        if Told::from(cache.lookup(&format!("flood-{number}"), Algorithm::EdDsa, now)) == Begin {
            fetches += 1;
            cache.succeed(set(&["a"]), None);
        }
        assert!(cache.absent.len() <= ABSENT_NAMES);
    }
    // 9700 s: one each 30 s, and the first.
    assert_eq!(fetches, 9700 / 30);
    // Also where each is remembered for long.
    for number in 0..200_u64 {
        cache.note_absent(format!("{number}").into(), START);
    }
    assert_eq!(cache.absent.len(), ABSENT_NAMES);
    assert!(cache.absent.iter().any(|absent| &*absent.kid == "199"));
}

#[test]
fn keys_are_fresh_for_as_long_as_the_issuer_says_within_bounds() {
    for (said, fresh) in [
        (None, 600),
        (Some(0), 60),
        (Some(59), 60),
        (Some(61), 61),
        (Some(3600), 3600),
        (Some(86_400), 86_400),
        (Some(86_401), 86_400),
        (Some(u64::MAX), 86_400),
    ] {
        drive(
            &format!("{said:?}"),
            &[
                Ask(0, "a", Begin),
                Bring(&["a"], said),
                Ask(fresh - 1, "a", Known),
                Ask(fresh, "a", Refresh),
                // One refresh.
                Ask(fresh, "a", Known),
                Bring(&["a"], said),
                Ask(fresh + fresh - 1, "a", Known),
                Ask(fresh + fresh, "a", Refresh),
            ],
        );
    }
    let settings = RemoteKeySettings { max_age: Duration::ZERO, ..RemoteKeySettings::default() };
    let mut cache = Cache::new(settings);
    assert_eq!(Told::from(cache.load(START)), Begin);
    cache.succeed(set(&["a"]), None);
    assert_eq!(Told::from(cache.load(at(59))), Known);
    assert_eq!(Told::from(cache.load(at(60))), Refresh);
}

#[test]
fn after_a_pause_keys_are_fetched_before_they_are_used() {
    drive(
        "the issuer answers",
        &[
            Ask(0, "a", Begin),
            Bring(&["a"], None),
            Ask(629, "a", Refresh),
            Ask(630, "a", Wait),
            Bring(&["b"], None),
            Ask(630, "a", Unknown),
            // Long after, too.
            Ask(1_000_000, "b", Begin),
            Ask(1_000_000, "a", Wait),
            Bring(&["a"], None),
            Ask(1_000_000, "a", Known),
        ],
    );
    drive(
        "it does not",
        &[Ask(0, "a", Begin), Bring(&["a"], None), Ask(2000, "a", Begin), Fail, Ask(2000, "a", Known)],
    );
}

#[test]
fn old_keys_are_used_for_a_bounded_time_while_the_issuer_is_gone() {
    drive(
        "an hour beyond freshness",
        &[
            Ask(0, "a", Begin),
            Bring(&["a"], None),
            Ask(600, "a", Refresh),
            Fail,
            Ask(600, "a", Known),
            // Soon, and then ever later.
            Ask(601, "a", Refresh),
            Fail,
            Ask(602, "a", Known),
            Ask(603, "a", Refresh),
            Fail,
            Ask(606, "a", Known),
            Ask(607, "a", Refresh),
            // It hangs: nobody waits for it.
            Ask(640, "a", Known),
            Fail,
            Ask(640, "a", Refresh),
            Fail,
            Ask(655, "a", Known),
            Ask(656, "a", Refresh),
            Fail,
            Ask(685, "a", Known),
            Ask(686, "a", Refresh),
            Fail,
            Ask(715, "a", Known),
            Ask(716, "a", Refresh),
            Fail,
            // Whether there is another key cannot be said.
            Ask(716, "b", Unavailable),
            Ask(4199, "a", Refresh),
            Fail,
            Ask(4199, "a", Known),
            Ask(4200, "a", Unavailable),
            Ask(4228, "a", Unavailable),
            Ask(4229, "a", Begin),
            Fail,
            Ask(4229, "a", Unavailable),
            Load(4229, Unavailable),
            // It is back.
            Ask(4260, "a", Begin),
            Ask(4260, "b", Wait),
            Bring(&["a"], None),
            Ask(4260, "a", Known),
            Ask(4260, "b", Unknown),
        ],
    );
    let settings = RemoteKeySettings { stale_if_error: Duration::ZERO, ..RemoteKeySettings::default() };
    let mut cache = Cache::new(settings);
    assert_eq!(Told::from(cache.load(START)), Begin);
    cache.succeed(set(&["a"]), None);
    assert_eq!(Told::from(cache.load(at(599))), Known);
    assert_eq!(Told::from(cache.load(at(600))), Begin);
    cache.fail();
    assert_eq!(Told::from(cache.load(at(600))), Unavailable);
}

#[test]
fn an_issuer_that_was_never_reached_is_asked_again_soon() {
    drive(
        "at a start",
        &[
            Load(0, Begin),
            Fail,
            Ask(0, "a", Unavailable),
            Ask(1, "a", Begin),
            Fail,
            Ask(2, "a", Unavailable),
            Ask(3, "a", Begin),
            Fail,
            Ask(7, "a", Begin),
            Fail,
            Ask(15, "a", Begin),
            Fail,
            Ask(31, "a", Begin),
            Fail,
            Ask(60, "a", Unavailable),
            Ask(61, "a", Begin),
            Fail,
            Ask(91, "a", Begin),
            Bring(&["a"], None),
            Ask(91, "a", Known),
            // A cooldown again.
            Ask(120, "b", Unknown),
            Ask(121, "b", Begin),
        ],
    );
    // However often it failed.
    let mut cache = Cache::new(RemoteKeySettings::default());
    for number in 0..100 {
        assert_eq!(Told::from(cache.load(at(number * 30))), Begin, "{number}");
        cache.fail();
    }
}

#[test]
fn a_clock_that_is_set_back_changes_nothing_for_long() {
    let hour = 3600;
    drive(
        "an hour back",
        &[
            Ask(hour, "a", Begin),
            Bring(&["a"], None),
            // Out of order is not set back.
            Ask(hour - 30, "b", Unknown),
            Ask(0, "a", Known),
            Ask(0, "b", Begin),
            Bring(&["a"], None),
            // Not an hour and ten minutes.
            Ask(600, "a", Refresh),
        ],
    );
    drive(
        "while the issuer is gone",
        &[
            Ask(hour, "a", Begin),
            Bring(&["a"], None),
            Ask(0, "a", Known),
            Ask(4199, "a", Begin),
            Fail,
            Ask(4199, "a", Known),
            Ask(4200, "a", Begin),
            Fail,
            Ask(4200, "a", Unavailable),
        ],
    );
}

#[test]
fn what_no_fetch_brought_is_not_believed() {
    let mut cache = Cache::new(RemoteKeySettings::default());
    cache.succeed(set(&["a"]), None);
    cache.fail();
    assert_eq!(Told::from(cache.lookup("a", Algorithm::EdDsa, START)), Begin);
}
