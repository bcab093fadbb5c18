//! Every defence of Bartizan in one running application: an API on axum, with accounts, money, comments, files, tokens and
//! API keys, behind a [policy](POLICY) that is one file.
//!
//! Its handlers say what the application is about. What every API needs beside that stands in the policy, and the
//! [layer](bartizan::BartizanLayer) around them sees to it; what untrusted input could do, the types of
//! [`bartizan_sinks`] do not let it.
//!
//! ```no_run
//! use reference_api::{ReferenceApi, Settings};
//! use tokio::net::TcpListener;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let mut settings = Settings::new("data").origin(format!("http://{}", listener.local_addr()?));
//! settings.profile = Some("demo".into());
//! settings.listen = listener.local_addr()?;
//!
//! let opened = ReferenceApi::open(&settings).await?;
//! for account in &opened.accounts {
//!     println!("{}", account.name); // and its password, which is told this once
//! }
//! opened.api.serve(listener).await?;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod api;
mod body;
mod clock;
mod database;
mod docs_page;
mod fields;
mod files;
pub mod lab;
mod master_key;
mod openapi;
mod policy;
mod problem;
mod routes;
mod settings;
mod state;

pub use accounts::{NewPassword, SeedError};
pub use api::{OpenError, Opened, ReferenceApi};
pub use database::DatabaseError;
pub use master_key::MasterKeyError;
pub use policy::{POLICY, PolicyFault, PolicyFaults};
pub use settings::{DatabaseSettings, Settings, StoreSettings};
