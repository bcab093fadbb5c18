//! Reads a policy file: overlays, overrides, references to the environment, and all its errors together.
//!
//! Nothing here opens a file or asks the environment; the text and a way to look up variables are given.
//!
//! ```
//! use bartizan_core::policy::{PolicyInput, Provenance, load};
//!
//! let text = r#"
//! version = 1
//! [origin]
//! public = ["https://${env:API_HOST:-api.example.com}"]
//! [profile.development]
//! origin.public = ["http://localhost:8080"]
//! "#;
//! let input = PolicyInput { text, ..PolicyInput::new("bartizan.toml") };
//! let document = load(&input).unwrap();
//! assert_eq!(document.policy.origin.public, ["https://api.example.com"]);
//! assert!(matches!(document.origin_of("origin.public"), Provenance::File { line: 4, .. }));
//!
//! let development = PolicyInput { profile: Some("development"), ..input };
//! assert_eq!(load(&development).unwrap().policy.origin.public, ["http://localhost:8080"]);
//!
//! let errors = load(&PolicyInput { text: "version = 1\n[origin]\npublik = []\n", ..input }).unwrap_err();
//! assert_eq!(errors[0].to_string(), "3:1: origin.publik: unknown key `publik`");
//! assert_eq!(errors[0].hint.as_deref(), Some("did you mean `public`? known keys: `public`, `trusted`"));
//! ```

#[cfg(test)]
mod combinations;
mod decode;
mod diagnostic;
mod draft;
mod lines;
mod overlay;
mod overrides;
mod recovery;
mod redact;
mod references;
mod schema;
mod shape;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;

use alloc::{string::String, vec, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

pub use diagnostic::{Diagnostic, Location, Provenance};
pub use redact::redacted_source;
pub use schema::{schema, schema_text};

use self::{
    draft::Draft,
    lines::Lines,
    tree::{Node, Path},
};
use super::Policy;
use crate::{Deployment, Engine, PolicyError};

/// A longer policy is not read.
const MAX_BYTES: usize = 1024 * 1024;

/// At most this many faults are told at once.
const MAX_FAULTS: usize = 64;

/// Where a policy is taken to listen that does not say so rightly: an address that asks nothing more of it.
const ASSUMED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A policy to be read, and what it is read with.
#[derive(Clone, Copy)]
pub struct PolicyInput<'a> {
    /// What the file is called.
    pub name: &'a str,
    /// Its text; at most 1 MiB.
    pub text: &'a str,
    /// The overlay to lay over it. `None` means `production`, whose overlay need not be written.
    pub profile: Option<&'a str>,
    /// What the environment holds, for `${env:NAME}`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Overrides: the whole name of the variable (`BARTIZAN__CORS__MAX_AGE`), and its value.
    pub overrides: &'a [(String, String)],
}

impl<'a> PolicyInput<'a> {
    /// An empty file of this name, with an empty environment.
    pub fn new(name: &'a str) -> Self {
        Self { name, text: "", profile: None, env: &|_| None, overrides: &[] }
    }
}

impl fmt::Debug for PolicyInput<'_> {
    /// Neither the text nor the overrides, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyInput")
            .field("name", &self.name)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Reads a policy, or says everything that is wrong with its form: syntax, keys, types, references.
///
/// In order: the overlay, the overrides, the references to the environment. Whether the policy makes sense,
/// [`Engine::build`] says; [`load_and_build`] asks both.
pub fn load(input: &PolicyInput<'_>) -> Result<Document, Vec<Diagnostic>> {
    Draft::read(input).finish()
}

/// Reads a policy and builds its engine, or says everything that is wrong with its form and its sense, in the
/// order of the file.
///
/// `deployment_of` says where the policy will be used; it may have to read the policy for that, and find fault
/// with it.
pub fn load_and_build(
    input: &PolicyInput<'_>,
    deployment_of: impl FnOnce(&Policy) -> Result<Deployment, PolicyError>,
) -> Result<(Engine, Document), Vec<Diagnostic>> {
    let mut draft = Draft::read(input);
    let Some(policy) = &draft.policy else { return Err(draft.finish().err().unwrap_or_default()) };
    let (deployment, mut errors) = match deployment_of(policy) {
        Ok(deployment) => (deployment, vec![]),
        // What else is wrong can be said without it.
        Err(error) => (
            Deployment {
                listen: Some(ASSUMED),
                tls: policy.server.tls.is_some(),
                development: draft.development,
                ..Deployment::default()
            },
            vec![error],
        ),
    };
    let engine = match Engine::build(policy, &deployment) {
        Ok(engine) => Some(engine),
        Err(more) => {
            errors.extend(more);
            None
        }
    };
    draft.add(errors);
    let document = draft.finish()?;
    engine.map(|engine| (engine, document)).ok_or_else(Vec::new)
}

/// A policy, and where each of its values was written.
pub struct Document {
    /// The policy.
    pub policy: Policy,
    development: bool,
    root: Node,
    lines: Lines,
}

impl Document {
    /// Whether the profile `development` was chosen: it alone may hold literal secrets and public `http` origins.
    pub const fn development(&self) -> bool {
        self.development
    }

    /// Where the value at `path` (`cors.headers[2]`) was written.
    pub fn origin_of(&self, path: &str) -> Provenance {
        match self.root.find(&Path::parse(path).0) {
            Some(node) => diagnostic::provenance(&node.origin, &self.lines),
            None => Provenance::Default,
        }
    }

    /// Where in the file the value at `path` was written, if it was.
    pub fn location_of(&self, path: &str) -> Option<Location> {
        let node = self.root.find(&Path::parse(path).0)?;
        node.origin.span.as_ref().map(|span| self.lines.locate(span))
    }

    /// All values that are written, in the notation of TOML and by path: path, value, origin. A literal secret is
    /// not shown.
    pub fn provenance(&self) -> impl Iterator<Item = (String, String, Provenance)> {
        let mut rows = Vec::new();
        draft::rows(&self.root, &mut Path::default(), &mut rows);
        rows.into_iter().filter_map(|(path, node)| {
            Some((path, node.shown_as_toml()?, diagnostic::provenance(&node.origin, &self.lines)))
        })
    }
}

impl fmt::Debug for Document {
    /// The policy, which knows what not to show; not the tree below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("policy", &self.policy)
            .field("development", &self.development)
            .finish_non_exhaustive()
    }
}
