//! Rust in our pages is compiled: each page that has some is among the tests of a crate.

use super::{
    Finding,
    tree::{Tree, has_extension},
};

/// Where pages are listed: in the crate that they are about.
const LISTS: [&str; 2] = ["crates/bartizan/src/lib.rs", "crates/bartizan-sinks/src/lib.rs"];

/// Checks that each page with Rust in it is listed in a crate.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let list: String = LISTS.iter().filter_map(|list| tree.text(list)).collect();
    let pages = tree.texts(|path| has_extension(path, "md"));
    let unlisted = pages.filter(|(path, _)| !list.contains(&format!("include_str!(\"../../../{path}\")")));
    unlisted
        .filter_map(|(path, text)| {
            let line = text.lines().position(|line| line.trim_start().starts_with("```rust"))?;
            let message =
                format!("nothing compiles this Rust: list the page in `mod pages` of {}", LISTS.join(" or "));
            Some(Finding::at(path, line + 1, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_rust_is_listed() {
        let list = "#[doc = include_str!(\"../../../docs/listed.md\")]\nstruct Listed;\n";
        let rust = "# A page\n\n```rust\nfn main() {}\n```\n";
        for (page, text, line) in [
            ("docs/listed.md", rust, None),
            ("docs/other.md", rust, Some(3)),
            ("docs/listed.md.md", "  ```rust,no_run\n", Some(1)),
            ("docs/other.md", "```toml\n```\nwords on ```rust\n", None),
        ] {
            for listed in LISTS {
                let found = check(&Tree::of(&[(listed, list), (page, text)]));
                let lines: Vec<_> = found.iter().filter_map(|finding| finding.line).collect();
                assert_eq!(lines, Vec::from_iter(line), "{page}: {found:?}");
            }
        }
    }
}
