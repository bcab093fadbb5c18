//! Typed sinks for untrusted input: where injection is defended, which is where it happens.
//!
//! A *sink* is where text becomes something else: a page, a path, a process, a request, a query. Each module has the
//! one type that its sink takes, and only parsing makes it. Nothing here needs the rest of Bartizan; each is a cargo
//! feature of its name, all on by default.

#[cfg(feature = "command")]
pub mod command;
#[cfg(any(feature = "command", feature = "url"))]
mod host;
#[cfg(feature = "html")]
pub mod html;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "path")]
pub mod path;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "url")]
pub mod url;

/// The pages whose Rust is compiled with this crate's tests.
#[cfg(doctest)]
mod pages {
    #[cfg(all(
        feature = "path",
        feature = "command",
        feature = "url",
        feature = "sql",
        feature = "password"
    ))]
    #[doc = include_str!("../../../docs/sinks.md")]
    struct Sinks;

    #[cfg(feature = "html")]
    #[doc = include_str!("../../../docs/sinks/html.md")]
    struct Html;
}
