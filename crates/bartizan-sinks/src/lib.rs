//! Typed sinks for untrusted input: where injection is defended, which is where it happens.

#[cfg(feature = "html")]
pub mod html;

/// The pages whose Rust is compiled with this crate's tests.
#[cfg(doctest)]
mod pages {
    #[cfg(feature = "html")]
    #[doc = include_str!("../../../docs/sinks/html.md")]
    struct Html;
}
