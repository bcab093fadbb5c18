//! A request to ask the engine about: what was given, and what a real request would have brought by itself.

use std::net::{IpAddr, Ipv4Addr};

use bartizan::{OsClock, OsEntropy};
use bartizan_core::{
    Answer, Decision, Engine, Form, HeaderPair, Query, Recording, RequestHead, Scheme, Step, limit,
};
use serde::Serialize;
use thiserror::Error;

use crate::policy::Loaded;

/// An address of a client somewhere: one that is set aside for documentation (RFC 5737), so nobody's proxy.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// What is known of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given<'g> {
    pub(crate) method: &'g str,
    /// A path with its query, or a whole URL.
    pub(crate) target: &'g str,
    pub(crate) headers: &'g [(String, String)],
    pub(crate) scheme: Option<Scheme>,
    pub(crate) peer: Option<IpAddr>,
}

/// Why a request cannot be.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error("`{0}` is not a method: letters, digits and -, as in GET or POST (RFC 9110 §9.1)")]
    Method(String),
    #[error("`{0}` is not a target: write a path that begins with `/`, or a whole http:// or https:// URL")]
    Target(String),
}

/// A request, complete.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As given.
    pub(crate) target: String,
    path: String,
    query: Option<String>,
    pub(crate) scheme: Scheme,
    pub(crate) peer: IpAddr,
    /// In the order given; a supplied Host is the first.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) supplied: Vec<Supplied>,
}

/// Something that was not given.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Supplied {
    /// `Host`, `scheme`, `peer`.
    pub(crate) what: &'static str,
    pub(crate) value: String,
    /// Why this value.
    pub(crate) because: &'static str,
}

impl Request {
    /// Completes what was given from the policy.
    pub(crate) fn complete(given: &Given<'_>, policy: &Loaded) -> Result<Self, RequestError> {
        let method = given.method;
        // What is no token cannot come over a socket either (RFC 9112 §3).
        if method.is_empty()
            || !method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return Err(RequestError::Method(method.to_owned()));
        }
        let target = Target::parse(given.target)?;
        let mut request = Self {
            method: method.to_owned(),
            target: given.target.to_owned(),
            path: target.path.to_owned(),
            query: target.query.map(str::to_owned),
            scheme: Scheme::Http,
            peer: SOMEWHERE,
            headers: given.headers.to_vec(),
            supplied: Vec::new(),
        };
        let public = policy.document.policy.origin.public.first().and_then(|origin| origin.split_once("://"));
        request.complete_host(&target, public, policy);
        request.complete_scheme(given.scheme, &target, public);
        request.complete_peer(given.peer, policy);
        Ok(request)
    }

    fn complete_host(&mut self, target: &Target<'_>, public: Option<(&str, &str)>, policy: &Loaded) {
        if self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            return;
        }
        if let Some((_, authority)) = target.origin {
            self.headers.insert(0, ("Host".into(), authority.to_owned()));
            return;
        }
        let (value, because) = match public {
            Some((_, authority)) => (authority.to_owned(), "the first of origin.public"),
            None => (format!("localhost:{}", policy.listen.port()), "the policy has no origin.public"),
        };
        self.headers.insert(0, ("Host".into(), value.clone()));
        self.supplied.push(Supplied { what: "Host", value, because });
    }

    fn complete_scheme(&mut self, given: Option<Scheme>, target: &Target<'_>, public: Option<(&str, &str)>) {
        let https = |scheme: &str| if scheme == "https" { Scheme::Https } else { Scheme::Http };
        self.scheme = match (given, target.origin, public) {
            (Some(scheme), ..) => scheme,
            (None, Some((scheme, _)), _) => https(scheme),
            (None, None, public) => {
                let scheme = public.map_or(Scheme::Http, |(scheme, _)| https(scheme));
                let because =
                    if public.is_some() { "as in origin.public" } else { "the policy has no origin.public" };
                self.supplied.push(Supplied { what: "scheme", value: scheme.as_str().into(), because });
                scheme
            }
        };
    }

    fn complete_peer(&mut self, given: Option<IpAddr>, policy: &Loaded) {
        if let Some(peer) = given {
            self.peer = peer;
            return;
        }
        let from_here = policy.listen.ip().is_loopback() && policy.document.policy.proxy.is_none();
        let because = if from_here {
            "the gateway listens on this machine only"
        } else {
            "a client somewhere; no proxy of yours"
        };
        self.peer = if from_here { Ipv4Addr::LOCALHOST.into() } else { SOMEWHERE };
        self.supplied.push(Supplied { what: "peer", value: self.peer.to_string(), because });
    }

    /// What the engine decides about it, with what each control found.
    pub(crate) fn judge(&self, engine: &Engine) -> (Decision, Recording) {
        let mut trace = Recording::default();
        let decision = self.decide(engine, &mut trace);
        (decision, trace)
    }

    fn decide(&self, engine: &Engine, trace: &mut Recording) -> Decision {
        let head = self.head();
        let mut evaluation = engine.evaluate_traced(&head, OsClock, OsEntropy, trace);
        loop {
            match evaluation.step() {
                Step::Done(decision) => return decision,
                // Whoever asks about one request asks about the first of its client.
                Step::Need(Query::Take { quota, cost, now, .. }) => {
                    evaluation.supply(Answer::Taken(limit::take(0, now, quota, cost).0));
                }
                // Nobody stands behind us who could know a credential.
                // Which there are is not asked of anybody here; that they are answered is what counts.
                Step::Need(Query::PublicKeys { .. }) => evaluation.supply(Answer::PublicKeys(Vec::new())),
                Step::Need(_) => evaluation.supply(Answer::Unavailable),
                Step::NeedForm { .. } => evaluation.supply_form(Form::default()),
            }
        }
    }

    /// The request as the engine takes it.
    fn head(&self) -> RequestHead<'_, impl Iterator<Item = HeaderPair<'_>> + Clone> {
        RequestHead {
            method: self.method.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            authority: None,
            scheme: self.scheme,
            peer: Some(self.peer),
            http2: false,
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        }
    }
}

/// A target, taken apart.
struct Target<'t> {
    /// Scheme and authority, where it is a URL.
    origin: Option<(&'t str, &'t str)>,
    path: &'t str,
    query: Option<&'t str>,
}

impl<'t> Target<'t> {
    fn parse(text: &'t str) -> Result<Self, RequestError> {
        let invalid = || RequestError::Target(text.to_owned());
        let (origin, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                if authority.is_empty() {
                    return Err(invalid());
                }
                (Some((scheme, authority)), path)
            }
            _ if text.starts_with('/') || text == "*" => (None, text),
            _ => return Err(invalid()),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        // A URL without a path means `/` (RFC 9110 §4.2.3).
        Ok(Self { origin, path: if path.is_empty() { "/" } else { path }, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, expected) in [
            ("/a?b=/c?d", Some((None, "/a", Some("b=/c?d")))),
            ("*", Some((None, "*", None))),
            ("//x", Some((None, "//x", None))),
            ("https://a.example", Some((Some(("https", "a.example")), "/", None))),
            ("http://a.example:81/x?", Some((Some(("http", "a.example:81")), "/x", Some("")))),
            ("https://a.example?x", Some((Some(("https", "a.example")), "/", Some("x")))),
            ("ftp://a.example/", None),
            ("https:///x", None),
            ("a", None),
            ("", None),
        ] {
            let parsed = Target::parse(text).ok().map(|target| (target.origin, target.path, target.query));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
