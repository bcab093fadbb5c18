//! Which headers a response of each kind gets, and who wins where the handler set one too.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    Kind,
    csp::{Csp, CspFault, CspTemplate, CspText, Framing, Supplements},
    permissions_policy,
    prepared::Prepared,
};
use crate::{
    HeaderId, HeaderSet, PolicyErrorKind, ResponseHeader, Scheme,
    error::Problems,
    origin::{OriginPattern, registrable_domain},
    policy::{CspPreset, Directives, Mode, Policy, RouteOptions, XssProtection},
};

/// The response headers of one route, by kind.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    kinds: [KindHeaders; 6],
    /// Whether pages get a nonce.
    pub(crate) has_nonce: bool,
}

/// The response headers of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct KindHeaders {
    pub(crate) rows: Vec<Row>,
    pub(crate) csp: KindCsp,
    pub(crate) report_only: KindCsp,
    /// The second policy beside a handler's own, by what that lacks.
    pub(crate) supplements: [Option<HeaderId>; 8],
    /// `X-Frame-Options` where this kind has any, by our own framing.
    pub(crate) frame_options: Option<HeaderId>,
    /// `X-Frame-Options` by a handler's framing: nobody, same origin.
    pub(crate) handler_frame_options: [Option<HeaderId>; 2],
    /// `Cache-Control: no-store` where the handler set none.
    pub(crate) no_store: Option<HeaderId>,
    /// All of these where the handler has a say in none of them; `None` where a nonce is among them.
    pub(crate) whole: Option<Whole>,
}

/// The headers of a kind as nearly every response gets them, listed once for all.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// The headers of a handler that make a response another than those.
    pub(crate) unless: HeaderSet,
    pub(crate) over_http: Box<[HeaderId]>,
    pub(crate) over_https: Box<[HeaderId]>,
}

impl KindHeaders {
    fn whole(&self) -> Option<Whole> {
        let (KindCsp::None | KindCsp::Finished(_), KindCsp::None | KindCsp::Finished(_)) =
            (&self.csp, &self.report_only)
        else {
            return None;
        };
        let mut unless = HeaderSet::of(&[
            ResponseHeader::ContentSecurityPolicy,
            ResponseHeader::ContentSecurityPolicyReportOnly,
            ResponseHeader::XFrameOptions,
            ResponseHeader::CacheControl,
        ]);
        self.rows.iter().for_each(|row| unless.insert(row.name));
        let list = |scheme| {
            let rows = self.rows.iter().filter(|row| row.rule.applies(scheme)).map(|row| row.id);
            let policies = [&self.csp, &self.report_only].into_iter().filter_map(KindCsp::finished);
            rows.chain(policies).chain(self.frame_options).chain(self.no_store).collect()
        };
        Some(Whole { unless, over_http: list(Scheme::Http), over_https: list(Scheme::Https) })
    }
}

/// One header of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: ResponseHeader,
    pub(crate) id: HeaderId,
    pub(crate) rule: Rule,
}

/// Who wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// We do.
    Ours,
    /// The handler does, if it set one.
    Handlers,
    /// We do, over https only; over http there is none.
    OursOverHttps,
}

impl Rule {
    /// Whether there is such a header at all in responses over `scheme`.
    pub(crate) fn applies(self, scheme: Scheme) -> bool {
        self != Self::OursOverHttps || scheme == Scheme::Https
    }
}

/// A kind's Content Security Policy.
#[derive(Clone, Debug, Default)]
pub(crate) enum KindCsp {
    /// It has none.
    #[default]
    None,
    /// The same in every response.
    Finished(HeaderId),
    /// With a nonce where there is one.
    Nonce { template: CspTemplate, without: HeaderId },
}

impl KindCsp {
    const fn finished(&self) -> Option<HeaderId> {
        match self {
            Self::Finished(id) => Some(*id),
            Self::None | Self::Nonce { .. } => None,
        }
    }
}

/// What does not depend on the route.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    enabled: bool,
    csp_mode: Mode,
    hsts: String,
    permissions_policy: Box<str>,
    xss_protection: Option<&'static str>,
    default_corp: &'static str,
}

impl Common {
    pub(crate) fn compile(
        policy: &Policy,
        public: &[OriginPattern],
        trusted: &[OriginPattern],
        problems: &mut Problems,
    ) -> Self {
        for (path, mode) in [("headers.mode", policy.headers.mode), ("cookies.mode", policy.cookies.mode)] {
            if mode == Some(Mode::Report) {
                problems.error(path, Some("report"), PolicyErrorKind::NoReportMode);
            }
        }
        let permissions_policy =
            permissions_policy::value(&policy.headers.allow_features).unwrap_or_else(|faults| {
                for fault in faults {
                    let path = format!("headers.allow_features[{}]", fault.index);
                    problems.error(path, Some(&fault.value), PolicyErrorKind::Feature(fault.error));
                }
                Box::default()
            });
        let is_same_site =
            trusted.iter().any(|trusted| public.iter().any(|public| trusted.is_same_site(public)));
        let mode = |mode: Option<Mode>| mode.or(policy.mode).unwrap_or_default();
        Self {
            enabled: mode(policy.headers.mode) != Mode::Off,
            csp_mode: mode(policy.csp.mode),
            hsts: hsts(policy, public, problems),
            permissions_policy,
            xss_protection: policy.headers.x_xss_protection.map(|value| match value {
                XssProtection::Off => "0",
                XssProtection::Block => "1; mode=block",
            }),
            default_corp: if is_same_site { "same-site" } else { "same-origin" },
        }
    }
}

fn hsts(policy: &Policy, public: &[OriginPattern], problems: &mut Problems) -> String {
    let config = policy.headers.hsts;
    let max_age = config.max_age.map_or(63_072_000, |age| age.0.as_secs());
    let whole_domain = public.iter().find(|origin| {
        origin.http_scheme() == Some(Scheme::Https)
            && registrable_domain(origin.host()) == Some(origin.host())
    });
    if let (Some(origin), None) = (whole_domain, config.include_subdomains) {
        problems.error(
            "headers.hsts.include_subdomains",
            None,
            PolicyErrorKind::HstsOnWholeDomain(origin.host().to_string()),
        );
    }
    let include_subdomains = config.include_subdomains.unwrap_or(true);
    if config.preload && !(include_subdomains && max_age >= 31_536_000) {
        problems.error("headers.hsts.preload", Some("true"), PolicyErrorKind::HstsPreload);
    }
    let mut value = format!("max-age={max_age}");
    if include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if config.preload {
        value.push_str("; preload");
    }
    value
}

impl Table {
    /// Compiles the headers of a route; `at` is the route's place in the policy.
    pub(crate) fn compile(
        policy: &Policy,
        common: &Common,
        options: &RouteOptions,
        at: &str,
        prepared: &mut Prepared,
        problems: &mut Problems,
    ) -> Self {
        let overrides = overrides(options, at, problems);
        let page = page_csp(policy, &overrides, at, problems);
        // A route says who may frame it whatever it answers; the rest of its directives concern pages.
        let framing: Directives = overrides
            .iter()
            .filter(|(name, _)| *name == "frame-ancestors")
            .map(|(name, sources)| (name.clone(), sources.clone()))
            .collect();
        let api = Csp::preset_api().with(&framing).unwrap_or_else(|_| Csp::preset_api());
        let report_only = Csp::report_only(&policy.csp.report_only).unwrap_or_else(|faults| {
            if at == "default" {
                csp_errors("csp.report_only", faults, problems);
            }
            Csp::default()
        });
        let corp = one_of(
            options.corp.as_deref(),
            &["same-origin", "same-site", "cross-origin"],
            "`same-origin`, `same-site`, `cross-origin`",
            &format!("{at}.corp"),
            problems,
        )
        .unwrap_or(common.default_corp);
        let opener = one_of(
            options.coop.as_deref(),
            &["same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"],
            "`same-origin`, `same-origin-allow-popups`, `noopener-allow-popups`, `unsafe-none`",
            &format!("{at}.coop"),
            problems,
        )
        .unwrap_or("same-origin-allow-popups");

        let has_nonce =
            common.enabled && common.csp_mode != Mode::Off && (page.has_nonce() || report_only.has_nonce());
        let kinds = Kind::ALL.map(|kind| {
            if !common.enabled {
                return KindHeaders::default();
            }
            let rows = rows(kind, common, corp, opener, prepared);
            let mut headers = KindHeaders { rows, ..KindHeaders::default() };
            if kind == Kind::Asset {
                headers.whole = headers.whole();
                return headers;
            }
            let csp = if kind == Kind::Page { &page } else { &api };
            headers.frame_options = frame_options(csp.framing(), prepared);
            headers.handler_frame_options =
                [Framing::Nobody, Framing::SameOrigin].map(|framing| frame_options(framing, prepared));
            let mode = if kind == Kind::Page { common.csp_mode } else { Mode::Enforce };
            if mode == Mode::Enforce {
                headers.csp = kind_csp(csp, ResponseHeader::ContentSecurityPolicy, prepared);
                let supplements = Supplements::beside(csp);
                for (place, text) in headers.supplements.iter_mut().zip(supplements.texts()) {
                    *place =
                        (!text.is_empty()).then(|| prepared.add(ResponseHeader::ContentSecurityPolicy, text));
                }
            }
            if kind == Kind::Page && mode == Mode::Report {
                headers.report_only =
                    kind_csp(csp, ResponseHeader::ContentSecurityPolicyReportOnly, prepared);
            } else if kind == Kind::Page && mode == Mode::Enforce && !report_only.is_empty() {
                headers.report_only =
                    kind_csp(&report_only, ResponseHeader::ContentSecurityPolicyReportOnly, prepared);
            }
            if kind != Kind::Page {
                headers.no_store = Some(prepared.add(ResponseHeader::CacheControl, "no-store"));
            }
            headers.whole = headers.whole();
            headers
        });
        Self { kinds, has_nonce }
    }

    pub(crate) fn of(&self, kind: Kind) -> &KindHeaders {
        let [api, page, asset, download, stream, error] = &self.kinds;
        match kind {
            Kind::Api => api,
            Kind::Page => page,
            Kind::Asset => asset,
            Kind::Download => download,
            Kind::Stream => stream,
            Kind::Error => error,
        }
    }
}

/// Everything of a kind but its CSP, framing and caching.
fn rows(kind: Kind, common: &Common, corp: &str, opener: &str, prepared: &mut Prepared) -> Vec<Row> {
    use ResponseHeader as Name;
    let mut rows = Vec::new();
    let mut row = |name, value: &str, rule| rows.push(Row { name, id: prepared.add(name, value), rule });
    row(Name::XContentTypeOptions, "nosniff", Rule::Ours);
    row(Name::StrictTransportSecurity, &common.hsts, Rule::OursOverHttps);
    if kind == Kind::Page {
        row(Name::ReferrerPolicy, "strict-origin-when-cross-origin", Rule::Handlers);
        row(Name::CrossOriginOpenerPolicy, opener, Rule::Handlers);
        row(Name::OriginAgentCluster, "?1", Rule::Handlers);
        row(Name::XPermittedCrossDomainPolicies, "none", Rule::Handlers);
        if !common.permissions_policy.is_empty() {
            row(Name::PermissionsPolicy, &common.permissions_policy, Rule::Handlers);
        }
    } else {
        row(Name::CrossOriginResourcePolicy, corp, Rule::Handlers);
        if kind != Kind::Asset {
            row(Name::ReferrerPolicy, "no-referrer", Rule::Handlers);
        }
    }
    if let Some(value) = common.xss_protection
        && kind != Kind::Asset
    {
        row(Name::XXssProtection, value, Rule::Ours);
    }
    rows
}

/// A route's CSP directives, its shorthands among them.
fn overrides(options: &RouteOptions, at: &str, problems: &mut Problems) -> Directives {
    let mut directives = options.csp.clone().unwrap_or_default();
    for (name, key, sources) in [
        ("form-action", "form_action", &options.form_action),
        ("frame-ancestors", "frame_ancestors", &options.frame_ancestors),
    ] {
        let Some(sources) = sources else { continue };
        if directives.contains_key(name) {
            let pair = if key == "form_action" {
                ("form_action", "csp.form-action")
            } else {
                ("frame_ancestors", "csp.frame-ancestors")
            };
            problems.error(format!("{at}.{key}"), None, PolicyErrorKind::Contradiction(pair.0, pair.1));
        }
        // Parsed by itself first, so that a fault is found where it was written.
        if let Err(faults) = Csp::new(&Directives::from([(name.into(), sources.clone())])) {
            for fault in faults {
                let path =
                    fault.index.map_or_else(|| format!("{at}.{key}"), |index| format!("{at}.{key}[{index}]"));
                problems.error(path, Some(&fault.value.clone()), PolicyErrorKind::Csp(Box::new(fault)));
            }
            continue;
        }
        directives.insert(name.into(), sources.clone());
    }
    directives
}

fn page_csp(policy: &Policy, overrides: &Directives, at: &str, problems: &mut Problems) -> Csp {
    let preset = match policy.csp.preset {
        CspPreset::Page => Csp::preset_page(),
        CspPreset::Strict => Csp::preset_strict(),
    };
    let mut take = |csp: Csp, result: Result<Csp, Vec<CspFault>>, at: String, report: bool| match result {
        Ok(csp) => csp,
        Err(faults) => {
            if report {
                csp_errors(&at, faults, problems);
            }
            csp
        }
    };
    // The policy's own directives are judged once, not again for every route.
    let own = at == "default";
    let mut csp = take(preset.clone(), preset.with(&policy.csp.directives), "csp.directives".into(), own);
    if let Some(names) = &policy.csp.trusted_types {
        csp = take(csp.clone(), csp.require_trusted_types(names), "csp.trusted_types".into(), own);
    }
    take(csp.clone(), csp.with(overrides), format!("{at}.csp"), true)
}

fn csp_errors(at: &str, faults: Vec<CspFault>, problems: &mut Problems) {
    for fault in faults {
        let path = if at == "csp.trusted_types" {
            fault.index.map_or_else(|| at.to_string(), |index| format!("{at}[{index}]"))
        } else {
            format!("{at}.{}", fault.path())
        };
        problems.error(path, Some(&fault.value.clone()), PolicyErrorKind::Csp(Box::new(fault)));
    }
}

fn kind_csp(csp: &Csp, name: ResponseHeader, prepared: &mut Prepared) -> KindCsp {
    match csp.render() {
        CspText::Finished(text) => KindCsp::Finished(prepared.add(name, &text)),
        CspText::Template(template) => {
            KindCsp::Nonce { template, without: prepared.add(name, &csp.render_without_nonce()) }
        }
    }
}

/// `X-Frame-Options` (RFC 7034), for browsers that do not know frame-ancestors; it cannot say "others".
fn frame_options(framing: Framing, prepared: &mut Prepared) -> Option<HeaderId> {
    let value = match framing {
        Framing::Nobody => "DENY",
        Framing::SameOrigin => "SAMEORIGIN",
        Framing::Others => return None,
    };
    Some(prepared.add(ResponseHeader::XFrameOptions, value))
}

fn one_of(
    written: Option<&str>,
    known: &[&'static str],
    list: &'static str,
    at: &str,
    problems: &mut Problems,
) -> Option<&'static str> {
    let written = written?;
    let found = known.iter().find(|known| **known == written).copied();
    if found.is_none() {
        problems.error(at, Some(written), PolicyErrorKind::NotOneOf(list));
    }
    found
}
