//! Where a request may go.

use super::Pinned;
use ::url::Url;
use std::net::SocketAddr;

/// A URL that was judged, with the addresses that were found for it. Only an [`Outgoing`](super::Outgoing) guard makes
/// it.
///
/// Connect to [`socket_addresses`](Self::socket_addresses), in turn; [`host`](Self::host) is for the `Host` header, and
/// for the server's name in TLS. A client that takes a URL and looks its host up again has to be given these addresses
/// by a resolver of its own (`reqwest`: `ClientBuilder::resolve_to_addrs`, with `redirect::Policy::none()`).
///
/// ```
/// # use bartizan_sinks::url::Outgoing;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
/// let destination = Outgoing::https().check("https://One.example/a?b#c", &resolver).await?;
/// assert_eq!(destination.as_str(), "https://one.example/a?b");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Destination {
    pub(super) url: Url,
    pub(super) port: u16,
    pub(super) pinned: Pinned,
    pub(super) redirects: u8,
}

impl Destination {
    /// The URL in its normal form, without a fragment.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let destination = Outgoing::https().check("https://bücher.example:443/./a", &resolver).await?;
    /// assert_eq!(destination.as_str(), "https://xn--bcher-kva.example/a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// `https` or `http`.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// assert_eq!(Outgoing::https().check("https://one.example", &resolver).await?.scheme(), "https");
    /// # Ok(())
    /// # }
    /// ```
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host as it stands in the URL; an IPv6 address is in brackets.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(Vec::new());
    /// assert_eq!(Outgoing::https().check("https://[2606:4700::1]/", &resolver).await?.host(), "[2606:4700::1]");
    /// # Ok(())
    /// # }
    /// ```
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, also where the URL leaves it out.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// assert_eq!(Outgoing::https().check("https://one.example", &resolver).await?.port(), 443);
    /// # Ok(())
    /// # }
    /// ```
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the request line: the path and the query.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// assert_eq!(Outgoing::https().check("https://one.example?q", &resolver).await?.path_and_query(), "/?q");
    /// # Ok(())
    /// # }
    /// ```
    pub fn path_and_query(&self) -> &str {
        self.url.as_str().get(self.url[..::url::Position::BeforePath].len()..).unwrap_or("/")
    }

    /// Where to connect to.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into(), [1, 0, 0, 1].into()]);
    /// let destination = Outgoing::https().check("https://one.example", &resolver).await?;
    /// let addresses: Vec<_> = destination.socket_addresses().map(|address| address.to_string()).collect();
    /// assert_eq!(addresses, ["1.1.1.1:443", "1.0.0.1:443"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn socket_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.pinned.addresses().map(|address| SocketAddr::new(address, self.port))
    }

    /// Whether another is of the same scheme, host and port (RFC 6454). Credentials go no further than that.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let guard = Outgoing::https();
    /// let first = guard.check("https://one.example", &resolver).await?;
    /// assert!(guard.follow(&first, "/login", &resolver).await?.shares_origin(&first));
    /// assert!(!guard.follow(&first, "//two.example", &resolver).await?.shares_origin(&first));
    /// # Ok(())
    /// # }
    /// ```
    pub fn shares_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}
