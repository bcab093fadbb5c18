//! The binary, as a person runs it.

mod api_key;
mod commands;
mod fastapi;
mod keys;
mod run;
mod serve;
mod token;
