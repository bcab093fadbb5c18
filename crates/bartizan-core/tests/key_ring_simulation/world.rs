//! The store, the nodes, the verifiers, and what happens to them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    rc::Rc,
    time::Duration,
};

use bartizan_core::{
    Timestamp,
    jwt::Rules,
    key_ring::{KeyRingConfig, Material, NotSigning, Ring, RingKey, Settings, Snapshot, plan},
};

use super::{
    chance::Chance,
    node::{Held, Node, Said},
    token::{self, Token},
    verifier::Verifier,
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// A clock's greatest error, and the longest that a write is under way.
const SKEW: u64 = MINUTE;
/// More than the skew, and less than two clocks differ, so that neither stands in for the other.
const LEEWAY: u64 = 90 * SECOND;
const MAX_AGE: u64 = 5 * MINUTE;
/// How long a key is published before it signs, where another can sign.
const PUBLICATION: u64 = 2 * MAX_AGE + 2 * SKEW;
const ROTATE_EVERY: u64 = 27 * MINUTE;
const START: u64 = 1_700_000_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) tokens: u32,
    pub(crate) rotations: u32,
    pub(crate) accepted: u32,
    pub(crate) accepted_early: u32,
    pub(crate) accepted_by_others: u32,
    pub(crate) last_milliseconds: u32,
    pub(crate) unavailable: u32,
    pub(crate) not_signed: u32,
    pub(crate) revoked_signed: u32,
    pub(crate) revoked_refused: u32,
    pub(crate) unpublished_refused: u32,
    pub(crate) races_lost: u32,
    pub(crate) restarts: u32,
    pub(crate) cut_off_stopped: u32,
    pub(crate) active_revoked: u32,
    pub(crate) standbys_revoked: u32,
    pub(crate) all_revoked: u32,
    pub(crate) commands: u32,
    pub(crate) longer_lived: u32,
    pub(crate) keys_made: u32,
}

/// What is known of a key by true time.
#[derive(Default)]
struct Facts {
    written: u64,
    revoked: Option<u64>,
    /// It may sign unpublished: no other could.
    at_once: bool,
    signed: bool,
}

enum Event {
    Read { node: usize, life: u32 },
    ReadDone { node: usize, life: u32, asked: u64, as_of: u64, version: usize },
    Write { node: usize, life: u32, version: usize, ring: Rc<Ring> },
    Check { token: Rc<Token>, who: usize, last: bool },
}

pub(crate) struct World {
    now: u64,
    chance: Chance,
    /// Every version that was written.
    store: Vec<Rc<Ring>>,
    nodes: Vec<Node>,
    /// What they hold tokens to.
    rules: Rules,
    others: Vec<Verifier>,
    keys: HashMap<Box<str>, Facts>,
    /// All keys are revoked, and none was made since.
    nobody: bool,
    /// Somebody rotates as soon as there is a new key.
    hurry: bool,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    events: HashMap<usize, Event>,
    scheduled: usize,
    pub(crate) counts: Counts,
}

fn config() -> KeyRingConfig {
    KeyRingConfig {
        rotate_every: Duration::from_millis(ROTATE_EVERY),
        jwks_max_age: Duration::from_millis(MAX_AGE),
        token_lifetime: Duration::from_mins(10),
        leeway: Duration::from_millis(LEEWAY),
        skew: Duration::from_millis(SKEW),
        ..KeyRingConfig::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut world = Self {
            now: START,
            store: vec![Rc::new(Ring::default())],
            nodes: (0..3).map(|_| Node::new(chance.offset(SKEW), config())).collect(),
            rules: token::rules(&config()),
            others: (0..4)
                .map(|number| Verifier {
                    offset: chance.offset(SKEW),
                    asks_again: number % 2 == 0,
                    set: None,
                })
                .collect(),
            keys: HashMap::new(),
            nobody: true,
            hurry: false,
            due: BinaryHeap::new(),
            events: HashMap::new(),
            scheduled: 0,
            counts: Counts::default(),
            chance,
        };
        for node in 0..world.nodes.len() {
            world.schedule(START, Event::Read { node, life: 0 });
        }
        world
    }

    /// A few seconds pass, something may go wrong, and two tokens are made.
    pub(crate) fn step(&mut self) {
        let span = self.chance.below(10 * SECOND);
        self.pass(span);
        self.disturb();
        for _ in 0..2 {
            self.issue();
        }
    }

    /// Until the last token has ended.
    pub(crate) fn end(&mut self) {
        self.pass(120 * MINUTE);
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.due.push(Reverse((at.max(self.now), self.scheduled)));
        self.events.insert(self.scheduled, event);
    }

    fn pass(&mut self, span: u64) {
        let end = self.now + span;
        while let Some(Reverse((at, number))) = self.due.peek().copied().filter(|due| due.0.0 <= end) {
            self.due.pop();
            self.now = at;
            match self.events.remove(&number).unwrap() {
                Event::Read { node, life } => self.read(node, life),
                Event::ReadDone { node, life, asked, as_of, version } => {
                    if life == self.nodes[node].life {
                        self.hold(node, asked, as_of, version);
                        self.plan(node);
                    }
                }
                // What was sent is written, even if the node has ended since.
                Event::Write { node, life, version, ring } => {
                    if version + 1 == self.store.len() {
                        let waiting = self.write(&ring);
                        assert!(waiting > 0, "no standby at {}: {:#?}", self.now, self.store.last());
                    } else {
                        self.counts.races_lost += 1;
                    }
                    // It reads what is there now.
                    self.ask(node, life, self.now);
                }
                Event::Check { token, who, last } => self.check(&token, who, last),
            }
        }
        self.now = end;
    }

    /// A node asks the store, and does so again later.
    fn read(&mut self, node: usize, life: u32) {
        if life != self.nodes[node].life {
            return;
        }
        self.ask(node, life, self.now);
        // As a rule well within the time that a ring is good for; sometimes too late.
        let later = if self.chance.once_in(20) { MAX_AGE + MINUTE } else { MAX_AGE - 30 * SECOND };
        let next = self.now + SECOND + self.chance.below(later);
        self.schedule(next, Event::Read { node, life });
    }

    /// The answer is of some time between the question and its arrival.
    fn ask(&mut self, node: usize, life: u32, asked: u64) {
        if life != self.nodes[node].life || self.nodes[node].is_cut_off(asked) {
            return;
        }
        let slow = if self.chance.once_in(30) { 20 * SECOND } else { SECOND };
        let done = asked + self.chance.below(slow);
        // Nothing that is written in between is in it: the worst case.
        let version = self.store.len() - 1;
        self.schedule(done, Event::ReadDone { node, life, asked, as_of: asked, version });
    }

    fn hold(&mut self, node: usize, asked: u64, as_of: u64, version: usize) {
        let node = &mut self.nodes[node];
        // Answers may overtake each other.
        if node.held.as_ref().is_some_and(|held| held.asked > asked) {
            return;
        }
        let ring = Ring::clone(&self.store[version]);
        let snapshot = Snapshot::new(ring, node.settings(), node.clock(asked));
        node.held = Some(Held { snapshot, version, as_of, asked });
    }

    fn plan(&mut self, number: usize) {
        let node = &self.nodes[number];
        let held = node.held.as_ref().unwrap();
        let plan = plan(held.snapshot.ring(), &node.settings(), node.clock(self.now));
        if plan.is_empty() || node.is_cut_off(self.now) {
            return;
        }
        let made: Vec<Material> = (0..plan.generate.len())
            .map(|_| {
                self.counts.keys_made += 1;
                Material {
                    kid: format!("key{}", self.counts.keys_made).into(),
                    public: Some("{}".into()),
                    sealed: (*b"sealed").into(),
                }
            })
            .collect();
        let ring = held.snapshot.ring().apply(&plan, made).unwrap();
        assert!(bartizan_core::key_ring::plan(&ring, &node.settings(), node.clock(self.now)).is_empty());
        let (life, version) = (node.life, held.version);
        let slow = if self.chance.once_in(10) { SKEW } else { 2 * SECOND };
        let at = self.now + self.chance.below(slow);
        self.schedule(at, Event::Write { node: number, life, version, ring: Rc::new(ring) });
    }

    /// The next version, and how many keys wait in it for their turn.
    fn write(&mut self, ring: &Ring) -> usize {
        let ring = Ring::from_json(&ring.to_json()).unwrap();
        let signs = |key: &&RingKey| key.revoked().is_none() && key.window().is_some();
        let waits = |key: &RingKey| key.window().is_some_and(|window| self.now < window.from.0);
        let pending = ring.keys().iter().filter(signs).filter(|key| waits(key)).count();
        assert!(pending <= 2, "{pending} keys wait for their turn: {ring:#?}");
        let mut new: Vec<&RingKey> =
            ring.keys().iter().filter(|key| !self.keys.contains_key(key.kid())).collect();
        new.sort_by_key(|key| key.window().map(|window| window.from));
        for key in new {
            let facts =
                Facts { written: self.now, at_once: std::mem::take(&mut self.nobody), ..Facts::default() };
            self.keys.insert(key.kid().into(), facts);
            self.hurry |= self.chance.once_in(2);
        }
        self.store.push(Rc::new(ring));
        pending
    }

    fn disturb(&mut self) {
        let node = self.chance.index(self.nodes.len());
        if self.chance.once_in(150) {
            // All at once.
            for node in 0..self.nodes.len() {
                self.ask(node, self.nodes[node].life, self.now);
            }
        }
        if self.chance.once_in(400) {
            self.counts.restarts += 1;
            let offset = self.chance.offset(SKEW);
            let Node { config, life, cut_off_until, .. } = &self.nodes[node];
            let (config, life, cut_off_until) = (config.clone(), life + 1, *cut_off_until);
            self.nodes[node] = Node { cut_off_until, life, ..Node::new(offset, config) };
            let at = self.now + self.chance.below(10 * SECOND);
            self.schedule(at, Event::Read { node, life });
        }
        if self.chance.once_in(600) && self.nodes.iter().all(|node| !node.is_cut_off(self.now)) {
            self.nodes[node].cut_off_until = self.now + self.chance.below(2 * ROTATE_EVERY);
        }
        if self.counts.tokens > 20_000 && self.chance.once_in(100) {
            self.nodes[node].config.token_lifetime = Duration::from_mins(25);
        }
        // A command is given somewhere, where the clock is off too.
        let clock = Timestamp(self.now.checked_add_signed(self.chance.offset(SKEW)).unwrap());
        let settings = Settings::new(&config()).unwrap();
        let ring = Rc::clone(self.store.last().unwrap());
        if (self.chance.once_in(800) || std::mem::take(&mut self.hurry))
            && let Ok(ring) = ring.rotate_now(&settings, clock)
        {
            self.counts.commands += 1;
            self.write(&ring);
        }
        if self.chance.once_in(1500) {
            self.revoke(&settings, clock);
        }
    }

    fn revoke(&mut self, settings: &Settings, clock: Timestamp) {
        let mut ring = Ring::clone(self.store.last().unwrap());
        let mut live: Vec<(u64, Box<str>)> = Vec::new();
        for key in ring.keys().iter().filter(|key| key.revoked().is_none()) {
            if let Some(window) = key.window().filter(|window| self.now < window.until.0) {
                live.push((window.from.0, key.kid().into()));
            }
        }
        live.sort_unstable();
        let (begun, waiting): (Vec<_>, Vec<_>) = live.into_iter().partition(|(from, _)| *from <= self.now);
        let kind = self.chance.below(5);
        let revoked = match kind {
            0 => begun.clone(),
            // While one key takes over from another, only the new one.
            1 => begun.iter().rev().take(1).cloned().collect(),
            2 | 3 => waiting.iter().take(1).cloned().collect(),
            _ => begun.iter().chain(&waiting).cloned().collect(),
        };
        match kind {
            0 | 1 => {
                self.counts.active_revoked += 1;
                // Where the standby was made just now, there is nothing better.
                if let Some((_, kid)) = waiting.first() {
                    let facts = self.keys.get_mut(kid).unwrap();
                    facts.at_once |= self.now - facts.written < PUBLICATION;
                }
                self.nobody |= waiting.is_empty();
            }
            2 | 3 => self.counts.standbys_revoked += 1,
            _ => {
                self.counts.all_revoked += 1;
                self.nobody = true;
            }
        }
        for (_, kid) in revoked {
            ring = ring.revoke(&kid, settings, clock).unwrap();
            self.keys.get_mut(&kid).unwrap().revoked = Some(self.now);
        }
        self.write(&ring);
    }

    fn issue(&mut self) {
        let number = self.chance.index(self.nodes.len());
        let node = &self.nodes[number];
        let Some(signed) = node.sign(self.now) else { return };
        let held = node.held.as_ref().unwrap();
        let (kid, lifetime) = match signed {
            Ok(signed) => signed,
            Err(reason) => {
                self.counts.not_signed += 1;
                match reason {
                    NotSigning::Stale(_) => {
                        assert!(self.now - held.asked > MAX_AGE, "{number} stopped though it had read");
                        self.counts.cut_off_stopped += u32::from(node.is_cut_off(self.now));
                    }
                    _ => assert!(
                        held.snapshot.ring().keys().iter().all(|key| key.revoked().is_some()
                            || key.window().is_none_or(|window| window.until.0 <= self.now)),
                        "at {}, node {number} has no key to sign with: {reason}: {:#?}",
                        self.now,
                        held.snapshot.ring()
                    ),
                }
                return;
            }
        };
        self.counts.tokens += 1;
        self.counts.longer_lived += u32::from(lifetime > 10 * MINUTE);
        let facts = self.keys.get_mut(&kid).unwrap();
        self.counts.rotations += u32::from(!facts.signed);
        facts.signed = true;
        if let Some(revoked) = facts.revoked {
            self.counts.revoked_signed += 1;
            assert!(
                self.now - revoked <= MAX_AGE,
                "{number} signs with {kid}, which was revoked at {revoked}"
            );
        } else {
            // By true time, and by the last that was written, which the node may not know.
            let window = self.store.last().unwrap().key(&kid).and_then(RingKey::window).unwrap();
            let inside = window.from.0 <= self.now && self.now < window.until.0;
            assert!(inside, "at {}, node {number} signs with {kid} outside of {window:?}", self.now);
        }
        let clock = node.clock(self.now).0;
        let token = Rc::new(Token::new(kid, clock, clock + lifetime));
        let all = self.nodes.len() + self.others.len();
        let (soon, later, node, other) = (
            self.chance.index(all),
            self.chance.index(all),
            self.chance.index(self.nodes.len()),
            self.nodes.len() + self.chance.index(self.others.len()),
        );
        let sometime = self.now + self.chance.below(lifetime);
        for (who, at, last) in [
            (soon, self.now, false),
            (later, sometime, false),
            (node, self.at_clock(node, token.expires + LEEWAY - 1), true),
            (other, self.at_clock(other, token.expires + LEEWAY - 1), true),
        ] {
            self.schedule(at, Event::Check { token: Rc::clone(&token), who, last });
        }
    }

    /// The true time at which the clock of a node or another verifier says `time`.
    fn at_clock(&self, who: usize, time: u64) -> u64 {
        let offset = self
            .nodes
            .get(who)
            .map_or_else(|| self.others[who - self.nodes.len()].offset, |node| node.offset);
        time.checked_add_signed(-offset).unwrap()
    }

    fn check(&mut self, token: &Token, who: usize, last: bool) {
        let is_node = who < self.nodes.len();
        let clock = if is_node {
            self.nodes[who].clock(self.now).0
        } else {
            self.others[who - self.nodes.len()].clock(self.now)
        };
        // It has ended by this clock (which was set since).
        if clock >= token.expires + LEEWAY {
            return;
        }
        let said = if is_node { self.ask_node(who, &token.kid) } else { self.ask_other(who, &token.kid) };
        let facts = &self.keys[&token.kid];
        let at = self.now;
        match (said, facts.revoked) {
            (Said::Unavailable, _) => {
                self.counts.unavailable += 1;
                return;
            }
            (Said::Known, Some(revoked)) => {
                // One that has read must not; the others have a bound.
                let knows = is_node && self.nodes[who].held.as_ref().is_some_and(|held| held.as_of > revoked);
                let bound = if is_node { MAX_AGE } else { 2 * MAX_AGE };
                let kid = &token.kid;
                assert!(
                    !knows && at - revoked <= bound,
                    "at {at}, {who} accepts {kid}, revoked at {revoked}"
                );
            }
            (Said::Unknown, Some(_)) => self.counts.revoked_refused += 1,
            (Said::Unknown, None) => {
                // The one exception: a verifier that has the set of before, and a key that had to sign at once.
                let excused = !is_node && facts.at_once && at - facts.written <= PUBLICATION;
                assert!(
                    excused,
                    "at {at}, {who} refuses {}, whose token ends at {} by its clock of {clock}: {:#?}",
                    token.kid,
                    token.expires,
                    self.store.last().unwrap()
                );
                self.counts.unpublished_refused += 1;
            }
            (Said::Known, None) if is_node => {
                let judged = token.judge(&self.rules, Timestamp(clock));
                assert_eq!(judged, Ok(()), "at {at}, by the clock {clock} of {who}");
                self.counts.accepted += 1;
                self.counts.accepted_early += u32::from(clock + LEEWAY < token.issued);
            }
            (Said::Known, None) => self.counts.accepted_by_others += 1,
        }
        self.counts.last_milliseconds += u32::from(last && clock == token.expires + LEEWAY - 1);
    }

    fn ask_node(&mut self, who: usize, kid: &str) -> Said {
        let said = self.nodes[who].verify(kid, self.now);
        if said != Said::Unknown {
            return said;
        }
        // It reads again before it says that there is no such key.
        if self.nodes[who].is_cut_off(self.now) {
            return Said::Unavailable;
        }
        self.hold(who, self.now, self.now, self.store.len() - 1);
        self.nodes[who].verify(kid, self.now)
    }

    fn ask_other(&mut self, who: usize, kid: &str) -> Said {
        let first = self.chance.index(self.nodes.len());
        let other = &mut self.others[who - self.nodes.len()];
        match other.knows(kid, self.now, MAX_AGE, &self.nodes, first) {
            None => Said::Unavailable,
            Some(true) => Said::Known,
            Some(false) => Said::Unknown,
        }
    }
}
