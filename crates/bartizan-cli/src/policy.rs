//! Which policy: the file that was named, ./bartizan.toml, or the built-in defaults; with what the environment adds.

use std::{env, fs, net::SocketAddr, path::Path};

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Deployment, Engine, PolicyError, PolicyErrorKind,
    keys::Keys,
    policy::{Diagnostic, Document, Policy, PolicyInput, load_and_build},
};
use bartizan_gateway::{GatewayConfig, assertion_keys};

use crate::failure::Failure;

/// The file that is looked for in the current folder.
const USUAL_FILE: &str = "bartizan.toml";

/// The prefix of variables that override a value of the policy.
const OVERRIDE: &str = "BARTIZAN__";

/// The text of a policy, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As it is shown: the path as it was given.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether nobody wrote it.
    pub(crate) built_in: bool,
}

impl Source {
    /// A text of this name.
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), built_in: false }
    }

    /// The defaults: every control on, for an API that this machine alone can reach.
    pub(crate) fn built_in() -> Self {
        Self { built_in: true, ..Self::new("(built-in defaults)", "version = 1\n") }
    }

    /// The file that was named, or the one of the current folder; `None` where there is neither.
    pub(crate) fn find(named: Option<&Path>) -> Result<Option<Self>, Failure> {
        let path = match named {
            Some(path) => path,
            None if Path::new(USUAL_FILE).exists() => Path::new(USUAL_FILE),
            None => return Ok(None),
        };
        let text =
            fs::read_to_string(path).map_err(|error| Failure::Read { path: path.to_owned(), error })?;
        Ok(Some(Self::new(path.display().to_string(), text)))
    }
}

/// A policy that runs, and where its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) engine: Engine,
    pub(crate) document: Document,
    /// Where the gateway listens with it.
    pub(crate) listen: SocketAddr,
    deployment: Deployment,
}

impl Loaded {
    /// Builds the engine again, with the keys that it serves with. What is wrong with the policy was said before.
    pub(crate) fn use_keys(&mut self, keys: Keys) -> Result<(), Vec<PolicyError>> {
        self.deployment.public_keys = public_keys(&self.document.policy, Some(&keys));
        self.deployment.keys = Some(keys);
        self.engine = Engine::build(&self.document.policy, &self.deployment)?;
        Ok(())
    }

    /// Who signs the assertions: the first public origin, as it is written.
    pub(crate) fn issuer(&self) -> String {
        let public = self.document.policy.origin.public.first();
        public.cloned().unwrap_or_else(|| format!("http://localhost:{}", self.listen.port()))
    }
}

/// Whether anybody can be verified whom the assertions could tell of.
pub(crate) const fn has_credentials(policy: &Policy) -> bool {
    policy.session.is_some() || policy.jwt.is_some() || policy.api_keys.is_some()
}

/// The public keys of the assertions, where there are any.
fn public_keys(policy: &Policy, keys: Option<&Keys>) -> Vec<Box<str>> {
    let keys = keys.filter(|_| has_credentials(policy));
    keys.map(|keys| assertion_keys(keys, OsClock.now())).unwrap_or_default()
}

/// For whoever judges a policy: nothing is read for it, and what it makes is worth nothing. Whoever serves puts its own
/// in their place first ([`Loaded::use_keys`]).
pub(crate) fn stand_in_keys() -> Option<Keys> {
    Keys::new(&[b"no secret: nobody is served with it"]).ok()
}

/// Reads `source` with `profile` and the environment, as `serve` would run it; `listen` replaces `server.listen`. No
/// secret is read.
///
/// The inner error is everything that is wrong with the policy.
pub(crate) fn load(
    source: &Source,
    profile: Option<&str>,
    listen: Option<SocketAddr>,
    keys: Option<Keys>,
) -> Result<Result<Loaded, Vec<Diagnostic>>, Failure> {
    let overrides = overrides()?;
    let input = PolicyInput {
        name: &source.name,
        text: &source.text,
        profile: profile_name(profile),
        env: &|name| env::var(name).ok(),
        overrides: &overrides,
    };
    // Replaced before anything can be built from it.
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut deployment = Deployment { keys, ..Deployment::default() };
    let built = load_and_build(&input, |policy| {
        address = listen.map_or_else(|| listen_of(policy), Ok)?;
        deployment.listen = Some(address);
        deployment.tls = policy.server.tls.is_some();
        deployment.development = profile_name(profile) == Some("development");
        deployment.public_keys = public_keys(policy, deployment.keys.as_ref());
        Ok(deployment.clone())
    });
    Ok(built.map(|(engine, document)| Loaded { engine, document, listen: address, deployment }))
}

/// No name means production, and so does an empty one: `BARTIZAN_PROFILE=` in a container's environment.
pub(crate) fn profile_name(profile: Option<&str>) -> Option<&str> {
    profile.filter(|name| !name.is_empty())
}

fn listen_of(policy: &Policy) -> Result<SocketAddr, PolicyError> {
    GatewayConfig::listen_address(policy).map_err(|_| PolicyError {
        path: "server.listen".into(),
        value: policy.server.listen.clone(),
        kind: PolicyErrorKind::NotOneOf(
            "the addresses with a port: `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`",
        ),
    })
}

/// `BARTIZAN__A__B=value`, sorted so that errors come in the same order each time.
fn overrides() -> Result<Vec<(String, String)>, Failure> {
    let mut overrides = Vec::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(OVERRIDE)) else { continue };
        let value = value.into_string().map_err(|_| Failure::Variable(name.to_owned()))?;
        overrides.push((name.to_owned(), value));
    }
    overrides.sort();
    Ok(overrides)
}
