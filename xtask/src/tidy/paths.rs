//! Nothing in the repository names a folder of the machine it was written on.

use super::{
    Finding,
    tree::{Tree, has_extension},
};

/// Folders that hold people's files. Followed by a name, they are somebody's.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/.", "C:\\Users\\"];

/// Where the list stands.
const HERE: &str = "xtask/src/tidy/paths.rs";

/// Checks each text file but the fuzzing inputs.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(|path| path != HERE && !path.starts_with("fuzz/corpus/")) {
        for (line, number) in text.lines().zip(1..) {
            let machine = tree.machine.iter().map(String::as_str);
            for found in HOMES.iter().copied().chain(machine).filter(|folder| names(line, folder)) {
                let message =
                    format!("`{found}` is a path of one machine: write it relative to the workspace");
                findings.push(Finding::at(path, number, message));
            }
        }
    }
    // A lock file or a manifest with a `path` outside the clone builds on one machine only.
    for (path, text) in tree.texts(|path| has_extension(path, "toml")) {
        for (line, number) in text.lines().zip(1..) {
            if line.replace(' ', "").contains("path=\"/")
                && line.contains('{')
                && path.ends_with("Cargo.toml")
            {
                findings.push(Finding::at(path, number, "a dependency outside the clone"));
            }
        }
    }
    findings
}

/// Whether `line` names something in `folder`, as a path of its own and not as the end of a longer one.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + folder.len()..).and_then(|text| text.chars().next());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '~' | '_' | '-' | '}'))
            && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found() {
        let machine = vec!["/srv/build/clone/".to_owned()];
        for (line, expected) in [
            ("let file = \"/srv/build/clone/Cargo.toml\";", 1),
            ("cd /home/somebody/src", 1),
            ("file:///Users/somebody/x", 1),
            ("export PATH=/root/.cargo/bin", 1),
            ("GET /home/ HTTP/1.1", 0),
            ("`GET /api/home/users`", 0),
            ("https://example.com/home/x", 0),
            ("file:///etc/tls/cert.pem", 0),
        ] {
            let tree = Tree { machine: machine.clone(), ..Tree::of(&[("docs/a.md", line)]) };
            assert_eq!(check(&tree).len(), expected, "{line}");
        }
    }

    #[test]
    fn a_dependency_outside_the_clone_is_found() {
        assert_eq!(check(&Tree::of(&[("a/Cargo.toml", "x = { path = \"/opt/x\" }")])).len(), 1);
        assert_eq!(check(&Tree::of(&[("a/Cargo.toml", "x = { path = \"../x\" }")])).len(), 0);
    }
}
