//! The documentation of the refusals that the lab shows, as pages: `docs/denials/`, compiled in.
//!
//! Those texts keep to a small part of Markdown: headings, paragraphs, fenced code, and within a paragraph code,
//! emphasis and links.

use std::iter;

use askama::Template;

/// The pages by code. A link to one that is not here is its text.
macro_rules! pages {
    ($($code:literal)+) => {
        &[$(($code, include_str!(concat!("../../../../docs/denials/", $code, ".md")))),+]
    };
}

const PAGES: &[(&str, &str)] = pages![
    "api-key.expired" "api-key.invalid" "api-key.malformed" "auth.invalid" "auth.required" "auth.scope"
    "csrf.cross-site" "csrf.origin" "csrf.token-invalid" "csrf.token-missing" "csrf.token-unavailable" "csrf.token-used"
    "isolation.cross-site"
    "jwt.algorithm" "jwt.claims" "jwt.expired" "jwt.key-unknown" "jwt.malformed" "jwt.not-yet-valid" "jwt.signature"
    "path.backslash" "path.control" "path.dot-segment" "path.encoded-dot" "path.encoded-percent" "path.encoded-slash"
    "path.malformed" "rate.limited"
];

/// The text of a rule.
pub(super) fn find(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

/// A rule as a page.
#[derive(Template)]
#[template(path = "lab_rule.html")]
pub(super) struct RulePage<'t> {
    title: &'t str,
    blocks: Vec<Block<'t>>,
}

/// A part of a text that stands by itself.
#[derive(Debug, PartialEq, Eq)]
enum Block<'t> {
    Heading(&'t str),
    Paragraph(Vec<Span<'t>>),
    Code(String),
}

/// A part of a paragraph.
#[derive(Debug, PartialEq, Eq)]
enum Span<'t> {
    Text(&'t str),
    Code(&'t str),
    Emphasis(&'t str),
    /// Another rule.
    Rule(&'t str),
}

impl<'t> RulePage<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut lines = text.lines();
        let title = lines.next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        // What comes after the first line, without putting the lines together again.
        let rest = text.split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
        Self { title, blocks: blocks(rest) }
    }
}

fn blocks(mut text: &str) -> Vec<Block<'_>> {
    iter::from_fn(|| {
        text = text.trim_start_matches('\n');
        if text.is_empty() {
            return None;
        }
        if let Some(fenced) = text.strip_prefix("```") {
            let (_, code) = fenced.split_once('\n').unwrap_or_default();
            let (code, rest) = code.split_once("\n```").unwrap_or((code, ""));
            text = rest;
            return Some(Block::Code(code.to_owned()));
        }
        let (block, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        text = rest;
        Some(match block.strip_prefix("## ") {
            Some(heading) => Block::Heading(heading),
            None => Block::Paragraph(spans(block.trim_end())),
        })
    })
    .collect()
}

fn spans(mut text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    while let Some(at) = text.find(['`', '*', '[']) {
        let (before, rest) = text.split_at(at);
        let found = code(rest).or_else(|| emphasis(rest)).or_else(|| link(rest));
        let Some((span, rest)) = found else { break };
        if !before.is_empty() {
            spans.push(Span::Text(before));
        }
        spans.push(span);
        text = rest;
    }
    if !text.is_empty() {
        spans.push(Span::Text(text));
    }
    spans
}

/// `` `code` ``
fn code(text: &str) -> Option<(Span<'_>, &str)> {
    let (code, rest) = text.strip_prefix('`')?.split_once('`')?;
    Some((Span::Code(code), rest))
}

/// `*text*`
fn emphasis(text: &str) -> Option<(Span<'_>, &str)> {
    let (emphasis, rest) = text.strip_prefix('*')?.split_once('*')?;
    Some((Span::Emphasis(emphasis), rest))
}

/// `[text](address)`
fn link(text: &str) -> Option<(Span<'_>, &str)> {
    let (shown, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (address, rest) = rest.split_once(')')?;
    let span = match address.strip_suffix(".md") {
        Some(code) if find(code).is_some() => Span::Rule(code),
        _ => match code(shown) {
            Some((code, "")) => code,
            _ => Span::Text(shown),
        },
    };
    Some((span, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read() {
        let text = "# a.b\n\n*One* `two`, [`csrf.origin`](csrf.origin.md)\nand [three](../policy.md).\n\n## Four\n\n```toml\nx = [1]\n\ny = 2\n```\n";
        let page = RulePage::of(text);
        assert_eq!(page.title, "a.b");
        let expected = [
            Block::Paragraph(vec![
                Span::Emphasis("One"),
                Span::Text(" "),
                Span::Code("two"),
                Span::Text(", "),
                Span::Rule("csrf.origin"),
                Span::Text("\nand "),
                Span::Text("three"),
                Span::Text("."),
            ]),
            Block::Heading("Four"),
            Block::Code("x = [1]\n\ny = 2".into()),
        ];
        assert_eq!(page.blocks, expected);
    }

    #[test]
    fn every_page_is_read_to_its_end() {
        for (code, text) in PAGES {
            let html = RulePage::of(text).render().unwrap();
            assert!(html.contains(&format!("<h1>{code}</h1>")), "{code}");
            let visible: String = RulePage::of(text)
                .blocks
                .iter()
                .filter_map(|block| match block {
                    Block::Paragraph(spans) => Some(spans),
                    _ => None,
                })
                .flatten()
                .map(|span| match span {
                    Span::Text(text) => *text,
                    _ => "",
                })
                .collect();
            assert!(!visible.contains(['`', '[', '#', '*']), "{code}: {visible}");
        }
    }
}
