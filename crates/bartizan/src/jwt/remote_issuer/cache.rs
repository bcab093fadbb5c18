//! When an issuer's keys are fetched, and how long they may be used: a machine that reads no clock and opens no socket.
//!
//! A fetch begins when there are no keys, when they are older than their age, or when a token names a key that is not
//! among them. At most one runs, and after it none begins for a cooldown: strangers choose the names, and the issuer
//! must not be flooded with what floods us.

use std::time::Duration;

use bartizan_core::{
    Timestamp,
    jwt::{Algorithm, VerifyingKey},
};

use super::key_set::KeySet;

/// The shortest and the longest time for which keys count as fresh, whatever their issuer says.
const MAX_AGE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24));

/// How many names are remembered that the issuer does not know, and for how long at most.
const ABSENT_NAMES: usize = 64;
const ABSENT_LONGEST: Duration = Duration::from_mins(5);

/// How soon is tried again after a first failure; each further one doubles it, up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How an issuer's keys are kept.
///
/// ```
/// use std::time::Duration;
/// use bartizan::jwt::RemoteKeySettings;
/// let mut settings = RemoteKeySettings::default();
/// assert_eq!(settings.cooldown, Duration::from_secs(30));
/// // Where the issuer's keys must stop working soon after it takes them back, even if it cannot be reached.
/// settings.stale_if_error = Duration::from_mins(5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteKeySettings {
    /// The least time from one fetch to the next, and so the longest that a token can be refused whose key was
    /// published before it was signed; 30 s. One second at least.
    pub cooldown: Duration,
    /// How long keys are fresh where the issuer's `Cache-Control` does not say it; 10 minutes. It is kept between one
    /// minute and 24 hours, as what the issuer says is.
    pub max_age: Duration,
    /// How long keys that are no longer fresh may be used while the issuer cannot be reached; one hour. Then its tokens
    /// are refused with 503.
    pub stale_if_error: Duration,
    /// How long a fetch may take, with all its documents; 5 s.
    pub deadline: Duration,
}

impl Default for RemoteKeySettings {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(30),
            max_age: Duration::from_mins(10),
            stale_if_error: Duration::from_hours(1),
            deadline: Duration::from_secs(5),
        }
    }
}

/// What is known, and what the caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup<T> {
    /// Here it is. With `refresh`, the caller also starts a fetch, and waits for nothing.
    Known { found: T, refresh: bool },
    /// A fetch has to be waited for; with `begin`, it is the caller who starts it.
    Wait { begin: bool },
    /// The issuer has no such key.
    Unknown,
    /// It cannot be known.
    Unavailable,
}

/// The keys of one issuer, and the fetching of them.
pub(super) struct Cache {
    settings: RemoteKeySettings,
    keys: Option<Kept>,
    running: Option<Running>,
    /// When the last fetch began.
    last: Option<Timestamp>,
    /// How many fetches have failed since one succeeded.
    failures: u32,
    absent: Vec<Absent>,
}

struct Kept {
    set: KeySet,
    /// When their fetch began: they may be as old as that (RFC 9111 §4.2.3).
    fetched: Timestamp,
    max_age: Duration,
}

/// How far keys can be used.
enum Age {
    Fresh,
    /// They can be used, and others should be fetched.
    Due,
    /// Others have to be fetched first.
    Over,
}

/// A fetch under way.
struct Running {
    begun: Timestamp,
    /// The name that it began for, if it was one.
    kid: Option<Box<str>>,
}

/// A name that the issuer did not know when it was asked. A client that keeps sending an old token would otherwise take
/// each fetch, and a new key would have to wait for the next.
struct Absent {
    kid: Box<str>,
    until: Timestamp,
    wait: Duration,
}

impl Cache {
    pub(super) fn new(settings: RemoteKeySettings) -> Self {
        let cooldown = settings.cooldown.max(Duration::from_secs(1));
        Self {
            settings: RemoteKeySettings { cooldown, ..settings },
            keys: None,
            running: None,
            last: None,
            failures: 0,
            absent: Vec::new(),
        }
    }

    /// The key of this name and algorithm.
    pub(super) fn lookup(&mut self, kid: &str, algorithm: Algorithm, now: Timestamp) -> Lookup<VerifyingKey> {
        let refresh = match self.usable(now) {
            Ok(refresh) => refresh,
            Err(not_yet) => return not_yet,
        };
        let found = self.keys.as_ref().and_then(|kept| kept.set.find(kid, algorithm)).cloned();
        if let Some(found) = found {
            return Lookup::Known { found, refresh: refresh && self.begin(None, now) };
        }
        if self.absent.iter().any(|absent| &*absent.kid == kid && now < absent.until) {
            return Lookup::Unknown;
        }
        // An old set does not say that there is no such key: the issuer may have it, and cannot be asked.
        let refused = if self.failures == 0 { Lookup::Unknown } else { Lookup::Unavailable };
        self.wait(Some(kid), now).unwrap_or(refused)
    }

    /// The key of this name and algorithm, where there is nothing to be done besides.
    pub(super) fn glance(&self, kid: &str, algorithm: Algorithm, now: Timestamp) -> Option<VerifyingKey> {
        let kept = self.keys.as_ref().filter(|kept| kept.fetched <= now)?;
        let is_fresh = matches!(self.age(kept, now), Age::Fresh);
        kept.set.find(kid, algorithm).filter(|_| is_fresh).cloned()
    }

    /// Whether there are keys to look in.
    pub(super) fn load(&mut self, now: Timestamp) -> Lookup<()> {
        match self.usable(now) {
            Ok(refresh) => Lookup::Known { found: (), refresh: refresh && self.begin(None, now) },
            Err(not_yet) => not_yet,
        }
    }

    /// The fetch brought these; `max_age` is what the issuer says of how long they are fresh.
    pub(super) fn succeed(&mut self, set: KeySet, max_age: Option<Duration>) {
        let Some(Running { begun, kid }) = self.running.take() else { return };
        self.failures = 0;
        let max_age = max_age.unwrap_or(self.settings.max_age).clamp(MAX_AGE.0, MAX_AGE.1);
        if let Some(kid) = kid.filter(|kid| !set.has(kid)) {
            self.note_absent(kid, begun);
        }
        self.keys = Some(Kept { set, fetched: begun, max_age });
    }

    /// The fetch brought nothing.
    pub(super) fn fail(&mut self) {
        if self.running.take().is_some() {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// Whether the keys can be used, and then whether others should be fetched.
    fn usable<T>(&mut self, now: Timestamp) -> Result<bool, Lookup<T>> {
        self.follow_clock(now);
        match self.keys.as_ref().map_or(Age::Over, |kept| self.age(kept, now)) {
            Age::Fresh => Ok(false),
            Age::Due => Ok(true),
            Age::Over => Err(self.wait(None, now).unwrap_or(Lookup::Unavailable)),
        }
    }

    fn age(&self, kept: &Kept, now: Timestamp) -> Age {
        let over = now.since(kept.fetched).checked_sub(kept.max_age);
        match over {
            None => Age::Fresh,
            // Nobody waits where the keys are used all the time.
            Some(over) if over < self.settings.cooldown && over < self.settings.stale_if_error => Age::Due,
            // After a pause, others are fetched first: a key may have been taken back. Only where that fails, the old
            // ones are used (RFC 5861 §4).
            Some(over) if self.failures > 0 && over < self.settings.stale_if_error => Age::Due,
            Some(_) => Age::Over,
        }
    }

    /// Waits for the fetch that runs, or for one that begins; `None` where none may.
    fn wait<T>(&mut self, kid: Option<&str>, now: Timestamp) -> Option<Lookup<T>> {
        if self.running.is_some() {
            return Some(Lookup::Wait { begin: false });
        }
        self.begin(kid, now).then_some(Lookup::Wait { begin: true })
    }

    /// Begins a fetch, if one may.
    fn begin(&mut self, kid: Option<&str>, now: Timestamp) -> bool {
        let pause = match self.failures.checked_sub(1) {
            None => self.settings.cooldown,
            Some(doublings) => {
                FIRST_RETRY.saturating_mul(2_u32.saturating_pow(doublings)).min(self.settings.cooldown)
            }
        };
        if self.running.is_some() || self.last.is_some_and(|last| now < last.after(pause)) {
            return false;
        }
        self.last = Some(now);
        self.running = Some(Running { begun: now, kid: kid.map(Into::into) });
        true
    }

    /// The first time it is left alone for a cooldown, and each further time for twice as long as before: the key of
    /// an issuer that signs before it publishes is found soon, and an old token's costs little.
    fn note_absent(&mut self, kid: Box<str>, now: Timestamp) {
        self.absent.retain(|absent| now < absent.until.after(absent.wait));
        let before = self.absent.iter().position(|absent| absent.kid == kid);
        let before = before.map(|index| self.absent.swap_remove(index).wait.saturating_mul(2));
        let longest = ABSENT_LONGEST.max(self.settings.cooldown);
        let wait = before.unwrap_or(self.settings.cooldown).min(longest);
        if self.absent.len() >= ABSENT_NAMES {
            let first = self.absent.iter().enumerate().min_by_key(|(_, absent)| absent.until);
            if let Some((index, _)) = first {
                self.absent.swap_remove(index);
            }
        }
        self.absent.push(Absent { kid, until: now.after(wait), wait });
    }

    /// A clock that was set back must not keep old keys alive, nor new ones out, for as long as it was set back.
    /// Requests come a little out of order, which is no such thing.
    fn follow_clock(&mut self, now: Timestamp) {
        let latest = now.after(self.settings.cooldown);
        if self.last.is_some_and(|last| last > latest) {
            self.last = None;
            self.absent.clear();
        }
        if let Some(kept) = self.keys.as_mut().filter(|kept| kept.fetched > latest) {
            kept.fetched = now;
        }
    }
}

#[cfg(test)]
mod tests;
