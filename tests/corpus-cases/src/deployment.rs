//! The engine of a case: built from its policy, as the command would build it.

use bartizan_core::{
    Deployment, Engine,
    keys::Keys,
    policy::{Document, PolicyInput, load_and_build},
};

use crate::Case;

impl Case {
    /// The engine that the case's policy makes, in `deployment` with the case's profile and the keys that it has.
    pub fn build(&self, deployment: Deployment) -> Result<(Engine, Document), String> {
        let profile = self.profile.as_deref();
        let input = PolicyInput { text: &self.policy, profile, ..PolicyInput::new("bartizan.toml") };
        let deployment = Deployment {
            development: profile == Some("development"),
            keys: self.has_keys.then(keys),
            ..deployment
        };
        load_and_build(&input, |_| Ok(deployment)).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            format!("the policy is not accepted: {}", errors.join("; "))
        })
    }
}

/// The keys of the deployments that have some.
pub(crate) fn keys() -> Keys {
    Keys::new(&[b"the master key of the corpus, which is no secret"]).expect("a key that is long enough")
}
