//! Nothing unfinished is left, and the files speak of the software.

use super::{
    Finding,
    tree::{Tree, has_extension},
};

/// Where this list stands.
const HERE: &str = "xtask/src/tidy/words.rs";

/// Work that is not done, and what takes its place.
const UNFINISHED: &[(&str, &str)] = &[
    ("TODO", "do it, or say in the documentation what is missing"),
    ("FIXME", "mend it"),
    ("XXX", "mend it, or say what is odd"),
    ("todo!(", "write it"),
    ("unimplemented!(", "write it"),
    ("dbg!(", "take it out"),
    ("#[ignore", "let the test run, or take it out"),
];

/// Words about the making of a file, which a reader of it has no use for. In lower case.
const MAKING: &[&str] = &[
    "co-authored-by",
    "language model",
    "as requested",
    "as discussed",
    "the brief",
    "the plan says",
    "design.md",
    "style.md",
    "this issue",
    "work in progress",
    "coming soon",
];

/// Checks each text file, except data that others wrote.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(|path| path != HERE && !is_data(path)) {
        for (line, number) in text.lines().zip(1..) {
            // Documentation may name a word as code: `TODO`.
            let line = if has_extension(path, "md") { without_code(line) } else { line.to_owned() };
            for (word, advice) in UNFINISHED.iter().filter(|(word, _)| contains_word(&line, word)) {
                findings.push(Finding::at(path, number, format!("`{word}`: {advice}")));
            }
            let lower = line.to_lowercase();
            for word in MAKING.iter().filter(|word| contains_word(&lower, word)) {
                findings.push(Finding::at(
                    path,
                    number,
                    format!("`{word}`: say what the software does, not how it came to be"),
                ));
            }
        }
    }
    findings
}

/// What others wrote and is kept here as it came.
const OF_OTHERS: &[&str] = &["LICENSE", "crates/reference-api/assets/swagger-ui/", "fuzz/corpus/"];

/// Files whose words are not ours: lock files, licences, fuzzing inputs, the files of Swagger UI.
fn is_data(path: &str) -> bool {
    path.ends_with("Cargo.lock") || OF_OTHERS.iter().any(|start| path.starts_with(start))
}

/// `line` without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether `word` stands in `line` with no letter, digit or `_` before it, nor after it where it ends in one.
fn contains_word(line: &str, word: &str) -> bool {
    let is_letter = |found: Option<char>| found.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|text| text.chars().next());
        !is_letter(before) && (!is_letter(word.chars().next_back()) || !is_letter(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn unfinished_work_is_found() {
        for line in [
            "// TODO: later",
            "# FIXME",
            "todo!()",
            "unimplemented!(\"x\")",
            "dbg!(x);",
            "#[ignore]",
            "#[ignore = \"slow\"]",
        ] {
            assert_eq!(count("src/a.rs", line), 1, "{line}");
        }
        for line in ["let todos = 1;", "// fixme is a name", "mydbg!(x)", "METHODOLOGY", "TODOS"] {
            assert_eq!(count("src/a.rs", line), 0, "{line}");
        }
    }

    #[test]
    fn documentation_may_name_a_word() {
        assert_eq!(count("CONTRIBUTING.md", "No `TODO` and no `dbg!(…)`.\n"), 0);
        assert_eq!(count("CONTRIBUTING.md", "TODO: write this.\n"), 1);
        assert_eq!(count("fuzz/corpus/path/1", "TODO"), 0);
    }

    #[test]
    fn words_about_the_making_are_found() {
        assert_eq!(count("src/a.rs", "// As requested, this is fast."), 1);
        assert_eq!(count("docs/a.md", "See DESIGN.md, section 4."), 1);
        assert_eq!(count("docs/a.md", "The briefest of pages."), 0);
    }
}
