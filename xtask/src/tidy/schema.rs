//! The checked-in JSON Schema is the one that the types give.

use bartizan_core::policy::schema_text;

use super::{Finding, tree::Tree};
use crate::schema;

/// Compares the file with what `cargo xtask schema` would write.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    if tree.text(schema::FILE) == Some(&schema_text()) {
        return Vec::new();
    }
    vec![Finding::new(schema::FILE, "not what the types of the policy say: run `cargo xtask schema`")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_old_or_missing_is_found() {
        let current = schema_text();
        assert_eq!(check(&Tree::of(&[(schema::FILE, &current)])), []);
        assert_eq!(check(&Tree::of(&[(schema::FILE, &current.replace("origin", "origins"))])).len(), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
