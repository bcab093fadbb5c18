//! Every denial code and every header preset is shown by cases of the corpus: one that is let through, one
//! that is not.

use bartizan_core::DenialCode;
use serde::Deserialize;

use super::{
    Finding,
    tree::{Tree, has_extension},
};

/// Where the cases are.
const FOLDER: &str = "tests/corpus/";

/// The kinds of response with headers of their own, and the CSP presets, as `covers` names them.
const PRESETS: &[&str] = &[
    "headers.api",
    "headers.page",
    "headers.asset",
    "headers.download",
    "headers.stream",
    "headers.error",
    "csp.page",
    "csp.strict",
];

/// What is read of a file of cases.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

/// What is read of a case.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    covers: Vec<String>,
    expect: Expect,
}

/// What a case expects.
#[derive(Debug, Deserialize)]
struct Expect {
    decision: String,
    code: Option<String>,
    /// What mode `report` would have refused, and what is only ever told to the log.
    #[serde(default)]
    reports: Vec<String>,
    #[serde(default)]
    headers: toml::Table,
    #[serde(default)]
    absent: Vec<String>,
}

/// Checks that each code and preset has a case for either side.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut cases = Vec::new();
    for (path, text) in tree.texts(|path| path.starts_with(FOLDER) && has_extension(path, "toml")) {
        match toml::from_str::<File>(text) {
            Ok(file) => cases.extend(file.case.into_iter().map(|case| (path, case))),
            Err(error) => findings.push(Finding::new(path, error.message().to_owned())),
        }
    }
    for (path, case) in &cases {
        for name in case.covers.iter().filter(|name| !is_known(name)) {
            findings.push(Finding::new(
                *path,
                format!("`{}` covers `{name}`, which is no denial code and no preset", case.name),
            ));
        }
    }
    for code in DenialCode::ALL {
        let about = |case: &Case| case.covers.iter().any(|name| name == code.as_str());
        if !cases.iter().any(|(_, case)| case.expect.refuses(*code)) {
            findings.push(Finding::new(FOLDER, format!("no case is refused with `{code}`")));
        }
        if !cases.iter().any(|(_, case)| about(case) && case.expect.decision != "deny") {
            findings.push(Finding::new(FOLDER, format!("no case covers `{code}` and is let through")));
        }
    }
    for preset in PRESETS {
        let mut about =
            cases.iter().map(|(_, case)| case).filter(|case| case.covers.iter().any(|name| name == preset));
        if !about.clone().any(|case| !case.expect.headers.is_empty()) {
            findings
                .push(Finding::new(FOLDER, format!("no case covers `{preset}` and expects its `headers`")));
        }
        if !about.any(|case| !case.expect.absent.is_empty()) {
            findings.push(Finding::new(
                FOLDER,
                format!("no case covers `{preset}` and expects headers `absent`"),
            ));
        }
    }
    findings
}

impl Expect {
    fn refuses(&self, code: DenialCode) -> bool {
        // A hand-off is refused by leaving it out of the response.
        let told =
            code == DenialCode::HandoffRefused && self.reports.iter().any(|name| name == code.as_str());
        told || (self.decision == "deny" && self.code.as_deref() == Some(code.as_str()))
    }
}

fn is_known(name: &str) -> bool {
    PRESETS.contains(&name) || DenialCode::from_name(name).is_some()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Cases that show everything.
    fn whole() -> String {
        let mut text = String::new();
        for code in DenialCode::ALL {
            write!(
                text,
                "[[case]]\nname = \"{code} no\"\ncovers = [\"{code}\"]\nexpect = {{ decision = \"deny\", code = \"{code}\" }}\n\
                 [[case]]\nname = \"{code} yes\"\ncovers = [\"{code}\"]\nexpect = {{ decision = \"allow\" }}\n"
            )
            .unwrap();
        }
        for preset in PRESETS {
            write!(
                text,
                "[[case]]\nname = \"{preset}\"\ncovers = [\"{preset}\"]\n\
                 expect = {{ decision = \"allow\", headers = {{ a = \"b\" }}, absent = [\"c\"] }}\n"
            )
            .unwrap();
        }
        text
    }

    fn messages(text: &str) -> Vec<String> {
        check(&Tree::of(&[("tests/corpus/all.toml", text)]))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn what_is_not_shown_is_found() {
        assert_eq!(messages(&whole()), [""; 0]);
        for (from, to, expected) in [
            ("\"deny\", code = \"csrf.origin\"", "\"allow\"", "no case is refused with `csrf.origin`"),
            (
                "\"deny\", code = \"csrf.origin\"",
                "\"deny\", code = \"cors.origin\"",
                "no case is refused with `csrf.origin`",
            ),
            (
                "csrf.origin yes\"\ncovers = [\"csrf.origin\"]",
                "csrf.origin yes\"",
                "no case covers `csrf.origin` and is let through",
            ),
            (
                "headers.page\"\ncovers = [\"headers.page\"]",
                "headers.page\"",
                "no case covers `headers.page` and expects its `headers`",
            ),
            (
                "[\"csp.strict\"]",
                "[\"csp.strictest\"]",
                "`csp.strict` covers `csp.strictest`, which is no denial code and no preset",
            ),
        ] {
            let broken = whole().replacen(from, to, 1);
            assert_ne!(broken, whole(), "{from}");
            assert!(
                messages(&broken).iter().any(|message| message == expected),
                "{expected}: {:?}",
                messages(&broken)
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_finding() {
        let found = check(&Tree::of(&[("tests/corpus/broken.toml", "[[case]]\nname = \"x\"\n")]));
        assert_eq!(found[0].path, "tests/corpus/broken.toml");
        assert!(found[0].message.contains("expect"), "{}", found[0]);
    }

    #[test]
    fn an_empty_corpus_shows_nothing() {
        assert!(check(&Tree::of(&[])).len() >= 2 * PRESETS.len());
    }
}
