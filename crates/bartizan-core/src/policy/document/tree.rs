//! The policy as it was written: a tree whose every node knows where it comes from.

use alloc::{
    borrow::ToOwned as _,
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, ops::Range};

use crate::policy::{SecretRef, store};

/// A value, and where it was written.
///
/// No `Debug`: a node may hold a literal secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// What an override said before it was read as TOML: `8080` is a number, and a string where one is wanted.
    pub(super) raw: Option<Box<str>>,
    /// Never shown: a field of secret type, or one that may be meant for such a field.
    pub(super) hidden: bool,
    /// Already reported; decoding goes on without it.
    pub(super) pruned: bool,
    /// Keys that this table should have and has not; already reported, and decoded as if they were there.
    pub(super) lacking: Vec<&'static str>,
}

/// What a node holds.
#[derive(Clone)]
pub(super) enum Value {
    String(String),
    Integer(i128),
    Float(Box<str>),
    Boolean(bool),
    Datetime(Box<str>),
    Array(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Entry>;

/// A key of a table, and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Origin,
    /// The key that a misspelt one is read as.
    pub(super) meant: Option<&'static str>,
    pub(super) node: Node,
}

impl Entry {
    pub(super) const fn new(key: Origin, node: Node) -> Self {
        Self { key, meant: None, node }
    }
}

/// The entry that is read as `key`, and how its key is written.
pub(super) fn entry<'t>(table: &'t Table, key: &str) -> Option<(&'t String, &'t Entry)> {
    table.get_key_value(key).or_else(|| table.iter().find(|(_, entry)| entry.meant == Some(key)))
}

/// Where a key or a value was written.
#[derive(Clone)]
pub(super) struct Origin {
    /// In bytes of the file; `None` where it is not in the file.
    pub(super) span: Option<Range<usize>>,
    pub(super) source: Source,
}

/// Who wrote it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    File,
    /// The overlay of this name.
    Profile(Arc<str>),
    /// The `BARTIZAN__…` variable of this name.
    Override(Arc<str>),
    /// The variables that `${env:…}` named.
    Environment(Arc<str>),
    /// Nobody.
    Default,
}

impl Origin {
    /// Where nothing is written.
    pub(super) const fn nowhere() -> Self {
        Self { span: None, source: Source::Default }
    }

    /// Set by an override.
    pub(super) const fn of_override(variable: Arc<str>) -> Self {
        Self { span: None, source: Source::Override(variable) }
    }
}

impl Node {
    pub(super) const fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, raw: None, hidden: false, pruned: false, lacking: Vec::new() }
    }

    pub(super) const fn table(origin: Origin) -> Self {
        Self::new(Value::Table(Table::new()), origin)
    }

    /// What kind of value it is, with its article.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// The value as a person may see it; `None` for tables, long arrays of them, and what is hidden.
    pub(super) fn shown(&self) -> Option<String> {
        match &self.value {
            Value::String(_) if self.hidden && self.has_password() => Some("[hidden]".to_owned()),
            // A reference to a secret may be shown, a secret may not.
            Value::String(text) if self.hidden => Some(
                SecretRef::parse(text).map_or_else(|_| "[hidden]".to_owned(), |secret| secret.to_string()),
            ),
            Value::String(text) => Some(text.clone()),
            _ if self.hidden => Some("[hidden]".to_owned()),
            _ => self.shown_as_toml(),
        }
    }

    /// The same in the notation of TOML: strings in quotes.
    pub(super) fn shown_as_toml(&self) -> Option<String> {
        if self.hidden {
            return self.shown().map(|text| format!("{text:?}"));
        }
        Some(match &self.value {
            Value::String(text) => format!("{text:?}"),
            Value::Integer(number) => number.to_string(),
            Value::Float(text) | Value::Datetime(text) => text.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            Value::Array(nodes) => {
                let shown = nodes
                    .iter()
                    .filter(|node| !node.pruned)
                    .map(Self::shown_as_toml)
                    .collect::<Option<Vec<_>>>()?;
                format!("[{}]", shown.join(", "))
            }
            Value::Table(_) => return None,
        })
    }

    /// Whether this is a URL with a password in it.
    pub(super) fn has_password(&self) -> bool {
        matches!(&self.value, Value::String(text) if store::has_password(text))
    }

    /// The node that `path` leads to.
    pub(super) fn find(&self, path: &[Segment]) -> Option<&Self> {
        path.iter().try_fold(self, |node, segment| match (&node.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get(key).map(|entry| &entry.node),
            (Value::Array(nodes), Segment::Index(index)) => nodes.get(*index),
            _ => None,
        })
    }

    /// The same, to change it.
    pub(super) fn find_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, segment| match (&mut node.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get_mut(key).map(|entry| &mut entry.node),
            (Value::Array(nodes), Segment::Index(index)) => nodes.get_mut(*index),
            _ => None,
        })
    }

    /// How the key that is read as `key` is written in this table.
    pub(super) fn spelling_of<'k>(&'k self, key: &'k str) -> &'k str {
        match &self.value {
            Value::Table(table) => entry(table, key).map_or(key, |(written, _)| written),
            _ => key,
        }
    }

    /// Where the key that `path` ends in was written; for an element of an array, where it was.
    pub(super) fn key_of(&self, path: &[Segment]) -> Option<&Origin> {
        let (last, parent) = path.split_last()?;
        match (&self.find(parent)?.value, last) {
            (Value::Table(table), Segment::Key(key)) => table.get(key).map(|entry| &entry.key),
            (Value::Array(nodes), Segment::Index(index)) => nodes.get(*index).map(|node| &node.origin),
            _ => None,
        }
    }

    /// A path of the decoded policy, where pruned elements do not count and keys are spelt right, as a path of this
    /// tree; and how much of it exists.
    pub(super) fn trace(&self, path: &[Segment]) -> (Path, usize) {
        let mut node = Some(self);
        let mut found = 0;
        let mut traced = Vec::with_capacity(path.len());
        for segment in path {
            let mut segment = segment.clone();
            node = match (node.map(|node| &node.value), &mut segment) {
                (Some(Value::Table(table)), Segment::Key(key)) => {
                    entry(table, key).and_then(|(written, entry)| {
                        written.clone_into(key);
                        (!entry.node.pruned).then_some(&entry.node)
                    })
                }
                (Some(Value::Array(nodes)), Segment::Index(index)) => {
                    let live = nodes.iter().enumerate().filter(|(_, node)| !node.pruned).nth(*index);
                    live.map(|(written, node)| {
                        *index = written;
                        node
                    })
                }
                _ => None,
            };
            found += usize::from(node.is_some());
            traced.push(segment);
        }
        (Path(traced), found)
    }
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// A place in the policy: `route[0].match`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(pub(super) Vec<Segment>);

impl Path {
    /// Reads `route[0].match`, and `csp.directives."a b"`. What does not look like a path becomes a key that
    /// nothing has.
    pub(super) fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((index, after)) = index(rest) {
                segments.push(Segment::Index(index));
                rest = after;
            } else if let Some((key, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                segments.push(Segment::Key(key.to_owned()));
                rest = after;
            } else {
                // Never empty, so that every turn makes way: a key runs at least to the next `.` or `[`.
                let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
                let (key, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
                segments.push(Segment::Key(key.to_owned()));
                rest = after;
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        Self(segments)
    }

    /// This path and one step more.
    pub(super) fn join(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.to_owned()));
        path
    }

    /// Whether `other` is this path, or leads on from it.
    pub(super) fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether one of the two leads through the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(ours, theirs)| ours == theirs)
    }
}

/// The `[3]` that `text` begins with, and what follows it.
fn index(text: &str) -> Option<(usize, &str)> {
    let (digits, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, rest))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                    if !key.is_empty() && key.bytes().all(bare) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_and_write_the_same() {
        for (text, length) in [
            ("", 0),
            ("mode", 1),
            ("cors.headers[2]", 3),
            ("route[0].csp.script-src[1]", 5),
            ("csp.directives.\"a b\"", 3),
            ("route[0][1]", 3),
        ] {
            let path = Path::parse(text);
            assert_eq!(path.to_string(), text);
            assert_eq!(path.0.len(), length, "{text}");
        }
        // Not paths: they only have to end.
        for text in [".", "..", "[", "[x]", "a..b", "\"", "a[", "]", "é.ü"] {
            Path::parse(text);
        }
    }

    #[test]
    fn overlap_means_above_or_below() {
        for (one, other, expected) in [
            ("cors", "cors.headers[0]", true),
            ("cors.headers[0]", "cors", true),
            ("cors.headers", "cors.methods", false),
            ("", "cors", true),
            ("route[0]", "route[1]", false),
        ] {
            assert_eq!(Path::parse(one).overlaps(&Path::parse(other)), expected, "{one} {other}");
        }
    }
}
