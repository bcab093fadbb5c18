//! From TOML text to a tree, going on after errors.

use alloc::{
    borrow::ToOwned as _,
    string::{String, ToString as _},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::ops::Range;

use toml::de::{DeInteger, DeTable, DeValue};
use toml_parser::{Source as TomlSource, lexer::TokenKind};

use super::{
    diagnostic::Fault,
    lines::Lines,
    recovery,
    tree::{Entry, Node, Origin, Source, Value},
};

/// Tables and arrays within each other; a policy needs seven. The parser and everything that walks its tree
/// recurse, so that this bounds the stack.
const MAX_DEPTH: usize = 64;

/// Beyond this size only the first syntax error is reported: the parser has no bound on the errors it collects.
pub(super) const MAX_RECOVERED: usize = 64 * 1024;

/// What was read, and which places cannot be trusted.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) errors: Vec<(Range<usize>, Fault)>,
    /// Where text was passed over: what seems to be missing there is not missing.
    pub(super) shadows: Vec<Range<usize>>,
    /// Nothing was read.
    pub(super) refused: bool,
}

impl Parsed {
    /// A text that was not read at all.
    pub(super) fn refused(span: Range<usize>, fault: Fault) -> Self {
        Self { root: root(DeTable::new()), errors: vec![(span, fault)], shadows: Vec::new(), refused: true }
    }
}

/// Reads the text of a policy.
pub(super) fn parse(text: &str, lines: &Lines) -> Parsed {
    if let Some(at) = too_deep(text) {
        return Parsed::refused(at..at, Fault::TooDeep);
    }
    match DeTable::parse(text) {
        Ok(table) => {
            Parsed { root: root(table.into_inner()), errors: Vec::new(), shadows: Vec::new(), refused: false }
        }
        Err(_) if text.len() <= MAX_RECOVERED => recovery::parse(text, lines),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Parsed::refused(span, Fault::Syntax(error.message().to_owned()))
        }
    }
}

/// Reads what can be read of a text of at most [`MAX_RECOVERED`] bytes, and collects the errors.
pub(super) fn read_on(text: &str) -> (Node, Vec<(Range<usize>, String)>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let end = text.len()..text.len();
    let errors = errors
        .iter()
        .map(|error| (error.span().unwrap_or_else(|| end.clone()), error.message().to_owned()))
        .collect();
    (root(table.into_inner()), errors)
}

fn root(table: DeTable<'_>) -> Node {
    let origin = Origin { span: Some(0..0), source: Source::File };
    Node::new(value(DeValue::Table(table), &Source::File), origin)
}

/// Whether the text at this place was passed over.
pub(super) fn in_shadow(shadows: &[Range<usize>], offset: usize) -> bool {
    shadows.iter().any(|shadow| shadow.contains(&offset))
}

/// Reads the value of an override: TOML, else a plain string.
pub(super) fn parse_override(text: &str, variable: &Arc<str>) -> Result<Node, String> {
    let origin = Origin::of_override(variable.clone());
    let trimmed = text.trim();
    if too_deep(trimmed).is_some() {
        return Err(Fault::TooDeep.to_string());
    }
    match DeValue::parse(trimmed) {
        Ok(parsed) => {
            let mut node = Node::new(value(parsed.into_inner(), &origin.source), origin);
            if !matches!(node.value, Value::String(_) | Value::Array(_) | Value::Table(_)) {
                node.raw = Some(trimmed.into());
            }
            Ok(node)
        }
        // Who writes a bracket or a quote means TOML.
        Err(error) if trimmed.starts_with(['[', '{', '"', '\'']) => Err(error.message().to_owned()),
        Err(_) => Ok(Node::new(Value::String(text.to_owned()), origin)),
    }
}

/// Where tables and arrays, keys with dots included, lie too deep within each other.
fn too_deep(text: &str) -> Option<usize> {
    // For each open bracket, and the file around them: how many tables the present key opens.
    let mut dots = vec![0_usize];
    let mut depth = 1;
    for token in TomlSource::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                dots.push(0);
                depth += 1;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket if dots.len() > 1 => {
                depth -= dots.pop().unwrap_or(0) + 1;
            }
            TokenKind::Dot => {
                if let Some(top) = dots.last_mut() {
                    *top += 1;
                    depth += 1;
                }
            }
            // A new key begins; no key runs over a line's end.
            TokenKind::Comma | TokenKind::Newline => {
                if let Some(top) = dots.last_mut() {
                    depth -= *top;
                    *top = 0;
                }
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(token.span().start());
        }
    }
    None
}

fn value(value: DeValue<'_>, source: &Source) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => Value::Integer(integer(&number)),
        DeValue::Float(number) => Value::Float(number.to_string().into()),
        DeValue::Boolean(truth) => Value::Boolean(truth),
        DeValue::Datetime(date) => Value::Datetime(date.to_string().into()),
        DeValue::Array(array) => {
            Value::Array(array.into_iter().map(|element| spanned(element, source)).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, element)| {
                    let origin = place(key.span(), source);
                    let key = key.into_inner().into_owned();
                    (key, Entry::new(origin, spanned(element, source)))
                })
                .collect(),
        ),
    }
}

fn spanned(element: toml::Spanned<DeValue<'_>>, source: &Source) -> Node {
    let origin = place(element.span(), source);
    Node::new(value(element.into_inner(), source), origin)
}

fn place(span: Range<usize>, source: &Source) -> Origin {
    // The text of an override is not in the file.
    Origin { span: (*source == Source::File).then_some(span), source: source.clone() }
}

/// What does not fit into 128 bits fits no field either: the largest number stands for it.
fn integer(number: &DeInteger<'_>) -> i128 {
    let text = number.as_str();
    i128::from_str_radix(text, number.radix()).unwrap_or(if text.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn depth_is_bounded_before_anything_recurses() {
        let dotted = ["k"; 79].join(".");
        let nested = format!("a = {}1{}", format!("{{{dotted} = ").repeat(79), "}".repeat(79));
        for (text, refused) in [
            (nested, true),
            (format!("a = {}", "[".repeat(1 << 19)), true),
            (format!("a{} = 1", ".a".repeat(1 << 19)), true),
            (format!("a = {}1{}", "[".repeat(60), "]".repeat(60)), false),
            ("a.b.c = 1.5\n".repeat(1000), false),
            (format!("a = [{}]", "1.5, ".repeat(1000)), false),
        ] {
            assert_eq!(too_deep(&text).is_some(), refused, "{text:.40}");
        }
    }

    #[test]
    fn numbers_of_any_size() {
        let text = format!("a = 0x7f\nb = -{0}\nc = {0}\n", "9".repeat(60));
        let Value::Table(table) = parse(&text, &Lines::new(&text)).root.value else { unreachable!() };
        let numbers: Vec<_> = table
            .values()
            .filter_map(|entry| match entry.node.value {
                Value::Integer(number) => Some(number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [127, i128::MIN, i128::MAX]);
    }

    #[test]
    fn overrides_are_toml_where_they_can_be() {
        for (text, expected) in [
            ("api", Some("api")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("[\"a\", \"b\"]", Some("[\"a\", \"b\"]")),
            ("\"8080\"", Some("8080")),
            ("8080", Some("8080")),
            ("", Some("")),
            ("[\"a\"", None),
            ("{ a = }", None),
        ] {
            let node = parse_override(text, &"BARTIZAN__X".into());
            assert_eq!(node.ok().and_then(|node| node.shown()).as_deref(), expected, "{text}");
        }
    }
}
