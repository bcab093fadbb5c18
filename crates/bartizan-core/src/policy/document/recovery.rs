//! Going on after syntax errors, so that all of them, and all that is wrong elsewhere, are told at once.
//!
//! The parser recovers within a value, but a bracket that nobody closes swallows the rest of the file, and a line
//! without `=` ends it. So the lines of the first error are blanked, and the text is read again.

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};
use core::ops::Range;

use super::{
    diagnostic::Fault,
    lines::Lines,
    syntax::{self, Parsed},
    tree::{Node, Value},
};

/// How many mistakes are passed over; each costs a few readings of the text.
const MAX_ROUNDS: usize = 16;

/// Reads a text that is known to have syntax errors.
pub(super) fn parse(text: &str, lines: &Lines) -> Parsed {
    let mut text = text.to_owned();
    let mut errors = Vec::new();
    let mut shadows = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let reading = Reading::of(&text);
        let Some((span, message)) = reading.first else {
            // A repeated key confuses nothing else.
            errors.extend(reading.repeated.into_iter().map(|span| {
                let message = format!("{REPEATED} `{}`", text.get(span.clone()).unwrap_or(""));
                (span, Fault::Syntax(message))
            }));
            return Parsed { root: reading.root, errors, shadows, refused: false };
        };
        let cut = Cut::around(&text, &reading.root, span.start, lines);
        let (span, message) = cut.unclosed.unwrap_or((span, message));
        errors.push((span, Fault::Syntax(message)));
        text = blanked(&text, &cut.lines);
        shadows.push(cut.lines);
    }
    // Somewhere after so many mistakes the rest is not looked at.
    let last = shadows.iter().map(|shadow| shadow.end).max().unwrap_or(0);
    shadows.push(last..usize::MAX);
    Parsed { root: Reading::of(&text).root, errors, shadows, refused: false }
}

const REPEATED: &str = "duplicate key";

/// What one reading gave.
struct Reading {
    root: Node,
    /// The first error that spoils what follows.
    first: Option<(Range<usize>, String)>,
    /// Keys and tables that were there before.
    repeated: Vec<Range<usize>>,
}

impl Reading {
    fn of(text: &str) -> Self {
        let (root, errors) = syntax::read_on(text);
        let (repeated, spoiling): (Vec<_>, Vec<_>) =
            errors.into_iter().partition(|(_, message)| message == REPEATED);
        Self {
            root,
            first: spoiling.into_iter().min_by_key(|(span, _)| span.start),
            repeated: repeated.into_iter().map(|(span, _)| span).collect(),
        }
    }
}

/// The lines that a syntax error spoils.
struct Cut {
    lines: Range<usize>,
    /// Where an array, inline table or text begins that is not closed: that is the mistake, not where the parser
    /// noticed.
    unclosed: Option<(Range<usize>, String)>,
}

impl Cut {
    fn around(text: &str, root: &Node, offset: usize, lines: &Lines) -> Self {
        let line = lines.line_span(offset);
        let Some((value, kind)) = value_around(root, offset).filter(|(value, _)| value.start < line.start)
        else {
            // The keys under a broken header would seem to belong to the table before.
            let end = if lines.opens_table(offset) { lines.next_table(offset) } else { line.end };
            return Self { lines: line.start..end, unclosed: None };
        };
        let opening = lines.line_span(value.start);
        // The value should have ended with the line that it begins on, or before the one that makes no sense in it.
        // Then that one makes sense by itself; at the end of the file, the line after the first.
        let at_end = offset >= text.trim_end().len();
        let sensible = if at_end { lines.line_span(opening.end).end } else { line.end };
        for lines in [opening.clone(), opening.start..line.start] {
            let next = Reading::of(&blanked(text, &lines)).first;
            if next.is_none_or(|(next, _)| next.start >= sensible) {
                let begin = value.start..value.start + 1;
                return Self {
                    lines,
                    unclosed: Some((begin, format!("the {kind} that begins here is not closed"))),
                };
            }
        }
        let end = lines.line_span(value.end).end.max(line.end);
        Self { lines: opening.start..end, unclosed: None }
    }
}

/// The outermost array, inline table or string whose text holds `offset`, and what it is.
fn value_around(node: &Node, offset: usize) -> Option<(Range<usize>, &'static str)> {
    let span = node.origin.span.clone().filter(|span| span.start <= offset && offset <= span.end);
    match (&node.value, span) {
        (Value::String(_), Some(span)) => Some((span, "text")),
        (Value::Array(_), Some(span)) => Some((span, "array")),
        (Value::Array(nodes), None) => nodes.iter().find_map(|node| value_around(node, offset)),
        // The span of a table in brackets is its header, which is a line of its own.
        (Value::Table(_), Some(span)) if !span.is_empty() => Some((span, "table")),
        (Value::Table(table), _) => table.values().find_map(|entry| value_around(&entry.node, offset)),
        _ => None,
    }
}

/// The text with nothing but spaces on these lines.
fn blanked(text: &str, lines: &Range<usize>) -> String {
    let end = lines.end.min(text.len());
    let (Some(before), Some(spoilt), Some(after)) =
        (text.get(..lines.start), text.get(lines.start..end), text.get(end..))
    else {
        return text.to_owned();
    };
    let blank: String =
        spoilt.bytes().map(|byte| if byte.is_ascii_whitespace() { char::from(byte) } else { ' ' }).collect();
    [before, &blank, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString as _, vec};

    #[test]
    fn one_error_for_one_mistake() {
        const UNCLOSED: &str = "the array that begins here is not closed";
        for (text, expected) in [
            ("a = \"x\nb = 1\nc = \"y\n", vec![(1, ""), (3, "")]),
            ("a = 1\na = 2\n[t]\n[t]\n", vec![(2, REPEATED), (4, REPEATED)]),
            ("a = [\"x\", \"y\"\nb = 1\n[c]\nd = 2\nd = 3\n", vec![(1, UNCLOSED), (5, REPEATED)]),
            ("a = [\n  \"x\",\n  \"y\"\n[c]\nd = nope\n", vec![(1, UNCLOSED), (5, "")]),
            ("a = [\n  \"x\"\n  \"y\",\n]\nb = nope\n", vec![(3, ""), (5, "")]),
            ("a = [1,", vec![(1, "unclosed array")]),
            ("a = \"\"\"x\nb = 1\nc = nope\n", vec![(1, "the text that begins here is not closed"), (3, "")]),
            ("[a\nb = 1\nc = \n[d]\ne = nope\n", vec![(1, ""), (5, "")]),
            ("a = 1 b = 2\n", vec![(1, "")]),
            ("a = { b = 1 c = 2 }\n", vec![(1, "")]),
            ("a 1\nb = nope\n]\n", vec![(1, ""), (2, ""), (3, "")]),
        ] {
            let lines = Lines::new(text);
            let mut found: Vec<_> = parse(text, &lines)
                .errors
                .iter()
                .map(|(span, fault)| (lines.locate(span).line, fault.to_string()))
                .collect();
            found.sort();
            let fits = found.len() == expected.len()
                && found
                    .iter()
                    .zip(&expected)
                    .all(|(found, expected)| found.0 == expected.0 && found.1.contains(expected.1));
            assert!(fits, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_follows_is_read() {
        let text = "a = [1\nb = 2\nc 3\n[d\ne = 4\n[f]\ng = 5\n";
        let lines = Lines::new(text);
        let parsed = parse(text, &lines);
        let Value::Table(table) = &parsed.root.value else { unreachable!() };
        assert_eq!(table.keys().collect::<Vec<_>>(), ["b", "f"]);
        let many = "a 1\n".repeat(100);
        assert_eq!(parse(&many, &Lines::new(&many)).errors.len(), MAX_ROUNDS);
    }
}
