//! TLS and cryptography come from rustls and aws-lc-rs alone; nothing else may slip in through a dependency.

use super::{Finding, tree::Tree};

/// Whether a package of this name may be in the tree.
fn is_banned(name: &str) -> bool {
    matches!(name, "ring" | "native-tls") || name == "openssl" || name.starts_with("openssl-")
}

/// Checks each lock file's package names.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts(|path| path == "Cargo.lock" || path.ends_with("/Cargo.lock"))
        .flat_map(|(path, text)| {
            text.lines().zip(1..).filter_map(move |(line, number)| {
                let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
                is_banned(name).then(|| {
                    Finding::at(
                        path,
                        number,
                        format!("`{name}` is in the tree; `cargo tree -i {name}` says through whom"),
                    )
                })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_banned_is_found_in_every_lock_file() {
        let package = |name: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        for (name, banned) in [
            ("ring", true),
            ("native-tls", true),
            ("openssl", true),
            ("openssl-sys", true),
            ("rustls", false),
            ("stringring", false),
            ("openssl_mentioned", false),
        ] {
            let lock = package(name);
            let tree = Tree::of(&[("Cargo.lock", &lock), ("fuzz/Cargo.lock", &lock), ("notes.md", &lock)]);
            assert_eq!(check(&tree).len(), if banned { 2 } else { 0 }, "{name}");
        }
    }
}
