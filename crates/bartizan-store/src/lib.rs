//! The state behind Bartizan's engine: sessions, one-time tokens, rate limits, API keys, revocations of tokens, and the
//! ring of the keys that tokens are signed with.
//!
//! The engine asks and never fetches; what it asks is a [`Query`](bartizan_core::Query), and whoever [`Answers`] it can
//! stand behind a gateway or a layer. A [`Store`] answers and is administered too: sessions are listed and ended by it.
//!
//! A store keeps only what is of no use to a thief: sessions by the SHA-256 of their id, tokens by a digest, rate limits by
//! a rule and an address or a digest, API keys by their id and an HMAC of their secret. What stands in a document its
//! writer has sealed. Every method is told the time; no store reads a clock.
//!
//! # Stores
//!
//! | store | feature | for | what was acknowledged is kept |
//! |---|---|---|---|
//! | [`MemoryStore`] | none | one process | until the process ends |
//! | `SqliteStore` | `sqlite` | the processes of one machine, by one file | through a crash and a power cut |
//! | `PostgresStore` | `postgres` | any number of nodes | through a crash and a power cut |
//! | `RedisStore` | `redis` | any number of nodes, on one server or a cluster | as Redis's persistence is configured |
//!
//! All pass the same cases: the feature `conformance` has them, also for a store of your own.
//!
//! ```
//! use bartizan_core::{
//!     Timestamp,
//!     session::{Ending, NewSession, SessionKey, SessionRecord},
//! };
//! use bartizan_store::{MemoryLimits, MemoryStore, Store};
//! use std::time::Duration;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let store = MemoryStore::new(MemoryLimits::default());
//! let (key, now) = (SessionKey::of(b"what the cookie says"), Timestamp(1_800_000_000_000));
//! let record = SessionRecord {
//!     subject: "alice".into(),
//!     scopes: vec!["read".into()],
//!     created: now,
//!     touched: now,
//!     idle: Duration::from_mins(30),
//!     expires: now.after(Duration::from_hours(12)),
//! };
//! store.begin(NewSession { key, record, replaces: None, most: Some(5) }).await?;
//!
//! let session = store.session(key, now.after(Duration::from_mins(29))).await?;
//! assert_eq!(session.map(|record| record.subject), Some("alice".into()));
//! // Sign out everywhere.
//! assert_eq!(store.end(Ending::AllOf { subject: "alice".into(), except: None }).await?, 1);
//! # Ok::<(), bartizan_store::StoreError>(())
//! # }).unwrap();
//! ```

mod answers;
mod api_key;
#[cfg(feature = "conformance")]
pub mod conformance;
mod document;
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
pub use api_key::{ApiKeyPage, ENDED_KEY_KEPT, KeyRotation, RotationOutcome};
pub use document::{Document, DocumentName, InvalidDocumentName};
pub use error::StoreError;
pub use local_limits::WithLocalLimits;
pub use memory::{MemoryLimits, MemoryStore};
pub use open::{StoreOptions, can_open, open};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore, PostgresUrlError};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{ListedSession, SessionPage, Store};
