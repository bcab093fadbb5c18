//! In a real template.

use askama::Template;
use bartizan_sinks::html::{Policy, SafeHtml, clean};

#[derive(Template)]
#[template(source = "<p>{{ name }}</p><div>{{ comment }}</div>", ext = "html")]
struct Page<'a> {
    name: String,
    comment: SafeHtml<'a>,
}

#[derive(Template)]
#[template(source = "{% for comment in comments %}<li>{{ comment }}</li>{% endfor %}", ext = "html")]
struct Comments<'a> {
    comments: &'a [SafeHtml<'static>],
}

#[test]
fn what_is_clean_stands_unescaped_and_a_string_does_not() {
    let written = "<b>Ann</b><script>x()</script>";
    let page = Page { name: written.to_owned(), comment: clean(written, &Policy::rich_text()) };
    let shown = page.render().expect("it renders");
    assert_eq!(
        shown,
        "<p>&#60;b&#62;Ann&#60;/b&#62;&#60;script&#62;x()&#60;/script&#62;</p><div><b>Ann</b></div>"
    );
}

#[test]
fn references_and_text_do_too() {
    let comments = [clean("<i>1</i>", &Policy::rich_text()).into_owned(), SafeHtml::escape("<2>")];
    let shown = Comments { comments: &comments }.render().expect("it renders");
    assert_eq!(shown, "<li><i>1</i></li><li>&lt;2&gt;</li>");
}
