//! HTML that others wrote: what may be shown of it.
//!
//! Store what was written, encode where it is put out, and clean only what is meant to be markup. A template engine
//! that escapes shows plain text safely by itself; this module is for the field in which a writer may use `<b>`.
//!
//! ```
//! use bartizan_sinks::html::{Policy, clean};
//!
//! let comment = r#"I <b>love</b> it <img src=x onerror="steal()"><script>steal()</script>"#;
//! assert_eq!(clean(comment, &Policy::rich_text()).as_str(), "I <b>love</b> it ");
//! assert_eq!(clean(comment, &Policy::strip_all()).as_str(), "I love it ");
//! ```
//!
//! The input is read by the parser of the HTML standard (`html5ever`), as a browser reads it; what remains is written
//! anew. Cleaning twice changes nothing: `clean(clean(x)) == clean(x)`. Text without markup is returned as it is,
//! neither parsed nor copied.
//!
//! With the feature `askama`, `{{ value }}` of a [`SafeHtml`] stands unescaped in askama's templates, and a `String`
//! does not.

mod attributes;
mod builder;
mod fault;
mod limits;
mod parse;
mod plain;
mod policy;
mod safe_html;
mod tree;
mod vocabulary;
mod write;

use std::borrow::Cow;

pub use self::{
    builder::PolicyBuilder,
    fault::{PolicyFault, PolicyFaults},
    limits::{Limits, OverLimit},
    policy::Policy,
    safe_html::SafeHtml,
};
use self::{policy::Checked, write::Written};

/// How often the result is read again until it stays as it is. Two are enough for all that was ever seen.
const ROUNDS: usize = 4;

/// What may be shown of `input`.
///
/// Markup that is too much (see [`Limits`]) is shown as the text that it is, tags and all; [`try_clean`] tells.
///
/// ```
/// use bartizan_sinks::html::{Policy, clean};
///
/// let html = clean("<p>Hi <u onclick=alert(1)>you</u>", &Policy::rich_text());
/// assert_eq!(html.to_string(), "<p>Hi <u>you</u></p>");
/// ```
pub fn clean<'a>(input: &'a str, policy: &Policy) -> SafeHtml<'a> {
    try_clean(input, policy).unwrap_or_else(|_| SafeHtml::trusted(plain::shown(input)))
}

/// What may be shown of `input`, unless it is too much.
///
/// # Errors
///
/// The limit that was passed, so that a form can say so.
///
/// ```
/// use bartizan_sinks::html::{OverLimit, Policy, try_clean};
///
/// let hostile = "<div>".repeat(10_000);
/// assert_eq!(try_clean(&hostile, &Policy::rich_text()), Err(OverLimit::Depth { most: 100 }));
/// ```
pub fn try_clean<'a>(input: &'a str, policy: &Policy) -> Result<SafeHtml<'a>, OverLimit> {
    if let Some(text) = plain::without_markup(input) {
        return Ok(SafeHtml::trusted(text));
    }
    markup(input, policy.checked()).map(SafeHtml::trusted)
}

/// The way of everything with markup.
fn markup(input: &str, policy: &Checked) -> Result<String, OverLimit> {
    if input.len() > policy.limits.bytes {
        return Err(OverLimit::Bytes { most: policy.limits.bytes });
    }
    let mut read = Cow::Borrowed(input);
    let mut nodes = parse::parse(&read, policy)?;
    for _ in 0..ROUNDS {
        let Written { html, stable } = write::write(&nodes, policy, read.len())?;
        if stable || *html == *read {
            return Ok(html);
        }
        nodes = parse::parse(&html, policy)?;
        read = Cow::Owned(html);
    }
    // Nobody can say what a browser would make of it.
    Ok(write::text(&nodes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_comes_where_the_long_one_does(text in "[^<&]{0,64}", start in "[\\r\\n\u{feff}\\x00 ]{0,3}") {
            let text = start + &text;
            for policy in [Policy::strip_all(), Policy::rich_text()] {
                let short = plain::without_markup(&text).expect("it has no markup");
                prop_assert_eq!(markup(&text, policy.checked()), Ok(short.into_owned()));
            }
        }
    }

    #[test]
    fn text_without_markup_is_returned_uncopied() {
        for policy in [Policy::strip_all(), Policy::rich_text()] {
            for text in ["", "plain", "> so -> it is", "\u{feff}Grüße, \"x\" 'y' \n\t\u{a0}\u{2028}"] {
                let html = clean(text, &policy);
                assert!(html.is_borrowed() && html.as_str() == text, "{text}");
            }
            assert_eq!(clean("a\r\nb\rc\0", &policy).as_str(), "a\nb\nc");
        }
    }

    #[test]
    fn what_cannot_stand_where_something_was_taken_out_is_read_again() {
        let policy = Policy::builder().tags(["table", "tbody", "tr", "b", "p"]).build().expect("it is right");
        for (input, expected) in [
            ("<table><tr><td>x", "x<table><tbody><tr></tr></tbody></table>"),
            ("<table><tr><td><b></b>", "<b></b><table><tbody><tr></tr></tbody></table>"),
            ("<table><caption>x</caption></table>", "x<table></table>"),
            ("<p><button><p>x", "<p></p><p>x</p><p></p>"),
        ] {
            let html = clean(input, &policy);
            assert_eq!(html.as_str(), expected, "{input}");
            assert_eq!(clean(html.as_str(), &policy), html, "{input}");
        }
    }

    #[test]
    fn what_is_too_much_is_shown_as_text_and_told() {
        let small = |limits| Policy::builder().tags(["b", "p"]).limits(limits).build().expect("it is right");
        let limits = Limits { bytes: 64, depth: 4, nodes: 20 };
        let cases = [
            ("<b>".repeat(4), None),
            ("<b>".repeat(9), Some(OverLimit::Depth { most: 4 })),
            // Neither is written, and the parser's work is the same.
            ("<i>".repeat(9), Some(OverLimit::Depth { most: 4 })),
            ("<template>".repeat(6), Some(OverLimit::Depth { most: 4 })),
            ("<p>".repeat(21), Some(OverLimit::Nodes { most: 20 })),
            (format!("<b>{}", "x".repeat(64)), Some(OverLimit::Bytes { most: 64 })),
            (format!("<!--{}-->", "x".repeat(64)), Some(OverLimit::Bytes { most: 64 })),
            // The output is longer than what was written.
            ("&<&".repeat(10), Some(OverLimit::Bytes { most: 64 })),
        ];
        for (input, expected) in cases {
            let policy = small(limits);
            assert_eq!(try_clean(&input, &policy).err(), expected, "{input}");
            let html = clean(&input, &policy);
            assert_eq!(clean(html.as_str(), &policy), html, "{input}");
            assert!(expected.is_none() || !html.as_str().contains('<'), "{html}");
        }
        let attributes: Vec<_> = (0..20_000).map(|number| format!("a{number}")).collect();
        let tag = format!("<p {}>", attributes.join(" "));
        assert_eq!(try_clean(&tag, &Policy::rich_text()), Err(OverLimit::Attributes { most: 4096 }));
        let words = format!("<p>{}</p>", "word ".repeat(20_000));
        assert_eq!(clean(&words, &Policy::rich_text()).as_str(), words);
    }
}
