//! Response headers, one file each, named by the header.

pub mod csp;
pub mod permissions_policy;
