//! Every module says what it is for, and is short enough to read.

use super::{
    Finding,
    tree::{Tree, has_extension, is_test},
};

/// A file longer than this usually holds two things.
const LINES: usize = 500;

/// How a file says why it is longer; within its first lines.
const REASON: &str = "// Long because ";
const REASON_WITHIN: usize = 30;

/// Checks the opening and the length of each Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(|path| has_extension(path, "rs")) {
        let opening = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if opening.strip_prefix("//!").is_none_or(|words| words.trim().is_empty()) {
            findings.push(Finding::at(
                path,
                1,
                "open the file with `//!` and say in a sentence what it is for",
            ));
        }
        let lines = text.lines().count();
        let reasoned = text
            .lines()
            .take(REASON_WITHIN)
            .any(|line| line.strip_prefix(REASON).is_some_and(|reason| !reason.trim().is_empty()));
        if lines > LINES && !is_test(path) && !reasoned {
            findings.push(Finding::new(
                path,
                format!("{lines} lines, more than {LINES}: split it, or say near the top `{REASON}…`"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_module_opens_with_its_purpose() {
        assert_eq!(count("src/cors.rs", "//! CORS (Fetch standard).\n"), 0);
        assert_eq!(count("src/cors.rs", "\n//! CORS.\nuse x;\n"), 0);
        assert_eq!(count("src/cors.rs", "use x;\n//! CORS.\n"), 1);
        assert_eq!(count("src/cors.rs", "//!\n"), 1);
        assert_eq!(count("src/cors.rs", ""), 1);
        assert_eq!(count("src/cors.py", "import os\n"), 0);
    }

    #[test]
    fn a_long_file_states_its_reason() {
        let long = |top: &str| format!("//! One thing.\n{top}\n{}", "x\n".repeat(LINES));
        assert_eq!(count("src/a.rs", &long("")), 1);
        assert_eq!(count("src/a.rs", &long("// Long because it is one table.")), 0);
        assert_eq!(count("src/a.rs", &long("// Long because ")), 1);
        assert_eq!(count("src/a.rs", &format!("{}// Long because late.\n", long(""))), 1);
        assert_eq!(count("tests/a.rs", &long("")), 0);
        assert_eq!(count("src/a.rs", &format!("//! One thing.\n{}", "x\n".repeat(LINES - 1))), 0);
    }
}
