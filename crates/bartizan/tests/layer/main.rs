//! The layer around real axum routers, over real sockets, spoken to byte by byte.

mod bodies;
mod credentials;
mod csrf_tokens;
mod facts;
mod failures;
mod limits;
mod logins;
mod server;
mod session_attacks;
mod sessions;
mod surfaces;
mod tokens;
