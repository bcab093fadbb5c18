//! The way from a text to a policy, and what was found wrong on it.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::ops::Range;

use super::{
    Diagnostic, Document, MAX_BYTES, MAX_FAULTS, PolicyInput,
    diagnostic::{self, Fault},
    lines::Lines,
    overlay, overrides, references, shape, syntax,
    tree::{Node, Origin, Path, Segment, Source, Value},
};
use crate::{PolicyError, policy::Policy};

/// A policy that may still be wrong.
pub(super) struct Draft {
    pub(super) policy: Option<Policy>,
    pub(super) development: bool,
    root: Node,
    lines: Lines,
    diagnostics: Vec<Diagnostic>,
    /// What was left out, or is missing: what else is wrong there follows from that.
    settled: Vec<Path>,
    /// Where syntax errors made text be passed over.
    shadows: Vec<Range<usize>>,
}

impl Draft {
    /// Reads as much of the policy as can be read.
    pub(super) fn read(input: &PolicyInput<'_>) -> Self {
        let development = input.profile == Some(overlay::DEVELOPMENT);
        if input.text.len() > MAX_BYTES {
            let (lines, fault) = (Lines::new(""), Fault::TooLarge(input.text.len()));
            let parsed = syntax::Parsed::refused(0..0, fault);
            return Self::from_parsed(parsed, lines, development);
        }
        let lines = Lines::new(input.text);
        let parsed = syntax::parse(input.text, &lines);
        let refused = parsed.refused;
        let mut draft = Self::from_parsed(parsed, lines, development);
        if !refused {
            draft.decode(input);
        }
        draft
    }

    fn from_parsed(parsed: syntax::Parsed, lines: Lines, development: bool) -> Self {
        let diagnostics = parsed
            .errors
            .into_iter()
            .map(|(span, fault)| {
                let at = Origin { span: Some(span), source: Source::File };
                fault.at(&lines, &Path::default(), &at, None)
            })
            .collect();
        let (root, shadows) = (parsed.root, parsed.shadows);
        Self { policy: None, development, root, lines, diagnostics, settled: Vec::new(), shadows }
    }

    fn decode(&mut self, input: &PolicyInput<'_>) {
        let (root, lines) = (&mut self.root, &self.lines);
        let mut base = root.clone();
        let mut found = overlay::apply(root, input.profile, lines);
        found.extend(overrides::apply(root, input.overrides, lines));
        let (faults, settled) = references::replace(root, input.env, lines);
        found.extend(faults);
        self.settled = settled;
        self.policy = shape::decode(root, lines, &mut self.settled, &mut found);
        // What was replaced is judged too.
        for replaced in shape::check_part(&mut base, &Path::default(), lines) {
            let told =
                |found: &Diagnostic| (found.code, found.location) == (replaced.code, replaced.location);
            if !found.iter().any(told) {
                found.push(replaced);
            }
        }
        found.retain(|diagnostic| self.is_news(diagnostic));
        self.diagnostics.append(&mut found);
    }

    /// Adds what the engine says of the policy, unless it follows from what is known.
    pub(super) fn add(&mut self, errors: Vec<PolicyError>) {
        for error in errors {
            let (path, found) = self.root.trace(&Path::parse(&error.path).0);
            let left_out = self.settled.iter().any(|settled| settled.leads_to(&path));
            let unclear = error.premises().iter().any(|premise| {
                let (premise, _) = self.root.trace(&Path::parse(premise).0);
                self.settled.iter().any(|settled| settled.overlaps(&premise))
            });
            if left_out || unclear {
                continue;
            }
            let diagnostic = self.located(&path, found, &error);
            if self.is_news(&diagnostic) {
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn located(&self, path: &Path, found: usize, error: &PolicyError) -> Diagnostic {
        let node = self.root.find(&path.0).filter(|node| !node.pruned);
        // What is not written is shown at the table that it is missing in.
        let above = path.0.get(..found).filter(|above| !above.is_empty());
        let near = node.or_else(|| self.root.find(above?)).map(|node| &node.origin);
        let at = node.map_or_else(Origin::nowhere, |node| node.origin.clone());
        // Where the value at fault is the last key itself, the key is shown.
        let key = match path.0.last() {
            Some(Segment::Key(key)) if node.is_some() && error.value.as_ref() == Some(key) => {
                self.root.key_of(&path.0)
            }
            _ => None,
        };
        let mut message = error.kind.to_string();
        message.push_str(&diagnostic::note(&at.source));
        Diagnostic {
            code: error.kind.code(),
            path: path.to_string(),
            message: diagnostic::clipped(&message),
            value: match node {
                Some(node) if node.hidden => node.shown(),
                _ => error.value.as_deref().map(diagnostic::clipped),
            },
            hint: error.kind.hint(),
            location: key
                .or(near)
                .and_then(|origin| origin.span.as_ref())
                .map(|span| self.lines.locate(span)),
            source: diagnostic::provenance(&at, &self.lines),
        }
    }

    /// Whether a fault is more than what follows from a syntax error.
    fn is_news(&self, diagnostic: &Diagnostic) -> bool {
        if self.shadows.is_empty() {
            return true;
        }
        let outside = |location: super::Location| !syntax::in_shadow(&self.shadows, location.offset);
        match (&diagnostic.source, diagnostic.code) {
            // What is missing may stand where the text could not be read.
            (super::Provenance::Default, _) | (_, "policy.missing-key") => false,
            _ => diagnostic.location.is_none_or(outside),
        }
    }

    /// The finished document, or everything that is wrong, in the order of the file.
    pub(super) fn finish(self) -> Result<Document, Vec<Diagnostic>> {
        let Self { policy, development, root, lines, mut diagnostics, .. } = self;
        match policy {
            Some(policy) if diagnostics.is_empty() => Ok(Document { policy, development, root, lines }),
            _ => {
                // What is not in the file comes last.
                diagnostics.sort_by_cached_key(|diagnostic| {
                    let offset = diagnostic.location.map_or(usize::MAX, |location| location.offset);
                    (offset, diagnostic.path.clone(), diagnostic.code)
                });
                // The engine finds the same fault wherever the value is used.
                diagnostics.dedup();
                if diagnostics.len() > MAX_FAULTS {
                    diagnostics.truncate(MAX_FAULTS);
                    let fault = Fault::TooMany(MAX_FAULTS);
                    diagnostics.push(fault.at(&lines, &Path::default(), &Origin::nowhere(), None));
                }
                Err(diagnostics)
            }
        }
    }
}

/// Rows of values for `explain`: each scalar, and each array of scalars that comes from one place.
pub(super) fn rows<'a>(node: &'a Node, path: &mut Path, rows: &mut Vec<(String, &'a Node)>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                path.0.push(Segment::Key(key.clone()));
                self::rows(&entry.node, path, rows);
                path.0.pop();
            }
        }
        Value::Array(nodes)
            if !nodes
                .iter()
                .all(|element| is_plain(element) && element.origin.source == node.origin.source) =>
        {
            for (index, element) in nodes.iter().enumerate() {
                path.0.push(Segment::Index(index));
                self::rows(element, path, rows);
                path.0.pop();
            }
        }
        _ => rows.push((path.to_string(), node)),
    }
}

fn is_plain(node: &Node) -> bool {
    !matches!(node.value, Value::Table(_) | Value::Array(_))
}
