//! The state behind Bartizan's engine: sessions, one-time tokens and rate limits.
//!
//! The engine asks and never fetches; what it asks is a [`Query`](bartizan_core::Query), and whoever [`Answers`] it can
//! stand behind a gateway or a layer. A [`Store`] answers and is administered too: sessions are listed and ended by it.
//!
//! A store keeps only what is of no use to a thief: sessions by the SHA-256 of their id, one-time tokens by a digest,
//! rate limits by a rule and an address or a digest. Every method is told the time; no store reads a clock.

mod answers;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod local_limits;
mod memory;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

#[cfg(feature = "redis")]
pub use self::redis::{RedisConfig, RedisStore};
pub use answers::{Answers, BoxFuture, NoStore, answer_by};
pub use error::StoreError;
pub use local_limits::WithLocalLimits;
pub use memory::{MemoryLimits, MemoryStore};
pub use open::{StoreOptions, open};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore, PostgresUrlError};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{ListedSession, SessionPage, Store};
