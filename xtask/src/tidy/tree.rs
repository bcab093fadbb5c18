//! What the checks look at: the text of every file of the repository, read once.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use super::metadata::Metadata;
use crate::{failure::Failure, run};

/// The repository's files and cargo's view of them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The text of each file by its path from the root, with `/`; files that are not UTF-8 have `None`.
    pub(super) files: BTreeMap<String, Option<String>>,
    /// `cargo metadata`.
    pub(super) metadata: Metadata,
    /// Strings that are paths of this machine: the folder of the clone, and the home folder.
    pub(super) machine: Vec<String>,
}

impl Tree {
    /// Reads all that git tracks, and what it would track after `git add`.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut files = BTreeMap::new();
        for name in run::read(&mut git)?.split('\0').filter(|name| !name.is_empty()) {
            let path = root.join(name);
            match fs::read(&path) {
                Ok(bytes) => files.insert(name.to_owned(), String::from_utf8(bytes).ok()),
                // Deleted and not yet committed, or a link to a folder.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) =>
                {
                    None
                }
                Err(error) => return Err(Failure::file(&path)(error)),
            };
        }
        Ok(Self { files, metadata: Metadata::read()?, machine: machine(root) })
    }

    /// Text files that pass `wanted`, by path.
    pub(super) fn texts<'t>(
        &'t self,
        wanted: impl Fn(&str) -> bool + 't,
    ) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.files
            .iter()
            .filter(move |(path, _)| wanted(path))
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of the file at `path`.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is a file or a folder at `path`.
    pub(super) fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(first, _)| first.starts_with(&folder))
    }

    /// A tree of these files.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect(),
            ..Self::default()
        }
    }
}

/// The clone's folder and the home folder, as long as they are specific enough to mean something.
fn machine(root: &Path) -> Vec<String> {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    [Some(root.to_path_buf()), home]
        .into_iter()
        .flatten()
        .filter(|path| path.components().count() > 1)
        .map(|path| format!("{}/", path.display().to_string().trim_end_matches('/')))
        .collect()
}

/// A file that holds tests alone.
pub(super) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs") || path.ends_with("_tests.rs")
}

/// Whether `path` ends in `.extension`.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_exist_by_what_is_in_them() {
        let tree = Tree::of(&[("docs/denials/README.md", ""), ("docs-old", "")]);
        for (path, expected) in [
            ("", true),
            ("docs", true),
            ("docs/denials", true),
            ("docs/denials/README.md", true),
            ("doc", false),
            ("docs/x", false),
        ] {
            assert_eq!(tree.exists(path), expected, "{path}");
        }
    }

    #[test]
    fn tests_are_known_by_their_place() {
        for (path, expected) in [
            ("crates/a/tests/b.rs", true),
            ("crates/a/src/b/tests.rs", true),
            ("crates/a/src/b_tests.rs", true),
            ("crates/a/src/b.rs", false),
            ("crates/attests/src/b.rs", false),
        ] {
            assert_eq!(is_test(path), expected, "{path}");
        }
    }
}
