//! Every row of the API, by what its clients see on a socket.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod client;
mod instance;
mod place;

mod api_keys;
mod comments;
mod documented;
mod durable;
mod files;
mod injection;
mod money;
mod nodes;
mod ping;
mod policy;
mod sign_in;
mod tokens;
mod users;
