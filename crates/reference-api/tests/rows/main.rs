//! Every row of the API, by what its clients see on a socket.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod client;
mod instance;

mod api_keys;
mod comments;
mod files;
mod money;
mod policy;
mod sign_in;
mod tokens;
mod users;
