//! From a name to an address that stays.

use super::{DnsName, Hostname, PrivateAddresses};
use std::{future::Future, io, net::IpAddr, time::Duration};

/// Who knows the addresses of a name.
///
/// [`SystemResolver`] asks the system. A function of a name is a resolver too, for tests and for fixed tables.
///
/// ```
/// use bartizan_sinks::command::{Hostname, PrivateAddresses, Resolve};
/// use std::{io, net::IpAddr};
///
/// struct Table;
///
/// impl Resolve for Table {
///     async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
///         if name == "one.example" { Ok(vec![[1, 1, 1, 1].into()]) } else { Ok(Vec::new()) }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Hostname::parse("one.example")?;
/// assert_eq!(host.resolve(&Table, &PrivateAddresses::refuse()).await?.address().to_string(), "1.1.1.1");
/// # Ok(())
/// # }
/// ```
pub trait Resolve: Send + Sync {
    /// All addresses of a name, which is in lower case and has no dot at its end. None, or an error of the kind
    /// `NotFound`, says that there is no such host.
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

impl<F> Resolve for F
where
    F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync,
{
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send {
        std::future::ready(self(name))
    }
}

/// Asks the system, as every program does: its hosts file, then its name servers.
///
/// ```
/// use bartizan_sinks::command::{Hostname, PrivateAddresses, ResolveError, SystemResolver};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let localhost = Hostname::parse("localhost")?;
/// let refused = localhost.resolve(&SystemResolver::new(), &PrivateAddresses::refuse()).await;
/// assert!(matches!(refused, Err(ResolveError::NotPublic { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver {
    within: Duration,
}

/// The addresses of a host, all of which may be talked to. They stay what they are, whatever the name says later.
///
/// ```
/// # use bartizan_sinks::command::{Hostname, PrivateAddresses};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into(), [1, 0, 0, 1].into()]);
/// let pinned = Hostname::parse("one.example")?.resolve(&resolver, &PrivateAddresses::refuse()).await?;
/// assert_eq!(pinned.address().to_string(), "1.1.1.1");
/// assert_eq!(pinned.addresses().count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    first: IpAddr,
    others: Vec<IpAddr>,
}

/// Why a host may not be talked to.
///
/// ```
/// # use bartizan_sinks::command::{Hostname, PrivateAddresses};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nobody = |_: &str| Ok(Vec::new());
/// let unknown = Hostname::parse("unknown.example")?.resolve(&nobody, &PrivateAddresses::refuse()).await;
/// assert_eq!(unknown.unwrap_err().to_string(), "the host unknown.example has no address: check its spelling");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no such host, or it has no address.
    #[error("the host {host} has no address: check its spelling")]
    Unknown {
        /// The host.
        host: Hostname,
    },
    /// One of its addresses is not public. The message does not say which: clients that see it would draw a map of the
    /// network by it.
    #[error("the host {host} is not on the public internet: allow its network, if it is meant to be reached")]
    NotPublic {
        /// The host.
        host: Hostname,
        /// The address, for the log.
        address: IpAddr,
    },
    /// The resolver did not answer in time.
    #[error("the addresses of {host} were not found in time: try again")]
    TimedOut {
        /// The host.
        host: Hostname,
    },
    /// The resolver failed.
    #[error("the addresses of {host} could not be found: {source}")]
    Failed {
        /// The host.
        host: Hostname,
        /// What the resolver said.
        source: io::Error,
    },
}

impl SystemResolver {
    /// Waits five seconds at most.
    ///
    /// ```
    /// # use bartizan_sinks::command::SystemResolver;
    /// let resolver = SystemResolver::new();
    /// ```
    pub const fn new() -> Self {
        Self { within: Duration::from_secs(5) }
    }

    /// Waits so long at most. A lookup that is given up still holds a thread until the system answers.
    ///
    /// ```
    /// # use bartizan_sinks::command::SystemResolver;
    /// let impatient = SystemResolver::new().within(std::time::Duration::from_secs(1));
    /// ```
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::time::timeout(self.within, tokio::net::lookup_host((name, 0))).await;
        let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok(found.map_err(told_apart)?.map(|address| address.ip()).collect())
    }
}

/// That there is no such host, as an error of its own kind. `getaddrinfo` has a number for it, of which the standard
/// library keeps the words alone.
fn told_apart(error: io::Error) -> io::Error {
    /// `EAI_NONAME` and `EAI_NODATA` of glibc, of musl, and of the BSDs and macOS.
    const UNKNOWN: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "servname provided, or not known",
    ];
    let words = error.to_string();
    let is_unknown = UNKNOWN.iter().any(|unknown| words.contains(unknown));
    if is_unknown { io::Error::new(io::ErrorKind::NotFound, error) } else { error }
}

impl Pinned {
    /// The first address.
    ///
    /// ```
    /// # use bartizan_sinks::command::{Hostname, PrivateAddresses};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| unreachable!("an address is not looked up");
    /// let pinned = Hostname::parse("1.1.1.1")?.resolve(&resolver, &PrivateAddresses::refuse()).await?;
    /// assert_eq!(pinned.address().to_string(), "1.1.1.1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(&self) -> IpAddr {
        self.first
    }

    /// All of them, in the resolver's order.
    ///
    /// ```
    /// # use bartizan_sinks::command::{Hostname, PrivateAddresses};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resolver = |_: &str| unreachable!("an address is not looked up");
    /// let pinned = Hostname::parse("1.1.1.1")?.resolve(&resolver, &PrivateAddresses::refuse()).await?;
    /// assert_eq!(pinned.addresses().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    pub(super) async fn find(
        host: &Hostname,
        resolver: &impl Resolve,
        private: &PrivateAddresses,
    ) -> Result<Self, ResolveError> {
        let found = match host {
            Hostname::Address(address) => vec![*address],
            Hostname::Name(name) => look_up(host, name, resolver).await?,
        };
        // One that is not public among others is no mistake that one looks past: it may be the one that is taken next.
        if let Some(&address) = found.iter().find(|&&address| !private.permit(address)) {
            return Err(ResolveError::NotPublic { host: host.clone(), address });
        }
        // As what they are: a program that is handed `::ffff:1.1.1.1` might take it for something else.
        let mut found = found.into_iter().map(|address| address.to_canonical());
        let first = found.next().ok_or_else(|| ResolveError::Unknown { host: host.clone() })?;
        Ok(Self { first, others: found.collect() })
    }
}

async fn look_up(
    host: &Hostname,
    name: &DnsName,
    resolver: &impl Resolve,
) -> Result<Vec<IpAddr>, ResolveError> {
    resolver.resolve(name.as_str()).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ResolveError::Unknown { host: host.clone() },
        io::ErrorKind::TimedOut => ResolveError::TimedOut { host: host.clone() },
        _ => ResolveError::Failed { host: host.clone(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolve(host: &str, answer: &[&str], private: &PrivateAddresses) -> Result<Vec<String>, String> {
        let answer: Vec<IpAddr> = answer.iter().map(|address| address.parse().unwrap()).collect();
        let resolver = move |_: &str| Ok(answer.clone());
        match Hostname::parse(host).unwrap().resolve(&resolver, private).await {
            Ok(pinned) => Ok(pinned.addresses().map(|address| address.to_string()).collect()),
            Err(ResolveError::NotPublic { address, .. }) => Err(address.to_string()),
            Err(ResolveError::Unknown { .. }) => Err("unknown".to_owned()),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn each_address_of_an_answer_must_be_public() {
        let none = PrivateAddresses::refuse();
        let loopback = PrivateAddresses::dangerously_allow(["127.0.0.0/8".parse().unwrap()]);
        for (host, answer, private, expected) in [
            ("a.example", &["8.8.8.8", "2606::1"][..], &none, Ok(&["8.8.8.8", "2606::1"][..])),
            ("a.example", &["8.8.8.8", "127.0.0.1"], &none, Err("127.0.0.1")),
            ("a.example", &["8.8.8.8", "::1"], &loopback, Err("::1")),
            ("a.example", &["8.8.8.8", "127.0.0.1"], &loopback, Ok(&["8.8.8.8", "127.0.0.1"])),
            ("a.example", &["::ffff:8.8.8.8"], &none, Ok(&["8.8.8.8"])),
            ("a.example", &["::ffff:127.0.0.1"], &loopback, Ok(&["127.0.0.1"])),
            ("a.example", &["169.254.169.254"], &loopback, Err("169.254.169.254")),
            ("a.example", &[], &none, Err("unknown")),
            ("10.0.0.1", &["8.8.8.8"], &none, Err("10.0.0.1")),
            ("::ffff:10.0.0.1", &["8.8.8.8"], &none, Err("::ffff:10.0.0.1")),
            ("8.8.4.4", &[], &none, Ok(&["8.8.4.4"])),
        ] {
            let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
            let found = resolve(host, answer, private).await;
            assert_eq!(found, expected.map_err(str::to_owned), "{host} {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_host_that_there_is_not_is_told_from_a_resolver_that_fails() {
        let host = Hostname::parse("a.example").unwrap();
        for (words, is_unknown) in [
            ("Name or service not known", true),
            ("No address associated with hostname", true),
            ("Name does not resolve", true),
            ("nodename nor servname provided, or not known", true),
            ("Temporary failure in name resolution", false),
            ("System error", false),
        ] {
            // As the standard library words it.
            let said = format!("failed to lookup address information: {words}");
            let resolver = move |_: &str| Err(told_apart(io::Error::other(said.clone())));
            let refused = host.resolve(&resolver, &PrivateAddresses::refuse()).await.unwrap_err();
            assert_eq!(matches!(refused, ResolveError::Unknown { .. }), is_unknown, "{words}: {refused}");
            assert_eq!(matches!(refused, ResolveError::Failed { .. }), !is_unknown, "{words}: {refused}");
        }
    }

    #[tokio::test]
    async fn the_system_knows_localhost_and_its_address_is_not_public() {
        let localhost = Hostname::parse("LOCALHOST").unwrap();
        let refused =
            localhost.resolve(&SystemResolver::new(), &PrivateAddresses::refuse()).await.unwrap_err();
        assert!(
            matches!(&refused, ResolveError::NotPublic { address, .. } if address.is_loopback()),
            "{refused}"
        );
    }
}
