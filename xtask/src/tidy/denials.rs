//! Every denial code has a page that tells the person who was refused what to do.

use bartizan_core::DenialCode;

use super::{Finding, tree::Tree};

/// Where the pages are.
const FOLDER: &str = "docs/denials/";

/// What each page tells, in this order.
const SECTIONS: &[&str] = &["What was seen", "Why it is refused", "How to allow it", "Example"];

/// Checks that pages and codes are the same list, and that each page is whole.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        DenialCode::ALL.iter().flat_map(|&code| check_page(code, tree.text(&page(code)))).collect();
    let index = format!("{FOLDER}README.md");
    let listed = tree.text(&index).unwrap_or_default();
    for code in DenialCode::ALL.iter().filter(|code| !listed.contains(&format!("({code}.md)"))) {
        findings
            .push(Finding::new(&index, format!("`{code}` is not listed: add a row that links to {code}.md")));
    }
    for (path, _) in tree.texts(|path| path.starts_with(FOLDER) && *path != index) {
        let name = path.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".md"));
        if name.is_none_or(|name| DenialCode::from_name(name).is_none()) {
            findings.push(Finding::new(
                path,
                "no denial code has this name; the list is crates/bartizan-core/src/denial.rs",
            ));
        }
    }
    findings
}

fn page(code: DenialCode) -> String {
    format!("{FOLDER}{code}.md")
}

fn check_page(code: DenialCode, text: Option<&str>) -> Vec<Finding> {
    let path = page(code);
    let Some(text) = text else {
        return vec![Finding::new(
            path,
            format!("`{code}` has no page: write it with {}", SECTIONS.join(", ")),
        )];
    };
    let mut findings = Vec::new();
    if text.lines().next() != Some(&format!("# {code}")) {
        findings.push(Finding::at(&path, 1, format!("the page opens with `# {code}`")));
    }
    let facts = format!("Status {}, control `{}`", code.status(), code.control());
    if !text.contains(&facts) {
        findings.push(Finding::new(&path, format!("the page does not say `{facts}`, as denial.rs does")));
    }
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if headings != SECTIONS {
        findings
            .push(Finding::new(&path, format!("the sections are {}, in this order", SECTIONS.join(", "))));
    }
    for section in text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        if body.trim().is_empty() {
            findings.push(Finding::new(&path, format!("the section `{heading}` is empty")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: DenialCode = DenialCode::CsrfCrossSite;
    const PAGE: &str = "# csrf.cross-site\n\nStatus 403, control `csrf`.\n\n## What was seen\n\nA\n\n\
                        ## Why it is refused\n\nB\n\n## How to allow it\n\nC\n\n## Example\n\nD\n";

    #[test]
    fn a_page_is_whole() {
        assert_eq!(check_page(CODE, Some(PAGE)), []);
        for (broken, expected) in [
            (PAGE.replace("# csrf.cross-site", "# csrf.crosssite"), "opens with"),
            (PAGE.replace("403", "400"), "does not say `Status 403"),
            (PAGE.replace("`csrf`", "`cors`"), "does not say"),
            (PAGE.replace("## Example\n\nD\n", ""), "in this order"),
            (PAGE.replace("What was seen", "Why"), "in this order"),
            (PAGE.replace("\nC\n", "\n"), "`How to allow it` is empty"),
            (PAGE.replace("\nD\n", ""), "`Example` is empty"),
        ] {
            let found = check_page(CODE, Some(&broken));
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].message.contains(expected), "{found:?}");
        }
    }

    #[test]
    fn every_code_has_a_page_and_a_row() {
        let messages: Vec<String> =
            check(&Tree::of(&[])).into_iter().map(|finding| finding.to_string()).collect();
        for code in DenialCode::ALL {
            assert!(
                messages.iter().any(|text| text.starts_with(&format!("docs/denials/{code}.md"))),
                "{code}"
            );
            assert!(messages.iter().any(|text| text.contains(&format!("`{code}` is not listed"))), "{code}");
        }
    }

    #[test]
    fn a_page_without_a_code_is_found() {
        let tree = Tree::of(&[
            ("docs/denials/csrf.forgotten.md", "# csrf.forgotten\n"),
            ("docs/denials/notes.txt", "x"),
        ]);
        for path in ["docs/denials/csrf.forgotten.md", "docs/denials/notes.txt"] {
            assert!(check(&tree).iter().any(|finding| finding.path == path), "{path}");
        }
    }
}
