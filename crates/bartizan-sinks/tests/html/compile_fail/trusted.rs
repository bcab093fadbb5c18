use bartizan_sinks::html::SafeHtml;

fn main() {
    let html = SafeHtml::trusted("<script>x()</script>");
    println!("{html}");
}
