//! Paths that demand something of some methods, and less of the others.

use alloc::{format, string::String, vec::Vec};

use crate::{controls::requirement::Requirement, error::Problems, route::Pattern};

/// Warns of a route that names methods and demands more than the other methods of its path get: whoever wrote it may
/// think that the path is guarded.
///
/// `methods` are those that come in at all. Left out are those for which there is a route of the very same path, as they
/// were thought of, and OPTIONS, which changes nothing and tells nothing of anybody.
pub(super) fn warn(
    routes: &[(&Pattern, &Requirement)],
    default: &Requirement,
    methods: &[&str],
    problems: &mut Problems,
) {
    for (index, (pattern, requirement)) in routes.iter().enumerate() {
        if !pattern.names_methods() || **requirement == Requirement::Nothing {
            continue;
        }
        let gets_less = |method: &&str| {
            let method = method.as_bytes();
            if method == b"OPTIONS" || pattern.covers_method(method) {
                return false;
            }
            let mut others = routes.iter().filter(|(other, _)| other.covers_method(method));
            if others.clone().any(|(other, _)| other.same_path(pattern)) {
                return false;
            }
            let other = others.find(|(other, _)| other.covers_path_of(pattern));
            requirement.demands_more_than(other.map_or(default, |(_, requirement)| requirement))
        };
        let open: Vec<&str> = methods.iter().copied().filter(gets_less).collect();
        if !open.is_empty() {
            problems.warn(format!("route[{index}].match"), message(pattern, &open));
        }
    }
}

fn message(pattern: &Pattern, open: &[&str]) -> String {
    format!(
        "`{}` guards only these methods; less is required for others of this path ({})",
        pattern.as_str(),
        open.join(", ")
    )
}
