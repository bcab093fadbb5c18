//! What the cases are told in: a time, sessions and tokens by number, and what is there.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bartizan_core::{
    Timestamp, TokenDigest,
    session::{NewSession, Renewal, SessionKey, SessionRecord},
};

use super::Place;
use crate::{BoxFuture, Store};

/// When the cases begin: in January 2027.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(super) const SECOND: u64 = 1000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;

/// So many milliseconds after [`NOW`].
pub(super) fn at(milliseconds: u64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

/// The key of session `number`. Keys are in no order that the number tells.
pub(super) fn key(number: u64) -> SessionKey {
    SessionKey::of(&number.to_be_bytes())
}

pub(super) fn token(number: u64) -> TokenDigest {
    TokenDigest(*SessionKey::of(&number.to_le_bytes()).as_bytes())
}

/// Began [`NOW`], ends 30 minutes after its last request, and after 12 hours whatever happens.
pub(super) fn record(subject: &str) -> SessionRecord {
    began(subject, NOW)
}

/// The same, begun at `created`.
pub(super) fn began(subject: &str, created: Timestamp) -> SessionRecord {
    SessionRecord {
        subject: subject.into(),
        scopes: vec!["read".into()],
        created,
        touched: created,
        idle: Duration::from_mins(30),
        expires: created.after(Duration::from_hours(12)),
    }
}

pub(super) fn new(number: u64, record: SessionRecord) -> NewSession {
    NewSession { key: key(number), record, replaces: None, most: None }
}

/// Session `old` becomes session `number`.
pub(super) fn renewal(old: u64, number: u64, record: SessionRecord) -> Renewal {
    Renewal { old: key(old), key: key(number), record }
}

/// A store in an empty place, and its sessions, each begun without ending another.
pub(super) fn store_with(
    place: &Arc<dyn Place>,
    sessions: impl IntoIterator<Item = NewSession>,
) -> BoxFuture<'static, Arc<dyn Store>> {
    let (place, sessions) = (Arc::clone(place), sessions.into_iter().collect::<Vec<_>>());
    Box::pin(async move {
        let store = place.store().await;
        for new in sessions {
            assert_eq!(store.begin(new).await.unwrap(), 0);
        }
        store
    })
}

/// Every session that is alive, page by page, without a touch.
pub(super) async fn all(
    store: &Arc<dyn Store>,
    subject: Option<&str>,
    now: Timestamp,
) -> Vec<(SessionKey, SessionRecord)> {
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|(key, _)| *key);
        let page = store.sessions(subject.map(Into::into), after, 1000, now).await.unwrap();
        found.extend(page.sessions.into_iter().map(|listed| (listed.key, listed.record)));
        if !page.more {
            return found;
        }
    }
}

/// The numbers (below 1000) of the sessions that are alive, in their order, without a touch.
pub(super) async fn alive(store: &Arc<dyn Store>, now: Timestamp) -> Vec<u64> {
    let keys: HashSet<SessionKey> = all(store, None, now).await.into_iter().map(|(key, _)| key).collect();
    (0..1000).filter(|number| keys.contains(&key(*number))).collect()
}

/// When the session was last touched, as the store has it.
pub(super) async fn touched(store: &Arc<dyn Store>, number: u64, now: Timestamp) -> Option<Timestamp> {
    all(store, None, now)
        .await
        .into_iter()
        .find(|(found, _)| *found == key(number))
        .map(|(_, record)| record.touched)
}

/// Numbers that look drawn, and are the same in every run (Knuth's MMIX generator).
pub(super) struct Draws(pub(super) u64);

impl Draws {
    /// One below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}
