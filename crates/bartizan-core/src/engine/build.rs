//! From what is written to what runs: every control compiled, every fault collected.

mod half_guarded;

use alloc::{borrow::ToOwned as _, boxed::Box, format, string::String, vec::Vec};

use super::{Inner, Modes, OwnCookies, Published, Replies, Rules, TokenRules, Vary, api_key, jwt, store};
use crate::{
    Deployment, PolicyError, PolicyErrorKind, ResponseHeader,
    controls::{
        cors::{Cors, Shared},
        csrf::Csrf,
        firewall::Firewall,
        host::Hosts,
        rate_limit::Limits,
        requirement::{Configured, Requirement},
        session::Sessions,
    },
    cookie::{CookieRules, READABLE},
    error::Problems,
    forwarding::Proxy,
    headers::{
        prepared::Prepared,
        table::{Common, Table},
    },
    login::LoginGuard,
    origin::{OriginPattern, OriginSet},
    path::Findings,
    policy::{CorsChoice, CorsConfig, Mode, Policy, RateLimitChoice, RouteOptions},
    route::Pattern,
};

/// A route's number fits 16 bits, and each is looked at on the way to the last.
const MOST_ROUTES: u32 = 4096;

pub(super) fn build(policy: &Policy, deployment: &Deployment) -> Result<Inner, Vec<PolicyError>> {
    let mut problems = Problems::default();
    let problems = &mut problems;
    let public = public_origins(policy, deployment, problems);
    let trusted = trusted_origins(policy, &public, problems);
    let origins = origin_set(&public, &trusted, deployment);
    let modes = modes(policy);
    let configured = Configured {
        session: policy.session.is_some(),
        jwt: policy.jwt.is_some(),
        api_keys: policy.api_keys.is_some(),
    };

    let mut prepared = Prepared::default();
    let sharing = Shared::compile(&origins, &mut prepared);
    let common = Common::compile(policy, &public, &trusted, problems);
    // Once for its faults; what routes make of it is compiled with them.
    Cors::compile(&policy.cors, &origins, "cors", &mut prepared, problems);
    let limits = Limits::compile(&policy.rate_limit, modes.rate_limit, &mut prepared, problems);
    let mut compiler = RuleCompiler {
        policy,
        origins: &origins,
        configured,
        common,
        modes,
        limits,
        prepared: &mut prepared,
        problems,
    };
    let default_rules = compiler.compile(&policy.default, "default");
    if configured.any() && policy.default.require.is_none() {
        compiler.problems.error("default.require", None, PolicyErrorKind::DefaultRequirementMissing);
    }
    let (routes, rules) = compiler.compile_routes();
    warn_of_uncounted(policy, configured, problems);

    let counts = default_rules.limits.any() || rules.iter().any(|rules| rules.limits.any());
    let firewall = Firewall::compile(&policy.request, problems);
    let required: Vec<_> = routes.iter().zip(rules.iter().map(|rules| &rules.requirement)).collect();
    let methods: Vec<&str> = firewall.allow.split(", ").collect();
    half_guarded::warn(&required, &default_rules.requirement, &methods, problems);
    let hosts = Hosts::compile(policy, &public, deployment, problems);
    let proxy = policy.proxy.as_ref().map(|config| Proxy::compile(config, problems));
    https_is_reachable(policy, &public, deployment, problems);
    store::check(policy, problems);
    store::secrets_are_references(policy, deployment, problems);
    let api_keys = api_key::compile(policy, deployment, problems);
    let issuers = jwt::compile(policy, deployment, problems);
    let is_insecure = is_insecure(&public);
    let own_cookies = OwnCookies::new(!is_insecure);
    let sessions = policy.session.as_ref().map(|config| Sessions::compile(config, own_cookies, problems));
    let logins = policy.session.as_ref().and_then(|config| {
        let config = &config.login_protection;
        let mode = config.mode.or(policy.mode).unwrap_or_default();
        LoginGuard::compile(config, mode, policy.rate_limit.store, problems)
    });
    let owned = super::owned_cookies(own_cookies, configured, deployment.keys.is_some());
    let (cookies_over_https, cookies_over_http) =
        cookie_rules(policy, is_insecure, owned.map(Into::into).collect(), problems);
    let ambient_cookies = cookie_names(&policy.csrf.ambient_cookies, "csrf.ambient_cookies", problems);
    let health = policy
        .server
        .health
        .as_deref()
        .and_then(|path| plain_path("server.health", path, PolicyErrorKind::InvalidHealthPath, problems));
    let tokens = TokenRules::compile(policy, health.as_deref(), problems);

    let vary = Vary::prepare(&mut prepared);
    let published = Published::new(&deployment.public_keys, issuers.as_ref());
    let replies = Replies::prepare(&firewall, &published, &mut prepared);
    if prepared.is_full() {
        problems.error("route", None, PolicyErrorKind::TooMany(u32::from(u16::MAX)));
    }
    let warnings = core::mem::take(problems).finish()?;
    Ok(Inner {
        modes,
        development: deployment.development,
        keys: deployment.keys.clone(),
        published,
        tokens,
        own_cookies,
        firewall,
        health,
        hosts,
        proxy,
        origins,
        sharing,
        configured,
        api_keys,
        issuers,
        sessions,
        logins,
        counts,
        failure_cost: policy.rate_limit.failure_cost.unwrap_or(5).into(),
        ambient_cookies: ambient_cookies.into_iter().map(|name| name.into_bytes().into()).collect(),
        cookies_over_https,
        cookies_over_http,
        routes,
        default_rules,
        rules,
        prepared,
        vary,
        replies,
        warnings,
    })
}

/// Rules for principals where nothing says who anybody is.
fn warn_of_uncounted(policy: &Policy, configured: Configured, problems: &mut Problems) {
    let routes = policy.route.iter().enumerate().filter(
        |(_, route)| matches!(route.rate_limit, Some(RateLimitChoice::Rules(own)) if own.principal.is_some()),
    );
    let global = policy.rate_limit.principal.map(|_| "rate_limit.principal".to_owned());
    for path in
        global.into_iter().chain(routes.map(|(index, _)| format!("route[{index}].rate_limit.principal")))
    {
        if !configured.any() {
            problems
                .warn(path, "no credential is configured, so nobody is ever verified whom this could count");
        }
    }
}

fn modes(policy: &Policy) -> Modes {
    let mode = |own: Option<Mode>| own.or(policy.mode).unwrap_or_default();
    Modes {
        firewall: mode(policy.request.mode),
        host: mode(None),
        https: mode(policy.https.mode),
        cors: mode(policy.cors.mode),
        csrf: mode(policy.csrf.mode),
        isolation: policy.isolation.mode.or(policy.mode).unwrap_or(Mode::Report),
        websocket: mode(policy.websocket.mode),
        cookies: mode(policy.cookies.mode),
        rate_limit: mode(policy.rate_limit.mode),
    }
}

fn public_origins(policy: &Policy, deployment: &Deployment, problems: &mut Problems) -> Vec<OriginPattern> {
    let mut origins = Vec::new();
    for (index, text) in policy.origin.public.iter().enumerate() {
        let path = format!("origin.public[{index}]");
        let Some(origin) = problems.check(&*path, text, OriginPattern::parse_public(text)) else { continue };
        if origin.http_scheme() == Some(crate::Scheme::Http)
            && !origin.is_loopback()
            && !deployment.development
        {
            problems.error(path, Some(text), PolicyErrorKind::InsecurePublicOrigin);
        }
        origins.push(origin);
    }
    origins
}

fn trusted_origins(policy: &Policy, public: &[OriginPattern], problems: &mut Problems) -> Vec<OriginPattern> {
    let mut origins = Vec::new();
    for (index, text) in policy.origin.trusted.iter().enumerate() {
        let path = format!("origin.trusted[{index}]");
        let Some(origin) = problems.check(&*path, text, OriginPattern::parse(text)) else { continue };
        let by_https = public.iter().any(|public| public.http_scheme() == Some(crate::Scheme::Https));
        if by_https && origin.http_scheme() == Some(crate::Scheme::Http) {
            problems.warn(
                &*path,
                format!("`{text}` is plain http and never matches a request that came by https"),
            );
        } else if !public.is_empty() && !public.iter().any(|public| public.is_same_site(&origin)) {
            problems.warn(
                path,
                format!("`{text}` is not same-site with any public origin: its pages' requests carry cookies only if those are `SameSite=None; Secure; Partitioned`"),
            );
        }
        origins.push(origin);
    }
    origins
}

/// Public and trusted origins; a loopback listener is also reached by the names of this machine.
fn origin_set(public: &[OriginPattern], trusted: &[OriginPattern], deployment: &Deployment) -> OriginSet {
    let mut set = OriginSet::default();
    for origin in public.iter().chain(trusted) {
        set.push(origin.clone());
    }
    // A trusted origin is another than ours, also where ours are the names of this machine.
    set.crosses = public.len() > 1 || !trusted.is_empty();
    if let Some(listen) = deployment.listen.filter(|listen| listen.ip().to_canonical().is_loopback()) {
        let scheme = if deployment.tls { "https" } else { "http" };
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            if let Ok(origin) = OriginPattern::parse(&format!("{scheme}://{host}:{}", listen.port().max(1))) {
                set.push(origin);
            }
        }
    }
    set
}

/// A public https origin needs something that speaks TLS, or every request would be redirected to itself.
fn https_is_reachable(
    policy: &Policy,
    public: &[OriginPattern],
    deployment: &Deployment,
    problems: &mut Problems,
) {
    let index = public.iter().position(|origin| origin.http_scheme() == Some(crate::Scheme::Https));
    let names_proto = policy
        .proxy
        .as_ref()
        .is_some_and(|proxy| !proxy.trusted.is_empty() && proxy.forwarded.proto.is_some());
    if let (Some(index), Some(_), false, false) = (index, deployment.listen, deployment.tls, names_proto) {
        let text = policy.origin.public.get(index).map(String::as_str);
        problems.error(format!("origin.public[{index}]"), text, PolicyErrorKind::HttpsUnreachable);
    }
}

fn cookie_rules(
    policy: &Policy,
    is_insecure: bool,
    owned: Vec<Box<str>>,
    problems: &mut Problems,
) -> (CookieRules, CookieRules) {
    let readable = match &policy.cookies.readable {
        Some(names) => cookie_names(names, "cookies.readable", problems),
        None => READABLE.iter().map(|name| (*name).to_owned()).collect(),
    };
    let over_https =
        CookieRules { secure: true, readable: readable.into_iter().map(Into::into).collect(), owned };
    let over_http = CookieRules { secure: !is_insecure, ..over_https.clone() };
    (over_https, over_http)
}

/// Whether clients come by plain http from other machines: only in development. A browser would not keep a Secure
/// cookie of such an origin.
fn is_insecure(public: &[OriginPattern]) -> bool {
    public.iter().any(|origin| origin.http_scheme() == Some(crate::Scheme::Http) && !origin.is_loopback())
}

/// Names that are tokens (RFC 6265 §4.1.1).
fn cookie_names(names: &[String], at: &str, problems: &mut Problems) -> Vec<String> {
    for (index, name) in names.iter().enumerate() {
        if !crate::forwarding::is_header_name(name) {
            problems.error(format!("{at}[{index}]"), Some(name), PolicyErrorKind::InvalidCookieName);
        }
    }
    names.to_vec()
}

/// A path that has one reading.
pub(super) fn plain_path(
    at: &str,
    path: &str,
    fault: PolicyErrorKind,
    problems: &mut Problems,
) -> Option<alloc::boxed::Box<[u8]>> {
    let is_plain = path.starts_with('/')
        && path.len() > 1
        && crate::path::scan(path.as_bytes()).is_empty()
        && !path.contains(['%', '?']);
    if !is_plain {
        problems.error(at, Some(path), fault);
        return None;
    }
    Some(path.as_bytes().into())
}

/// Compiles what routes say, each over `[default]`.
struct RuleCompiler<'b> {
    policy: &'b Policy,
    origins: &'b OriginSet,
    configured: Configured,
    common: Common,
    modes: Modes,
    /// Of `[rate_limit]`.
    limits: Limits,
    prepared: &'b mut Prepared,
    problems: &'b mut Problems,
}

impl RuleCompiler<'_> {
    fn compile_routes(mut self) -> (Vec<Pattern>, Vec<Rules>) {
        let (mut patterns, mut rules): (Vec<Pattern>, _) = (Vec::new(), Vec::new());
        if self.policy.route.len() > MOST_ROUTES as usize {
            self.problems.error("route", None, PolicyErrorKind::TooMany(MOST_ROUTES));
        }
        for (index, route) in self.policy.route.iter().enumerate().take(MOST_ROUTES as usize) {
            let at = format!("route[{index}]");
            let mut compiled = self.compile_route(&route.options(), &at);
            if let Some(choice) = &route.rate_limit {
                compiled.limits = self.limits.on_route(
                    choice,
                    &route.pattern,
                    &at,
                    self.policy.rate_limit.store,
                    self.prepared,
                    self.problems,
                );
            }
            rules.push(compiled);
            let pattern = Pattern::parse(&route.pattern, route.case_insensitive);
            let Some(pattern) = self.problems.check(format!("{at}.match"), &route.pattern, pattern) else {
                continue;
            };
            if let Some(earlier) = patterns.iter().find(|earlier| earlier.shadows(&pattern)) {
                let message = format!(
                    "never applies: `{}` stands before it and matches all that it matches",
                    earlier.as_str()
                );
                self.problems.warn(format!("{at}.match"), message);
            }
            patterns.push(pattern);
        }
        (patterns, rules)
    }

    /// Compiles a route's options over `[default]`. A fault of what it only inherits was told where that stands.
    fn compile_route(&mut self, own: &RouteOptions, at: &str) -> Rules {
        let mut problems = Problems::default();
        core::mem::swap(self.problems, &mut problems);
        let rules = self.compile(&merged(own.clone(), &self.policy.default), at);
        core::mem::swap(self.problems, &mut problems);
        self.problems.absorb(problems, |path| key_below(path, at).is_some_and(|key| names(own, key)));
        rules
    }

    fn compile(&mut self, options: &RouteOptions, at: &str) -> Rules {
        let requirement = match &options.require {
            Some(config) => {
                Requirement::compile(config, self.configured, &format!("{at}.require"), self.problems)
            }
            None => Requirement::Nothing,
        };
        let skip = options.dangerously_skip_csrf.unwrap_or(false);
        if skip && options.csrf == Some(crate::policy::CsrfChoice::Token) {
            self.problems.error(
                format!("{at}.dangerously_skip_csrf"),
                Some("true"),
                PolicyErrorKind::Contradiction("dangerously_skip_csrf", "csrf = \"token\""),
            );
        }
        if options.one_time == Some(true) && options.csrf != Some(crate::policy::CsrfChoice::Token) {
            self.problems.error(
                format!("{at}.one_time"),
                Some("true"),
                PolicyErrorKind::Contradiction("one_time", "csrf = \"origin\""),
            );
        }
        let (cors, cors_mode) = self.cors(options, &format!("{at}.cors"));
        Rules {
            csrf: Csrf {
                choice: options.csrf.unwrap_or_default(),
                cross_site: options.cross_site.unwrap_or_default(),
                skip,
                explicit_only: requirement.is_explicit_only(),
                one_time: options.one_time.unwrap_or(false),
            },
            challenge: requirement
                .challenge()
                .map(|scheme| self.prepared.add(ResponseHeader::WwwAuthenticate, scheme)),
            scope_challenge: requirement
                .scope_challenge()
                .map(|challenge| self.prepared.add(ResponseHeader::WwwAuthenticate, &challenge)),
            requirement,
            cors,
            cors_mode,
            headers: Table::compile(self.policy, &self.common, options, at, self.prepared, self.problems),
            relaxed: Findings::of(options.relax.as_deref().unwrap_or_default()),
            pass_errors: options.pass_errors.unwrap_or(false),
            max_body: options.max_body.map_or(10 << 20, |size| size.0),
            forward_authorization: options.forward_authorization.unwrap_or(false),
            limits: self.limits.clone(),
        }
    }

    /// The route's CORS, and its mode. A fault of what it takes from `[cors]` is told there.
    fn cors(&mut self, options: &RouteOptions, at: &str) -> (Cors, Mode) {
        let own = match &options.cors {
            None => CorsConfig::default(),
            Some(CorsChoice::Mode(mode)) => CorsConfig { mode: Some(*mode), ..CorsConfig::default() },
            Some(CorsChoice::Override(own)) => (**own).clone(),
        };
        let mode = own.mode.unwrap_or(self.modes.cors);
        let config = CorsConfig { mode: Some(mode), ..own.over(&self.policy.cors) };
        let mut problems = Problems::default();
        let cors = Cors::compile(&config, self.origins, at, self.prepared, &mut problems);
        self.problems.absorb(problems, |path| key_below(path, at).is_some_and(|key| own.names(key)));
        (cors, mode)
    }
}

/// The key of the table `at` that `path` leads through.
fn key_below<'p>(path: &'p str, at: &str) -> Option<&'p str> {
    path.strip_prefix(at)?.strip_prefix('.')?.split(['.', '[']).next()
}

/// Whether a route writes this key itself.
fn names(own: &RouteOptions, key: &str) -> bool {
    match key {
        "require" => own.require.is_some(),
        "one_time" => own.one_time.is_some(),
        "dangerously_skip_csrf" => own.dangerously_skip_csrf.is_some(),
        "cors" => own.cors.is_some(),
        "csp" => own.csp.is_some(),
        "form_action" => own.form_action.is_some(),
        "frame_ancestors" => own.frame_ancestors.is_some(),
        "coop" => own.coop.is_some(),
        "corp" => own.corp.is_some(),
        _ => true,
    }
}

/// What a route does not name, `[default]` does.
fn merged(own: RouteOptions, default: &RouteOptions) -> RouteOptions {
    let default = default.clone();
    RouteOptions {
        require: own.require.or(default.require),
        csrf: own.csrf.or(default.csrf),
        cross_site: own.cross_site.or(default.cross_site),
        one_time: own.one_time.or(default.one_time),
        dangerously_skip_csrf: own.dangerously_skip_csrf.or(default.dangerously_skip_csrf),
        cors: own.cors.or(default.cors),
        csp: own.csp.or(default.csp),
        form_action: own.form_action.or(default.form_action),
        frame_ancestors: own.frame_ancestors.or(default.frame_ancestors),
        coop: own.coop.or(default.coop),
        corp: own.corp.or(default.corp),
        relax: own.relax.or(default.relax),
        pass_errors: own.pass_errors.or(default.pass_errors),
        max_body: own.max_body.or(default.max_body),
        forward_authorization: own.forward_authorization.or(default.forward_authorization),
    }
}

#[cfg(test)]
mod tests;
