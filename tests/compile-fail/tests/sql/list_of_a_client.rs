//! The list of names stands in the source, too: what a client sent is no list.

fn main() {
    let sent = std::env::args().next().unwrap_or_default();
    let _ = bartizan_sinks::sql::Identifier::of("name", &[sent.as_str()]);
}
