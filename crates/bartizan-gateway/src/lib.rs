//! Bartizan in front of anything: a streaming reverse proxy around the policy engine.
//!
//! Every request is judged by [`bartizan_core::Engine`] before a byte of it reaches the upstream, and every response
//! is edited by it on the way back. HTTP/1.1 on both sides, with keep-alive; bodies, server-sent events and
//! WebSocket tunnels stream through without being collected.
//!
//! ```no_run
//! use bartizan_core::{Deployment, Engine, policy::Policy};
//! use bartizan_gateway::{Gateway, GatewayConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let policy = Policy::default();
//! let listen = GatewayConfig::listen_address(&policy)?;
//! let deployment = Deployment { listen: Some(listen), ..Deployment::default() };
//! let engine = Engine::build(&policy, &deployment).map_err(|errors| format!("{errors:?}"))?;
//!
//! let gateway = Gateway::bind(GatewayConfig::new(&policy, engine)?)?;
//! println!("listening on {}", gateway.local_addr());
//! gateway.run(std::future::pending())?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//!
//! One thread per core, each with its own listener, runtime, clock and upstream connections: a request never changes
//! threads, and nothing on its way is locked.
//!
//! - `listener`, `worker`: threads, accepting, draining.
//! - `connection`, `session`: one client connection, and what its parts tell each other.
//! - `linger`: the end of a connection whose client is still sending.
//! - `gate`: lets one well-formed request through at a time; request smuggling ends here.
//! - `proxy`: one request and its response.
//! - `forward`, `body`, `tunnel`: what crosses the gateway, and how.
//! - `upstream`: connections to the application.
//! - `deadline`: one coarse clock instead of a timer per request.
//! - `log`: `tracing` events `bartizan::access`, `bartizan::denial` and `bartizan::gateway`.
//!
//! # What does not cross it
//!
//! Interim responses (1xx), other than 101 to a WebSocket's handshake: `103 Early Hints` of the upstream are read and
//! dropped, as are 102 and 104. hyper's client shows them (`hyper::ext::on_informational`), but its server has no way
//! to send any but the `100 Continue` that it sends itself (hyper 1.12, `proto/h1/role.rs`: a 1xx from a service is an
//! error). RFC 9110 §15.2 asks a proxy to pass them on; a gateway answers as an origin server does (§3.7), so that no
//! message is wrong without them, and hints are lost that would have made pages load sooner. `100 Continue` is sent
//! when the upstream sends it, or after a second.
//!
//! # What is to come
//!
//! TLS has its place in `Gate<S>`, which reads any stream; HTTP/2 in `connection`, beside hyper's HTTP/1, with the same
//! `proxy` behind it; and in `upstream`, as another implementation of its trait. A reload replaces `site`.

mod assertion;
mod body;
mod config;
mod connection;
mod deadline;
mod error;
mod forward;
mod gate;
mod linger;
mod listener;
mod log;
mod proxy;
mod replay;
mod session;
mod site;
mod tunnel;
mod upstream;
mod worker;

pub use assertion::assertion_keys;
pub use config::GatewayConfig;
pub use error::GatewayError;
pub use listener::{BoundGateway, Drained, Gateway};
