//! From the tree to a [`Policy`], finding every fault of its shape.
//!
//! serde stops at the first error. So the first is reported, what it is about is taken out, and the rest is read
//! again, until it can be read.

use alloc::{borrow::ToOwned as _, string::ToString as _, vec::Vec};

use serde::Deserialize as _;

use super::{
    Diagnostic,
    decode::NodeDeserializer,
    diagnostic::Fault,
    lines::Lines,
    tree::{Entry, Node, Origin, Path, Value},
};
use crate::policy::Policy;

/// How often a policy is read again without what is wrong with it. A fault can cost several turns: taking out what
/// is wrong can leave a key missing.
const MAX_TURNS: usize = 100;

/// What became of a tree.
pub(super) struct Shape {
    /// What could be read; `None` if there was no end to the faults in [`MAX_TURNS`].
    pub(super) policy: Option<Policy>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What the faults are about, and what was probably meant by them: what else is wrong there is not news.
    pub(super) settled: Vec<Path>,
}

/// Reads `root`, and takes out of it what is wrong.
pub(super) fn decode(root: &mut Node, lines: &Lines, settled: Vec<Path>) -> Shape {
    let mut shape = Shape { policy: None, diagnostics: Vec::new(), settled };
    for _ in 0..MAX_TURNS {
        let (path, fault) = match Policy::deserialize(NodeDeserializer(root)) {
            Ok(policy) => {
                shape.policy = Some(policy);
                return shape;
            }
            Err(error) => error.into_parts(),
        };
        shape.report(root, lines, &path, &fault);
        if !take_out(root, &path, &fault) {
            return shape;
        }
    }
    shape
}

/// Checks an overlay that was not chosen: the same faults, but nothing needs to be complete, and what a
/// reference stands for is not known. `at` is where the overlay is.
pub(super) fn check_overlay(root: &mut Node, at: &Path, lines: &Lines) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for _ in 0..MAX_TURNS {
        let Err(error) = Policy::deserialize(NodeDeserializer(root)) else { break };
        let (path, fault) = error.into_parts();
        let open = match &fault {
            Fault::MissingKey(_) => true,
            _ => {
                matches!(root.find(&path.0).map(|node| &node.value), Some(Value::String(text)) if text.contains("${"))
            }
        };
        if !open || matches!(fault, Fault::UnknownKey { .. }) {
            let whole = Path([at.0.as_slice(), path.0.as_slice()].concat());
            diagnostics
                .push(Diagnostic { path: whole.to_string(), ..diagnostic(root, lines, &path, &fault) });
        }
        if !take_out(root, &path, &fault) {
            break;
        }
    }
    diagnostics
}

/// Marks what must not be shown in a whole file, overlays included; false if not all of it could be reached.
pub(super) fn mark_hidden(root: &mut Node) -> bool {
    let Value::Table(policy) = &mut root.value else { return false };
    let profiles = policy.remove("profile");
    let mut reached = mark(root);
    let Some(mut profiles) = profiles else { return reached };
    match &mut profiles.node.value {
        Value::Table(overlays) => {
            for overlay in overlays.values_mut().map(|entry| &mut entry.node) {
                match &mut overlay.value {
                    Value::Table(table) => {
                        if let Some(inner) = table.get_mut("profile") {
                            inner.node.hidden = true;
                        }
                        reached &= mark(overlay);
                    }
                    _ => overlay.hidden = true,
                }
            }
        }
        _ => profiles.node.hidden = true,
    }
    if let Value::Table(policy) = &mut root.value {
        policy.insert("profile".to_owned(), profiles);
    }
    reached
}

fn mark(policy: &mut Node) -> bool {
    for _ in 0..MAX_TURNS {
        match Policy::deserialize(NodeDeserializer(policy)) {
            Ok(_) => return true,
            Err(error) => {
                let (path, fault) = error.into_parts();
                if !take_out(policy, &path, &fault) {
                    return false;
                }
            }
        }
    }
    false
}

impl Shape {
    fn report(&mut self, root: &Node, lines: &Lines, path: &Path, fault: &Fault) {
        let subject = match fault {
            Fault::MissingKey(key) => path.join(key),
            _ => path.clone(),
        };
        // A key is missing because it was taken out, or because it was misspelt.
        let known =
            matches!(fault, Fault::MissingKey(_)) && self.settled.iter().any(|path| path.overlaps(&subject));
        if !known {
            self.diagnostics.push(diagnostic(root, lines, path, fault));
        }
        if let (Fault::UnknownKey { .. }, Some(meant), Some((_, table))) =
            (fault, fault.suggestion(), path.0.split_last())
        {
            self.settled.push(Path(table.to_owned()).join(meant));
        }
        self.settled.push(subject);
    }
}

fn diagnostic(root: &Node, lines: &Lines, path: &Path, fault: &Fault) -> Diagnostic {
    let node = root.find(&path.0);
    let at = match fault {
        Fault::UnknownKey { .. } => root.key_of(&path.0),
        _ => node.map(|node| &node.origin),
    };
    fault.at(lines, path, at.unwrap_or(&Origin::nowhere()), node)
}

/// Takes out what a fault is about; false if that cannot be done.
fn take_out(root: &mut Node, path: &Path, fault: &Fault) -> bool {
    match (fault, &mut root.value) {
        // Without its version the policy can still be read for what else is wrong.
        (Fault::MissingKey("version"), Value::Table(table)) if path.0.is_empty() => {
            let entry =
                Entry { key: Origin::nowhere(), node: Node::new(Value::Integer(1), Origin::nowhere()) };
            table.insert("version".to_owned(), entry);
            true
        }
        _ if path.0.is_empty() => false,
        _ => match root.find_mut(&path.0) {
            Some(node) if !node.pruned => {
                node.pruned = true;
                true
            }
            _ => false,
        },
    }
}
