//! Typed sinks for untrusted input: where injection is defended, which is where it happens.

#[cfg(feature = "html")]
pub mod html;
