//! What `bartizan_sinks::html` leaves of attacks, and of what people write.
#![cfg(feature = "html")]

#[cfg(feature = "askama")]
mod askama;
mod attacks;
mod benign;
mod browser;
mod generated;
mod properties;
mod refused;
