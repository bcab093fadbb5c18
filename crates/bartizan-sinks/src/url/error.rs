//! Why a request does not go out.

use super::{Hostname, HostnameError, ResolveError};

/// Why an [`Outgoing`](super::Outgoing) guard refuses a URL.
///
/// ```
/// # use bartizan_sinks::url::Outgoing;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let resolver = |_: &str| Ok(Vec::new());
/// let refused = Outgoing::https().check("gopher://127.0.0.1:6379/_FLUSHALL", &resolver).await.unwrap_err();
/// assert_eq!(refused.to_string(), "the scheme \"gopher\" is not allowed: use https");
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is longer than 8,192 bytes.
    #[error("the URL has {0} bytes: shorten it to 8192")]
    TooLong(usize),
    /// It has a character that is read in different ways: a backslash, a space, a tab, a newline, a control character.
    #[error("the URL has the character {0:?}: leave it out, or encode it")]
    Character(char),
    /// It is no absolute URL.
    #[error("the URL cannot be read: {0}: write all of it, such as https://example.com/path")]
    Invalid(#[from] ::url::ParseError),
    /// Its scheme is not one of those that are allowed.
    #[error("the scheme {scheme:?} is not allowed: use https")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// There is a user name or a password before its host.
    #[error("the URL has a user name or a password: leave out what stands before the `@`")]
    UserInfo,
    /// Its port is not one of those that are allowed.
    #[error("the port {port} is not allowed: leave it out, or allow it, if it is meant to be reached")]
    Port {
        /// The port.
        port: u16,
    },
    /// Its host is none.
    #[error(transparent)]
    Host(#[from] HostnameError),
    /// Its host is not one of those that are allowed.
    #[error(
        "the host {host} is not one of those that requests may go to: allow it, if it is meant to be reached"
    )]
    HostNotAllowed {
        /// The host.
        host: Hostname,
    },
    /// Its host has no address, or not only public ones.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A redirect leads from HTTPS to HTTP.
    #[error("the redirect leads from https to http: what was secret would be read on the way")]
    Downgrade,
    /// There were as many redirects as are allowed.
    #[error("there were {limit} redirects, and no more are followed: give the URL that they lead to")]
    TooManyRedirects {
        /// How many are allowed.
        limit: u8,
    },
}
