//! References to the environment in strings: `${env:NAME}`, `${env:NAME:-default}`, and `$$` for a dollar sign.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};

use super::{
    Diagnostic, MAX_BYTES, MAX_FAULTS,
    diagnostic::Fault,
    lines::Lines,
    tree::{Node, Path, Segment, Source, Value},
};

/// Where the environment comes from.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces the references in all strings of `root`. Returns what is wrong, and the strings that it is about,
/// which are pruned.
pub(super) fn replace(root: &mut Node, env: Environment<'_>, lines: &Lines) -> (Vec<Diagnostic>, Vec<Path>) {
    let mut replacing =
        Replacing { env, lines, left: MAX_BYTES, diagnostics: Vec::new(), settled: Vec::new() };
    replacing.visit(root, &mut Path::default());
    (replacing.diagnostics, replacing.settled)
}

struct Replacing<'a> {
    env: Environment<'a>,
    lines: &'a Lines,
    /// How many bytes all strings with references may still become.
    left: usize,
    diagnostics: Vec<Diagnostic>,
    settled: Vec<Path>,
}

impl Replacing<'_> {
    fn visit(&mut self, node: &mut Node, path: &mut Path) {
        // More faults than are shown need not be looked for.
        if self.diagnostics.len() > MAX_FAULTS {
            return;
        }
        match &mut node.value {
            Value::String(text) => match replace_in(text, self.env, &mut self.left) {
                Ok(None) => {}
                Ok(Some(Replaced { text: replaced, variables })) => {
                    *text = replaced;
                    // Who overrides a value is more than who is named in it.
                    if !variables.is_empty() && !matches!(node.origin.source, Source::Override(_)) {
                        node.origin.source = Source::Environment(variables.join(", ").into());
                    }
                }
                Err(fault) => {
                    self.diagnostics.push(fault.at(self.lines, path, &node.origin, None));
                    self.settled.push(path.clone());
                    node.pruned = true;
                }
            },
            Value::Array(nodes) => {
                for (index, node) in nodes.iter_mut().enumerate() {
                    path.0.push(Segment::Index(index));
                    self.visit(node, path);
                    path.0.pop();
                }
            }
            Value::Table(table) => {
                for (key, entry) in table.iter_mut() {
                    path.0.push(Segment::Key(key.clone()));
                    self.visit(&mut entry.node, path);
                    path.0.pop();
                }
            }
            _ => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Replaced {
    text: String,
    /// Whose values are in it.
    variables: Vec<String>,
}

/// One pass from left to right: what a variable holds is never looked at again. `None` if there is no `$`.
fn replace_in(text: &str, env: Environment<'_>, left: &mut usize) -> Result<Option<Replaced>, Fault> {
    let Some((before, mut rest)) = text.split_once('$') else { return Ok(None) };
    let mut replaced = Replaced { text: before.to_owned(), variables: Vec::new() };
    loop {
        if let Some(after) = rest.strip_prefix('$') {
            replaced.text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let bad = |reference: &str| Fault::BadReference(reference.to_owned());
            let (reference, after) = after.split_once('}').ok_or_else(|| bad("${"))?;
            let (name, default) = read_reference(reference).ok_or_else(|| bad(&shown(reference)))?;
            let value = env(name);
            if value.is_some() && !replaced.variables.iter().any(|known| known == name) {
                replaced.variables.push(name.to_owned());
            }
            // As in a shell, `:-` stands in for what is empty too.
            match (value, default) {
                (Some(value), Some(default)) if value.is_empty() => replaced.text.push_str(default),
                (Some(value), _) => replaced.text.push_str(&value),
                (None, Some(default)) => replaced.text.push_str(default),
                (None, None) => return Err(Fault::Unset(name.to_owned())),
            }
            rest = after;
        } else {
            replaced.text.push('$');
        }
        if replaced.text.len() > *left {
            return Err(Fault::TooLongExpanded);
        }
        let Some((before, after)) = rest.split_once('$') else { break };
        replaced.text.push_str(before);
        rest = after;
    }
    replaced.text.push_str(rest);
    *left = left.saturating_sub(replaced.text.len());
    Ok(Some(replaced))
}

/// The name, and the default, of `env:NAME:-default`.
fn read_reference(reference: &str) -> Option<(&str, Option<&str>)> {
    let reference = reference.strip_prefix("env:")?;
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    (letter(first) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit())).then_some((name, default))
}

/// A reference as it may be shown. Its default may be a secret.
fn shown(reference: &str) -> String {
    let name = reference.split_once(":-").map_or(reference, |(name, _)| name);
    alloc::format!("${{{name}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${env:A}$$".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn one_pass() {
        for (text, expected) in [
            ("plain", Ok(None)),
            ("${env:A}", Ok(Some("alpha"))),
            ("<${env:A}|${env:A}>", Ok(Some("<alpha|alpha>"))),
            ("${env:MISSING:-x}", Ok(Some("x"))),
            ("${env:MISSING:-}", Ok(Some(""))),
            ("${env:EMPTY:-x}", Ok(Some("x"))),
            ("${env:EMPTY}", Ok(Some(""))),
            ("${env:A:-x}", Ok(Some("alpha"))),
            ("${env:NESTED}", Ok(Some("${env:A}$$"))),
            ("${env:MISSING:-a:-b}", Ok(Some("a:-b"))),
            ("$$", Ok(Some("$"))),
            ("$${env:A}", Ok(Some("${env:A}"))),
            ("$$$$", Ok(Some("$$"))),
            ("5 $", Ok(Some("5 $"))),
            ("$a", Ok(Some("$a"))),
            ("${env:MISSING}", Err("the environment variable `MISSING` is not set")),
            ("${env:}", Err("`${env:}` is not a reference that can be read here")),
            ("${env:1}", Err("`${env:1}` is not a reference that can be read here")),
            ("${env:a b}", Err("`${env:a b}` is not a reference that can be read here")),
            ("${HOME}", Err("`${HOME}` is not a reference that can be read here")),
            ("${HOME:-secret}", Err("`${HOME}` is not a reference that can be read here")),
            ("${env:A", Err("`${` is not a reference that can be read here")),
        ] {
            let found =
                replace_in(text, &env, &mut 1000).map(|replaced| replaced.map(|replaced| replaced.text));
            let found = found.as_ref().map(Option::as_deref).map_err(ToString::to_string);
            assert_eq!(found, expected.map_err(ToString::to_string), "{text}");
        }
    }

    #[test]
    fn what_it_grows_to_is_bounded() {
        let big = |_: &str| Some("x".repeat(600));
        let mut left = 1000;
        assert!(replace_in("${env:A}", &big, &mut left).is_ok());
        assert!(matches!(replace_in("${env:A}", &big, &mut left), Err(Fault::TooLongExpanded)));
    }
}
