//! A request being judged: the controls in their order, and the questions in between.

use alloc::{borrow::Cow, boxed::Box, format, vec::Vec};
use core::net::IpAddr;

use super::{Engine, SESSION_COOKIE};
use crate::{
    Answer, Credential, Decision, DenialCode, Entropy, Form, Grant, HeaderPair, Principal, Query, Reason,
    RequestHead, ResponseHeader, Step, Trace, Verdict,
    controls::{
        Finding, cors, csrf, firewall, firewall::Firewall, framing, host, https, isolation, requirement,
        websocket,
    },
    decision::{Context, Edits, Nonce},
    facts::{Facts, Names, list},
    forwarding::{self, Forwarded, Way},
    path,
    policy::{CredentialKind, Mode},
};

/// A request being judged. Ask [`step`](Self::step) until it is [`Step::Done`].
#[derive(Debug)]
pub struct Evaluation<'e, 'r, H, E, T> {
    engine: &'e Engine,
    head: RequestHead<'r, H>,
    facts: Facts<'r>,
    way: Way<'r>,
    entropy: E,
    trace: T,
    context: Context,
    principal: Option<Box<Principal>>,
    state: State,
}

/// How far the judging is.
#[derive(Debug)]
enum State {
    /// No control was asked yet.
    Begun,
    /// Waiting for the answer about this credential.
    Asked { credential: Credential, needs_token: bool },
    /// The answer has come.
    Answered { answer: Answer, kind: CredentialKind, needs_token: bool },
    /// Decided; what comes now is a mistake of the surface, and is refused.
    Decided,
}

/// Why judging stopped before the end.
enum Stop {
    Refused(Reason),
    Answered(crate::Reply),
}

impl<'e, 'r, H, E, T> Evaluation<'e, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// An evaluation that has not begun. It is too large to be handed about, so the headers are read where it
    /// lies, by the first step.
    #[inline]
    pub(super) fn new(engine: &'e Engine, head: &RequestHead<'r, H>, entropy: E, trace: T) -> Self {
        Self {
            engine,
            head: head.clone(),
            facts: Facts::of_target(head),
            way: forwarding::direct(head.peer, head.scheme),
            entropy,
            trace,
            context: Context::unknown(),
            principal: None,
            state: State::Begun,
        }
    }

    /// Reads the headers, once.
    fn read(&mut self) {
        let head = &self.head;
        let engine = self.engine;
        let inner = &engine.0;
        let trusted = inner.proxy.as_ref().filter(|proxy| proxy.trusts(head.peer));
        let names = Names {
            session_cookie: inner.configured.session.then_some(SESSION_COOKIE.as_bytes()),
            ambient_cookies: &inner.ambient_cookies,
            proxy: inner.proxy.as_ref(),
            trusted: trusted.is_some(),
            api_keys: inner.configured.api_keys,
            max_cookie_bytes: inner.firewall.max_cookie_bytes,
        };
        let mut forwarded = Forwarded::default();
        self.facts.scan(head.headers.clone(), &names, &mut forwarded);
        if let Some(proxy) = trusted {
            self.way = proxy.way(&forwarded, head.peer, head.scheme);
        }
        let (facts, way, context) = (&self.facts, &self.way, &mut self.context);
        // A preflight asks on behalf of the request that is to follow.
        let method =
            if cors::is_preflight(facts) { facts.preflight_method.unwrap_or_default() } else { facts.method };
        context.route = engine.route(method, |route| route.matches(facts.path));
        context.client_ip = way.client_ip;
        if let Some(host) = way.host {
            context.seldom().forwarded_host = Some(host.into());
        }
        context.scheme = way.scheme;
        context.sharing = engine.rules(context.route).cors.sharing(
            &inner.sharing,
            &inner.origins,
            facts.origin.only(),
            way.scheme,
        );
        context.is_navigation = facts.is_navigation();
    }

    /// Goes on until it has decided or must ask.
    pub fn step(&mut self) -> Step {
        let decided = match core::mem::replace(&mut self.state, State::Decided) {
            State::Begun => {
                self.read();
                match self.judge_origin() {
                    Ok(needs_token) => self.authenticate(needs_token),
                    Err(stop) => Err(stop),
                }
            }
            State::Asked { credential, needs_token } => Ok(Some((credential, needs_token))),
            State::Answered { answer, kind, needs_token } => self
                .take(answer)
                .and_then(|principal| self.finish(principal, Some(kind), needs_token))
                .map(|()| None),
            State::Decided => Err(Stop::Refused(Reason::new(DenialCode::StoreUnavailable))),
        };
        match decided {
            Ok(Some((credential, needs_token))) => {
                let query = Query::Principal(credential.clone());
                self.state = State::Asked { credential, needs_token };
                Step::Need(query)
            }
            Ok(None) => Step::Done(Decision::Allow(self.grant())),
            Err(Stop::Answered(reply)) => Step::Done(Decision::Respond(reply)),
            Err(Stop::Refused(reason)) => {
                Step::Done(Decision::Deny(self.engine.deny(reason, &self.context, &mut self.entropy)))
            }
        }
    }

    /// Answers [`Step::Need`]. An answer that was not asked for refuses the request.
    pub fn supply(&mut self, answer: Answer) {
        self.state = match core::mem::replace(&mut self.state, State::Decided) {
            State::Asked { credential, needs_token } => {
                State::Answered { answer, kind: credential.kind, needs_token }
            }
            _ => State::Decided,
        };
    }

    /// Answers [`Step::NeedForm`]. A form that was not asked for refuses the request.
    pub fn supply_form(&mut self, _form: Form) {
        self.state = State::Decided;
    }

    /// The client's address, after the trusted proxies were asked, which the first step does: for the log, where
    /// there is no grant.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.context.client_ip
    }

    /// The `match` of the route that the first step selected; `None` where `[default]` holds.
    pub fn route(&self) -> Option<&'e str> {
        self.engine.pattern(self.context.route)
    }

    /// Everything up to authentication; whether a token will be required.
    fn judge_origin(&mut self) -> Result<bool, Stop> {
        let engine = self.engine;
        let inner = &engine.0;
        let modes = inner.modes;
        let (facts, scheme) = (&self.facts, self.way.scheme);

        let finding = framing::decide(facts);
        self.settle("framing", Mode::Enforce, finding)?;
        self.judge_path()?;

        let facts = &self.facts;
        if inner.health.as_deref().is_some_and(|health| health == facts.path)
            && matches!(facts.method, b"GET" | b"HEAD")
        {
            return Err(self.answer_health());
        }
        let authority = if let Some(authority) = inner.hosts.as_written(facts, self.way.host) {
            self.judge("host", modes.host, |_| Finding::Pass("the host is served here"))?;
            authority
        } else {
            match host::authority(facts, self.way.host, scheme) {
                Ok(authority) => {
                    self.judge("host", modes.host, |_| inner.hosts.decide(authority, scheme))?;
                    authority
                }
                Err(finding) => {
                    self.settle("host", Mode::Enforce, finding)?;
                    // `settle` refuses what is enforced.
                    return Err(Stop::Refused(Reason::new(DenialCode::AuthorityInvalid)));
                }
            }
        };
        if modes.https == Mode::Off {
            self.trace.note("https", Verdict::Skip, || "off".into());
        } else {
            match https::decide(&inner.hosts, &self.facts, authority, scheme) {
                https::Outcome::Finding(finding) => self.settle("https", modes.https, finding)?,
                https::Outcome::Redirect(location) if modes.https == Mode::Enforce => {
                    return Err(self.redirect(location));
                }
                https::Outcome::Redirect(_) => {
                    let finding = Finding::refuse(
                        DenialCode::HttpsRequired,
                        authority.host,
                        "plain http; it would be redirected",
                    );
                    self.settle("https", modes.https, finding)?;
                }
            }
        }
        self.judge_cors()?;
        self.judge_csrf()
    }

    /// The request firewall, and which route the path selects.
    fn judge_path(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let mode = engine.0.modes.firewall;
        self.judge("firewall", mode, |facts| engine.0.firewall.decide(facts))?;
        let found = firewall::look(&self.facts);
        let rules = engine.rules(self.context.route);
        self.judge("firewall", mode, |facts| Firewall::decide_path(facts, found, rules.relaxed))?;
        let route = usize::from(self.context.route);
        self.trace.note("route", Verdict::Pass, || {
            match route.checked_sub(1).and_then(|at| engine.routes().nth(at)) {
                Some(pattern) => alloc::string::String::from(pattern).into(),
                None => "none matches: [default] holds".into(),
            }
        });
        if found.is_empty() {
            return Ok(());
        }
        // The path passed although it has several readings: all of them must mean the same to us.
        let (method, route, facts) = (self.facts.method, self.context.route, &self.facts);
        let agree = path::every_reading(facts.path, |reading| {
            let other = engine.route(method, |pattern| pattern.matches_decoded(reading));
            other == route
        });
        let finding = if agree {
            Finding::Pass("every reading of the path selects the same route")
        } else {
            Finding::refuse(
                DenialCode::RouteAmbiguous,
                facts.path,
                "the readings of the path select different routes",
            )
        };
        // Which requirement holds must never depend on the reading; without any, this is the firewall's matter.
        let mode = if engine.0.configured.any() { Mode::Enforce } else { mode };
        self.settle("firewall", mode, finding)
    }

    /// CORS: the answer to a preflight, or the judgement of an actual request.
    fn judge_cors(&mut self) -> Result<(), Stop> {
        let rules = self.engine.rules(self.context.route);
        let mode = rules.cors_mode;
        let sharing = self.context.sharing.clone();
        if !cors::is_preflight(&self.facts) {
            return self.judge("cors", mode, |facts| rules.cors.decide_actual(facts, &sharing));
        }
        if mode == Mode::Off {
            self.trace.note("cors", Verdict::Skip, || "off: the preflight is an ordinary OPTIONS".into());
            return Ok(());
        }
        let finding = rules.cors.decide_preflight(&self.facts, &sharing);
        let allowed = matches!(finding, Finding::Pass(_));
        self.settle("cors", mode, finding)?;
        if !allowed {
            return Ok(());
        }
        self.trace.note("cors", Verdict::Answer, || "204 to the preflight".into());
        Err(Stop::Answered(self.preflight_reply()))
    }

    /// Where the request comes from: CSRF, WebSocket, isolation. Whether a token will be required.
    fn judge_csrf(&mut self) -> Result<bool, Stop> {
        let engine = self.engine;
        let inner = &engine.0;
        let scheme = self.way.scheme;
        let rules = engine.rules(self.context.route);
        let mut needs_token = false;
        if inner.modes.csrf == Mode::Off {
            self.trace.note("csrf", Verdict::Skip, || "off".into());
        } else {
            let found = rules.csrf.decide(&self.facts, &inner.origins, scheme);
            self.context.read_fetch_site = found.read_fetch_site;
            self.context.edits.ambient_cookies = found.anonymous;
            needs_token = found.needs_token;
            self.settle("csrf", inner.modes.csrf, found.finding)?;
        }
        if self.facts.wants_websocket() {
            self.settle("websocket", Mode::Enforce, websocket::decide_handshake(&self.facts))?;
            self.judge("websocket", inner.modes.websocket, |facts| {
                websocket::decide_origin(facts, &inner.origins, scheme)
            })?;
            self.context.is_websocket = true;
        }
        if inner.modes.isolation == Mode::Off {
            self.trace.note("isolation", Verdict::Skip, || "off".into());
        } else {
            let shared = matches!(self.context.sharing, cors::Sharing::With { .. });
            self.context.isolation_suspect = isolation::is_suspect(&self.facts, shared);
            self.context.isolation_read =
                inner.modes.isolation == Mode::Enforce && matches!(self.facts.method, b"GET" | b"HEAD");
            let suspect = self.context.isolation_suspect;
            self.trace.note("isolation", if suspect { Verdict::Pass } else { Verdict::Skip }, || {
                if suspect {
                    "a foreign page loads this: a response of kind api will not go to it"
                } else {
                    "no foreign page loads this"
                }
                .into()
            });
        }
        Ok(needs_token)
    }

    /// Asks who this is, or goes on without.
    #[inline]
    fn authenticate(&mut self, needs_token: bool) -> Result<Option<(Credential, bool)>, Stop> {
        let engine = self.engine;
        let requirement = &engine.rules(self.context.route).requirement;
        let anonymous = self.context.edits.ambient_cookies;
        match requirement.credential(&self.facts, engine.0.configured, anonymous) {
            Some(credential) => Ok(Some((credential, needs_token))),
            None => self.finish(None, None, needs_token).map(|()| None),
        }
    }

    /// What the answer about a credential means.
    fn take(&mut self, answer: Answer) -> Result<Option<Principal>, Stop> {
        let finding = match answer {
            Answer::Principal(principal) => return Ok(Some(principal)),
            Answer::Unknown => {
                Finding::refuse(DenialCode::AuthInvalid, b"", "the credential is not valid, or not any more")
            }
            Answer::Unavailable => Finding::refuse(
                DenialCode::StoreUnavailable,
                b"",
                "the store that knows this credential cannot be asked",
            ),
        };
        self.settle("requirement", Mode::Enforce, finding)?;
        Ok(None)
    }

    /// What comes after authentication: the token, then the route's requirement.
    #[inline]
    fn finish(
        &mut self,
        principal: Option<Principal>,
        kind: Option<CredentialKind>,
        needs_token: bool,
    ) -> Result<(), Stop> {
        let engine = self.engine;
        self.judge("csrf", engine.0.modes.csrf, |_| csrf::decide_token(needs_token))?;
        let requirement = &engine.rules(self.context.route).requirement;
        // What a route requires has no mode: a watched door is still a door.
        let finding = requirement.decide(principal.as_ref(), kind);
        self.settle("requirement", Mode::Enforce, finding)?;
        self.principal = principal.map(Box::new);
        Ok(())
    }

    fn judge(
        &mut self,
        control: &'static str,
        mode: Mode,
        decide: impl FnOnce(&Facts<'r>) -> Finding<'r>,
    ) -> Result<(), Stop> {
        if mode == Mode::Off {
            self.trace.note(control, Verdict::Skip, || "off".into());
            return Ok(());
        }
        let finding = decide(&self.facts);
        self.settle(control, mode, finding)
    }

    /// Notes what a control found, and stops where it refuses and is enforced.
    #[inline]
    fn settle(&mut self, control: &'static str, mode: Mode, finding: Finding<'r>) -> Result<(), Stop> {
        match finding {
            Finding::Skip(why) => self.trace.note(control, Verdict::Skip, || why.into()),
            Finding::Pass(why) => self.trace.note(control, Verdict::Pass, || why.into()),
            Finding::Refuse { code, value, why } => {
                return self.settle_refusal(control, mode, code, value, why);
            }
        }
        Ok(())
    }

    #[cold]
    fn settle_refusal(
        &mut self,
        control: &'static str,
        mode: Mode,
        code: DenialCode,
        value: &[u8],
        why: &'static str,
    ) -> Result<(), Stop> {
        let reason = if value.is_empty() { Reason::new(code) } else { Reason::with_value(code, value) };
        let verdict = if mode == Mode::Enforce { Verdict::Refuse } else { Verdict::Report };
        self.trace.note(control, verdict, || refusal(&reason, why));
        if mode == Mode::Enforce {
            return Err(Stop::Refused(reason));
        }
        self.context.seldom().reports.push(reason);
        Ok(())
    }

    fn answer_health(&mut self) -> Stop {
        self.trace.note("health", Verdict::Answer, || "200 by itself, before host and upstream".into());
        let mut reply = self.engine.reply(200, &self.context);
        reply.prepare(self.engine.0.replies.text);
        reply.body = b"ok\n".as_slice().into();
        Stop::Answered(reply)
    }

    fn redirect(&mut self, location: Box<[u8]>) -> Stop {
        self.trace.note("https", Verdict::Answer, || "308 to https".into());
        let mut reply = self.engine.reply(308, &self.context);
        reply.compute(ResponseHeader::Location, location);
        Stop::Answered(reply)
    }

    /// 204 with what the preflight asked about.
    fn preflight_reply(&self) -> crate::Reply {
        let mut reply = self.engine.reply(204, &self.context);
        let cors = &self.engine.rules(self.context.route).cors;
        cors.append_preflight(|id| reply.prepare(id));
        let vary = &self.engine.0.vary;
        reply.leave_out(&[vary.origin, vary.fetch_site, vary.both]);
        reply.prepare(vary.preflight);
        reply
    }

    fn grant(&mut self) -> Grant {
        let rules = self.engine.rules(self.context.route);
        if rules.headers.has_nonce && self.facts.asks_for_page() {
            self.context.nonce = Some(Nonce::new(&mut self.entropy));
        }
        self.note_edits();
        Grant {
            engine: self.engine.clone(),
            context: core::mem::replace(&mut self.context, Context::unknown()),
            principal: self.principal.take(),
        }
    }

    /// What has to be taken from the request before the handler sees it.
    fn note_edits(&mut self) {
        let engine = self.engine;
        let (configured, facts) = (engine.0.configured, &self.facts);
        let anonymous = self.context.edits.ambient_cookies;
        let rules = engine.rules(self.context.route);
        let authorization = facts.authorization.value().is_some_and(|value| {
            let consumed = (configured.jwt || configured.api_keys) && requirement::is_bearer(value);
            (consumed && !rules.forward_authorization) || (anonymous && requirement::is_ambient_scheme(value))
        });
        let connection = if facts.connection_names_more { named_by_connection(facts) } else { Vec::new() };
        let upgrade = facts.upgrade.value().is_some() && !self.context.is_websocket;
        let ambient_cookies = anonymous && facts.has_ambient_cookie;
        let session_cookie = facts.session_copies > 0;
        self.context.edits = Edits {
            any: facts.has_stripped || authorization || upgrade || ambient_cookies || !connection.is_empty(),
            authorization,
            api_key: configured.api_keys,
            upgrade,
            session_cookie,
            ambient_cookies,
        };
        if !connection.is_empty() {
            self.context.seldom().connection = connection;
        }
    }
}

/// What `Connection` names (RFC 9110 §7.6.1), without what belongs there and what frames the message.
fn named_by_connection(facts: &Facts<'_>) -> Vec<Box<[u8]>> {
    const USUAL: [&[u8]; 8] = [
        b"keep-alive",
        b"close",
        b"upgrade",
        b"te",
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
    ];
    facts
        .connection
        .iter()
        .flat_map(|value| list(value))
        .filter(|name| !USUAL.iter().any(|usual| name.eq_ignore_ascii_case(usual)))
        .map(Into::into)
        .collect()
}

fn refusal(reason: &Reason, why: &'static str) -> Cow<'static, str> {
    match reason.value() {
        Some(value) => format!("{}: {why} (`{value}`)", reason.code()).into(),
        None => format!("{}: {why}", reason.code()).into(),
    }
}
