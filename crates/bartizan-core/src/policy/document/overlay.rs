//! Profiles: `[profile.NAME]` laid over the policy.

use alloc::{string::String, vec::Vec};

use super::{
    Diagnostic, MAX_FAULTS,
    diagnostic::Fault,
    lines::Lines,
    shape,
    tree::{Entry, Node, Origin, Path, Source, Table, Value},
};

/// The profile that permits what only development may do.
pub(super) const DEVELOPMENT: &str = "development";
/// The profile that holds where none is named. It need not be written.
const PRODUCTION: &str = "production";

/// Lays the profile of this name over `root`, and takes all profiles out of it.
pub(super) fn apply(root: &mut Node, profile: Option<&str>, lines: &Lines) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let Value::Table(policy) = &mut root.value else { return diagnostics };
    let (profiles, at) = match policy.remove("profile") {
        Some(Entry { node: Node { value: Value::Table(profiles), .. }, key, .. }) => (profiles, key),
        Some(Entry { mut node, .. }) => {
            node.hidden = true;
            let fault = Fault::WrongType { expected: "a table".into(), found: node.kind() };
            diagnostics.push(fault.at(lines, &Path::parse("profile"), &node.origin, Some(&node)));
            return diagnostics;
        }
        None => (Table::new(), Origin::nowhere()),
    };
    let chosen = profile.unwrap_or(PRODUCTION);
    if !profiles.contains_key(chosen) && ![DEVELOPMENT, PRODUCTION].contains(&chosen) {
        let name = chosen;
        let known: Vec<String> = profiles.keys().cloned().collect();
        let fault = Fault::UnknownProfile { name: name.into(), known };
        diagnostics.push(fault.at(lines, &Path::parse("profile"), &at, None));
    }
    for (name, Entry { mut node, .. }) in profiles {
        // More faults than are shown need not be looked for.
        if name != chosen && diagnostics.len() > MAX_FAULTS {
            continue;
        }
        let path = Path::parse("profile").join(&name);
        if !matches!(node.value, Value::Table(_)) {
            node.hidden = true;
            let fault = Fault::WrongType { expected: "a table".into(), found: node.kind() };
            diagnostics.push(fault.at(lines, &path, &node.origin, Some(&node)));
            continue;
        }
        // An overlay within an overlay would be chosen by nobody.
        if let Value::Table(overlay) = &mut node.value
            && let Some(inner) = overlay.remove("profile")
        {
            let fault = Fault::UnknownKey { key: "profile".into(), known: &[] };
            diagnostics.push(fault.at(lines, &path.join("profile"), &inner.key, None));
        }
        if name == chosen {
            set_source(&mut node, &Source::Profile(name.into()));
            if let Value::Table(overlay) = node.value {
                for (name, entry) in overlay {
                    lay(policy, name, entry);
                }
            }
        } else {
            diagnostics.extend(shape::check_part(&mut node, &path, lines));
        }
    }
    diagnostics
}

/// Lays one entry over a table: tables merge, everything else replaces.
pub(super) fn lay(base: &mut Table, name: String, entry: Entry) {
    match base.get_mut(&name) {
        Some(below) if is_table(&below.node) && is_table(&entry.node) => {
            if let (Value::Table(below), Value::Table(above)) = (&mut below.node.value, entry.node.value) {
                for (name, entry) in above {
                    lay(below, name, entry);
                }
            }
        }
        _ => {
            base.insert(name, entry);
        }
    }
}

fn is_table(node: &Node) -> bool {
    matches!(node.value, Value::Table(_))
}

fn set_source(node: &mut Node, source: &Source) {
    node.origin.source = source.clone();
    match &mut node.value {
        Value::Array(nodes) => nodes.iter_mut().for_each(|node| set_source(node, source)),
        Value::Table(table) => {
            for entry in table.values_mut() {
                entry.key.source = source.clone();
                set_source(&mut entry.node, source);
            }
        }
        _ => {}
    }
}
