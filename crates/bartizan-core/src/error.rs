//! What can be wrong with a policy that could be read: one error per fault, all of them together.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, vec::Vec};
use core::fmt;

use thiserror::Error;

use crate::{
    headers::{
        csp::{CspError, CspFault},
        permissions_policy::FeatureError,
    },
    jwt::IssuerError,
    key_ring::SettingsError,
    origin::OriginError,
    route::PatternError,
};

/// A fault in a policy: where it is, what was written there, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where: `cors.headers[2]`, `route[0].match`.
    pub path: String,
    /// What was written there, if it can be shown.
    pub value: Option<String>,
    /// What is wrong.
    pub kind: PolicyErrorKind,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// Nothing says where the API is reached, and the listener is not a loopback one that would say it.
    #[error("nothing says where this API is reached")]
    NoPublicOrigin,
    /// An origin that is none.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A public origin of plain http that is not this machine.
    #[error(
        "a public origin of plain http: everything on it, logins included, can be read and changed on the way"
    )]
    InsecurePublicOrigin,
    /// A public https origin, and nothing that terminates TLS.
    #[error(
        "the public origin is https, but this listener speaks plain http and no proxy is named that terminates TLS: every request would be redirected to itself"
    )]
    HttpsUnreachable,
    /// `includeSubDomains` on a whole registrable domain, by default.
    #[error("`{0}` is a whole domain: HSTS with subdomains would force https on every host below it")]
    HstsOnWholeDomain(String),
    /// HSTS preload without what the lists ask for.
    #[error("the preload lists take `include_subdomains = true` and a `max_age` of a year or more")]
    HstsPreload,
    /// Not a network.
    #[error("not an address or a network; write `10.0.0.0/8`, `192.0.2.7` or `::1`")]
    InvalidNetwork,
    /// A trusted network that is everyone.
    #[error("this network is every address: anyone could say who they are")]
    EveryoneTrusted,
    /// Not a header name.
    #[error("not a header name")]
    InvalidHeaderName,
    /// A header name that a policy cannot use this way.
    #[error("this header cannot be used here: {0}")]
    UnusableHeader(&'static str),
    /// Not a method.
    #[error("not a method; methods are written in capital letters")]
    InvalidMethod,
    /// A method that the Fetch standard forbids, or that has no business behind this engine.
    #[error("this method is never let through: it opens tunnels or echoes credentials")]
    ForbiddenMethod,
    /// Not `host` or `host:port`.
    #[error("not a host name or address, with `:port` where it is not the scheme's own")]
    InvalidHost,
    /// A health path that is not a plain path.
    #[error("not a plain path such as `/healthz`")]
    InvalidHealthPath,
    /// A path for CSRF tokens that is not a plain path.
    #[error("not a plain path such as `/csrf-token`")]
    InvalidTokenPath,
    /// A prefix of API keys that is none.
    #[error("not a prefix for keys: 2 to 16 lowercase letters and digits")]
    InvalidKeyPrefix,
    /// API keys, and no key that their secrets could be kept by.
    #[error("API keys are kept by a key that is derived from the master key, and there is none here")]
    ApiKeysWithoutKeys,
    /// An issuer of tokens.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Settings with which the keys of our tokens could not be changed.
    #[error(transparent)]
    KeyRing(#[from] SettingsError),
    /// A form field whose name a browser could write in more than one way.
    #[error("not a plain field name: up to 64 letters, digits, `_` and `-`")]
    InvalidFieldName,
    /// A route's `match`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Content Security Policy.
    #[error("{}", .0.error)]
    Csp(Box<CspFault>),
    /// A Permissions-Policy feature.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A value outside a short list.
    #[error("not one of {0}")]
    NotOneOf(&'static str),
    /// A number outside what makes sense.
    #[error("{0}")]
    OutOfRange(&'static str),
    /// A requirement on a kind of credential that the policy does not configure.
    #[error("`{0}` is required here, but the policy has no `[{1}]`: nothing could satisfy it")]
    CredentialNotConfigured(&'static str, &'static str),
    /// `any = []`, or `nothing` beside others.
    #[error("name the kinds of credential that will do; `nothing` stands alone")]
    EmptyRequirement,
    /// A scope where nothing is required.
    #[error("a scope needs a credential that carries it")]
    ScopeOfNobody,
    /// A credential is configured, and `[default] require` is not written.
    #[error(
        "a credential is configured, so `[default] require` must say what a route needs that does not say it itself"
    )]
    DefaultRequirementMissing,
    /// Two keys of a route that contradict each other.
    #[error("`{0}` and `{1}` contradict each other")]
    Contradiction(&'static str, &'static str),
    /// A literal secret outside the development profile.
    #[error("a secret is not written into the policy outside the development profile")]
    SecretLiteral,
    /// A store that takes no password.
    #[error("`{0}` takes no password: who can read the file or the process can read the state")]
    StoreWithoutPassword(String),
    /// A key of `[store]` that means nothing where the state is kept.
    #[error("this means nothing with `{0}`")]
    StoreWithout(String, &'static str),
    /// A node of a cluster that cannot be one.
    #[error("all nodes of a cluster are `redis://`, or all `rediss://`, as `store.url` is")]
    NodeOfAnotherKind,
    /// An authority that nothing would ask.
    #[error("nobody would be asked to prove by it who he is: `{0}` in `store.url`")]
    UnusedAuthority(String, &'static str),
    /// A store that several nodes share, and no key that they share.
    #[error("what `{0}` keeps is shared by several nodes, so they must share the master key too")]
    MasterKeyMissing(String),
    /// Previous master keys without a present one.
    #[error("there are previous master keys and no `master_key` that has taken their place")]
    PreviousKeysAlone,
    /// A cookie name that is none.
    #[error("not a cookie name")]
    InvalidCookieName,
    /// A mode that a control does not have.
    #[error("this control cannot be reported on: `off` or `enforce`")]
    NoReportMode,
    /// Too many of something.
    #[error("more of these, or of what differs between them, than the {0} that an engine can hold")]
    TooMany(u32),
}

impl PolicyErrorKind {
    /// The stable name of the fault.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoPublicOrigin => "policy.no-public-origin",
            Self::Origin(_) => "policy.origin",
            Self::InsecurePublicOrigin => "policy.insecure-origin",
            Self::HttpsUnreachable => "policy.https-unreachable",
            Self::HstsOnWholeDomain(_) => "policy.hsts-domain",
            Self::HstsPreload => "policy.hsts-preload",
            Self::InvalidNetwork | Self::EveryoneTrusted => "policy.network",
            Self::InvalidHeaderName | Self::UnusableHeader(_) => "policy.header",
            Self::InvalidMethod | Self::ForbiddenMethod => "policy.method",
            Self::InvalidHost => "policy.host",
            Self::InvalidHealthPath => "policy.health",
            Self::InvalidTokenPath => "policy.token-path",
            Self::InvalidFieldName => "policy.field",
            Self::Issuer(_) => "policy.issuer",
            Self::KeyRing(_) => "policy.key-ring",
            Self::InvalidKeyPrefix => "policy.api-keys",
            Self::Pattern(_) => "policy.route",
            Self::Csp(fault) => fault.error.code(),
            Self::Feature(error) => error.code(),
            Self::NotOneOf(_) | Self::OutOfRange(_) | Self::TooMany(_) => "policy.value",
            Self::CredentialNotConfigured(..) | Self::EmptyRequirement | Self::ScopeOfNobody => {
                "policy.require"
            }
            Self::DefaultRequirementMissing => "policy.default-require",
            Self::Contradiction(..)
            | Self::StoreWithoutPassword(_)
            | Self::StoreWithout(..)
            | Self::NodeOfAnotherKind
            | Self::UnusedAuthority(..)
            | Self::PreviousKeysAlone => "policy.contradiction",
            Self::SecretLiteral => "policy.secret-literal",
            Self::MasterKeyMissing(_) | Self::ApiKeysWithoutKeys => "policy.master-key",
            Self::InvalidCookieName => "policy.cookie",
            Self::NoReportMode => "policy.mode",
        }
    }

    /// What to do about it, where the message does not say it already.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoPublicOrigin => {
                "write `[origin] public = [\"https://api.example.com\"]`, or listen on 127.0.0.1"
            }
            Self::Origin(OriginError::NotOnlyOrigin) => "leave out everything behind the host and port",
            Self::Origin(OriginError::NoScheme) => "write `https://` in front of the host",
            Self::InsecurePublicOrigin => {
                "write `https://`; for a trial on your network put it under `[profile.development]`"
            }
            Self::HttpsUnreachable => {
                "name the proxy that terminates TLS: `[proxy] trusted = [\"10.0.0.0/8\"]` and `forwarded = { proto = \"x-forwarded-proto\" }`"
            }
            Self::HstsOnWholeDomain(_) => {
                "write `[headers.hsts] include_subdomains = true` if that is meant, otherwise `false`"
            }
            Self::CredentialNotConfigured(_, table) => {
                return Some(format!("write `[{table}]`, or require something else"));
            }
            Self::DefaultRequirementMissing => {
                "write `[default] require = \"session\"` (or what the API needs), and `require = \"nothing\"` on the routes that are public"
            }
            Self::SecretLiteral => "write a reference: `env://NAME` or `file:///path`",
            Self::StoreWithoutPassword(_) => "take it out; the passwords of Postgres and Redis stand here",
            Self::StoreWithout(_, hint) | Self::UnusedAuthority(_, hint) => hint,
            Self::NodeOfAnotherKind => "write the same scheme in each; the port may differ",
            Self::MasterKeyMissing(_) => {
                "write `master_key = \"env://BARTIZAN_MASTER_KEY\"`, and give every node the same output of `openssl rand -base64 48`"
            }
            Self::ApiKeysWithoutKeys => {
                "give the engine the output of `openssl rand -base64 48`, the same at every start: `Deployment::keys`, or `PolicyFile::keys`"
            }
            Self::PreviousKeysAlone => {
                "write `master_key`, and keep the previous ones until what they made has ended"
            }
            Self::Csp(fault) => return fault.hint(),
            Self::Feature(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl PolicyError {
    /// What of the policy this fault is concluded from besides the value at its path. Where a part of that could not
    /// be read, there may be no fault at all.
    pub(crate) fn premises(&self) -> Vec<String> {
        let own = || self.path.clone();
        match &self.kind {
            PolicyErrorKind::NoPublicOrigin
            | PolicyErrorKind::OutOfRange(_)
            | PolicyErrorKind::EmptyRequirement
            | PolicyErrorKind::ScopeOfNobody => [own()].into(),
            // Of what is twice, one may be misread.
            PolicyErrorKind::Issuer(IssuerError::Twice) => ["jwt"].map(ToOwned::to_owned).into(),
            PolicyErrorKind::KeyRing(_) => {
                ["rotate_every", "jwks_max_age", "token_lifetime", "leeway", "skew"]
                    .map(|key| format!("jwt.{key}"))
                    .into()
            }
            // The nonce may be among what could not be read.
            PolicyErrorKind::Csp(fault)
                if matches!(
                    fault.error,
                    CspError::StrictDynamicAlone | CspError::EmptyList | CspError::TakesOneValue
                ) =>
            {
                [self.path.rsplit_once('[').map_or_else(own, |(list, _)| list.to_owned())].into()
            }
            PolicyErrorKind::HttpsUnreachable => {
                ["proxy.trusted", "proxy.forwarded.proto", "server.tls"].map(ToOwned::to_owned).into()
            }
            PolicyErrorKind::StoreWithoutPassword(_)
            | PolicyErrorKind::NodeOfAnotherKind
            | PolicyErrorKind::UnusedAuthority(..)
            | PolicyErrorKind::MasterKeyMissing(_)
            | PolicyErrorKind::PreviousKeysAlone => {
                ["store.url", "store.master_key"].map(ToOwned::to_owned).into()
            }
            PolicyErrorKind::StoreWithout(..) => ["store.url", "store.cluster"].map(ToOwned::to_owned).into(),
            PolicyErrorKind::CredentialNotConfigured(_, table) => [(*table).to_owned()].into(),
            PolicyErrorKind::Contradiction(..) => {
                let table = self.path.rsplit_once('.').map_or("", |(table, _)| table);
                [table, "default"]
                    .into_iter()
                    .flat_map(|table| ["csrf", "csp"].map(|key| format!("{table}.{key}")))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.path, self.kind),
            None => write!(f, "{}: {}", self.path, self.kind),
        }
    }
}

impl core::error::Error for PolicyError {}

/// Gathers errors while a policy is compiled; no fault hides another.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: Vec<PolicyError>,
    warnings: Vec<crate::Warning>,
}

impl Problems {
    pub(crate) fn error(
        &mut self,
        path: impl Into<String>,
        value: Option<&str>,
        kind: impl Into<PolicyErrorKind>,
    ) {
        self.errors.push(PolicyError {
            path: path.into(),
            value: value.map(ToOwned::to_owned),
            kind: kind.into(),
        });
    }

    pub(crate) fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(crate::Warning { path: path.into(), message: message.into() });
    }

    /// The value, or a note of what is wrong with it.
    pub(crate) fn check<T, E: Into<PolicyErrorKind>>(
        &mut self,
        path: impl Into<String>,
        value: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.error(path, Some(value), error)).ok()
    }

    /// Takes over what `wanted` picks by its path.
    pub(crate) fn absorb(&mut self, other: Self, wanted: impl Fn(&str) -> bool) {
        self.errors.extend(other.errors.into_iter().filter(|error| wanted(&error.path)));
        self.warnings.extend(other.warnings.into_iter().filter(|warning| wanted(&warning.path)));
    }

    /// The warnings if there were no errors, else the errors.
    pub(crate) fn finish(self) -> Result<Vec<crate::Warning>, Vec<PolicyError>> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self.errors) }
    }
}
