//! A `String` is no `SafeHtml`.

use bartizan_sinks::html::SafeHtml;

fn main() {
    let html: SafeHtml<'_> = String::from("<script>x()</script>").into();
    println!("{html}");
}
