//! Response headers, one file each, named by the header; and which kind of response gets which.

pub mod csp;
pub(crate) mod http_date;
pub(crate) mod kind;
pub mod permissions_policy;
pub(crate) mod prepared;
pub(crate) mod problem;
pub(crate) mod table;

pub use kind::Kind;
