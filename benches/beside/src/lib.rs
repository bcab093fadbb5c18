//! What sessions and tokens are compared with.

pub mod jsonwebtoken;
pub mod tower_sessions;
