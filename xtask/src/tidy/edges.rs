//! Dependencies point one way, and the engine's own work without the standard library.

use super::{
    Finding,
    metadata::{Dependency, Kind, Package},
    tree::Tree,
};

/// Our crates, each allowed to depend on those before it.
const ROOMS: &[&str] = &[
    "bartizan-sinks",
    "bartizan-core",
    "bartizan-store",
    "bartizan",
    "reference-api",
    "bartizan-gateway",
    "bartizan-cli",
];

/// Crates for tests and developers, which no room may need to run.
const DEVELOPERS: &[&str] = &[
    "bartizan-compile-fail",
    "bartizan-corpus",
    "bartizan-peers",
    "bartizan-benches",
    "bartizan-benches-reference",
    "bartizan-benches-stores",
    "bartizan-benches-tokens",
    "xtask",
];

/// What the engine may depend on: each works without std when its default features are off.
///
/// None of them does I/O, reads a clock or draws random numbers.
const CORE_MAY_USE: &[&str] = &[
    "arrayvec",
    "base64",
    "hkdf",
    "hmac",
    "ipnet",
    "itoa",
    "memchr",
    "percent-encoding",
    "psl",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "toml",
    "toml_parser",
    "zeroize",
];

/// Checks the edges between our crates, and the engine's dependencies.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.metadata.packages.iter().flat_map(check_package).collect();
    if let Some(text) = tree.text("crates/bartizan-core/src/lib.rs")
        && !text.lines().any(|line| line.trim() == "#![no_std]")
    {
        findings.push(Finding::new(
            "crates/bartizan-core/src/lib.rs",
            "the engine must be `#![no_std]`, so that files, clocks and the environment are compile errors",
        ));
    }
    findings
}

fn check_package(package: &Package) -> Vec<Finding> {
    let path = manifest(package);
    let own = ROOMS.iter().position(|room| *room == package.name);
    let mut findings = Vec::new();
    if own.is_none() && !DEVELOPERS.contains(&package.name.as_str()) {
        findings.push(Finding::new(
            &path,
            format!(
                "`{}` is a new crate: write a decision record, then give it its place in xtask/src/tidy/edges.rs",
                package.name
            ),
        ));
    }
    for dependency in &package.dependencies {
        let needed = dependency.kind != Some(Kind::Dev);
        if own.is_some() && needed && DEVELOPERS.contains(&dependency.name.as_str()) {
            findings.push(Finding::new(
                &path,
                format!("`{}` is for developers: it may only stand in [dev-dependencies]", dependency.name),
            ));
        }
        let other = ROOMS.iter().position(|room| *room == dependency.name);
        // A crate's own tests may ask for features of it.
        if let (Some(own), Some(other)) = (own, other)
            && (other > own || other == own && needed)
        {
            findings.push(Finding::new(
                &path,
                format!(
                    "`{}` may not depend on `{}`: the way is {}",
                    package.name,
                    dependency.name,
                    ROOMS.join(" <- ")
                ),
            ));
        }
        if package.name == "bartizan-core" && needed {
            findings.extend(check_core(&path, dependency));
        }
    }
    findings
}

fn check_core(path: &str, dependency: &Dependency) -> Option<Finding> {
    let name = &dependency.name;
    if !CORE_MAY_USE.contains(&name.as_str()) {
        return Some(Finding::new(
            path,
            format!("the engine may not depend on `{name}`: only on {}", CORE_MAY_USE.join(", ")),
        ));
    }
    let std = dependency.features.iter().any(|feature| feature == "std");
    (std || dependency.uses_default_features).then(|| {
        Finding::new(
            path,
            format!("the engine uses `{name}` with std: set `default-features = false`, leave `std` out"),
        )
    })
}

/// `crates/bartizan/Cargo.toml`: the manifest's path from the root, as far as it can be told.
fn manifest(package: &Package) -> String {
    let root = crate::run::root();
    std::path::Path::new(&package.manifest_path)
        .strip_prefix(&root)
        .map_or_else(|_| package.manifest_path.clone(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with one crate and one dependency, as `cargo metadata` would tell of it.
    fn findings(
        package: &str,
        dependency: &str,
        kind: Option<&str>,
        defaults: bool,
        features: &[&str],
    ) -> Vec<String> {
        let metadata = serde_json::json!({ "packages": [{
            "name": package,
            "manifest_path": "Cargo.toml",
            "dependencies": [{
                "name": dependency, "kind": kind, "uses_default_features": defaults, "features": features,
            }],
        }]});
        let tree = Tree { metadata: serde_json::from_value(metadata).unwrap(), ..Tree::default() };
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn edges_point_one_way() {
        for (package, dependency, kind, expected) in [
            ("bartizan", "bartizan-core", None, None),
            ("bartizan-cli", "bartizan-core", None, None),
            ("bartizan-gateway", "bartizan", Some("build"), None),
            ("bartizan", "hyper", None, None),
            ("bartizan", "bartizan-corpus", Some("dev"), None),
            ("xtask", "bartizan-cli", None, None),
            ("bartizan-store", "bartizan-store", Some("dev"), None),
            ("bartizan-store", "bartizan-store", Some("build"), Some("may not depend on `bartizan-store`")),
            ("bartizan", "bartizan-gateway", None, Some("may not depend on `bartizan-gateway`")),
            ("bartizan-core", "bartizan", Some("dev"), Some("may not depend on `bartizan`")),
            ("bartizan", "bartizan-corpus", None, Some("only stand in [dev-dependencies]")),
            ("bartizan-gateway", "xtask", Some("build"), Some("only stand in [dev-dependencies]")),
            ("bartizan-extra", "hyper", None, Some("decision record")),
        ] {
            let found = findings(package, dependency, kind, true, &[]);
            match expected {
                None => assert_eq!(found, [""; 0], "{package} -> {dependency}"),
                Some(text) => {
                    assert_eq!(found.len(), 1, "{package} -> {dependency}: {found:?}");
                    assert!(found[0].contains(text), "{found:?}");
                }
            }
        }
    }

    #[test]
    fn the_engine_uses_only_what_works_without_std() {
        assert_eq!(findings("bartizan-core", "serde", None, false, &["alloc"]), [""; 0]);
        assert_eq!(findings("bartizan-core", "proptest", Some("dev"), true, &[]), [""; 0]);
        assert!(findings("bartizan-core", "rand", None, false, &[])[0].contains("may not depend on `rand`"));
        assert!(findings("bartizan-core", "serde", None, true, &[])[0].contains("with std"));
        assert!(findings("bartizan-core", "serde", None, false, &["std"])[0].contains("with std"));
    }

    #[test]
    fn the_engine_is_no_std() {
        let path = "crates/bartizan-core/src/lib.rs";
        assert_eq!(check(&Tree::of(&[(path, "//! The engine.\n#![no_std]\n")])), []);
        assert_eq!(check(&Tree::of(&[(path, "//! `#![no_std]`, one day.\n")])).len(), 1);
    }
}
