//! What `[store]` says, and every secret of the policy: the engine uses none of it, and knows what cannot be right.

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};

use crate::{
    Deployment, PolicyErrorKind,
    error::Problems,
    policy::{Policy, SecretProvider, SecretRef, StoreConfig, StoreKind, StoreUrl},
};

/// Whether what is written can work together.
pub(super) fn check(policy: &Policy, problems: &mut Problems) {
    let Some(url) = policy.store_url() else { return };
    let is_shared = matches!(url.kind(), StoreKind::Postgres | StoreKind::Redis);
    let store = policy.store.as_ref();
    if !is_shared && store.is_some_and(|store| store.password.is_some()) {
        problems.error(
            "store.password",
            None,
            PolicyErrorKind::StoreWithoutPassword(url.as_str().to_owned()),
        );
    }
    if let Some(store) = store {
        check_place(store, &url, problems);
    }
    if store.is_some_and(|store| store.master_key.is_some()) {
        return;
    }
    if is_shared {
        problems.error("store.master_key", None, PolicyErrorKind::MasterKeyMissing(url.as_str().to_owned()));
    } else if store.is_some_and(|store| !store.previous_master_keys.is_empty()) {
        problems.error("store.previous_master_keys", None, PolicyErrorKind::PreviousKeysAlone);
    }
}

/// Whether what is said of the place fits where it is.
fn check_place(store: &StoreConfig, url: &StoreUrl, problems: &mut Problems) {
    let kind = url.kind();
    let mut without = |path: &str, hint| {
        problems.error(path, None, PolicyErrorKind::StoreWithout(url.as_str().to_owned(), hint));
    };
    if store.cluster && kind != StoreKind::Redis {
        without("store.cluster", "take it out; only Redis has clusters that are spoken to as such");
    }
    if !store.nodes.is_empty() && !store.cluster {
        without("store.nodes", "write `cluster = true` beside it, or take it out");
    }
    if store.memory.is_some() && kind != StoreKind::Memory {
        without("store.memory", "take it out; only a store in memory has bounds of its own");
    }
    if store.ca.is_some() {
        match kind {
            StoreKind::Redis if !url.is_tls() => without("store.ca", "write `rediss://`, or take it out"),
            StoreKind::Memory | StoreKind::Sqlite => {
                without("store.ca", "take it out; nobody is spoken to over a network");
            }
            _ => {}
        }
        check_verified(url, problems);
    }
    if store.cluster && kind == StoreKind::Redis {
        let is_other = |node: &StoreUrl| node.kind() != kind || node.is_tls() != url.is_tls();
        for (index, node) in store.nodes.iter().enumerate().filter(|(_, node)| is_other(node)) {
            let path = format!("store.nodes[{index}]");
            problems.error(path, Some(node.as_str()), PolicyErrorKind::NodeOfAnotherKind);
        }
    }
    if let Some(memory) = &store.memory {
        for (key, most) in [
            ("sessions", memory.sessions),
            ("tokens", memory.tokens),
            ("buckets", memory.buckets),
            ("revocations", memory.revocations),
            ("api_keys", memory.api_keys),
        ] {
            if most == Some(0) {
                let path = format!("store.memory.{key}");
                problems.error(path, Some("0"), PolicyErrorKind::OutOfRange("at least 1"));
            }
        }
    }
}

/// An authority is of use only where Postgres's certificate is looked at, and where no other is named.
fn check_verified(url: &StoreUrl, problems: &mut Problems) {
    if url.kind() != StoreKind::Postgres {
        return;
    }
    let mut unused = |parameter: String, hint| {
        problems.error("store.ca", None, PolicyErrorKind::UnusedAuthority(parameter, hint));
    };
    if let Some(mode) = url.parameter("sslmode").filter(|mode| !mode.starts_with("verify-")) {
        unused(
            format!("sslmode={mode}"),
            "leave `sslmode` out, which means `verify-full` here, or take `ca` out",
        );
    }
    if let Some(file) = url.parameter("sslrootcert") {
        unused(format!("sslrootcert={file}"), "name the authority once: here, or as `sslrootcert`");
    }
}

/// Secrets are references, but for those of the development profile.
pub(super) fn secrets_are_references(policy: &Policy, deployment: &Deployment, problems: &mut Problems) {
    if deployment.development {
        return;
    }
    for (path, secret) in secrets(policy) {
        if secret.provider() == SecretProvider::Literal {
            problems.error(path, None, PolicyErrorKind::SecretLiteral);
        }
    }
}

/// All secrets that a policy refers to.
fn secrets(policy: &Policy) -> Vec<(String, &SecretRef)> {
    let (tls, store) = (policy.server.tls.as_ref(), policy.store.as_ref());
    let named = [
        ("server.upstream_token", policy.server.upstream_token.as_ref()),
        ("server.tls.certificate", tls.map(|tls| &tls.certificate)),
        ("server.tls.key", tls.map(|tls| &tls.key)),
        ("store.password", store.and_then(|store| store.password.as_ref())),
        ("store.ca", store.and_then(|store| store.ca.as_ref())),
        ("store.master_key", store.and_then(|store| store.master_key.as_ref())),
    ];
    let named = named.into_iter().filter_map(|(path, secret)| Some((path.to_owned(), secret?)));
    let previous = store.map_or(&[][..], |store| &store.previous_master_keys);
    let previous = previous.iter().enumerate();
    let previous = previous.map(|(index, key)| (format!("store.previous_master_keys[{index}]"), key));
    let issuers = policy.jwt.as_ref().map_or(&[][..], |jwt| &jwt.trusted_issuer).iter().enumerate();
    let authorities = issuers
        .filter_map(|(index, issuer)| Some((format!("jwt.trusted_issuer[{index}].ca"), issuer.ca.as_ref()?)));
    named.chain(previous).chain(authorities).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Engine,
        policy::{PolicyInput, load},
    };

    #[test]
    fn what_cannot_work_together() {
        const KEY: &str = "master_key = 'env://KEY'";
        let redis = |rest: &str| format!("{KEY}\nurl = 'redis://a'\n{rest}");
        let tls = |rest: &str| format!("{KEY}\nurl = 'rediss://a'\nca = 'file:///ca.pem'\n{rest}");
        let postgres =
            |url: &str| format!("{KEY}\nca = 'file:///ca.pem'\nurl = 'postgres://db.internal/app{url}'");
        for (store, expected) in [
            ("url = 'memory:'", &[][..]),
            ("", &[]),
            ("master_key = 'env://KEY'\nprevious_master_keys = ['env://OLD']", &[]),
            ("previous_master_keys = ['env://OLD']", &["store.previous_master_keys policy.contradiction"]),
            ("password = 'env://PASSWORD'", &["store.password policy.contradiction"]),
            ("url = 'redis://cache'", &["store.master_key policy.master-key"]),
            (
                "url = 'postgres://db/app'\nprevious_master_keys = ['env://OLD']",
                &["store.master_key policy.master-key"],
            ),
            (&format!("url = 'postgres://db/app'\npassword = 'file:///p'\n{KEY}"), &[]),
            (&redis("cluster = true"), &[]),
            (&redis("cluster = true\nnodes = ['redis://b', 'redis://c:7000']"), &[]),
            (&redis("nodes = ['redis://b']"), &["store.nodes policy.contradiction"]),
            (
                &redis("cluster = true\nnodes = ['redis://b', 'rediss://c', 'memory:']"),
                &["store.nodes[1] policy.contradiction", "store.nodes[2] policy.contradiction"],
            ),
            ("cluster = true", &["store.cluster policy.contradiction"]),
            (&tls(""), &[]),
            (&tls("cluster = true\nnodes = ['rediss://b']"), &[]),
            (&tls("cluster = true\nnodes = ['redis://b']"), &["store.nodes[0] policy.contradiction"]),
            (&redis("ca = 'file:///ca.pem'"), &["store.ca policy.contradiction"]),
            (
                &redis("ca = '-----BEGIN'"),
                &["store.ca policy.contradiction", "store.ca policy.secret-literal"],
            ),
            ("ca = 'file:///ca.pem'", &["store.ca policy.contradiction"]),
            (&postgres(""), &[]),
            (&postgres("?sslmode=verify-ca"), &[]),
            (&postgres("?application_name=a&sslmode=require"), &["store.ca policy.contradiction"]),
            (&postgres("?sslrootcert=/other.pem"), &["store.ca policy.contradiction"]),
            ("url = 'memory:'\nmemory = { sessions = 10, tokens = 1 }", &[]),
            (
                "url = 'memory:'\nmemory = { sessions = 0, buckets = 0, revocations = 0, api_keys = 0 }",
                &[
                    "store.memory.sessions policy.value",
                    "store.memory.buckets policy.value",
                    "store.memory.revocations policy.value",
                    "store.memory.api_keys policy.value",
                ],
            ),
            ("memory = { tokens = 5 }", &["store.memory policy.contradiction"]),
            (
                "password = 'a'\nurl = 'redis://cache'\nmaster_key = 'b'\nprevious_master_keys = ['env://OLD', 'c']",
                &[
                    "store.password policy.secret-literal",
                    "store.master_key policy.secret-literal",
                    "store.previous_master_keys[1] policy.secret-literal",
                ],
            ),
        ] {
            let text = format!("version = 1\n[store]\n{store}");
            let policy = load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap();
            let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
            let errors = Engine::build(&policy.policy, &deployment).err().unwrap_or_default();
            let errors: Vec<_> =
                errors.iter().map(|error| format!("{} {}", error.path, error.kind.code())).collect();
            assert_eq!(errors, expected, "{store}");
        }
    }
}
