//! What happens to the keys of a ring and when, for a person to see.

use alloc::vec::Vec;

use super::{KeyUse, Ring, Settings};
use crate::Timestamp;

/// Something that happened or is going to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event<'r> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
    /// To which key; `None` where it has yet to be made.
    pub kid: Option<&'r str>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Happening {
    /// The key is published.
    Published,
    /// The next key is made, if nothing comes between.
    Made,
    /// The key begins to sign.
    Begins,
    /// The key signs no more.
    Ends,
    /// Nothing that it signed is valid; the key is forgotten.
    Retires,
    /// The key was revoked; nothing else happens to it.
    Revoked,
}

/// All events, the earliest first: those behind `now`, and those before it if the ring stays as it is.
pub fn timeline<'r>(ring: &'r Ring, settings: &Settings) -> Vec<Event<'r>> {
    let mut events = Vec::new();
    for key in &ring.keys {
        let mut event = |at, what| events.push(Event { at, what, kid: Some(key.kid()) });
        event(key.created, Happening::Published);
        if let KeyUse::Signs(window) = key.key_use {
            // What was to come after the revocation does not.
            let counts = |at: &Timestamp| key.revoked.is_none_or(|revoked| *at <= revoked);
            for (at, what) in [(window.from, Happening::Begins), (window.until, Happening::Ends)] {
                if counts(&at) {
                    event(at, what);
                }
            }
        }
        match key.revoked {
            Some(at) => event(at, Happening::Revoked),
            None => event(key.retires(ring.longest_token, settings), Happening::Retires),
        }
    }
    let begins =
        |key: &super::RingKey| key.window().filter(|_| key.revoked.is_none()).map(|window| window.from);
    if let Some(last) = ring.keys.iter().filter_map(begins).max() {
        events.push(Event { at: last.before(settings.ahead()), what: Happening::Made, kid: None });
    }
    events.sort_unstable();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_ring::fixture::{at, key, ring, settings};
    use alloc::borrow::ToOwned as _;

    #[test]
    fn all_that_happens_is_told_in_order() {
        use Happening::{Begins, Ends, Made, Published, Retires, Revoked};
        let two = ring([key("a", 100, 97, 217), key("b", 100, 215, 335)]);
        let told = |ring: &Ring| {
            let events = timeline(ring, &settings());
            let minute = |at: Timestamp| (at.0 - self::at(0).0) / 60_000;
            let told = events
                .iter()
                .map(|event| (minute(event.at), event.what, event.kid.unwrap_or("-").to_owned()));
            told.collect::<Vec<_>>()
        };
        let expected = |events: &[(u64, Happening, &str)]| {
            events.iter().map(|(at, what, kid)| (*at, *what, (*kid).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&two),
            expected(&[
                (97, Begins, "a"),
                (100, Published, "a"),
                (100, Published, "b"),
                (191, Made, "-"),
                (215, Begins, "b"),
                (217, Ends, "a"),
                (235, Retires, "a"),
                (335, Ends, "b"),
                (353, Retires, "b"),
            ])
        );
        assert_eq!(
            told(&two.revoke("b", &settings(), at(150)).unwrap()),
            expected(&[
                (73, Made, "-"),
                (97, Begins, "a"),
                (100, Published, "a"),
                (100, Published, "b"),
                (150, Revoked, "b"),
                (217, Ends, "a"),
                (235, Retires, "a"),
            ])
        );
        assert_eq!(told(&Ring::default()), []);
    }
}
