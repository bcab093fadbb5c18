//! Signing and verifying tokens: the keys of [`bartizan_core::jwt`] with the system's cryptography behind them.

mod sealing;
mod signing_key;
mod verifying_key;

pub use bartizan_core::jwt::*;
pub use sealing::{SealError, seal, unseal};
pub use signing_key::{KeyFault, SigningKey};
pub use verifying_key::verifying_key;
