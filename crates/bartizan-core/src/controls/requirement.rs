//! What a route requires of who asks: a kind of credential, a scope.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::Finding;
use crate::{
    DenialCode, PolicyErrorKind, Principal,
    api_key::ApiKeys,
    error::Problems,
    facts::Facts,
    policy::{CredentialKind, RequireConfig},
};

/// The challenge of a 401 about a token (RFC 6750 §3.1).
pub(crate) const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";

/// Which kinds of credential the policy configures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) session: bool,
    pub(crate) jwt: bool,
    pub(crate) api_keys: bool,
}

impl Configured {
    pub(crate) const fn any(self) -> bool {
        self.session || self.jwt || self.api_keys
    }

    const fn has(self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Nothing => true,
            CredentialKind::Session => self.session,
            CredentialKind::Jwt => self.jwt,
            CredentialKind::ApiKey => self.api_keys,
        }
    }
}

/// A compiled `require`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// Open to everyone.
    #[default]
    Nothing,
    /// One of these kinds.
    Any { kinds: Vec<CredentialKind>, scope: Option<Box<str>> },
}

impl Requirement {
    pub(crate) fn compile(
        config: &RequireConfig,
        configured: Configured,
        at: &str,
        problems: &mut Problems,
    ) -> Self {
        let (kinds, scope): (&[CredentialKind], Option<&String>) = match config {
            RequireConfig::One(kind) => (core::slice::from_ref(kind), None),
            RequireConfig::Any { any, scope } => (any, scope.as_ref()),
        };
        for kind in kinds {
            if !configured.has(*kind) {
                problems.error(
                    at,
                    None,
                    PolicyErrorKind::CredentialNotConfigured(kind.as_str(), table(*kind)),
                );
            }
        }
        if kinds.is_empty() || (kinds.len() > 1 && kinds.contains(&CredentialKind::Nothing)) {
            problems.error(at, None, PolicyErrorKind::EmptyRequirement);
        }
        if kinds == [CredentialKind::Nothing] {
            if scope.is_some() {
                problems.error(at, None, PolicyErrorKind::ScopeOfNobody);
            }
            return Self::Nothing;
        }
        Self::Any { kinds: kinds.to_vec(), scope: scope.map(|scope| scope.as_str().into()) }
    }

    /// Whether every credential that will do is one that no browser sends by itself.
    pub(crate) fn is_explicit_only(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Any { kinds, .. } => {
                kinds.iter().all(|kind| matches!(kind, CredentialKind::Jwt | CredentialKind::ApiKey))
            }
        }
    }

    /// Whether somebody whom `other` lets in is not let in here.
    pub(crate) fn demands_more_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) => false,
            (Self::Any { .. }, Self::Nothing) => true,
            (Self::Any { scope, .. }, Self::Any { kinds: others, scope: other_scope }) => {
                others.iter().any(|kind| !self.accepts(*kind)) || (scope.is_some() && scope != other_scope)
            }
        }
    }

    fn accepts(&self, kind: CredentialKind) -> bool {
        match self {
            Self::Nothing => true,
            Self::Any { kinds, .. } => kinds.contains(&kind),
        }
    }

    /// The `WWW-Authenticate` challenge of a 401 (RFC 9110 §11.6.1), where there is a scheme to name.
    pub(crate) fn challenge(&self) -> Option<&'static str> {
        (self.accepts(CredentialKind::Jwt) || self.accepts(CredentialKind::ApiKey)).then_some("Bearer")
    }

    /// The same of a 403, for a token that lacks the scope (RFC 6750 §3.1), where tokens will do.
    pub(crate) fn scope_challenge(&self) -> Option<String> {
        let Self::Any { scope: Some(scope), .. } = self else { return None };
        // RFC 6749 §3.3: what stands between quotes without being written in another way.
        let is_plain = scope.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'));
        let named = if is_plain { format!(", scope=\"{scope}\"") } else { String::new() };
        self.accepts(CredentialKind::Jwt).then(|| format!("Bearer error=\"insufficient_scope\"{named}"))
    }

    /// The credential to ask about. An explicit one beats a cookie; a session is asked for only where it is needed.
    #[inline]
    pub(crate) fn credential<'r>(
        &self,
        facts: &Facts<'r>,
        configured: Configured,
        keys: Option<&ApiKeys>,
        anonymous: bool,
    ) -> Option<(CredentialKind, &'r [u8])> {
        if keys.is_some()
            && let Some(key) = facts.api_key
        {
            return Some((CredentialKind::ApiKey, key));
        }
        if (configured.jwt || keys.is_some())
            && let Some(token) = facts.authorization.value().and_then(bearer)
        {
            // A token begins with `eyJ`, which is `{"`: never with a key's prefix.
            let is_key = keys.is_some_and(|keys| !configured.jwt || keys.claims(token));
            return Some((if is_key { CredentialKind::ApiKey } else { CredentialKind::Jwt }, token));
        }
        match self {
            Self::Any { .. } if self.accepts(CredentialKind::Session) && !anonymous => {
                Some((CredentialKind::Session, facts.session?))
            }
            _ => None,
        }
    }

    /// Judges who asks. `kind` is the kind of credential that was presented and verified.
    pub(crate) fn decide(
        &self,
        principal: Option<&Principal>,
        kind: Option<CredentialKind>,
    ) -> Finding<'static> {
        let Self::Any { scope, .. } = self else {
            return Finding::Pass("the route requires nothing");
        };
        let Some(principal) = principal.filter(|_| kind.is_some_and(|kind| self.accepts(kind))) else {
            return Finding::refuse(
                DenialCode::AuthRequired,
                b"",
                "the route requires a credential that was not presented",
            );
        };
        match scope {
            Some(scope) if !principal.scopes.contains(scope) => Finding::refuse(
                DenialCode::AuthScope,
                b"",
                "the principal lacks the scope that the route requires",
            ),
            _ => Finding::Pass("the principal has what the route requires"),
        }
    }
}

/// What `Authorization: Bearer` carries.
pub(crate) fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether an `Authorization` header carries a credential that browsers send by themselves.
pub(crate) fn is_ambient_scheme(authorization: &[u8]) -> bool {
    let scheme = authorization.split(|&byte| byte == b' ').next().unwrap_or_default();
    [&b"basic"[..], b"digest", b"negotiate", b"ntlm"]
        .iter()
        .any(|ambient| scheme.eq_ignore_ascii_case(ambient))
}

const fn table(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApiKey => "api_keys",
        _ => kind.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_key::{Peppers, Prefix},
        facts::{
            Names,
            tests::{NO_NAMES, facts_with},
        },
        keys::Keys,
    };

    const ALL: Configured = Configured { session: true, jwt: true, api_keys: true };

    fn keys() -> ApiKeys {
        let master = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
        ApiKeys {
            prefix: Prefix::parse("acme").unwrap(),
            peppers: Peppers::derive(&master).unwrap(),
            grace: core::time::Duration::ZERO,
        }
    }

    fn any(kinds: &[CredentialKind], scope: Option<&str>) -> Requirement {
        Requirement::Any { kinds: kinds.to_vec(), scope: scope.map(Into::into) }
    }

    #[test]
    fn an_explicit_credential_beats_a_cookie() {
        use CredentialKind::{ApiKey, Jwt, Session};
        let names = Names { session_cookie: Some(b"__Host-session"), api_keys: true, ..NO_NAMES };
        let cookie = ("cookie", "__Host-session=s");
        for (requirement, configured, headers, expected) in [
            (
                any(&[Session, Jwt], None),
                ALL,
                &[cookie, ("authorization", "Bearer a.b.c")][..],
                Some((Jwt, "a.b.c")),
            ),
            (
                any(&[Session], None),
                ALL,
                &[cookie, ("authorization", "bearer  acme_live_x")],
                Some((ApiKey, "acme_live_x")),
            ),
            // Another service's key is no key of ours.
            (
                any(&[Session], None),
                ALL,
                &[cookie, ("authorization", "Bearer other_live_x")],
                Some((Jwt, "other_live_x")),
            ),
            (
                any(&[ApiKey], None),
                Configured { api_keys: true, ..Configured::default() },
                &[("authorization", "Bearer opaque")],
                Some((ApiKey, "opaque")),
            ),
            (
                any(&[Session], None),
                ALL,
                &[cookie, ("authorization", "Bearer opaque-token")],
                Some((Jwt, "opaque-token")),
            ),
            (
                any(&[Session], None),
                ALL,
                &[cookie, ("authorization", "Bearer eyJ_live_x")],
                Some((Jwt, "eyJ_live_x")),
            ),
            (any(&[Session], None), ALL, &[cookie, ("x-api-key", "k")], Some((ApiKey, "k"))),
            // One that was slipped in beside ours: neither is taken.
            (any(&[ApiKey], None), ALL, &[("x-api-key", "k"), ("x-api-key", "l")], Some((ApiKey, ""))),
            (any(&[ApiKey], None), ALL, &[("x-api-key", ""), ("x-api-key", "l")], Some((ApiKey, ""))),
            (
                any(&[Session], None),
                Configured { session: true, ..Configured::default() },
                &[cookie, ("x-api-key", "k")],
                Some((Session, "s")),
            ),
            (any(&[Session], None), ALL, &[cookie], Some((Session, "s"))),
            (any(&[Session], None), ALL, &[cookie, ("authorization", "Basic eDp5")], Some((Session, "s"))),
            (any(&[Jwt], None), ALL, &[cookie], None),
            (Requirement::Nothing, ALL, &[cookie], None),
            (Requirement::Nothing, ALL, &[("authorization", "Bearer a.b.c")], Some((Jwt, "a.b.c"))),
            (
                Requirement::Nothing,
                Configured { session: true, ..Configured::default() },
                &[("authorization", "Bearer a.b.c")],
                None,
            ),
            (
                any(&[Jwt], None),
                Configured { jwt: true, ..Configured::default() },
                &[("authorization", "Bearer opaque")],
                Some((Jwt, "opaque")),
            ),
        ] {
            let facts = facts_with("GET", "/", headers, names);
            let keys = configured.api_keys.then(keys);
            let found = requirement.credential(&facts, configured, keys.as_ref(), false);
            let found = found.map(|(kind, secret)| (kind, core::str::from_utf8(secret).unwrap()));
            assert_eq!(found, expected, "{requirement:?} {headers:?}");
        }
        let headers = [cookie];
        let facts = facts_with("POST", "/", &headers, names);
        assert_eq!(any(&[Session], None).credential(&facts, ALL, None, true), None);
    }

    #[test]
    fn kinds_and_scopes() {
        use CredentialKind::{ApiKey, Jwt, Session};
        let alice = Principal {
            subject: "alice".into(),
            issuer: None,
            kind: Session,
            scopes: ["admin".into()].into(),
        };
        for (requirement, kind, expected) in [
            (Requirement::Nothing, None, None),
            (Requirement::Nothing, Some(Session), None),
            (any(&[Session], None), Some(Session), None),
            (any(&[Session], None), None, Some("auth.required")),
            (any(&[Jwt, ApiKey], None), Some(Session), Some("auth.required")),
            (any(&[Session], Some("admin")), Some(Session), None),
            (any(&[Session], Some("root")), Some(Session), Some("auth.scope")),
            (any(&[Session], Some("admi")), Some(Session), Some("auth.scope")),
        ] {
            let found = requirement.decide(kind.map(|_| &alice), kind);
            assert_eq!(found.code(), expected, "{requirement:?} {kind:?}");
        }
        assert!(any(&[Jwt, ApiKey], None).is_explicit_only());
        assert!(!any(&[Jwt, Session], None).is_explicit_only() && !Requirement::Nothing.is_explicit_only());
    }

    #[test]
    fn wrong_requirements() {
        use CredentialKind::{Jwt, Nothing, Session};
        for (config, expected) in [
            (RequireConfig::One(Session), None),
            (RequireConfig::One(Jwt), Some("policy.require")),
            (RequireConfig::Any { any: [].into(), scope: None }, Some("policy.require")),
            (RequireConfig::Any { any: [Nothing, Session].into(), scope: None }, Some("policy.require")),
            (RequireConfig::Any { any: [Nothing].into(), scope: Some("x".into()) }, Some("policy.require")),
        ] {
            let mut problems = Problems::default();
            let configured = Configured { session: true, ..Configured::default() };
            Requirement::compile(&config, configured, "default.require", &mut problems);
            let codes: Vec<_> =
                problems.finish().err().into_iter().flatten().map(|error| error.kind.code()).collect();
            assert_eq!(codes.first().copied(), expected, "{config:?}");
        }
    }

    #[test]
    fn a_kind_that_is_not_configured_is_named_with_its_table() {
        use CredentialKind::{ApiKey, Jwt, Session};
        for (kind, alone, name, table) in [
            (Session, Configured { session: true, ..Configured::default() }, "session", "session"),
            (Jwt, Configured { jwt: true, ..Configured::default() }, "jwt", "jwt"),
            (ApiKey, Configured { api_keys: true, ..Configured::default() }, "api-key", "api_keys"),
        ] {
            let faults = |configured: Configured| {
                let mut problems = Problems::default();
                Requirement::compile(&RequireConfig::One(kind), configured, "default.require", &mut problems);
                problems.finish().err().into_iter().flatten().map(|error| error.kind).collect::<Vec<_>>()
            };
            assert_eq!(faults(alone), []);
            assert!(alone.any(), "{kind:?}");
            assert_eq!(
                faults(Configured::default()),
                [PolicyErrorKind::CredentialNotConfigured(name, table)]
            );
        }
        assert!(!Configured::default().any());
    }

    #[test]
    fn who_lacks_the_scope_is_told_which_where_it_can_be_written() {
        use CredentialKind::{ApiKey, Jwt, Session};
        for (requirement, expected) in [
            (any(&[Jwt], Some("a:b")), Some("Bearer error=\"insufficient_scope\", scope=\"a:b\"")),
            (any(&[Session, Jwt], Some("a\"b")), Some("Bearer error=\"insufficient_scope\"")),
            (any(&[Jwt], Some("a\\b")), Some("Bearer error=\"insufficient_scope\"")),
            (any(&[Jwt], Some("é")), Some("Bearer error=\"insufficient_scope\"")),
            (any(&[Jwt], None), None),
            (any(&[Session, ApiKey], Some("a")), None),
            (Requirement::Nothing, None),
        ] {
            assert_eq!(requirement.scope_challenge().as_deref(), expected, "{requirement:?}");
        }
    }

    #[test]
    fn schemes() {
        assert!(
            is_ambient_scheme(b"Basic eDp5")
                && is_ambient_scheme(b"NEGOTIATE x")
                && !is_ambient_scheme(b"Bearer x")
        );
        for (authorization, token) in [
            (&b"bEARER x"[..], Some(&b"x"[..])),
            (b"Bearer  x ", Some(b"x")),
            (b"Bearer ", Some(b"")),
            (b"Bearerx", None),
            (b"Basic x", None),
        ] {
            assert_eq!(bearer(authorization), token, "{authorization:?}");
        }
    }
}
