//! What a person writes of a session's key: the digits that a listing shows, or all of them.

use std::{fmt, str::FromStr};

use bartizan::OsClock;
use bartizan_core::{Clock as _, session::SessionKey};
use bartizan_store::ListedSession;
use thiserror::Error;

use super::{SessionError, Sessions};

/// How many digits a listing shows.
const SHOWN: usize = 16;

/// How many a key has.
const WHOLE: usize = 64;

/// The first digits of a session's key, 16 to all 64; in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyDigits(Box<str>);

/// It does not name a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "write the {SHOWN} hexadecimal digits that `bartizan session list` shows, or more of the key's {WHOLE}"
)]
pub(crate) struct NoKey;

impl FromStr for KeyDigits {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let is_key =
            (SHOWN..=WHOLE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_key { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(NoKey) }
    }
}

impl fmt::Display for KeyDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyDigits {
    /// The one session that is meant. Stores list by key, so it is the first after what comes before it.
    pub(super) fn find(&self, sessions: &Sessions) -> Result<ListedSession, SessionError> {
        let store = &sessions.store;
        let page = store.wait_for(store.store().sessions(None, self.predecessor(), 2, OsClock.now()))?;
        let mut meant = page.sessions.into_iter().filter(|session| self.begins(&session.key));
        match (meant.next(), meant.next()) {
            (Some(session), None) => Ok(session),
            (None, _) => Err(SessionError::Unknown(self.clone())),
            (Some(_), Some(_)) => Err(SessionError::Ambiguous(self.clone())),
        }
    }

    fn begins(&self, key: &SessionKey) -> bool {
        whole(key).starts_with(&*self.0)
    }

    /// The last key before all that begin so; `None` where there is none.
    fn predecessor(&self) -> Option<SessionKey> {
        let mut bytes = [0; WHOLE / 2];
        for (index, digit) in self.0.bytes().enumerate() {
            let digit = char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
            bytes[index / 2] |= if index % 2 == 0 { digit << 4 } else { digit };
        }
        // One less, as a number of 256 bits.
        let last = bytes.iter().rposition(|byte| *byte != 0)?;
        bytes[last] -= 1;
        bytes[last + 1..].fill(0xff);
        Some(SessionKey::from_bytes(bytes))
    }
}

/// All digits of a key.
pub(super) fn whole(key: &SessionKey) -> String {
    key.as_bytes().iter().fold(String::with_capacity(WHOLE), |mut text, byte| {
        use fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        let (shown, all) = ("0123456789abcdef", "0123456789abcdef".repeat(4));
        for (text, read) in [
            (shown, true),
            (&all, true),
            (&all[..33], true),
            (&shown[1..], false),
            (&format!("{all}0"), false),
            ("0123456789abcdeg", false),
            // A cookie's value is no key.
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<KeyDigits>().is_ok(), read, "{text}");
        }
        assert_eq!("0123456789ABCDEF".parse::<KeyDigits>().unwrap().to_string(), shown);
    }

    #[test]
    fn the_key_before_is_one_less() {
        for (digits, expected) in [
            ("0000000000000000", None),
            ("0000000000000001", Some(["0000000000000000", &"f".repeat(48)].concat())),
            ("12345678900000000", Some(["123456788fffffff", &"f".repeat(48)].concat())),
            (&["a".repeat(63), "1".into()].concat(), Some(["a".repeat(63), "0".into()].concat())),
            ("ffffffffffffffff", Some(["fffffffffffffffe", &"f".repeat(48)].concat())),
        ] {
            let digits: KeyDigits = digits.parse().unwrap();
            assert_eq!(digits.predecessor().map(|key| whole(&key)), expected, "{digits}");
        }
    }
}
