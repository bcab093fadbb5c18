//! What the engine is told about a request: its head, borrowed from whoever received it.

use core::{net::IpAddr, time::Duration};

/// A request's head, as it came in, before anything was decoded or merged.
///
/// Nothing is copied: a socket, a tower service and an ASGI scope each hand over what they already hold.
/// `H` yields the headers in the order of arrival, name and value as bytes; a name that came twice is yielded
/// twice. Names may be in any case.
///
/// ```
/// use bartizan_core::{RequestHead, Scheme};
/// let headers = [(&b"host"[..], &b"api.example.com"[..])];
/// let head = RequestHead {
///     method: b"GET",
///     path: b"/profile",
///     query: None,
///     authority: None,
///     scheme: Scheme::Https,
///     peer: None,
///     http2: false,
///     headers: headers.iter().copied(),
/// };
/// assert_eq!(head.path, b"/profile");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'r, H> {
    /// The method, as sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'r [u8],
    /// The path of the target, still percent-encoded, without the query; `*` for `OPTIONS *`.
    pub path: &'r [u8],
    /// The query without its `?`, if there was one.
    pub query: Option<&'r [u8]>,
    /// The authority of an absolute-form target, or HTTP/2's `:authority`. `Host` is among the headers.
    pub authority: Option<&'r [u8]>,
    /// How the request reached *this* listener; a trusted proxy may say otherwise (`proxy.forwarded`).
    pub scheme: Scheme,
    /// The address of the connection's other end; `None` for a Unix socket, which is never a trusted proxy.
    pub peer: Option<IpAddr>,
    /// Whether the connection speaks HTTP/2 or later, where `Upgrade` and `Transfer-Encoding` do not exist.
    pub http2: bool,
    /// The headers, in order of arrival.
    pub headers: H,
}

/// What a header iterator yields: name and value.
pub type HeaderPair<'r> = (&'r [u8], &'r [u8]);

/// The scheme by which a client reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that goes without saying: 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A point in time: milliseconds since 1970-01-01 00:00:00 UTC. The engine has no clock
/// of its own; each call is given a [`Clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The point so much later; the last one there is where that is beyond it.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The point so much earlier; the first one there is where that is before it.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How much later this is than `earlier`; zero where it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Where the engine takes the time from. It is asked where something depends on it: most policies' responses do
/// not, and reading a clock costs.
pub trait Clock {
    /// The time.
    fn now(self) -> Timestamp;
}

/// A clock that stands: for tests, and for whoever read the time already.
impl Clock for Timestamp {
    fn now(self) -> Timestamp {
        self
    }
}

/// Where the engine takes its randomness from: nonces and request ids.
///
/// The bytes must be unpredictable to a client (a CSPRNG seeded by the operating system).
pub trait Entropy {
    /// Fills `bytes` with fresh random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}
