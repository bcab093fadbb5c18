//! The name of a host (RFC 1123 section 2.1, RFC 952).

use super::{Pinned, PrivateAddresses, Resolve, ResolveError};
use std::{fmt, net::IpAddr, str};

/// The longest name and label (RFC 1123 section 2.1, RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A host that a client named: a name, or an address.
///
/// A name is labels of letters, digits and hyphens, joined by dots. No label begins or ends with a hyphen, so that a
/// program cannot take it for an option; there is no space, no quote, no `;` or `|`, no newline at its end, for which
/// many an expression that ends in `$` has an eye closed. A last label of digits would be an address in an old
/// spelling (`127.1`, `0x7f.1`), and is refused. So are an underscore, and a dot at the end. Other scripts are written
/// as `xn--…`.
///
/// An address is IPv4 in four decimal parts, or IPv6 without brackets and without a zone.
///
/// ```
/// use bartizan_sinks::command::{Hostname, HostnameError};
///
/// assert!(matches!(Hostname::parse("Example.com"), Ok(Hostname::Name(name)) if name.as_str() == "example.com"));
/// assert!(matches!(Hostname::parse("192.0.2.1"), Ok(Hostname::Address(_))));
/// assert_eq!(Hostname::parse("-f"), Err(HostnameError::Hyphen));
/// assert_eq!(Hostname::parse("localhost\n"), Err(HostnameError::Character('\n')));
/// assert_eq!(Hostname::parse("localhost; id"), Err(HostnameError::Character(';')));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hostname {
    /// A name, to be resolved.
    Name(DnsName),
    /// An address.
    Address(IpAddr),
}

/// The name of a host in lower case; only [`Hostname::parse`] makes it.
///
/// ```
/// # use bartizan_sinks::command::Hostname;
/// let Ok(Hostname::Name(name)) = Hostname::parse("API.example.com") else { unreachable!() };
/// assert_eq!(name.as_str(), "api.example.com");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DnsName(String);

/// Why a text is no [`Hostname`].
///
/// ```
/// # use bartizan_sinks::command::Hostname;
/// let refused = Hostname::parse("example..com").unwrap_err();
/// assert_eq!(refused.to_string(), "a part of the host name is empty: leave out one dot");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostnameError {
    /// There is no name.
    #[error("the host name is empty: give one")]
    Empty,
    /// It is longer than 253 characters.
    #[error("the host name has {0} bytes: the longest has 253")]
    TooLong(usize),
    /// A label is longer than 63 characters.
    #[error("a part of the host name has {0} bytes: the longest has 63")]
    LongLabel(usize),
    /// Two dots follow each other, or one is first or last.
    #[error("a part of the host name is empty: leave out one dot")]
    EmptyLabel,
    /// A label begins or ends with a hyphen.
    #[error("a part of the host name begins or ends with a hyphen: leave it out")]
    Hyphen,
    /// There is something else than letters of ASCII, digits, hyphens and dots.
    #[error("the host name has the character {0:?}: use letters, digits, hyphens and dots")]
    Character(char),
    /// Its last label is a number, as in an address, but it is none.
    #[error("the host name ends in a number, but is no address: write all four parts, in decimal")]
    Number,
}

impl Hostname {
    /// Reads a name or an address.
    ///
    /// ```
    /// # use bartizan_sinks::command::Hostname;
    /// assert!(Hostname::parse("localhost").is_ok());
    /// assert!(Hostname::parse("::1").is_ok());
    /// assert!(Hostname::parse("$(id)").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, HostnameError> {
        if text.len() > LONGEST {
            return Err(HostnameError::TooLong(text.len()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        DnsName::parse(text).map(Self::Name)
    }

    /// Finds the addresses of the host, and refuses it if any of them is not public, save for those that are allowed.
    ///
    /// What is found is [`Pinned`]: talk to that address, and do not look the name up again. A second answer may be
    /// another one, which is how this check is got around elsewhere (DNS rebinding).
    ///
    /// ```
    /// use bartizan_sinks::command::{Hostname, PrivateAddresses, ResolveError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A resolver of one's own, for a test; `SystemResolver` asks the system.
    /// let resolver = |_: &str| Ok(vec!["127.0.0.1".parse().unwrap()]);
    /// let host = Hostname::parse("rebound.example")?;
    /// let refused = host.resolve(&resolver, &PrivateAddresses::refuse()).await;
    /// assert!(matches!(refused, Err(ResolveError::NotPublic { .. })));
    ///
    /// let loopback = PrivateAddresses::dangerously_allow(["127.0.0.1/32".parse()?]);
    /// assert_eq!(host.resolve(&resolver, &loopback).await?.address().to_string(), "127.0.0.1");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn resolve(
        &self,
        resolver: &impl Resolve,
        private: &PrivateAddresses,
    ) -> Result<Pinned, ResolveError> {
        Pinned::find(self, resolver, private).await
    }
}

impl DnsName {
    /// The name, in lower case.
    ///
    /// ```
    /// # use bartizan_sinks::command::Hostname;
    /// # let Ok(Hostname::Name(name)) = Hostname::parse("localhost") else { unreachable!() };
    /// assert_eq!(name.as_str(), "localhost");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, HostnameError> {
        if text.is_empty() {
            return Err(HostnameError::Empty);
        }
        let is_other = |character: &char| !matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.');
        if let Some(other) = text.chars().find(is_other) {
            return Err(HostnameError::Character(other));
        }
        for label in text.split('.') {
            match label.len() {
                0 => return Err(HostnameError::EmptyLabel),
                length if length > LONGEST_LABEL => return Err(HostnameError::LongLabel(length)),
                _ if label.starts_with('-') || label.ends_with('-') => return Err(HostnameError::Hyphen),
                _ => {}
            }
        }
        if text.rsplit('.').next().is_some_and(is_number) {
            return Err(HostnameError::Number);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// What `inet_aton` and the URL standard ("ends in a number") read as a number: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As a string is shown.
impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl str::FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{HostnameError::*, *};

    #[test]
    fn names_and_addresses_are_told_apart() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (text, shown) in [
            ("localhost", "localhost"),
            ("Example.COM", "example.com"),
            ("a", "a"),
            ("3com.com", "3com.com"),
            ("1.2.3.4.example", "1.2.3.4.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a-b.c-d", "a-b.c-d"),
            ("0xg", "0xg"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(Hostname::parse(text), Ok(Hostname::Name(DnsName(shown.to_owned()))), "{text}");
        }
        for text in ["127.0.0.1", "8.8.8.8", "::1", "2001:db8::1", "::ffff:127.0.0.1"] {
            assert_eq!(Hostname::parse(text), Ok(Hostname::Address(text.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let (long, label) = ("a".repeat(254), "a".repeat(64));
        for (text, error) in [
            ("", Empty),
            (".", EmptyLabel),
            ("a.", EmptyLabel),
            (".a", EmptyLabel),
            ("a..b", EmptyLabel),
            ("-f", Hyphen),
            ("--flood", Hyphen),
            ("a.-b", Hyphen),
            ("a-", Hyphen),
            ("a-.b", Hyphen),
            ("localhost\n", Character('\n')),
            ("localhost\r\n", Character('\r')),
            ("\nlocalhost", Character('\n')),
            ("local\0host", Character('\0')),
            ("localhost ", Character(' ')),
            ("a b", Character(' ')),
            ("a;b", Character(';')),
            ("a|b", Character('|')),
            ("a&b", Character('&')),
            ("$(id)", Character('$')),
            ("`id`", Character('`')),
            ("a_b", Character('_')),
            ("a/b", Character('/')),
            ("a@b", Character('@')),
            ("a:80", Character(':')),
            ("[::1]", Character('[')),
            ("fe80::1%eth0", Character(':')),
            ("bücher.example", Character('ü')),
            ("ｌocalhost", Character('ｌ')),
            ("127.1", Number),
            ("2130706433", Number),
            ("0177.0.0.1", Number),
            ("0x7f.1", Number),
            ("0x7f000001", Number),
            ("0X7F000001", Number),
            ("0x", Number),
            ("1.2.3.4.5", Number),
            ("256.0.0.1", Number),
            (long.as_str(), TooLong(254)),
            (label.as_str(), LongLabel(64)),
        ] {
            assert_eq!(Hostname::parse(text), Err(error), "{text:?}");
        }
    }
}
