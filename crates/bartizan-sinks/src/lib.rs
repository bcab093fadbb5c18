//! Typed sinks for untrusted input: where injection is defended, which is where it happens.
