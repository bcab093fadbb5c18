//! What the module itself makes one with is not for others.

use bartizan_sinks::html::SafeHtml;

fn main() {
    let html = SafeHtml::trusted("<script>x()</script>");
    println!("{html}");
}
