//! Overrides: `BARTIZAN__CORS__MAX_AGE=2h`.

use alloc::{
    borrow::ToOwned as _,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};

use super::{
    Diagnostic,
    diagnostic::Fault,
    lines::Lines,
    overlay, syntax,
    tree::{Entry, Node, Origin, Path, Segment, Value},
};

const PREFIX: &str = "BARTIZAN__";

/// How many keys a name may have before its last; a policy needs four.
const MAX_KEYS: usize = 16;

/// Writes the overrides into `root`; in the order of their names, so that the result does not depend on the
/// order of the environment.
pub(super) fn apply(root: &mut Node, overrides: &[(String, String)], lines: &Lines) -> Vec<Diagnostic> {
    let mut overrides: Vec<_> = overrides.iter().collect();
    overrides.sort();
    let mut diagnostics = Vec::new();
    for (variable, value) in overrides {
        let origin = Origin::of_override(variable.as_str().into());
        if let Err((path, fault)) = apply_one(root, variable, value) {
            diagnostics.push(fault.at(lines, &path, &origin, None));
        }
    }
    diagnostics
}

fn apply_one(root: &mut Node, variable: &str, value: &str) -> Result<(), (Path, Fault)> {
    let bad_name = || (Path::default(), Fault::BadOverrideName(variable.to_owned()));
    let mut keys = variable
        .strip_prefix(PREFIX)
        .ok_or_else(bad_name)?
        .split("__")
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>();
    let Some(last) = keys.pop().filter(|last| !last.is_empty() && !keys.iter().any(String::is_empty)) else {
        return Err(bad_name());
    };
    // Which profile holds is decided by now; and a name must not nest more deeply than a file may.
    if keys.first().unwrap_or(&last) == "profile" || keys.len() > MAX_KEYS {
        return Err(bad_name());
    }
    let variable: Arc<str> = variable.into();
    let node = syntax::parse_override(value, &variable).map_err(|message| {
        (Path::default(), Fault::BadOverrideValue { variable: variable.to_string(), message })
    })?;

    let origin = Origin::of_override(variable);
    let mut path = Path::default();
    let mut at = root;
    for key in keys {
        at = step(at, &mut path, &key, &origin)?;
    }
    if let Value::Table(table) = &mut at.value {
        overlay::lay(table, last, Entry::new(origin, node));
    } else {
        *step(at, &mut path, &last, &origin)? = node;
    }
    Ok(())
}

/// Goes down to `key`: into a table, which is made if there is none, or to an element of an array.
fn step<'a>(
    node: &'a mut Node,
    path: &mut Path,
    key: &str,
    origin: &Origin,
) -> Result<&'a mut Node, (Path, Fault)> {
    let found = node.kind();
    match &mut node.value {
        Value::Table(table) => {
            path.0.push(Segment::Key(key.to_owned()));
            let make = || Entry::new(origin.clone(), Node::table(origin.clone()));
            Ok(&mut table.entry(key.to_owned()).or_insert_with(make).node)
        }
        Value::Array(nodes) => {
            let element = key.parse().ok().and_then(|index| Some((index, nodes.get_mut(index)?)));
            let Some((index, element)) = element else {
                let fault = Fault::NoSuchElement { path: path.to_string(), index: key.to_owned() };
                return Err((path.clone(), fault));
            };
            path.0.push(Segment::Index(index));
            Ok(element)
        }
        _ => Err((path.clone(), Fault::NotBelow { path: path.to_string(), found })),
    }
}
