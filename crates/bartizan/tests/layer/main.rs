//! The layer around real axum routers, over real sockets, spoken to byte by byte.

mod bodies;
mod credentials;
mod facts;
mod failures;
mod limits;
mod logins;
mod server;
mod sessions;
mod surfaces;
