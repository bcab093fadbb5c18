//! The binary, as a person runs it.

mod commands;
mod run;
mod serve;
