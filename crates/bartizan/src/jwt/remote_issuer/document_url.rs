//! Addresses that documents of an issuer are fetched from (RFC 3986; https, RFC 9110 §4.2.2).

use std::{fmt, net::IpAddr, str::FromStr as _, sync::Arc};

use http::Uri;
use thiserror::Error;

/// An address that may be fetched from: https, or plain http on this machine, which is for development.
///
/// ```
/// use bartizan::jwt::{DocumentUrl, DocumentUrlFault};
/// assert!(DocumentUrl::parse("https://login.example.com/keys").is_ok());
/// assert!(DocumentUrl::parse("http://localhost:8080/keys").is_ok());
///
/// // Whoever is on the way could put keys of their own in place of the issuer's.
/// let refused = DocumentUrl::parse("http://login.example.com/keys").unwrap_err();
/// assert_eq!(refused, DocumentUrlFault::Plain("http://login.example.com/keys".into()));
/// assert_eq!(
///     refused.to_string(),
///     "`http://login.example.com/keys` is not encrypted: write https; http is for localhost, 127.0.0.0/8 and [::1]"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentUrl(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    text: Box<str>,
    uri: Uri,
    is_https: bool,
}

/// Why nothing is fetched from an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentUrlFault {
    /// Not `https://host`, with a port, a path and a query where there are any.
    #[error("`{}` is no address of a document, which is written `https://host/path`", .0.escape_debug())]
    NotAUrl(Box<str>),
    /// Plain http to another machine.
    #[error("`{0}` is not encrypted: write https; http is for localhost, 127.0.0.0/8 and [::1]")]
    Plain(Box<str>),
    /// A user or a password stands before the host. It would be in logs.
    #[error("the address of a document has no user and no password before its host; take them out")]
    User,
    /// A `#fragment`, or a `?query` where an issuer is named.
    #[error("`{}` has a `{}`: take it out, with what follows", .0.escape_debug(), .1)]
    Rest(Box<str>, char),
}

impl DocumentUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// Says why nothing is fetched from there.
    pub fn parse(text: &str) -> Result<Self, DocumentUrlFault> {
        let shown = || text.chars().take(256).collect::<String>().into_boxed_str();
        let not_a_url = || DocumentUrlFault::NotAUrl(shown());
        // `Uri` drops it without a word.
        if text.contains('#') {
            return Err(DocumentUrlFault::Rest(shown(), '#'));
        }
        let uri = Uri::from_str(text).map_err(|_| not_a_url())?;
        let authority = uri.authority().ok_or_else(not_a_url)?.as_str();
        if authority.contains('@') {
            return Err(DocumentUrlFault::User);
        }
        // Also with a port of letters, or none after its colon.
        let port = authority.strip_prefix(uri.host().unwrap_or_default()).filter(|_| uri.host() != Some(""));
        match port.map(|port| port.strip_prefix(':').map(u16::from_str)) {
            Some(None | Some(Ok(1..))) => {}
            _ => return Err(not_a_url()),
        }
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(not_a_url()),
        };
        let url = Self(Arc::new(Parts { text: text.into(), uri, is_https }));
        if !is_https && !url.is_local() {
            return Err(DocumentUrlFault::Plain(shown()));
        }
        Ok(url)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.0.is_https
    }

    /// Its host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.0.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Its port, or its scheme's.
    pub fn port(&self) -> u16 {
        self.0.uri.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> &str {
        self.0.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// What is asked for there.
    pub(super) fn path_and_query(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Whether it names this machine (RFC 6761 §6.3 for the name).
    fn is_local(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentUrl({})", self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, authority, path) in [
            ("https://a.example", "a.example", 443, "a.example", "/"),
            ("https://a.example:8443/k?v=1", "a.example", 8443, "a.example:8443", "/k?v=1"),
            ("HTTPS://A.example/k/", "A.example", 443, "A.example", "/k/"),
            ("https://[2001:db8::1]:1/k", "2001:db8::1", 1, "[2001:db8::1]:1", "/k"),
            ("http://localhost/k", "localhost", 80, "localhost", "/k"),
            ("http://LocalHost:8080", "LocalHost", 8080, "LocalHost:8080", "/"),
            ("http://127.8.9.10/", "127.8.9.10", 80, "127.8.9.10", "/"),
            ("http://[::1]:9/k", "::1", 9, "[::1]:9", "/k"),
        ] {
            let url = DocumentUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!((url.authority(), url.path_and_query()), (authority, path), "{text}");
            assert_eq!(
                (url.as_str(), url.is_https()),
                (text, port != 80 && port != 8080 && port != 9),
                "{text}"
            );
        }
    }

    #[test]
    fn what_nothing_is_fetched_from_is_refused() {
        let not = |text: &str| DocumentUrlFault::NotAUrl(text.into());
        let plain = |text: &str| DocumentUrlFault::Plain(text.into());
        for (text, expected) in [
            ("", not("")),
            ("/keys", not("/keys")),
            ("login.example.com", not("login.example.com")),
            ("https://", not("https://")),
            ("https:///keys", not("https:///keys")),
            ("https://:443/keys", not("https://:443/keys")),
            ("https://a.example:/", not("https://a.example:/")),
            ("https://a.example:0/", not("https://a.example:0/")),
            ("https://a.example:65536/", not("https://a.example:65536/")),
            ("https://a.example:x/", not("https://a.example:x/")),
            ("https://a example/", not("https://a example/")),
            ("https://a.example/k\r\nX: y", not("https://a.example/k\r\nX: y")),
            ("file:///etc/passwd", not("file:///etc/passwd")),
            ("ftp://a.example/", not("ftp://a.example/")),
            ("http://a.example/", plain("http://a.example/")),
            ("http://localhost.a.example/", plain("http://localhost.a.example/")),
            ("http://127.0.0.1.a.example/", plain("http://127.0.0.1.a.example/")),
            ("http://10.0.0.1/", plain("http://10.0.0.1/")),
            ("http://169.254.169.254/", plain("http://169.254.169.254/")),
            ("http://[::2]/", plain("http://[::2]/")),
            ("http://0.0.0.0/", plain("http://0.0.0.0/")),
            ("https://user@a.example/", DocumentUrlFault::User),
            ("https://user:secret@a.example/", DocumentUrlFault::User),
            ("http://127.0.0.1@a.example/", DocumentUrlFault::User),
            ("https://a.example/#k", DocumentUrlFault::Rest("https://a.example/#k".into(), '#')),
        ] {
            let refused = DocumentUrl::parse(text).unwrap_err();
            assert_eq!(refused, expected, "{text}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }
}
