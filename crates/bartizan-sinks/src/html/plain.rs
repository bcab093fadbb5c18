//! Text: finding out that it has no markup, and writing it so that it has none.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};

/// Text in which a parser would find no markup: without `<` and `&`.
///
/// Borrowed, unless it has line ends of Windows or zero bytes, which no parser leaves as they are (HTML §13.2.3.5).
pub(super) fn without_markup(input: &str) -> Option<Cow<'_, str>> {
    // Twice over the same bytes, so a piece at a time that stays in the processor's nearest memory.
    const PIECE: usize = 8192;
    let mut as_it_is = true;
    for piece in input.as_bytes().chunks(PIECE) {
        // Three at once and one are less work for a byte than two and two.
        let is_marked = memchr3(b'<', b'&', b'\r', piece).is_some();
        if is_marked && memchr2(b'<', b'&', piece).is_some() {
            return None;
        }
        as_it_is &= !is_marked && memchr(b'\0', piece).is_none();
    }
    Some(if as_it_is { Cow::Borrowed(input) } else { Cow::Owned(normalized(input)) })
}

/// With line ends of one kind and without zero bytes.
fn normalized(input: &str) -> String {
    input.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

/// The input as text, tags and all, for what is too much to read. References that we write stay as they are, so that
/// it is the same when it comes here again.
pub(super) fn shown(input: &str) -> String {
    let input = normalized(input);
    let mut html = String::with_capacity(input.len() + input.len() / 8);
    let mut rest = input.as_str();
    while let Some(at) = memchr2(b'&', b'<', rest.as_bytes()) {
        let (before, from) = rest.split_at(at);
        html.push_str(before);
        let reference = ["&amp;", "&lt;"].into_iter().find(|reference| from.starts_with(reference));
        let (written, length) = match reference {
            Some(reference) => (reference, reference.len()),
            None if from.starts_with('<') => ("&lt;", 1),
            None => ("&amp;", 1),
        };
        html.push_str(written);
        rest = from.get(length..).unwrap_or_default();
    }
    html.push_str(rest);
    html
}

/// Adds a text so that it is text between tags. `>` stays: it ends nothing where nothing has begun, and whoever
/// writes `->` or quotes a mail has not written markup.
pub(super) fn escape_text(html: &mut String, text: &str) {
    let bytes = text.as_bytes();
    if memchr2(b'&', b'<', bytes).is_none() && memchr2(b'\r', b'\0', bytes).is_none() {
        html.push_str(text);
    } else {
        escape(html, text, |byte| matches!(byte, b'&' | b'<' | b'\r' | b'\0'));
    }
}

/// Adds a text so that it is a value between double quotes. `<` and `>` are escaped too: what ends a script or a
/// comment of the page must not stand there.
pub(super) fn escape_value(html: &mut String, value: &str) {
    let bytes = value.as_bytes();
    if memchr3(b'&', b'<', b'>', bytes).is_none() && memchr3(b'"', b'\r', b'\0', bytes).is_none() {
        html.push_str(value);
    } else {
        escape(html, value, |byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\r' | b'\0'));
    }
}

/// Adds a text with those of its bytes escaped that are special.
pub(super) fn escape(html: &mut String, text: &str, special: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&special) {
        let (before, from) = rest.split_at(at);
        html.push_str(before);
        html.push_str(match from.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            Some(b'\'') => "&#39;",
            // From a reference (`&#13;`); written bare, it would be read as a newline.
            Some(b'\r') => "\n",
            _ => "",
        });
        rest = from.get(1..).unwrap_or_default();
    }
    html.push_str(rest);
}
