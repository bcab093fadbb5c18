//! Real peers for the tests of every crate: what stands before and behind Bartizan in life.
//!
//! - [`FastApi`]: the careless example application under uvicorn, from a virtual environment under `target/`.
//! - [`Chromium`]: a headless browser, driven over `WebDriver`.
//! - [`Cdn`]: the hosts that FastAPI's documentation pages load Swagger UI and `ReDoc` from.
//! - [`axe()`]: what axe-core finds in a page.
//! - [`Postgres`]: a database server of its own, stopped, killed and started again as a test says.
//! - [`StaticSite`]: somebody else's web site.
//! - [`Redis`] and [`RedisCluster`]: a server, or three that share the keys.
//! - [`Gateway`]: the `bartizan` binary in front of any of them.
//! - [`Demo`]: the same binary's demo.
//! - [`HttpRequest`] and [`raw`]: a well-behaved HTTP client, and a socket that sends whatever it is told.
//! - [`install`]: gets what is missing; `cargo xtask test` calls it first.
//!
//! Every process dies with its value, and with the test process however that ends. What it wrote is printed when
//! a test fails, and stays in `target/peers/logs/`.
//!
//! ```no_run
//! # async fn example() {
//! use bartizan_peers::{FastApi, Gateway, HttpRequest};
//!
//! let Some(app) = FastApi::start() else { return };
//! let gateway = Gateway::start("version = 1", &app.url(""));
//! let response = HttpRequest::get(&gateway.url("/api/balances")).send().await;
//! assert_eq!(response.status, 200);
//! # }
//! ```
#![expect(clippy::missing_panics_doc, reason = "a peer that cannot start fails the test that asked for it")]

mod axe;
mod cdn;
mod chromium;
mod demo;
mod fastapi;
mod gateway;
mod http_client;
pub mod install;
mod postgres;
mod process;
pub mod raw;
mod redis;
mod static_site;
mod wait;
mod workspace;

pub use axe::axe;
pub use cdn::Cdn;
pub use chromium::{Browser, Chromium, ConsoleMessage};
pub use demo::Demo;
pub use fastapi::{FastApi, python};
pub use gateway::Gateway;
pub use http_client::{HttpRequest, HttpResponse};
pub use postgres::Postgres;
pub use process::LogOnFailure;
pub use redis::{Redis, RedisCluster, Tls};
pub use static_site::StaticSite;
pub use wait::{until, until_async};
pub use workspace::{free_port, root, target_dir};
