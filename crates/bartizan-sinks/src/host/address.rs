//! Which addresses are public: none of IANA's special-purpose registries (RFC 6890), nor a cloud's own that is in none of
//! them, by whatever way they are written.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA IPv4 Special-Purpose Address Registry, and multicast. The few that the registry calls globally reachable are
/// services of networks, not of sites, and are refused too.
const SPECIAL_V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),        // "this network" (RFC 791)
    ([10, 0, 0, 0], 8),       // private use (RFC 1918)
    ([100, 64, 0, 0], 10),    // shared address space (RFC 6598)
    ([127, 0, 0, 0], 8),      // loopback (RFC 1122)
    ([168, 63, 129, 16], 32), // Azure's own of each machine: its settings, with their secrets; in no registry
    ([169, 254, 0, 0], 16),   // link local (RFC 3927); the metadata services of clouds
    ([172, 16, 0, 0], 12),    // private use
    ([192, 0, 0, 0], 24),     // IETF protocol assignments (RFC 6890)
    ([192, 0, 2, 0], 24),     // documentation (RFC 5737)
    ([192, 31, 196, 0], 24),  // AS112 (RFC 7535)
    ([192, 52, 193, 0], 24),  // AMT (RFC 7450)
    ([192, 88, 99, 0], 24),   // 6to4 relays, deprecated (RFC 7526)
    ([192, 168, 0, 0], 16),   // private use
    ([192, 175, 48, 0], 24),  // AS112 (RFC 7534)
    ([198, 18, 0, 0], 15),    // benchmarking (RFC 2544)
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast (RFC 5771)
    ([240, 0, 0, 0], 4),      // reserved, and limited broadcast (RFC 1112, RFC 8190)
];

/// What is special within global unicast, `2000::/3`. Outside of it nothing is public (IANA IPv6 Special-Purpose
/// Address Registry, RFC 4291 section 2.4).
const SPECIAL_V6: &[([u16; 3], u8)] = &[
    ([0x2001, 0, 0], 23),         // IETF protocol assignments: Teredo, benchmarking, ORCHID
    ([0x2001, 0xdb8, 0], 32),     // documentation (RFC 3849)
    ([0x2002, 0, 0], 16),         // 6to4, deprecated: an IPv4 address in disguise (RFC 3056, RFC 7526)
    ([0x2620, 0x4f, 0x8000], 48), // AS112 (RFC 7534)
    ([0x3fff, 0, 0], 20),         // documentation (RFC 9637)
];

/// Whether an address is one of the public internet.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:127.0.0.1`), or that is reached by NAT64
/// (`64:ff9b::127.0.0.1`, RFC 6052), is judged as what it is.
///
/// ```
/// use bartizan_sinks::url::is_public;
///
/// for (address, public) in [
///     ("8.8.8.8", true),
///     ("2606:4700::1", true),
///     ("127.0.0.1", false),
///     ("169.254.169.254", false), // the metadata service of a cloud
///     ("::ffff:10.0.0.1", false),
///     ("64:ff9b::a9fe:a9fe", false),
/// ] {
///     assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
/// }
/// ```
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Which addresses that are not public may be talked to all the same: by default none.
///
/// ```
/// use bartizan_sinks::url::PrivateAddresses;
///
/// let none = PrivateAddresses::refuse();
/// assert!(!none.permit("127.0.0.1".parse().unwrap()));
/// assert!(none.permit("8.8.8.8".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateAddresses {
    allowed: Vec<IpNet>,
}

impl PrivateAddresses {
    /// None: only the public internet.
    ///
    /// ```
    /// # use bartizan_sinks::url::PrivateAddresses;
    /// assert_eq!(PrivateAddresses::refuse(), PrivateAddresses::default());
    /// ```
    pub const fn refuse() -> Self {
        Self { allowed: Vec::new() }
    }

    /// These networks, and no other that is not public. Whoever chooses the host can then reach what is in them: name
    /// as little as the service needs.
    ///
    /// ```
    /// # use bartizan_sinks::url::PrivateAddresses;
    /// let loopback = PrivateAddresses::dangerously_allow(["127.0.0.1/32".parse().unwrap()]);
    /// assert!(loopback.permit("127.0.0.1".parse().unwrap()));
    /// assert!(!loopback.permit("127.0.0.2".parse().unwrap()));
    /// ```
    pub fn dangerously_allow(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self { allowed: networks.into_iter().collect() }
    }

    /// Whether an address is public or one of these.
    ///
    /// ```
    /// # use bartizan_sinks::url::PrivateAddresses;
    /// let internal = PrivateAddresses::dangerously_allow(["10.1.0.0/16".parse().unwrap()]);
    /// assert!(internal.permit("10.1.2.3".parse().unwrap()));
    /// assert!(internal.permit("::ffff:10.1.2.3".parse().unwrap()));
    /// assert!(!internal.permit("10.2.2.3".parse().unwrap()));
    /// ```
    pub fn permit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !SPECIAL_V4.iter().any(|&(network, length)| shares(bits, u32::from_be_bytes(network), length))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // NAT64's well-known prefix, and only for public addresses (RFC 6052 section 3.1).
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    let start = (address.to_bits() >> 64) as u64;
    let shares = |[a, b, c]: [u16; 3], length: u8| {
        let network = u64::from(a) << 48 | u64::from(b) << 32 | u64::from(c) << 16;
        (start ^ network) >> (64 - length) == 0
    };
    shares([0x2000, 0, 0], 3) && !SPECIAL_V6.iter().any(|&(network, length)| shares(network, length))
}

/// Whether two addresses have the same first `length` bits.
fn shares(address: u32, network: u32, length: u8) -> bool {
    (address ^ network) >> (32 - length) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_each_special_range_are_special() {
        for (inside, outside) in [
            (&["0.0.0.0", "0.255.255.255"][..], &["1.0.0.0"][..]),
            (&["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
            (&["100.64.0.0", "100.127.255.255"], &["100.63.255.255", "100.128.0.0"]),
            (&["127.0.0.1", "127.255.255.255"], &["126.255.255.255", "128.0.0.0"]),
            (&["168.63.129.16", "::ffff:168.63.129.16"], &["168.63.129.15", "168.63.129.17"]),
            (&["169.254.0.0", "169.254.169.254"], &["169.253.255.255", "169.255.0.0"]),
            (&["172.16.0.0", "172.31.255.255"], &["172.15.255.255", "172.32.0.0"]),
            (&["192.0.0.0", "192.0.0.9", "192.0.0.255"], &["191.255.255.255", "192.0.1.0"]),
            (&["192.0.2.0", "192.0.2.255"], &["192.0.3.0"]),
            (&["192.31.196.1"], &["192.31.195.255", "192.31.197.0"]),
            (&["192.52.193.1"], &["192.52.192.255", "192.52.194.0"]),
            (&["192.88.99.1"], &["192.88.98.255", "192.88.100.0"]),
            (&["192.168.0.0", "192.168.255.255"], &["192.167.255.255", "192.169.0.0"]),
            (&["192.175.48.1"], &["192.175.47.255", "192.175.49.0"]),
            (&["198.18.0.0", "198.19.255.255"], &["198.17.255.255", "198.20.0.0"]),
            (&["198.51.100.1"], &["198.51.99.255", "198.51.101.0"]),
            (&["203.0.113.1"], &["203.0.112.255", "203.0.114.0"]),
            (&["224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255"], &["223.255.255.255"]),
            (&["::", "::1", "::2", "::127.0.0.1", "::8.8.8.8"], &[]),
            (&["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0"], &["::ffff:8.8.8.8"]),
            (&["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "64:ff9b:0:1::8.8.8.8"], &[]),
            (&[], &["64:ff9b::8.8.8.8"]),
            (&["100::1", "1fff:ffff::1", "4000::1", "5f00::1"], &["2000::1", "3ffe::1"]),
            (
                &["2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:20::1", "2001:1ff:ffff::1"],
                &["2001:200::1"],
            ),
            (&["2001:db8::1", "2001:db8:ffff::1"], &["2001:db7::1", "2001:db9::1"]),
            (&["2002:7f00:1::", "2002:808:808::", "2002:ffff:ffff::"], &["2003::1"]),
            (&["2620:4f:8000::1"], &["2620:4f:7fff::1", "2620:4f:8001::1"]),
            (&["3fff::1", "3fff:fff:ffff::1"], &["3fff:1000::1", "3ffe:ffff::1"]),
            (&["fc00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1", "ffff::1"], &[]),
        ] {
            for (addresses, public) in [(inside, false), (outside, true)] {
                for address in addresses {
                    assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
                }
            }
        }
    }
}
