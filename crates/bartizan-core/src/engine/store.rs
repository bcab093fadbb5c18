//! What `[store]` says, and every secret of the policy: the engine uses none of it, and knows what cannot be right.

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};

use crate::{
    Deployment, PolicyErrorKind,
    error::Problems,
    policy::{Policy, SecretProvider, SecretRef, StoreKind},
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
    if store.is_some_and(|store| store.master_key.is_some()) {
        return;
    }
    if is_shared {
        problems.error("store.master_key", None, PolicyErrorKind::MasterKeyMissing(url.as_str().to_owned()));
    } else if store.is_some_and(|store| !store.previous_master_keys.is_empty()) {
        problems.error("store.previous_master_keys", None, PolicyErrorKind::PreviousKeysAlone);
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
        ("store.master_key", store.and_then(|store| store.master_key.as_ref())),
    ];
    let named = named.into_iter().filter_map(|(path, secret)| Some((path.to_owned(), secret?)));
    let previous = store.map_or(&[][..], |store| &store.previous_master_keys);
    let previous = previous.iter().enumerate();
    named.chain(previous.map(|(index, key)| (format!("store.previous_master_keys[{index}]"), key))).collect()
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
