//! The binary, as a person runs it.

mod commands;
mod fastapi;
mod run;
mod serve;
