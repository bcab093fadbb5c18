//! What a page loads: read from its HTML, so that a Content-Security-Policy can name exactly that.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

/// The sources that a page needs, as CSP writes them, each once and in the page's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) scripts: Vec<String>,
    pub(crate) styles: Vec<String>,
    pub(crate) images: Vec<String>,
    /// The text of the page's inline scripts, by which it is recognised.
    pub(crate) inline_script: String,
}

impl Page {
    /// Reads the tags `script`, `style` and `link` of a page, and nothing else of it.
    ///
    /// The page is one that the application's owner asked us to read; what this misses is refused by the browser
    /// later, never allowed.
    pub(crate) fn scan(html: &str) -> Self {
        let mut page = Self::default();
        let mut rest = html;
        while let Some(tag) = next_tag(rest) {
            rest = tag.after;
            let attribute = |name| attribute(tag.attributes, name);
            match tag.kind {
                Kind::Comment => {}
                Kind::Script => match attribute("src") {
                    Some(url) => push(&mut page.scripts, source(&url)),
                    // A script of another type is data (HTML §4.12.1), and CSP does not look at it.
                    None if attribute("type").is_none_or(|kind| is_script(&kind)) => {
                        push(&mut page.scripts, hash(tag.content));
                        page.inline_script.push_str(tag.content);
                    }
                    None => {}
                },
                Kind::Style => push(&mut page.styles, hash(tag.content)),
                Kind::Link => {
                    let relation = attribute("rel").unwrap_or_default().to_ascii_lowercase();
                    let relations: Vec<&str> = relation.split_ascii_whitespace().collect();
                    if let Some(url) = attribute("href") {
                        if relations.contains(&"stylesheet") {
                            push(&mut page.styles, source(&url));
                        } else if relations.contains(&"icon") {
                            push(&mut page.images, source(&url));
                        }
                    }
                }
            }
        }
        page
    }
}

/// The hash of an inline element's text, as CSP writes it (CSP Level 3 §2.3.1).
pub(crate) fn hash(text: &str) -> String {
    // An HTML parser turns CRLF into LF before anything sees the text (HTML §13.2.3.5).
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let digest = Sha256::digest(text.as_bytes());
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(digest))
}

/// The CSP source that covers `url` and as little else as can be.
fn source(url: &str) -> String {
    let url = url.trim();
    let absolute = match url.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => url.to_owned(),
    };
    if !absolute.starts_with("https://") && !absolute.starts_with("http://") {
        return if absolute.starts_with("data:") { "data:".into() } else { "'self'".into() };
    }
    // A source has no query and no fragment (CSP Level 3 §2.3.1).
    let end = absolute.find(['?', '#']).unwrap_or(absolute.len());
    let whole = &absolute[..end];
    let scheme_end = whole.find("://").map_or(0, |at| at + 3);
    let origin_end = whole[scheme_end..].find('/').map_or(whole.len(), |at| scheme_end + at);
    // `;` and `,` end a source, and would have to be escaped; the origin alone will do for such a rarity.
    let plain = whole.bytes().all(|byte| byte.is_ascii_graphic() && !b";,'\"\\".contains(&byte));
    if plain { whole.to_owned() } else { whole[..origin_end].to_owned() }
}

fn push(sources: &mut Vec<String>, source: String) {
    if !sources.contains(&source) {
        sources.push(source);
    }
}

fn is_script(kind: &str) -> bool {
    matches!(
        kind.trim().to_ascii_lowercase().as_str(),
        "" | "module" | "text/javascript" | "application/javascript"
    )
}

#[derive(Clone, Copy)]
enum Kind {
    Comment,
    Script,
    Style,
    Link,
}

struct Tag<'h> {
    kind: Kind,
    attributes: &'h str,
    content: &'h str,
    after: &'h str,
}

/// The next tag of interest, with its content and what follows it.
fn next_tag(html: &str) -> Option<Tag<'_>> {
    let mut from = 0;
    while let Some(at) = html.get(from..)?.find('<').map(|at| from + at) {
        let tail = &html[at + 1..];
        if let Some(comment) = tail.strip_prefix("!--") {
            let after = comment.split_once("-->").map_or("", |(_, after)| after);
            return Some(Tag { kind: Kind::Comment, attributes: "", content: "", after });
        }
        for (name, kind, close) in [
            ("script", Kind::Script, "</script"),
            ("style", Kind::Style, "</style"),
            ("link", Kind::Link, ""),
        ] {
            let Some(rest) = strip_name(tail, name) else { continue };
            let (attributes, inner) = rest.split_at_checked(tag_end(rest)?)?;
            let inner = inner.get(1..)?;
            if close.is_empty() {
                return Some(Tag { kind, attributes, content: "", after: inner });
            }
            let end = inner.match_indices("</").map(|(at, _)| at).find(|at| {
                let tag = inner.as_bytes().get(*at..at + close.len());
                tag.is_some_and(|tag| tag.eq_ignore_ascii_case(close.as_bytes()))
            })?;
            return Some(Tag {
                kind,
                attributes,
                content: inner.get(..end)?,
                after: inner.get(end + close.len()..)?,
            });
        }
        from = at + 1;
    }
    None
}

/// What follows the tag name `name`, in any case, if that is the whole name.
fn strip_name<'h>(tail: &'h str, name: &str) -> Option<&'h str> {
    let (head, rest) = tail.split_at_checked(name.len())?;
    let ends = rest.starts_with(|char: char| char.is_ascii_whitespace() || char == '>' || char == '/');
    (head.eq_ignore_ascii_case(name) && ends).then_some(rest)
}

/// Where the tag ends: at the first `>` outside quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    rest.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return true,
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        false
    })
}

/// The value of the attribute `name`: quoted, or up to the next space.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes.trim_start_matches(is_between);
    while !rest.is_empty() {
        let name_end = rest.find(|char: char| char == '=' || is_between(char)).unwrap_or(rest.len());
        let (found, after) = rest.split_at(name_end);
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                _ => {
                    value.split_at(value.find(|char: char| char.is_ascii_whitespace()).unwrap_or(value.len()))
                }
            },
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value.replace("&amp;", "&"));
        }
        // An `=` without a name before it would leave us where we are.
        let next = if found.is_empty() && next.len() == rest.len() { &next[1..] } else { next };
        rest = next.trim_start_matches(is_between);
    }
    None
}

fn is_between(char: char) -> bool {
    char.is_ascii_whitespace() || char == '/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_browsers_compute() {
        // The hash of an empty element, which styled-components' users know by heart.
        assert_eq!(hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        assert_eq!(hash("a\r\nb"), hash("a\nb"));
    }

    #[test]
    fn a_page_is_read() {
        let page = Page::scan(
            "<!-- <script>no</script> --><link rel='shortcut icon' href=\"https://a.example/i.png?x#y\">\n\
             <LINK href=/s.css REL=\"stylesheet\"><link rel=stylesheet href=https://f.example/css?family=A|B>\
             <linked href='/no'><script src='//cdn.example/x.js'></script><script>\nrun(a > b)\n</SCRIPT>\
             <script type=\"application/json\">{}</script><style>p{}</style>",
        );
        assert_eq!(page.scripts, ["https://cdn.example/x.js".to_owned(), hash("\nrun(a > b)\n")]);
        assert_eq!(page.styles, ["'self'".to_owned(), "https://f.example/css".into(), hash("p{}")]);
        assert_eq!(page.images, ["https://a.example/i.png"]);
        assert_eq!(page.inline_script, "\nrun(a > b)\n");
    }

    #[test]
    fn broken_pages_end() {
        for html in [
            "<",
            "<script",
            "<script src=",
            "<script =x>",
            "<script>never",
            "<!--",
            "<link href='",
            "<style/>",
            "é<é",
        ] {
            let _ = Page::scan(html);
        }
        assert_eq!(attribute(" = = src=x", "src").as_deref(), Some("x"));
    }

    #[test]
    fn a_source_says_no_more_than_it_must() {
        for (url, expected) in [
            ("https://cdn.example/a/b.js", "https://cdn.example/a/b.js"),
            ("https://cdn.example/a;b.js", "https://cdn.example"),
            ("https://cdn.example", "https://cdn.example"),
            ("../static/x.js", "'self'"),
            ("data:image/png;base64,AA", "data:"),
        ] {
            assert_eq!(source(url), expected);
        }
    }
}
