//! Sessions in memory: found by their keys in parts that are locked one by one, begun and ended at one desk.

use std::{
    array,
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    ops::Bound::{Excluded, Included, Unbounded},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use bartizan_core::{
    Timestamp,
    session::{Ending, NewSession, Renewal, SessionKey, SessionRecord},
};

use super::{SHARDS, lock, shard_of, sweep::Swept};
use crate::{ListedSession, SessionPage, StoreError};

/// When a full store looks through all its sessions for those that have ended: at most once a second.
const LOOK_AFTER: u64 = 1000;

/// The sessions.
///
/// A request's look-up locks the one part that its key is in. Whatever begins or ends sessions comes to the desk first,
/// one after another, and keeps the lock of each part that it reads or writes until it is done. So steps that concern
/// many parts are atomic, and nobody who holds a part waits for another but whoever is at the desk: no deadlock.
#[derive(Debug)]
pub(super) struct Sessions {
    desk: Mutex<Desk>,
    /// By the first bits of the key: all parts one after another are in the order of the keys.
    shards: [Mutex<Shard>; SHARDS],
    limit: usize,
}

type Shard = Swept<SessionKey, Box<Kept>>;

#[derive(Debug)]
struct Desk {
    /// Whose sessions are which: hashes of subjects, each with a key. Without the names, of which every session has its
    /// own; two subjects of one hash are told apart by these.
    index: BTreeSet<(u64, SessionKey)>,
    hash: RandomState,
    /// Which bits of the hashes are used: all, but in tests.
    mask: u64,
    looked: Timestamp,
}

/// A record in fewer bytes.
#[derive(Debug)]
struct Kept {
    subject: Box<str>,
    scopes: Box<[Box<str>]>,
    created: Timestamp,
    touched: Timestamp,
    /// In milliseconds.
    idle: u64,
    expires: Timestamp,
}

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        let desk =
            Desk { index: BTreeSet::new(), hash: RandomState::new(), mask: u64::MAX, looked: Timestamp(0) };
        Self { desk: Mutex::new(desk), shards: [const { Mutex::new(Swept::new()) }; SHARDS], limit }
    }

    pub(super) fn find(&self, key: SessionKey, now: Timestamp) -> Option<SessionRecord> {
        let mut shard = lock(&self.shards[part(key)]);
        let kept = shard.map.get_mut(&key).filter(|kept| kept.is_alive(now))?;
        let mut record = kept.record();
        if record.is_stale(now) {
            // Stale is later than the last touch, so never back in time.
            kept.touched = now;
            record.touched = now;
        }
        Some(record)
    }

    pub(super) fn begin(&self, new: NewSession) -> Result<u32, StoreError> {
        let NewSession { key, record, replaces, most } = new;
        let now = record.created;
        let mut desk = lock(&self.desk);
        if desk.index.len() >= self.limit {
            self.look_through(&mut desk, now);
        }
        let mut parts = Parts::new(&self.shards);

        // What leaves: what is replaced or written anew, what of the subject has ended, and its oldest.
        let mut leaving: Vec<SessionKey> = [Some(key), replaces.filter(|replaced| *replaced != key)]
            .into_iter()
            .flatten()
            .filter(|key| parts.of(*key).map.contains_key(key))
            .collect();
        let mut alive = Vec::new();
        if most.is_some() {
            for known in desk.keys_of(&record.subject, None) {
                match parts.of(known).map.get(&known) {
                    Some(kept) if *kept.subject != *record.subject => {}
                    _ if leaving.contains(&known) => {}
                    Some(kept) if kept.is_alive(now) => alive.push((kept.created, known)),
                    _ => leaving.push(known),
                }
            }
        }
        alive.sort_unstable();
        let others = most.map_or(usize::MAX, |most| usize::try_from(most.max(1) - 1).unwrap_or(usize::MAX));
        let above = alive.len().saturating_sub(others);
        leaving.extend(alive.iter().take(above).map(|(_, key)| *key));

        if desk.index.len() - leaving.len() >= self.limit {
            return Err(StoreError::Full {
                what: "the store of sessions in memory",
                limit: self.limit,
                key: "store.memory.sessions",
            });
        }
        for key in leaving {
            if let Some(kept) = parts.of(key).map.remove(&key) {
                desk.forget(&kept.subject, key);
            }
        }
        for (key, kept) in parts.of(key).sweep(|kept| !kept.is_alive(now)) {
            desk.forget(&kept.subject, key);
        }
        desk.remember(&record.subject, key);
        parts.of(key).map.insert(key, Box::new(Kept::new(record)));
        Ok(u32::try_from(above).unwrap_or(u32::MAX))
    }

    pub(super) fn renew(&self, renewal: Renewal) -> bool {
        let Renewal { old, key, record } = renewal;
        // Nothing ends while this is at the desk.
        let mut desk = lock(&self.desk);
        let mut parts = Parts::new(&self.shards);
        let mut is_alive = |key| {
            let kept = parts.of(key).map.get(&key);
            kept.is_some_and(|kept| *kept.subject == *record.subject && kept.is_alive(record.created))
        };
        if !is_alive(old) {
            // What comes again was done.
            return is_alive(key);
        }
        parts.of(old).map.remove(&old);
        desk.forget(&record.subject, old);
        desk.remember(&record.subject, key);
        parts.of(key).map.insert(key, Box::new(Kept::new(record)));
        true
    }

    pub(super) fn end(&self, ending: &Ending) -> u64 {
        let mut desk = lock(&self.desk);
        let mut parts = Parts::new(&self.shards);
        let keys = match ending {
            Ending::One(key) => vec![*key],
            Ending::AllOf { subject, except } => desk
                .keys_of(subject, None)
                .filter(|key| Some(*key) != *except)
                .filter(|key| parts.of(*key).map.get(key).is_some_and(|kept| kept.subject == *subject))
                .collect(),
        };
        let mut ended = 0;
        for key in keys {
            if let Some(kept) = parts.of(key).map.remove(&key) {
                desk.forget(&kept.subject, key);
                ended += 1;
            }
        }
        ended
    }

    pub(super) fn page(
        &self,
        subject: Option<&str>,
        after: Option<SessionKey>,
        most: u32,
        now: Timestamp,
    ) -> SessionPage {
        // Nothing begins or ends while the page is read.
        let desk = lock(&self.desk);
        let most = usize::try_from(most.clamp(1, 1000)).unwrap_or(1000);
        let mut sessions = Vec::new();
        if let Some(subject) = subject {
            for key in desk.keys_of(subject, after) {
                let shard = lock(&self.shards[part(key)]);
                let kept = shard.map.get(&key).filter(|kept| *kept.subject == *subject && kept.is_alive(now));
                sessions.extend(kept.map(|kept| ListedSession { key, record: kept.record() }));
                if sessions.len() > most {
                    break;
                }
            }
        } else {
            let from = after.map_or(Unbounded, Excluded);
            for shard in self.shards.iter().skip(after.map_or(0, part)) {
                let shard = lock(shard);
                let alive = shard.map.range((from, Unbounded)).filter(|(_, kept)| kept.is_alive(now));
                let listed = alive.map(|(key, kept)| ListedSession { key: *key, record: kept.record() });
                sessions.extend(listed.take(most + 1 - sessions.len()));
            }
        }
        let more = sessions.len() > most;
        sessions.truncate(most);
        SessionPage { sessions, more }
    }

    pub(super) fn prune(&self, now: Timestamp) -> u64 {
        // Part by part, so that others get their turn at the desk in between.
        self.shards.iter().map(|shard| prune(shard, &mut lock(&self.desk), now)).sum()
    }

    /// Before a session is refused for want of room, what has ended makes room.
    fn look_through(&self, desk: &mut Desk, now: Timestamp) {
        if now.0.abs_diff(desk.looked.0) >= LOOK_AFTER {
            desk.looked = now;
            for shard in &self.shards {
                prune(shard, desk, now);
            }
        }
    }
}

fn prune(shard: &Mutex<Shard>, desk: &mut Desk, now: Timestamp) -> u64 {
    let map = &mut lock(shard).map;
    let before = map.len();
    map.retain(|key, kept| {
        let alive = kept.is_alive(now);
        if !alive {
            desk.forget(&kept.subject, *key);
        }
        alive
    });
    (before - map.len()) as u64
}

/// Which part a key is in.
fn part(key: SessionKey) -> usize {
    shard_of(key.as_bytes()[0])
}

/// Parts, locked when they are first asked for and until this is dropped. Only for whoever is at the desk.
struct Parts<'a> {
    shards: &'a [Mutex<Shard>; SHARDS],
    locked: [Option<MutexGuard<'a, Shard>>; SHARDS],
}

impl<'a> Parts<'a> {
    fn new(shards: &'a [Mutex<Shard>; SHARDS]) -> Self {
        Self { shards, locked: array::from_fn(|_| None) }
    }

    fn of(&mut self, key: SessionKey) -> &mut Shard {
        let part = part(key);
        self.locked[part].get_or_insert_with(|| lock(&self.shards[part]))
    }
}

impl Desk {
    /// The keys of a subject after one, in their order; now and then one of another subject is among them.
    fn keys_of(&self, subject: &str, after: Option<SessionKey>) -> impl Iterator<Item = SessionKey> {
        let hash = self.hash_of(subject);
        let first =
            after.map_or(Included((hash, SessionKey::from_bytes([0; 32]))), |after| Excluded((hash, after)));
        let last = Included((hash, SessionKey::from_bytes([0xff; 32])));
        self.index.range((first, last)).map(|(_, key)| *key)
    }

    fn hash_of(&self, subject: &str) -> u64 {
        self.hash.hash_one(subject) & self.mask
    }

    fn remember(&mut self, subject: &str, key: SessionKey) {
        self.index.insert((self.hash_of(subject), key));
    }

    fn forget(&mut self, subject: &str, key: SessionKey) {
        self.index.remove(&(self.hash_of(subject), key));
    }
}

impl Kept {
    fn new(record: SessionRecord) -> Self {
        Self {
            subject: record.subject,
            scopes: record.scopes.into(),
            created: record.created,
            touched: record.touched,
            idle: u64::try_from(record.idle.as_millis()).unwrap_or(u64::MAX),
            expires: record.expires,
        }
    }

    fn record(&self) -> SessionRecord {
        SessionRecord {
            subject: self.subject.clone(),
            scopes: self.scopes.to_vec(),
            created: self.created,
            touched: self.touched,
            idle: Duration::from_millis(self.idle),
            expires: self.expires,
        }
    }

    /// As [`SessionRecord::is_alive`].
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires.min(self.touched.after(Duration::from_millis(self.idle)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_one_hash_are_told_apart() {
        let mut sessions = Sessions::new(100);
        sessions.desk.get_mut().unwrap().mask = 0;
        let key = |number: u8| SessionKey::from_bytes([number; 32]);
        let begin = |number: u8, subject: &str| {
            let record = SessionRecord {
                subject: subject.into(),
                scopes: Vec::new(),
                created: Timestamp(number.into()),
                touched: Timestamp(number.into()),
                idle: Duration::from_secs(1),
                expires: Timestamp(1000),
            };
            sessions.begin(NewSession { key: key(number), record, replaces: None, most: Some(2) }).unwrap()
        };
        let keys = |subject| {
            let page = sessions.page(Some(subject), None, 10, Timestamp(10));
            page.sessions.into_iter().map(|listed| listed.key).collect::<Vec<_>>()
        };
        for (number, subject, ended) in
            [(1, "alice", 0), (2, "bob", 0), (3, "alice", 0), (4, "bob", 0), (5, "alice", 1), (6, "carol", 0)]
        {
            assert_eq!(begin(number, subject), ended, "{number}");
        }
        assert_eq!(keys("alice"), [key(3), key(5)]);
        assert_eq!(keys("bob"), [key(2), key(4)]);
        assert_eq!(sessions.end(&Ending::AllOf { subject: "bob".into(), except: None }), 2);
        assert_eq!(keys("alice"), [key(3), key(5)]);
        assert_eq!(keys("carol"), [key(6)]);
    }
}
