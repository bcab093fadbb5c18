//! A request being judged: the controls in their order, and the questions in between.

use alloc::{borrow::Cow, boxed::Box, format, vec::Vec};
use core::{net::IpAddr, time::Duration};

use super::{Engine, Handoff, csrf_token, jwt::Claimed};
use crate::{
    Answer, Decision, DenialCode, Entropy, Form, Grant, HeaderPair, Query, Reason, RequestHead, Step,
    Timestamp, Trace, Verdict,
    controls::{Finding, cors, rate_limit::Whom, requirement, session::HandoffRoute},
    decision::{Context, Edits, Nonce, Verified},
    facts::{Facts, Names, list},
    forwarding::{self, Forwarded, Way},
    policy::{CredentialKind, Mode},
    session::SessionKey,
};

/// A request being judged. Ask [`step`](Self::step) until it is [`Step::Done`].
///
/// It borrows from the request. Whoever cannot keep that while somebody is asked [pauses](Self::pause).
#[derive(Debug)]
pub struct Evaluation<'e, 'r, H, E, T> {
    pub(super) engine: &'e Engine,
    head: RequestHead<'r, H>,
    pub(super) facts: Facts<'r>,
    pub(super) way: Way<'r>,
    pub(super) now: Timestamp,
    pub(super) entropy: E,
    pub(super) trace: T,
    pub(super) context: Context,
    pub(super) verified: Option<Box<Verified>>,
    /// The token whose key was asked for.
    pub(super) claimed: Option<Box<Claimed<'r>>>,
    /// Where a CSRF token is required.
    pub(super) token: Option<Box<csrf_token::Needed>>,
    pub(super) handoff: Option<HandoffRoute>,
    pub(super) stage: Stage,
    /// The answer to what was asked, where it has come.
    pub(super) given: Option<Answer>,
}

/// What is judged next. Each stage may ask, and goes on where the answer is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The head: firewall, host, HTTPS, CORS, where the request comes from.
    Head,
    /// Whether to count the client's address.
    Address,
    /// What came of counting it.
    AddressCounted,
    /// Whether to ask how many logins have failed.
    Login,
    /// What came of asking that.
    LoginAsked,
    /// Whether to ask about a credential.
    Credential,
    /// Whose the credential of this kind is that was asked about.
    Answer(CredentialKind, Option<SessionKey>),
    /// Whether the token that was verified is revoked.
    Revocation,
    /// The CSRF token.
    Token(Option<CredentialKind>),
    /// The address was charged for a credential that is not valid.
    FailureCharged,
    /// Whether to count the principal.
    Principal(Option<CredentialKind>),
    /// What came of counting it.
    PrincipalCounted(Option<CredentialKind>),
    /// What the route requires.
    Requirement(Option<CredentialKind>),
    /// Whether the token that is good once was used before: last, so that nothing that is refused uses it up.
    Used,
    /// The public keys, which is all that was asked for.
    PublicKeys,
    /// Nothing: it is decided. What is asked now is a mistake of the surface, and is refused.
    Decided,
}

/// Why judging stopped before the end.
pub(super) enum Stop {
    Refused(Reason),
    /// And the client is told when to come again.
    RefusedUntil(Reason, Duration),
    Answered(crate::Reply),
    /// The public keys are asked for, which the key ring has.
    AskedForKeys,
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
    pub(super) fn new(
        engine: &'e Engine,
        head: &RequestHead<'r, H>,
        now: Timestamp,
        entropy: E,
        trace: T,
    ) -> Self {
        Self {
            engine,
            head: head.clone(),
            facts: Facts::of_target(head),
            way: forwarding::direct(head.peer, head.scheme),
            now,
            entropy,
            trace,
            context: Context::unknown(),
            verified: None,
            claimed: None,
            token: None,
            handoff: None,
            stage: Stage::Head,
            given: None,
        }
    }

    /// Reads the headers, once.
    pub(super) fn read(&mut self) {
        let head = &self.head;
        let engine = self.engine;
        let inner = &engine.0;
        let trusted = inner.proxy.as_ref().filter(|proxy| proxy.trusts(head.peer));
        let names = Names {
            session_cookie: inner.configured.session.then_some(inner.own_cookies.session.as_bytes()),
            tokens: inner.keys.is_some().then(|| inner.own_cookies.of_tokens()),
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
        context.route = engine.route(routed_method(facts), |route| route.matches(facts.path));
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
        if let Some(sessions) = &inner.sessions {
            self.handoff = sessions.handoff(facts.method, |route| route.matches(facts.path));
        }
    }

    /// Goes on until it has decided or must ask.
    pub fn step(&mut self) -> Step {
        match self.proceed() {
            Ok(Some(question)) => question,
            Ok(None) => Step::Done(Decision::Allow(self.grant())),
            Err(stop) => {
                let decision = match stop {
                    Stop::AskedForKeys => {
                        self.stage = Stage::PublicKeys;
                        return Step::Need(Query::PublicKeys { now: self.now });
                    }
                    Stop::Answered(reply) => Decision::Respond(reply),
                    Stop::Refused(reason) => {
                        Decision::Deny(self.engine.deny(reason, &self.context, &mut self.entropy))
                    }
                    Stop::RefusedUntil(reason, retry_after) => Decision::Deny(self.engine.deny_until(
                        reason,
                        retry_after,
                        &self.context,
                        &mut self.entropy,
                    )),
                };
                self.stage = Stage::Decided;
                Step::Done(decision)
            }
        }
    }

    /// Judges stage by stage, up to the next question or to the end.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what it gives back is large, and it has one caller")]
    fn proceed(&mut self) -> Result<Option<Step>, Stop> {
        if self.stage == Stage::Head {
            self.read();
            let needs_token = self.judge_head()?;
            self.token = needs_token.then(Box::default);
            self.stage = Stage::Address;
        }
        if self.stage == Stage::Address {
            let query = self.count(Whom::Address);
            self.stage = if query.is_some() { Stage::AddressCounted } else { Stage::Login };
            if let Some(query) = query {
                return Ok(Some(Step::Need(query)));
            }
        }
        if self.stage == Stage::AddressCounted {
            self.judge_count(Whom::Address)?;
            self.stage = Stage::Login;
        }
        if self.stage == Stage::Login {
            let query = self.ask_about_logins();
            self.stage = if query.is_some() { Stage::LoginAsked } else { Stage::Credential };
            if let Some(query) = query {
                return Ok(Some(Step::Need(query)));
            }
        }
        if self.stage == Stage::LoginAsked {
            if let Some(query) = self.judge_logins()? {
                return Ok(Some(Step::Need(query)));
            }
            self.stage = Stage::Credential;
        }
        if self.stage == Stage::Credential {
            if self.asks_for_token() {
                return Err(self.answer_with_token());
            }
            if let Some(query) = self.ask_who()? {
                return Ok(Some(Step::Need(query)));
            }
        }
        if let Stage::Answer(kind, session) = self.stage {
            match self.verify(kind, session) {
                Ok(None) => self.stage = Stage::Token(Some(kind)),
                Ok(Some(query)) => {
                    self.stage = Stage::Revocation;
                    return Ok(Some(Step::Need(query)));
                }
                Err(stop) => return self.charge(stop),
            }
        } else if self.stage == Stage::Revocation {
            match self.judge_revocation() {
                Ok(()) => self.stage = Stage::Token(Some(CredentialKind::Jwt)),
                Err(stop) => return self.charge(stop),
            }
        }
        if self.stage == Stage::FailureCharged {
            return Err(self.failure_charged());
        }
        if let Stage::Token(kind) = self.stage {
            if let Some(question) = self.judge_token()? {
                return Ok(Some(question));
            }
            self.stage = Stage::Principal(kind);
        }
        if let Stage::Principal(kind) = self.stage {
            let query = self.count(Whom::Principal);
            self.stage =
                if query.is_some() { Stage::PrincipalCounted(kind) } else { Stage::Requirement(kind) };
            if let Some(query) = query {
                return Ok(Some(Step::Need(query)));
            }
        }
        if let Stage::PrincipalCounted(kind) = self.stage {
            self.judge_count(Whom::Principal)?;
            self.stage = Stage::Requirement(kind);
        }
        if let Stage::Requirement(kind) = self.stage {
            self.require(kind)?;
            if let Some(query) = self.use_token() {
                self.stage = Stage::Used;
                return Ok(Some(Step::Need(query)));
            }
            self.stage = Stage::Decided;
            return Ok(None);
        }
        if self.stage == Stage::Used {
            let answer = self.given.take();
            self.judge_use(answer.as_ref())?;
            self.stage = Stage::Decided;
            return Ok(None);
        }
        if self.stage == Stage::PublicKeys {
            return Err(self.answer_with_ring());
        }
        Err(Stop::Refused(Reason::new(DenialCode::StoreUnavailable)))
    }

    /// A credential that is not valid is charged to its address, and refused in any case.
    #[cold]
    fn charge(&mut self, stop: Stop) -> Result<Option<Step>, Stop> {
        self.stage = Stage::FailureCharged;
        self.charge_failure(stop).map(|query| Some(Step::Need(query)))
    }

    /// Answers [`Step::Need`]. An answer that was not asked for refuses the request.
    pub fn supply(&mut self, answer: Answer) {
        match self.stage {
            Stage::AddressCounted
            | Stage::LoginAsked
            | Stage::Answer(..)
            | Stage::Revocation
            | Stage::FailureCharged
            | Stage::PrincipalCounted(_)
            | Stage::PublicKeys
            | Stage::Used
                if self.given.is_none() =>
            {
                self.given = Some(answer);
            }
            _ => self.stage = Stage::Decided,
        }
    }

    /// Answers [`Step::NeedForm`]. A form that was not asked for refuses the request.
    pub fn supply_form(&mut self, form: Form) {
        if !(matches!(self.stage, Stage::Token(_)) && self.take_form(form)) {
            self.stage = Stage::Decided;
        }
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

    pub(super) fn judge(
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
    pub(super) fn settle(
        &mut self,
        control: &'static str,
        mode: Mode,
        finding: Finding<'r>,
    ) -> Result<(), Stop> {
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
    pub(super) fn settle_refusal(
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

    fn grant(&mut self) -> Grant {
        let rules = self.engine.rules(self.context.route);
        if rules.headers.has_nonce && self.facts.asks_for_page() {
            self.context.nonce = Some(Nonce::new(&mut self.entropy));
        }
        self.note_client();
        self.note_edits();
        if let Some(route) = self.handoff {
            let nonce = Nonce::new(&mut self.entropy);
            // Who comes in without identity signs nobody out.
            let presented = self.facts.session.filter(|_| !self.context.is_anonymous).map(SessionKey::of);
            self.context.seldom().handoff = Some(Handoff { nonce, route, presented });
        }
        Grant {
            engine: self.engine.clone(),
            context: core::mem::replace(&mut self.context, Context::unknown()),
            verified: self.verified.take(),
        }
    }

    /// What has to be taken from the request before the handler sees it.
    fn note_edits(&mut self) {
        let engine = self.engine;
        let (configured, facts) = (engine.0.configured, &self.facts);
        let anonymous = self.context.is_anonymous;
        let rules = engine.rules(self.context.route);
        let authorization = facts.authorization.value().is_some_and(|value| {
            let verified = configured.jwt || configured.api_keys;
            let consumed = requirement::bearer(value).filter(|_| verified);
            // A key is for no handler, whatever the policy says of tokens.
            let is_key = |token: &[u8]| engine.0.api_keys.as_ref().is_some_and(|keys| keys.claims(token));
            consumed.is_some_and(|token| !rules.forward_authorization || is_key(token))
                || (anonymous && requirement::is_ambient_scheme(value))
        });
        let connection = if facts.connection_names_more { named_by_connection(facts) } else { Vec::new() };
        let upgrade = facts.upgrade.value().is_some() && !self.context.is_websocket;
        let ambient_cookies = anonymous && facts.has_ambient_cookie;
        let own_cookies = facts.has_own_cookie();
        self.context.edits = Edits {
            any: facts.has_stripped || authorization || upgrade || ambient_cookies || !connection.is_empty(),
            authorization,
            api_key: configured.api_keys,
            upgrade,
            csrf_token: facts.has_csrf_token,
            own_cookies,
            token_cookies: facts.has_token_cookie(),
            ambient_cookies,
        };
        if !connection.is_empty() {
            self.context.seldom().connection = connection;
        }
    }
}

/// The method that selects the route. A preflight asks on behalf of the request that is to follow.
#[inline]
pub(super) fn routed_method<'r>(facts: &Facts<'r>) -> &'r [u8] {
    if cors::is_preflight(facts) { facts.preflight_method.unwrap_or_default() } else { facts.method }
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
