//! Nobody puts one together from its parts.

use std::borrow::Cow;

use bartizan_sinks::html::SafeHtml;

fn main() {
    let html = SafeHtml(Cow::Borrowed("<script>x()</script>"));
    println!("{html}");
}
