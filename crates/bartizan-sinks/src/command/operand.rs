//! An argument that was decided when the program runs, and that is no option.

use crate::host::Pinned;
use std::{ffi::OsString, net::IpAddr};

/// The longest text, in bytes.
const LONGEST: usize = 4_096;

/// An argument that no program can take for an option: an address, a number, or a [`text`](Self::text) that does not
/// begin like one.
///
/// A host name is none: what a program looks up may be another address than the one that was judged. Hand it the
/// [`Pinned`] one.
///
/// ```
/// use bartizan_sinks::command::Operand;
/// use std::net::Ipv4Addr;
///
/// let address = Operand::from(Ipv4Addr::LOCALHOST);
/// let number = Operand::from(64_u16);
/// assert!(Operand::text("-rf").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand(OsString);

/// Why a text is no [`Operand`].
///
/// ```
/// # use bartizan_sinks::command::{Operand, OperandError};
/// assert_eq!(Operand::text("--output=/etc/passwd"), Err(OperandError::LikeAnOption('-')));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperandError {
    /// There is none.
    #[error("the argument is empty: give one")]
    Empty,
    /// It is longer than 4,096 bytes.
    #[error("the argument has {0} bytes: shorten it to 4096")]
    TooLong(usize),
    /// It begins with `-` or `+`, as options do, or with `@`, as the name of a file of options does.
    #[error("the argument begins with {0:?}, as an option does: leave it out")]
    LikeAnOption(char),
    /// It has a NUL, a newline, or another control character.
    #[error("the argument has the control character {0:?}: leave it out")]
    Control(char),
}

impl Operand {
    /// A text that a client sent. What it means to the program, say the path of a file, is not looked at: where there
    /// is a type for that, parse it first.
    ///
    /// ```
    /// # use bartizan_sinks::command::Operand;
    /// assert!(Operand::text("two words; and $(more)").is_ok()); // there is no shell that would read them
    /// assert!(Operand::text("line\n").is_err());
    /// ```
    pub fn text(text: &str) -> Result<Self, OperandError> {
        match text.chars().next() {
            None => return Err(OperandError::Empty),
            Some(first @ ('-' | '+' | '@')) => return Err(OperandError::LikeAnOption(first)),
            Some(_) if text.len() > LONGEST => return Err(OperandError::TooLong(text.len())),
            Some(_) => {}
        }
        match text.chars().find(|character| character.is_control()) {
            Some(control) => Err(OperandError::Control(control)),
            None => Ok(Self(text.into())),
        }
    }

    pub(super) fn into_os_string(self) -> OsString {
        self.0
    }
}

/// Its address, not its name.
impl From<&Pinned> for Operand {
    fn from(host: &Pinned) -> Self {
        host.address().into()
    }
}

/// As `./name`, which is the file of the working directory whatever the name begins with.
#[cfg(feature = "path")]
impl From<&crate::path::FileName> for Operand {
    fn from(name: &crate::path::FileName) -> Self {
        Self(format!("./{name}").into())
    }
}

macro_rules! shown {
    ($($shown:ty),*) => {$(
        /// As it is shown, which never begins with a hyphen.
        impl From<$shown> for Operand {
            fn from(value: $shown) -> Self {
                Self(value.to_string().into())
            }
        }
    )*};
}

shown!(IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr, u8, u16, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::{OperandError::*, *};

    #[test]
    fn a_text_does_not_begin_like_an_option() {
        let (longest, long) = ("a".repeat(4_096), "a".repeat(4_097));
        for (text, error) in [
            ("a", None),
            ("a-b", None),
            (" -a", None),
            ("; rm -rf /", None),
            ("/etc/hosts", None),
            (longest.as_str(), None),
            ("", Some(Empty)),
            ("-", Some(LikeAnOption('-'))),
            ("-a", Some(LikeAnOption('-'))),
            ("--", Some(LikeAnOption('-'))),
            ("+short", Some(LikeAnOption('+'))),
            ("@file", Some(LikeAnOption('@'))),
            ("a\0b", Some(Control('\0'))),
            ("a\n", Some(Control('\n'))),
            ("\t-a", Some(Control('\t'))),
            (long.as_str(), Some(TooLong(4_097))),
        ] {
            assert_eq!(Operand::text(text).err(), error, "{text:?}");
        }
    }
}
