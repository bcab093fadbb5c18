//! Outgoing requests to an address that a client named: webhooks, previews, imports.
//!
//! A server that fetches what it is told to can be told to fetch from inside its own network (server-side request
//! forgery). An [`Outgoing`] guard reads the URL, looks its host up once, refuses what is not public, and hands back a
//! [`Destination`] with the addresses to connect to. The HTTP client must connect to *those*, and must not follow
//! redirects itself: each [`Location`](Outgoing::follow) is judged like the first URL.
//!
//! ```
//! use bartizan_sinks::url::{Outgoing, UrlError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let resolver = |name: &str| Ok(vec![if name == "inside.example" { [10, 0, 0, 1] } else { [1, 1, 1, 1] }.into()]);
//! let guard = Outgoing::https(); // `resolver` is `SystemResolver::new()`, or one's own
//! let hook = guard.check("https://hooks.example/new?id=1", &resolver).await?;
//! assert_eq!((hook.host(), hook.path_and_query()), ("hooks.example", "/new?id=1"));
//! let connect_to: Vec<_> = hook.socket_addresses().collect();
//! assert_eq!(connect_to, ["1.1.1.1:443".parse()?]);
//!
//! for refused in ["http://hooks.example/", "https://inside.example/", "https://169.254.169.254/", "file:///etc/passwd"] {
//!     assert!(guard.check(refused, &resolver).await.is_err(), "{refused}");
//! }
//! # Ok(())
//! # }
//! ```

mod destination;
mod error;

pub use crate::host::{
    DnsName, Hostname, HostnameError, Pinned, PrivateAddresses, Resolve, ResolveError, SystemResolver,
    is_public,
};
pub use destination::Destination;
pub use error::UrlError;

use ::url::Url;

/// The longest URL, in bytes.
const LONGEST: usize = 8_192;

/// Which requests may go out.
///
/// ```
/// use bartizan_sinks::url::Outgoing;
///
/// let hooks = Outgoing::https().ports([443, 8443]).redirects(0);
/// let partner = Outgoing::https().hosts(["api.partner.example"]);
/// ```
#[derive(Debug, Clone)]
pub struct Outgoing {
    http: bool,
    ports: Vec<u16>,
    /// All, where there is no list.
    hosts: Option<Vec<String>>,
    private: PrivateAddresses,
    redirects: u8,
}

impl Outgoing {
    /// HTTPS to port 443 of any public host, following five redirects at most.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// assert!(Outgoing::https().check("https://hooks.example:8443/", &resolver).await.is_err());
    /// # }
    /// ```
    pub fn https() -> Self {
        Self { http: false, ports: vec![443], hosts: None, private: PrivateAddresses::refuse(), redirects: 5 }
    }

    /// HTTP too, to port 80: whoever is on the way reads and changes what is sent.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let guard = Outgoing::https().dangerously_allow_http();
    /// assert!(guard.check("http://hooks.example/", &resolver).await.is_ok());
    /// # }
    /// ```
    #[must_use]
    pub fn dangerously_allow_http(mut self) -> Self {
        self.http = true;
        self.ports.push(80);
        self
    }

    /// These ports, instead of those that were allowed so far.
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// assert!(Outgoing::https().ports([8443]).check("https://hooks.example:8443/", &resolver).await.is_ok());
    /// # }
    /// ```
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Only these hosts, by their whole names in ASCII. Where they are known, it is the best guard.
    ///
    /// ```
    /// # use bartizan_sinks::url::{Outgoing, UrlError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let guard = Outgoing::https().hosts(["api.partner.example"]);
    /// assert!(guard.check("https://API.partner.example/", &resolver).await.is_ok());
    /// let other = guard.check("https://api.partner.example.evil.example/", &resolver).await;
    /// assert!(matches!(other, Err(UrlError::HostNotAllowed { .. })));
    /// # }
    /// ```
    #[must_use]
    pub fn hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.hosts = Some(hosts.into_iter().map(str::to_ascii_lowercase).collect());
        self
    }

    /// Addresses that are not public and may be reached all the same.
    ///
    /// ```
    /// # use bartizan_sinks::url::{Outgoing, PrivateAddresses};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let resolver = |_: &str| Ok(vec![[127, 0, 0, 1].into()]);
    /// let loopback = PrivateAddresses::dangerously_allow(["127.0.0.1/32".parse().unwrap()]);
    /// assert!(Outgoing::https().private(loopback).check("https://localhost/", &resolver).await.is_ok());
    /// # }
    /// ```
    #[must_use]
    pub fn private(mut self, private: PrivateAddresses) -> Self {
        self.private = private;
        self
    }

    /// How many redirects may be followed.
    ///
    /// ```
    /// # use bartizan_sinks::url::{Outgoing, UrlError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), UrlError> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let guard = Outgoing::https().redirects(0);
    /// let first = guard.check("https://one.example/", &resolver).await?;
    /// let next = guard.follow(&first, "/next", &resolver).await;
    /// assert!(matches!(next, Err(UrlError::TooManyRedirects { limit: 0 })));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redirects(mut self, redirects: u8) -> Self {
        self.redirects = redirects;
        self
    }

    /// Judges a URL and looks up where it leads.
    ///
    /// ```
    /// # use bartizan_sinks::url::{Outgoing, ResolveError, UrlError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let rebound = |_: &str| Ok(vec![[1, 1, 1, 1].into(), [127, 0, 0, 1].into()]);
    /// let refused = Outgoing::https().check("https://hooks.example/", &rebound).await;
    /// assert!(matches!(refused, Err(UrlError::Resolve(ResolveError::NotPublic { .. }))));
    /// # }
    /// ```
    pub async fn check(&self, url: &str, resolver: &impl Resolve) -> Result<Destination, UrlError> {
        refuse_ambiguous(url)?;
        self.judge(Url::parse(url)?, 0, resolver).await
    }

    /// Judges the `Location` of a redirect like a URL of its own, relative to where it came from.
    ///
    /// A redirect from HTTPS to HTTP is refused. Send credentials on only where
    /// [`shares_origin`](Destination::shares_origin) says so (Fetch standard, HTTP-redirect fetch).
    ///
    /// ```
    /// # use bartizan_sinks::url::Outgoing;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
    /// let guard = Outgoing::https();
    /// let first = guard.check("https://one.example/a/b", &resolver).await?;
    /// let next = guard.follow(&first, "../c", &resolver).await?;
    /// assert_eq!(next.as_str(), "https://one.example/c");
    /// assert!(guard.follow(&first, "https://10.0.0.1/", &resolver).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn follow(
        &self,
        from: &Destination,
        location: &str,
        resolver: &impl Resolve,
    ) -> Result<Destination, UrlError> {
        if from.redirects >= self.redirects {
            return Err(UrlError::TooManyRedirects { limit: self.redirects });
        }
        refuse_ambiguous(location)?;
        let url = from.url.join(location)?;
        if from.url.scheme() == "https" && url.scheme() == "http" {
            return Err(UrlError::Downgrade);
        }
        self.judge(url, from.redirects.saturating_add(1), resolver).await
    }

    async fn judge(
        &self,
        mut url: Url,
        redirects: u8,
        resolver: &impl Resolve,
    ) -> Result<Destination, UrlError> {
        let is_allowed = match url.scheme() {
            "https" => true,
            "http" => self.http,
            _ => false,
        };
        if !is_allowed {
            return Err(UrlError::Scheme { scheme: url.scheme().to_owned() });
        }
        // `https://api.partner.example@evil.example/` is read as one by people and as the other by programs.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.ports.contains(&port) {
            return Err(UrlError::Port { port });
        }
        let host = match url.host() {
            Some(::url::Host::Domain(name)) => Hostname::parse(name)?,
            Some(::url::Host::Ipv4(address)) => Hostname::Address(address.into()),
            Some(::url::Host::Ipv6(address)) => Hostname::Address(address.into()),
            None => return Err(HostnameError::Empty.into()),
        };
        if let Some(hosts) = &self.hosts
            && !hosts.contains(&host.to_string())
        {
            return Err(UrlError::HostNotAllowed { host });
        }
        // It is not sent (RFC 9110 section 4.2.5).
        url.set_fragment(None);
        let pinned = host.resolve(resolver, &self.private).await?;
        Ok(Destination { url, port, pinned, redirects })
    }
}

/// What parsers of URLs read in different ways, and what nobody needs: the URL standard drops tabs and newlines, and
/// takes `\` for `/`.
fn refuse_ambiguous(url: &str) -> Result<(), UrlError> {
    if url.len() > LONGEST {
        return Err(UrlError::TooLong(url.len()));
    }
    let is_ambiguous =
        |character: &char| *character == '\\' || character.is_whitespace() || character.is_control();
    url.chars().find(is_ambiguous).map_or(Ok(()), |character| Err(UrlError::Character(character)))
}

#[cfg(test)]
mod tests;
