//! The name of a file in one folder: what a client may call it.

use std::{fmt, str};

/// The longest name that the usual file systems take, in bytes.
const LONGEST: usize = 255;

/// A name that stands for one file in one folder, on every system, and that looks like what it is.
///
/// It is a single component: no separator of either kind, no `.` or `..`, nothing absolute. It is not decoded:
/// `%2e%2e%2f` is a name of nine characters that are letters, digits and percent signs, and stays one.
///
/// Refused are also what some system reads otherwise: NUL and control characters, names that begin with a dot
/// (hidden), a trailing dot or space (Windows drops them), a colon (drives and streams of NTFS), Windows' device names
/// with any extension, and the characters that turn the direction of writing (`evil\u{202e}gpj.exe` is shown as
/// `evilexe.jpg`). Unicode is not normalised: two spellings of `é` are two names.
///
/// ```
/// use bartizan_sinks::path::{FileName, FileNameError};
///
/// assert_eq!(FileName::parse("summer holiday.jpg").map(|name| name.as_str().len()), Ok(18));
/// assert_eq!(FileName::parse("../secret"), Err(FileNameError::Separator));
/// assert_eq!(FileName::parse("nul.txt"), Err(FileNameError::Device));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// Why a name is no [`FileName`].
///
/// ```
/// use bartizan_sinks::path::{FileName, FileNameError};
///
/// let refused = FileName::parse("notes.txt ").unwrap_err();
/// assert_eq!(refused, FileNameError::TrailingDotOrSpace);
/// assert_eq!(refused.to_string(), "a file's name may not end in a dot or a space: leave it off");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileNameError {
    /// There is no name.
    #[error("a file's name is empty: give one")]
    Empty,
    /// It is longer than 255 bytes.
    #[error("a file's name has {0} bytes: shorten it to 255")]
    TooLong(usize),
    /// It is not UTF-8; an overlong encoding of `/` or `.` is none either (RFC 3629 section 3).
    #[error("a file's name is not UTF-8: send it as UTF-8")]
    NotUtf8,
    /// It has a `/` or a `\`, and so would be a path, perhaps an absolute one.
    #[error("a file's name has a `/` or a `\\`: name one file, without its folder")]
    Separator,
    /// It begins with a dot: `.`, `..`, or a hidden file.
    #[error("a file's name begins with a dot: name a file that is not hidden")]
    LeadingDot,
    /// It has a NUL or another control character, or one that ends a line.
    #[error("a file's name has a control character: leave it out")]
    Control,
    /// It has a character that changes the direction of writing, and so looks like another name.
    #[error("a file's name has a character that changes the direction of writing: leave it out")]
    Direction,
    /// It has a colon: a drive, or a stream of NTFS.
    #[error("a file's name has a colon: leave it out")]
    Colon,
    /// It ends in a dot or a space, which Windows drops.
    #[error("a file's name may not end in a dot or a space: leave it off")]
    TrailingDotOrSpace,
    /// It is a device on Windows, with or without an extension: `CON`, `NUL.txt`, `COM1`.
    #[error("a file's name is that of a device on Windows: choose another")]
    Device,
}

impl FileName {
    /// Reads a name.
    ///
    /// ```
    /// # use bartizan_sinks::path::FileName;
    /// assert!(FileName::parse("report.pdf").is_ok());
    /// assert!(FileName::parse("/etc/passwd").is_err());
    /// ```
    pub fn parse(name: &str) -> Result<Self, FileNameError> {
        if name.is_empty() {
            return Err(FileNameError::Empty);
        }
        if name.len() > LONGEST {
            return Err(FileNameError::TooLong(name.len()));
        }
        for character in name.chars() {
            match character {
                '/' | '\\' => return Err(FileNameError::Separator),
                ':' => return Err(FileNameError::Colon),
                '\u{2028}' | '\u{2029}' => return Err(FileNameError::Control),
                _ if character.is_control() => return Err(FileNameError::Control),
                _ if turns_direction(character) => return Err(FileNameError::Direction),
                _ => {}
            }
        }
        if name.starts_with('.') {
            return Err(FileNameError::LeadingDot);
        }
        if name.ends_with(['.', ' ']) {
            return Err(FileNameError::TrailingDotOrSpace);
        }
        if is_device(name) {
            return Err(FileNameError::Device);
        }
        Ok(Self(name.to_owned()))
    }

    /// Reads a name from bytes, such as those of a decoded path or of a form's file name.
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, FileNameError};
    /// assert_eq!(FileName::parse_bytes(b"a.txt").map(|name| name.to_string()), Ok("a.txt".to_owned()));
    /// assert_eq!(FileName::parse_bytes(b"..\xc0\xaf..\xc0\xafpasswd"), Err(FileNameError::NotUtf8));
    /// ```
    pub fn parse_bytes(name: &[u8]) -> Result<Self, FileNameError> {
        Self::parse(str::from_utf8(name).map_err(|_| FileNameError::NotUtf8)?)
    }

    /// The name as text.
    ///
    /// ```
    /// # use bartizan_sinks::path::FileName;
    /// assert_eq!(FileName::parse("a.txt").unwrap().as_str(), "a.txt");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last dot, as it is written.
    ///
    /// ```
    /// # use bartizan_sinks::path::FileName;
    /// assert_eq!(FileName::parse("archive.tar.GZ").unwrap().extension(), Some("GZ"));
    /// assert_eq!(FileName::parse("README").unwrap().extension(), None);
    /// ```
    pub fn extension(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(_, extension)| extension)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As a string is shown.
impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl str::FromStr for FileName {
    type Err = FileNameError;

    fn from_str(name: &str) -> Result<Self, FileNameError> {
        Self::parse(name)
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Marks, embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Windows takes what stands before the first dot, without the spaces at its end.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let numbered =
        stem.get(..3).is_some_and(|port| ["COM", "LPT"].iter().any(|name| port.eq_ignore_ascii_case(name)));
    let number = stem.get(3..).unwrap_or_default();
    numbered
        && matches!(number.chars().next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.chars().count() == 1
}

#[cfg(test)]
mod tests {
    use super::{FileNameError::*, *};

    #[test]
    fn names_of_files_are_taken_as_they_are() {
        let longest = "a".repeat(LONGEST);
        for name in [
            "a",
            "a.txt",
            "a..b",
            "...a".trim_start_matches('.'),
            "summer holiday.jpg",
            "übung.pdf",
            "日本語.png",
            "%2e%2e%2fpasswd",
            "%252e%252e%252f",
            "-rf",
            "$(id)",
            "a'b\"c",
            "console.log",
            "COM10",
            "COMA",
            "NULL",
            "com",
            "lpt",
            "👩‍🚀.png",
            " leading",
            longest.as_str(),
        ] {
            assert_eq!(FileName::parse(name).map(|name| name.0), Ok(name.to_owned()), "{name:?}");
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        let long = "a".repeat(LONGEST + 1);
        for (name, error) in [
            ("", Empty),
            (".", LeadingDot),
            ("..", LeadingDot),
            ("...", LeadingDot),
            (".htaccess", LeadingDot),
            ("/", Separator),
            ("/etc/passwd", Separator),
            ("a/b", Separator),
            ("../a", Separator),
            ("..\\a", Separator),
            ("\\\\server\\share", Separator),
            ("C:", Colon),
            ("C:autoexec.bat", Colon),
            ("file.txt::$DATA", Colon),
            ("a\0.txt", Control),
            ("a\n", Control),
            ("a\u{7f}", Control),
            ("a\u{85}", Control),
            ("a\u{2028}b", Control),
            ("evil\u{202e}gpj.exe", Direction),
            ("a\u{2066}b", Direction),
            ("a\u{200f}b", Direction),
            ("a\u{61c}b", Direction),
            ("a.", TrailingDotOrSpace),
            ("a. .", TrailingDotOrSpace),
            ("a ", TrailingDotOrSpace),
            ("CON", Device),
            ("con.txt", Device),
            ("Nul.tar.gz", Device),
            ("aux .txt", Device),
            ("prn", Device),
            ("COM1", Device),
            ("com0.log", Device),
            ("LPT9.x", Device),
            ("COM¹", Device),
            ("lpt³.txt", Device),
            ("conin$", Device),
            (long.as_str(), TooLong(256)),
        ] {
            assert_eq!(FileName::parse(name), Err(error), "{name:?}");
        }
        for overlong in
            [&b"\xc0\xae\xc0\xae"[..], b"..\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"a\xff"]
        {
            assert_eq!(FileName::parse_bytes(overlong), Err(NotUtf8), "{overlong:?}");
        }
    }
}
