//! TLS and cryptography come from rustls and aws-lc-rs alone; nothing else may slip in through a dependency.
//!
//! A lock file also names what a dependency could use and does not. `ring` is such a name (rustls-webpki has it as a weak
//! feature), so of it cargo is asked whether anything is built with it.

use super::{Finding, tree::Tree};
use crate::run;

/// Whether a package of this name may be in the tree.
fn is_banned(name: &str) -> bool {
    // `openssl-probe` only looks where a system keeps its certificates.
    name == "native-tls" || name == "openssl" || (name.starts_with("openssl-") && name != "openssl-probe")
}

/// Checks each lock file's package names, and that nothing is built with `ring`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = names(tree);
    let mut cargo = run::cargo();
    cargo.args(["tree", "--quiet", "--workspace", "--all-features", "--target", "all", "--invert", "ring"]);
    // Where `ring` is in no lock file at all, cargo says so and fails; where it is not built, it prints nothing.
    if cargo.output().is_ok_and(|output| !output.stdout.trim_ascii().is_empty()) {
        let message = format!("`ring` is built; `{}` says through whom", run::line(&cargo));
        findings.push(Finding::new("Cargo.lock", message));
    }
    findings
}

fn names(tree: &Tree) -> Vec<Finding> {
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
            ("ring", false),
            ("openssl-probe", false),
            ("native-tls", true),
            ("openssl", true),
            ("openssl-sys", true),
            ("rustls", false),
            ("stringring", false),
            ("openssl_mentioned", false),
        ] {
            let lock = package(name);
            let tree = Tree::of(&[("Cargo.lock", &lock), ("fuzz/Cargo.lock", &lock), ("notes.md", &lock)]);
            assert_eq!(names(&tree).len(), if banned { 2 } else { 0 }, "{name}");
        }
    }
}
