//! Host names, and the addresses behind them that may be talked to.

mod address;
mod hostname;
mod resolve;

pub use address::{PrivateAddresses, is_public};
pub use hostname::{DnsName, Hostname, HostnameError};
pub use resolve::{Pinned, Resolve, ResolveError, SystemResolver};
