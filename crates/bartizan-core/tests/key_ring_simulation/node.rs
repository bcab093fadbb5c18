//! A node: its clock, what it read and when, and its settings.

use bartizan_core::{
    Timestamp,
    key_ring::{KeyRingConfig, NotSigning, Settings, Snapshot},
};

/// What a node has of the ring.
pub(crate) struct Held {
    pub(crate) snapshot: Snapshot,
    /// The version in the store.
    pub(crate) version: usize,
    /// The true time at which the store answered.
    pub(crate) as_of: u64,
    /// The true time at which the node asked.
    pub(crate) asked: u64,
}

pub(crate) struct Node {
    pub(crate) offset: i64,
    pub(crate) config: KeyRingConfig,
    /// `None` from a start to the first read.
    pub(crate) held: Option<Held>,
    /// Until when it does not reach the store.
    pub(crate) cut_off_until: u64,
    /// Counts its starts: what was under way before one is lost.
    pub(crate) life: u32,
}

/// What a node says about a token's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Known,
    Unknown,
    /// 503: it does not rely on what it has.
    Unavailable,
}

impl Node {
    pub(crate) fn new(offset: i64, config: KeyRingConfig) -> Self {
        Self { offset, config, held: None, cut_off_until: 0, life: 0 }
    }

    /// What its clock says at the true time `now`.
    pub(crate) fn clock(&self, now: u64) -> Timestamp {
        Timestamp(now.checked_add_signed(self.offset).unwrap())
    }

    pub(crate) fn is_cut_off(&self, now: u64) -> bool {
        now < self.cut_off_until
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.config).unwrap()
    }

    /// The kid that it signs with, and how long the token lives.
    pub(crate) fn sign(&self, now: u64) -> Option<Result<(Box<str>, u64), NotSigning>> {
        let snapshot = &self.held.as_ref()?.snapshot;
        let lifetime = match snapshot.signer(self.config.token_lifetime, self.clock(now)) {
            // Until the ring says more, it makes what the ring says.
            Err(NotSigning::Lifetime { recorded, .. }) => recorded,
            _ => self.config.token_lifetime,
        };
        let signer = snapshot.signer(lifetime, self.clock(now));
        Some(signer.map(|key| (key.kid().into(), u64::try_from(lifetime.as_millis()).unwrap())))
    }

    pub(crate) fn verify(&self, kid: &str, now: u64) -> Said {
        match self.held.as_ref().map(|held| held.snapshot.verifier(kid, self.clock(now))) {
            None | Some(Err(_)) => Said::Unavailable,
            Some(Ok(None)) => Said::Unknown,
            Some(Ok(Some(_))) => Said::Known,
        }
    }

    /// The kids of the JWK set that it serves.
    pub(crate) fn jwks(&self, now: u64) -> Option<Vec<Box<str>>> {
        let published = self.held.as_ref()?.snapshot.published(self.clock(now)).ok()?;
        Some(published.map(|key| key.kid().into()).collect())
    }
}
