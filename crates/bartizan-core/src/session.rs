//! Sessions (ASVS 7): what a client holds, what a store keeps of it, and when it ends.
//!
//! The client holds an id of 256 random bits in a cookie. Whoever keeps sessions knows only its SHA-256, so that
//! neither a dump of the store nor its log lets anybody in.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Entropy, Timestamp};

/// How old the last touch of a session must be before the next request is written down (a touch keeps a session
/// from ending idle): one minute.
pub const TOUCH_AFTER: Duration = Duration::from_mins(1);

/// A session's id: 256 random bits, written as 43 characters of base64url. It has no way to be shown but
/// [`expose`](Self::expose), and is wiped when it is dropped.
#[derive(Clone)]
pub struct SessionId(Zeroizing<String>);

impl SessionId {
    /// A fresh one.
    pub fn new(entropy: &mut impl Entropy) -> Self {
        let mut bits = Zeroizing::new([0; 32]);
        entropy.fill(bits.as_mut());
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bits)))
    }

    /// The text that goes into the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a store knows it by.
    pub fn key(&self) -> SessionKey {
        SessionKey::of(self.0.as_bytes())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

/// What a store knows a session by: the SHA-256 of what the client's cookie says.
///
/// A key that somebody read in the store is no id: as a cookie it would be hashed once more. Stores may look keys up
/// without constant time, for a stranger cannot choose what a hash begins with.
///
/// ```
/// use bartizan_core::session::SessionKey;
/// let key = SessionKey::of(b"what the cookie says");
/// assert_eq!(SessionKey::from_bytes(*key.as_bytes()), key);
/// // For logs and listings, 16 hexadecimal digits tell sessions apart.
/// assert_eq!(key.to_string().len(), 16);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Of a cookie's value, whatever it is: what is no id of ours costs the same way as one that is.
    pub fn of(cookie: &[u8]) -> Self {
        Self(Sha256::digest(cookie).into())
    }

    /// From what a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self}…)")
    }
}

/// What a store keeps of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose it is.
    pub subject: Box<str>,
    /// What they may do.
    pub scopes: Vec<Box<str>>,
    /// When it began.
    pub created: Timestamp,
    /// When its last request was written down; at most [`TOUCH_AFTER`] before the last request.
    pub touched: Timestamp,
    /// How long it lives without a request.
    pub idle: Duration,
    /// When it ends, whatever happens.
    pub expires: Timestamp,
}

impl SessionRecord {
    /// Of a session that begins `now`.
    pub fn new(
        subject: impl Into<Box<str>>,
        scopes: Vec<Box<str>>,
        now: Timestamp,
        idle: Duration,
        absolute: Duration,
    ) -> Self {
        Self {
            subject: subject.into(),
            scopes,
            created: now,
            touched: now,
            idle,
            expires: now.after(absolute),
        }
    }

    /// When it ends if no request comes.
    pub fn ends(&self) -> Timestamp {
        self.expires.min(self.touched.after(self.idle))
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.ends()
    }

    /// Whether this request is to be written down.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now >= self.touched.after(TOUCH_AFTER.min(self.idle / 2))
    }
}

/// A session that is to get a new id, as for a change of privileges. Unlike a [login](NewSession), it begins none where
/// there is none: who was signed out meanwhile stays signed out, and of many that come at once one is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What the store knows the session by. It must be alive, and of the record's subject.
    pub old: SessionKey,
    /// What the store will know it by.
    pub key: SessionKey,
    /// What the store will keep.
    pub record: SessionRecord,
}

/// A session that is to begin, because somebody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// What the store will know it by.
    pub key: SessionKey,
    /// What the store keeps.
    pub record: SessionRecord,
    /// The session that ends in the same step: the one that the client had before (fixation), alive or not.
    pub replaces: Option<SessionKey>,
    /// How many sessions the subject may have, this one counted; the oldest end. `None` is any number.
    pub most: Option<u32>,
}

/// Which sessions are to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This one.
    One(SessionKey),
    /// All of a subject, but for one: "sign out everywhere else".
    AllOf {
        /// Whose.
        subject: Box<str>,
        /// The one that stays.
        except: Option<SessionKey>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }

    fn record(touched: u64, idle: u64, expires: u64) -> SessionRecord {
        SessionRecord {
            subject: "alice".into(),
            scopes: Vec::new(),
            created: Timestamp(0),
            touched: Timestamp(touched),
            idle: Duration::from_millis(idle),
            expires: Timestamp(expires),
        }
    }

    #[test]
    fn an_id_is_43_characters_and_shown_to_nobody() {
        let mut entropy = Counting(0);
        let (one, two) = (SessionId::new(&mut entropy), SessionId::new(&mut entropy));
        assert_eq!(one.expose(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_ne!(one.expose(), two.expose());
        assert_eq!(format!("{one:?}"), "SessionId([redacted])");
        assert_eq!(one.key(), SessionKey::of(one.expose().as_bytes()));
        assert_ne!(one.key(), two.key());
        // For logs: the first half of a hash, of which nobody makes the id.
        let key = one.key();
        let hex: Vec<String> = key.as_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        assert_eq!(format!("{key} {key:?}"), format!("{hex} SessionKey({hex}…)"));
    }

    #[test]
    fn a_key_that_was_read_in_the_store_is_no_id() {
        let key = SessionKey::of(b"id");
        let hex: Vec<String> = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        for text in
            [hex.concat().as_bytes(), key.as_bytes(), URL_SAFE_NO_PAD.encode(key.as_bytes()).as_bytes()]
        {
            assert_ne!(SessionKey::of(text), key);
        }
    }

    #[test]
    fn a_session_ends_idle_or_absolutely() {
        for (touched, idle, expires, now, alive) in [
            (1000, 500, 10_000, 1499, true),
            (1000, 500, 10_000, 1500, false),
            (9900, 500, 10_000, 9999, true),
            (9900, 500, 10_000, 10_000, false),
            (1000, u64::MAX, 10_000, 9999, true),
            (1000, 500, 10_000, 0, true),
        ] {
            let record = record(touched, idle, expires);
            assert_eq!(record.is_alive(Timestamp(now)), alive, "{touched} {idle} {expires} {now}");
        }
    }

    #[test]
    fn a_touch_is_written_once_a_minute_and_more_often_where_idle_is_shorter() {
        for (idle, now, stale) in [
            (1_800_000, 59_999, false),
            (1_800_000, 60_000, true),
            (20_000, 9_999, false),
            (20_000, 10_000, true),
        ] {
            assert_eq!(record(0, idle, u64::MAX).is_stale(Timestamp(now)), stale, "{idle} {now}");
        }
    }
}
