//! From the tree to a [`Policy`], finding every fault of its shape.
//!
//! serde stops at the first error. So the first is told and mended, and all is read again, until it can be read: a
//! misspelt key is read as the one that was meant, a key that is missing as if it were there, and everything else
//! that is wrong is left out.

use alloc::{borrow::ToOwned as _, string::ToString as _, vec::Vec};

use serde::Deserialize as _;

use super::{
    Diagnostic,
    decode::NodeDeserializer,
    diagnostic::Fault,
    lines::Lines,
    tree::{self, Node, Origin, Path, Segment, Value},
};
use crate::policy::Policy;

/// How often a policy is read again without what is wrong with it. A fault can cost several turns: leaving out what
/// is wrong can leave a key missing.
const MAX_TURNS: usize = 100;

/// Reads `root`, and mends in it what is wrong. `None` if there was no end to the faults in [`MAX_TURNS`].
///
/// `settled` is what was left out or is missing: what else is wrong there follows from that.
pub(super) fn decode(
    root: &mut Node,
    lines: &Lines,
    settled: &mut Vec<Path>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Policy> {
    read(root, settled, |root, path, fault| diagnostics.push(diagnostic(root, lines, path, fault)))
}

/// Checks a part of a file that others are laid over, or that is laid over others. `at` is where it is.
///
/// It need not be complete, but arrays are replaced whole, so their elements must be. What a reference stands for is
/// not known.
pub(super) fn check_part(root: &mut Node, at: &Path, lines: &Lines) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    read(root, &mut Vec::new(), |root, path, fault| {
        let open = match fault {
            Fault::UnknownKey { .. } => false,
            Fault::MissingKey(_) => !path.0.iter().any(|segment| matches!(segment, Segment::Index(_))),
            _ => {
                matches!(root.find(&path.0).map(|node| &node.value), Some(Value::String(text)) if text.contains('$'))
            }
        };
        if !open {
            let whole = Path([at.0.as_slice(), path.0.as_slice()].concat());
            diagnostics.push(Diagnostic { path: whole.to_string(), ..diagnostic(root, lines, path, fault) });
        }
    });
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
    read(policy, &mut Vec::new(), |_, _, _| {}).is_some()
}

/// Reads until nothing is wrong any more, and tells of each fault before it is mended.
fn read(
    root: &mut Node,
    settled: &mut Vec<Path>,
    mut tell: impl FnMut(&Node, &Path, &Fault),
) -> Option<Policy> {
    for _ in 0..MAX_TURNS {
        let (path, fault) = match Policy::deserialize(NodeDeserializer(root)) {
            Ok(policy) => return Some(policy),
            Err(error) => error.into_parts(),
        };
        let subject = match fault {
            Fault::MissingKey(key) => path.join(root.find(&path.0)?.spelling_of(key)),
            _ => path.clone(),
        };
        // A key may be missing because it was left out.
        let follows = matches!(fault, Fault::MissingKey(_)) && settled.contains(&subject);
        if !follows {
            tell(root, &path, &fault);
        }
        if mend(root, &path, &fault)? == Mended::ByLoss {
            settled.push(subject);
        }
    }
    None
}

#[derive(PartialEq, Eq)]
enum Mended {
    /// All that was written is still read.
    Whole,
    ByLoss,
}

/// Lets the next reading pass over a fault; `None` if it cannot.
fn mend(root: &mut Node, path: &Path, fault: &Fault) -> Option<Mended> {
    match fault {
        Fault::MissingKey(key) => {
            let table = root.find_mut(&path.0).filter(|table| !table.lacking.contains(key))?;
            table.lacking.push(key);
            return Some(Mended::ByLoss);
        }
        Fault::UnknownKey { .. } => {
            let (Segment::Key(key), above) = path.0.split_last()? else { return None };
            let Value::Table(table) = &mut root.find_mut(above)?.value else { return None };
            let meant = fault.meant().filter(|meant| tree::entry(table, meant).is_none());
            let entry = table.get_mut(key)?;
            if meant.is_some() && entry.meant.is_none() {
                entry.meant = meant;
                return Some(Mended::Whole);
            }
            // It may be a misspelt key of secret type.
            entry.node.hidden = true;
        }
        _ => {}
    }
    let node = root.find_mut(&path.0).filter(|node| !path.0.is_empty() && !node.pruned)?;
    node.pruned = true;
    Some(Mended::ByLoss)
}

fn diagnostic(root: &Node, lines: &Lines, path: &Path, fault: &Fault) -> Diagnostic {
    let node = root.find(&path.0);
    let at = match fault {
        Fault::UnknownKey { .. } => root.key_of(&path.0),
        _ => node.map(|node| &node.origin),
    };
    fault.at(lines, path, at.unwrap_or(&Origin::nowhere()), node)
}
