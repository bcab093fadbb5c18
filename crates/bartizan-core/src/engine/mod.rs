//! What runs: built once from a policy, shared by all requests, never changed.

mod api_key;
mod build;
mod credential;
mod csrf_token;
mod evaluation;
mod grant;
mod handoff;
mod head_controls;
mod jwks;
mod jwt;
mod limits;
mod login;
mod own_cookies;
mod paused;
mod replies;
mod respond;
mod store;

use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
use core::time::Duration;

pub(crate) use csrf_token::Client;
pub use csrf_token::TokenIssuer;
pub use evaluation::Evaluation;
pub use grant::RequestEdits;
pub(crate) use handoff::Handoff;
pub use handoff::is_handoff;

use csrf_token::TokenRules;
use jwks::Published;
pub(crate) use own_cookies::OwnCookies;
pub use paused::Paused;
use replies::Replies;

use crate::{
    Clock, Denial, DenialCode, Deployment, Entropy, HeaderPair, NoTrace, PolicyError, PreparedHeader, Reason,
    Reply, RequestHead, RequestId, ResponseHeader, Scheme, Timestamp, Trace, Warning,
    api_key::ApiKeys,
    controls::{
        cors::{Cors, Shared, Sharing},
        csrf::Csrf,
        firewall::Firewall,
        host::Hosts,
        rate_limit::{self, Limits},
        requirement::{Configured, Requirement},
        session::{BegunSession, Sessions},
    },
    cookie::CookieRules,
    decision::Context,
    forwarding::Proxy,
    headers::{
        Kind,
        prepared::Prepared,
        problem,
        table::{KindCsp, Table},
    },
    jwt::Issuers,
    keys::Keys,
    login::LoginGuard,
    origin::OriginSet,
    path::Findings,
    policy::{Mode, Policy},
    route::Pattern,
    session::SessionKey,
};

/// A policy that runs. Cloning it shares it.
///
/// ```
/// use bartizan_core::{Deployment, Engine, policy::Policy};
/// let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
/// let engine = Engine::build(&Policy::default(), &deployment).unwrap();
/// assert!(engine.authorisation_is_upstreams());
/// // An open listener needs to be told where it is reached.
/// let errors = Engine::build(&Policy::default(), &Deployment::default()).unwrap_err();
/// assert_eq!(errors[0].kind.code(), "policy.no-public-origin");
/// ```
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

/// All that was compiled.
#[derive(Debug)]
struct Inner {
    modes: Modes,
    development: bool,
    keys: Option<Keys>,
    published: Published,
    tokens: TokenRules,
    own_cookies: OwnCookies,
    firewall: Firewall,
    health: Option<Box<[u8]>>,
    hosts: Hosts,
    proxy: Option<Proxy>,
    origins: OriginSet,
    sharing: Shared,
    configured: Configured,
    api_keys: Option<ApiKeys>,
    issuers: Option<Issuers>,
    sessions: Option<Sessions>,
    logins: Option<LoginGuard>,
    /// Whether any route counts requests.
    counts: bool,
    /// How many requests more a credential that is not valid counts as.
    failure_cost: u32,
    ambient_cookies: Vec<Box<[u8]>>,
    cookies_over_https: CookieRules,
    cookies_over_http: CookieRules,
    routes: Vec<Pattern>,
    /// What holds where no route matches.
    default_rules: Rules,
    /// Of each route.
    rules: Vec<Rules>,
    prepared: Prepared,
    vary: Vary,
    replies: Replies,
    warnings: Vec<Warning>,
}

impl Inner {
    /// The names of the cookies that are ours under this policy.
    fn owned_cookies(&self) -> impl Iterator<Item = &'static str> {
        owned_cookies(self.own_cookies, self.configured, self.keys.is_some())
    }
}

/// A name is ours where something is made of it: others are the application's to use.
fn owned_cookies(
    own: OwnCookies,
    configured: Configured,
    has_keys: bool,
) -> impl Iterator<Item = &'static str> {
    let session = configured.session.then_some(own.session);
    let of_tokens = [own.pre_session, own.csrf_token].into_iter().filter(move |_| has_keys);
    session.into_iter().chain(of_tokens)
}

/// What each control does with what it finds.
#[derive(Clone, Copy, Debug)]
struct Modes {
    firewall: Mode,
    host: Mode,
    https: Mode,
    cors: Mode,
    csrf: Mode,
    isolation: Mode,
    websocket: Mode,
    cookies: Mode,
    rate_limit: Mode,
}

/// What holds on one route.
#[derive(Clone, Debug)]
struct Rules {
    requirement: Requirement,
    /// The finished `WWW-Authenticate` of a 401.
    challenge: Option<crate::HeaderId>,
    /// The finished `WWW-Authenticate` of a 403, for a token that lacks the scope.
    scope_challenge: Option<crate::HeaderId>,
    csrf: Csrf,
    cors: Cors,
    cors_mode: Mode,
    headers: Table,
    relaxed: Findings,
    pass_errors: bool,
    max_body: u64,
    forward_authorization: bool,
    limits: Limits,
}

/// The finished `Vary` headers.
#[derive(Clone, Copy, Debug)]
struct Vary {
    origin: crate::HeaderId,
    fetch_site: crate::HeaderId,
    both: crate::HeaderId,
    preflight: crate::HeaderId,
}

impl Vary {
    fn prepare(prepared: &mut Prepared) -> Self {
        let mut vary = |names| prepared.add(ResponseHeader::Vary, names);
        Self {
            origin: vary("Origin"),
            fetch_site: vary("Sec-Fetch-Site"),
            both: vary("Origin, Sec-Fetch-Site"),
            // A preflight's answer depends on more than others do.
            preflight: vary("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        }
    }
}

impl Engine {
    /// Builds the engine, or says all that is wrong with the policy.
    pub fn build(policy: &Policy, deployment: &Deployment) -> Result<Self, Vec<PolicyError>> {
        build::build(policy, deployment).map(|inner| Self(Arc::new(inner)))
    }

    /// What works and is probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// What guards logins against guessing. `None` where the policy has no sessions, or switches it off.
    pub fn login_guard(&self) -> Option<&LoginGuard> {
        self.0.logins.as_ref()
    }

    /// How API keys are made and replaced. `None` where the policy has none.
    pub fn api_keys(&self) -> Option<&ApiKeys> {
        self.0.api_keys.as_ref()
    }

    /// Whose tokens are accepted, and what they must be like. `None` where the policy has none.
    pub fn issuers(&self) -> Option<&Issuers> {
        self.0.issuers.as_ref()
    }

    /// The headers that were finished at build; [`crate::HeaderId::index`] is a place in it.
    pub fn prepared_headers(&self) -> &[PreparedHeader] {
        self.0.prepared.as_slice()
    }

    /// Begins to judge a request. Its headers are read once, by the first step.
    #[inline]
    pub fn evaluate<'r, H, E>(
        &self,
        head: &RequestHead<'r, H>,
        clock: impl Clock,
        entropy: E,
    ) -> Evaluation<'_, 'r, H, E, NoTrace>
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
        E: Entropy,
    {
        self.evaluate_traced(head, clock, entropy, NoTrace)
    }

    /// The same, telling `trace` what each control found.
    #[inline]
    pub fn evaluate_traced<'r, H, E, T>(
        &self,
        head: &RequestHead<'r, H>,
        clock: impl Clock,
        entropy: E,
        trace: T,
    ) -> Evaluation<'_, 'r, H, E, T>
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
        E: Entropy,
        T: Trace,
    {
        // Reading a clock costs, and most policies' decisions do not depend on it.
        let reads_clock = self.0.configured.any() || self.0.keys.is_some() || self.0.counts;
        let now = if reads_clock { clock.now() } else { Timestamp(0) };
        Evaluation::new(self, head, now, entropy, trace)
    }

    /// A refusal by a surface that has no grant: the head could not be read, or did not come in time.
    pub fn refuse(&self, reason: Reason, entropy: impl Entropy) -> Denial {
        self.deny(reason, &Context::unknown(), entropy)
    }

    /// A session of `subject` that is to begin, in place of the one that the client had: for a handler that has just
    /// verified a password. `None` where the policy has no sessions.
    ///
    /// It is there when the store has answered the query, and only then is the cookie of any use.
    pub fn begin_session(
        &self,
        subject: &str,
        scopes: Vec<Box<str>>,
        replaces: Option<SessionKey>,
        clock: impl Clock,
        mut entropy: impl Entropy,
    ) -> Option<BegunSession> {
        let sessions = self.0.sessions.as_ref()?;
        Some(sessions.begin(subject, scopes, replaces, clock.now(), &mut entropy))
    }

    /// The session `old` of `subject` with a new id, as for a change of privileges; its times begin anew. `None` where the
    /// policy has no sessions.
    ///
    /// The store may answer [`Answer::Unknown`](crate::Answer::Unknown), where the session has ended meanwhile: then there
    /// is none, and the cookie is of no use.
    pub fn renew_session(
        &self,
        old: SessionKey,
        subject: &str,
        scopes: Vec<Box<str>>,
        clock: impl Clock,
        mut entropy: impl Entropy,
    ) -> Option<BegunSession> {
        let sessions = self.0.sessions.as_ref()?;
        Some(sessions.renew(old, subject, scopes, clock.now(), &mut entropy))
    }

    /// The `Set-Cookie` that takes the session's cookie from the client. `None` where the policy has no sessions.
    pub fn expired_session_cookie(&self) -> Option<Box<str>> {
        self.0.sessions.as_ref().map(Sessions::expired_cookie)
    }

    /// Whether the policy has sessions.
    pub fn has_sessions(&self) -> bool {
        self.0.sessions.is_some()
    }

    /// The routes' patterns, in order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.0.routes.iter().map(Pattern::as_str)
    }

    /// Whether no kind of credential is configured, so that authorisation is the upstream's.
    pub fn authorisation_is_upstreams(&self) -> bool {
        !self.0.configured.any()
    }

    /// What each control does, by name, as `serve` and `explain` show it.
    pub fn modes(&self) -> impl Iterator<Item = (&'static str, Mode)> {
        let modes = &self.0.modes;
        let limits = self.0.counts || modes.rate_limit == Mode::Off;
        [
            ("firewall", modes.firewall),
            ("host", modes.host),
            ("https", modes.https),
            ("cors", modes.cors),
            ("csrf", modes.csrf),
            ("websocket", modes.websocket),
            ("isolation", modes.isolation),
            ("cookies", modes.cookies),
        ]
        .into_iter()
        // Where nothing is limited, it is not on.
        .chain(limits.then_some(("rate_limit", modes.rate_limit)))
    }

    /// Whether a cookie of this name is ours.
    fn owns_cookie(&self, name: &[u8]) -> bool {
        self.0.owned_cookies().any(|own| own.as_bytes() == name)
    }

    fn rules(&self, route: u16) -> &Rules {
        usize::from(route)
            .checked_sub(1)
            .and_then(|place| self.0.rules.get(place))
            .unwrap_or(&self.0.default_rules)
    }

    /// What the route was written as.
    fn pattern(&self, route: u16) -> Option<&str> {
        let place = usize::from(route).checked_sub(1)?;
        self.0.routes.get(place).map(Pattern::as_str)
    }

    /// The number of the first route that matches, from 1; 0 is `[default]`.
    fn route(&self, method: &[u8], matches: impl Fn(&Pattern) -> bool) -> u16 {
        let place = self.0.routes.iter().position(|route| route.covers_method(method) && matches(route));
        place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0)
    }

    /// Finishes a refusal that tells the client when to come again.
    fn deny_until(
        &self,
        reason: Reason,
        retry_after: Duration,
        context: &Context,
        entropy: impl Entropy,
    ) -> Denial {
        let mut denial = self.deny(reason, context, entropy);
        let seconds = rate_limit::seconds(retry_after).max(1);
        denial.reply.compute(ResponseHeader::RetryAfter, format!("{seconds}").into_bytes().into());
        denial
    }

    /// Finishes a refusal.
    fn deny(&self, reason: Reason, context: &Context, mut entropy: impl Entropy) -> Denial {
        let status = reason.code().status();
        self.deny_with_status(reason, status, context, &mut entropy)
    }

    fn deny_with_status(
        &self,
        reason: Reason,
        status: u16,
        context: &Context,
        entropy: &mut impl Entropy,
    ) -> Denial {
        let mut id = [0; 8];
        entropy.fill(&mut id);
        let request_id = RequestId(u64::from_be_bytes(id));
        let development = self.0.development;
        let replies = &self.0.replies;
        let (content_type, body) = if context.is_navigation {
            (replies.html, problem::html(&reason, status, request_id, development))
        } else {
            (replies.json, problem::json(&reason, status, request_id, development))
        };
        let mut reply = self.reply(status, context);
        reply.prepare(content_type);
        let more = match reason.code() {
            DenialCode::RequestMethod => Some(replies.allow),
            DenialCode::StoreUnavailable => Some(replies.retry_after),
            code if jwt::is_about_token(code) => Some(replies.invalid_token),
            DenialCode::AuthScope if context.seldom.as_ref().is_some_and(|seldom| seldom.is_token) => {
                self.rules(context.route).scope_challenge
            }
            _ if status == 401 => self.rules(context.route).challenge,
            _ => None,
        };
        if let Some(id) = more {
            reply.prepare(id);
        }
        reply.body = body;
        Denial { reason, request_id, reply }
    }

    /// A response of ours with the headers of kind *error*, without a body.
    fn reply(&self, status: u16, context: &Context) -> Reply {
        let rules = self.rules(context.route);
        let headers = rules.headers.of(Kind::Error);
        let mut reply = Reply::new(self.clone(), status);
        for row in &headers.rows {
            if row.rule.applies(context.scheme) {
                reply.prepare(row.id);
            }
        }
        if let KindCsp::Finished(id) = headers.csp {
            reply.prepare(id);
        }
        headers.frame_options.into_iter().for_each(|id| reply.prepare(id));
        if let Some(id) = self.vary(rules, context, true) {
            reply.prepare(id);
        }
        self.0.sharing.append(&context.sharing, |header| match header {
            Ok(id) => reply.prepare(id),
            Err(origin) => reply.compute(ResponseHeader::AccessControlAllowOrigin, origin.into()),
        });
        // Ours are never to be kept, whatever the policy says of headers: they are about this request alone.
        reply.prepare(self.0.replies.no_store);
        self.tell_counts(context, &mut reply);
        reply
    }

    /// What a response varies by. `api` is whether isolation, which concerns those, decided about it.
    fn vary(&self, rules: &Rules, context: &Context, api: bool) -> Option<crate::HeaderId> {
        let by_origin = rules.cors.is_enabled();
        let by_site = context.read_fetch_site || (api && context.isolation_read);
        match (by_origin, by_site) {
            (true, true) => Some(self.0.vary.both),
            (true, false) => Some(self.0.vary.origin),
            (false, true) => Some(self.0.vary.fetch_site),
            (false, false) => None,
        }
    }
}

impl Context {
    /// What few requests have, made where it is first needed.
    fn seldom(&mut self) -> &mut crate::decision::Seldom {
        self.seldom.get_or_insert_default()
    }

    /// Of a request that nothing is known of.
    fn unknown() -> Self {
        Self {
            route: 0,
            client_ip: None,
            scheme: Scheme::Http,
            sharing: Sharing::Off,
            nonce: None,
            is_navigation: false,
            read_fetch_site: false,
            isolation_read: false,
            isolation_suspect: false,
            is_websocket: false,
            is_anonymous: false,
            is_personal: false,
            edits: crate::decision::Edits::default(),
            seldom: None,
        }
    }
}
