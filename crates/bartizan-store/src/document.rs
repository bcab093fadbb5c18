//! Documents: small things that many nodes change, each change made by exactly one of them.

use std::{borrow::Cow, fmt};

use crate::StoreError;

/// How long a document may be, in bytes: 256 KiB.
const LONGEST: usize = 256 * 1024;

/// How long a name may be, in bytes.
const LONGEST_NAME: usize = 64;

/// A document, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// 1 for the first one of its name, and one more with each that takes its place.
    pub version: u64,
    /// What it says: 256 KiB at most.
    pub body: Box<[u8]>,
}

/// What a document is called: 1 to 64 lowercase letters, digits and `-`. Names are the program's own, and few.
///
/// ```
/// use bartizan_store::DocumentName;
/// assert_eq!(DocumentName::KEY_RING.as_str(), "key-ring");
/// assert!(DocumentName::parse("Key Ring").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName(Cow<'static, str>);

/// A text that is no name of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a document; write 1 to {LONGEST_NAME} lowercase letters, digits and `-`")]
pub struct InvalidDocumentName(Box<str>);

impl DocumentName {
    /// The ring of the keys that tokens are signed with.
    pub const KEY_RING: Self = Self(Cow::Borrowed("key-ring"));

    /// Reads `key-ring`.
    pub fn parse(text: &str) -> Result<Self, InvalidDocumentName> {
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_plain && (1..=LONGEST_NAME).contains(&text.len()) {
            Ok(Self(Cow::Owned(text.to_owned())))
        } else {
            // A longer one would make a long message.
            Err(InvalidDocumentName(text.chars().take(LONGEST_NAME).collect()))
        }
    }

    /// `key-ring`
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses a body that is too long, before anything is asked.
pub(crate) fn check_length(name: &DocumentName, body: &[u8]) -> Result<(), StoreError> {
    if body.len() > LONGEST {
        return Err(StoreError::TooLong { name: name.clone(), length: body.len(), limit: LONGEST });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for (text, good) in [
            ("a", true),
            ("key-ring", true),
            ("0", true),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
            ("", false),
            ("Key", false),
            ("key ring", false),
            ("key:ring", false),
            ("{key}", false),
            ("ké", false),
            ("key\0", false),
        ] {
            assert_eq!(DocumentName::parse(text).is_ok(), good, "{text:?}");
        }
        assert_eq!(
            DocumentName::parse("Key").unwrap_err().to_string(),
            "`Key` is no name of a document; write 1 to 64 lowercase letters, digits and `-`"
        );
        assert_eq!(DocumentName::parse("key-ring"), Ok(DocumentName::KEY_RING));
    }
}
