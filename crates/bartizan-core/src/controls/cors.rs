//! CORS (Fetch standard §3.2): which pages of other origins may read responses. Only the engine writes
//! `Access-Control-*` headers.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::Finding;
use crate::{
    DenialCode, HeaderId, PolicyErrorKind, ResponseHeader, Scheme,
    error::Problems,
    facts::{Facts, list},
    forwarding::is_header_name,
    headers::prepared::Prepared,
    origin::{AnonymousOrigins, OriginMatch, OriginPattern, OriginSet},
    policy::{CorsConfig, Mode},
    route::is_method,
};

/// What a route shares, and with whom.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    /// Whether any other origin may read anything here.
    enabled: bool,
    methods: Vec<Box<[u8]>>,
    /// In lower case.
    headers: Vec<Box<[u8]>>,
    anonymous: AnonymousOrigins,
    reject_foreign: bool,
    allow_methods: HeaderId,
    allow_headers: Option<HeaderId>,
    max_age: HeaderId,
    expose_headers: Option<HeaderId>,
}

/// What does not depend on the route: the set, and its finished headers.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// `Access-Control-Allow-Origin` of each entry of the set; `None` for wildcards.
    origins: Vec<Option<HeaderId>>,
    everyone: HeaderId,
    credentials: HeaderId,
}

impl Shared {
    pub(crate) fn compile(origins: &OriginSet, prepared: &mut Prepared) -> Self {
        let allow = ResponseHeader::AccessControlAllowOrigin;
        Self {
            origins: origins
                .iter()
                .map(|origin| (!origin.is_wildcard()).then(|| prepared.add(allow, origin.as_str())))
                .collect(),
            everyone: prepared.add(allow, "*"),
            credentials: prepared.add(ResponseHeader::AccessControlAllowCredentials, "true"),
        }
    }

    /// The headers of every response that is shared.
    pub(crate) fn append(&self, sharing: &Sharing, mut append: impl FnMut(Result<HeaderId, &[u8]>)) {
        if let Sharing::With { origin, credentials } = sharing {
            append(origin.as_ref().map(|id| *id).map_err(|echo| &**echo));
            if *credentials {
                append(Ok(self.credentials));
            }
        }
    }
}

/// What the response says of sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nothing on this route is shared.
    #[default]
    Off,
    /// Something may be shared, but not with this client: `Vary` says so.
    Nobody,
    /// With this origin.
    With {
        /// The finished `Access-Control-Allow-Origin`, or the origin to echo (wildcard entries).
        origin: Result<HeaderId, Box<[u8]>>,
        /// Whether with credentials.
        credentials: bool,
    },
}

impl Cors {
    /// Compiles `[cors]` with a route's differences; `at` is the place of `config` in the policy.
    pub(crate) fn compile(
        config: &CorsConfig,
        origins: &OriginSet,
        at: &str,
        prepared: &mut Prepared,
        problems: &mut Problems,
    ) -> Self {
        let mut methods = Vec::new();
        for (index, method) in strings(config.methods.as_ref(), &["GET", "HEAD", "POST"]).enumerate() {
            // `*` has a meaning without credentials only, and forbidden methods none at all.
            if is_method(method) && !matches!(method, "CONNECT" | "TRACE" | "TRACK") {
                methods.push(method);
            } else {
                problems.error(
                    format!("{at}.methods[{index}]"),
                    Some(method),
                    PolicyErrorKind::InvalidMethod,
                );
            }
        }
        let mut headers = Vec::new();
        for (index, header) in strings(config.headers.as_ref(), &["content-type"]).enumerate() {
            headers.extend(header_name(header, &format!("{at}.headers[{index}]"), problems));
        }
        let mut exposed = Vec::new();
        for (index, header) in strings(config.exposed_headers.as_ref(), &[]).enumerate() {
            exposed.extend(header_name(header, &format!("{at}.exposed_headers[{index}]"), problems));
        }
        let mut anonymous = AnonymousOrigins::default();
        for (index, text) in strings(config.anonymous.as_ref(), &[]).enumerate() {
            if text == "*" {
                anonymous.everyone = true;
            } else if let Some(origin) =
                problems.check(format!("{at}.anonymous[{index}]"), text, OriginPattern::parse(text))
            {
                anonymous.listed.push(origin);
            }
        }
        let max_age = config.max_age.map_or(3600, |age| age.0.as_secs());
        if max_age > 86_400 {
            problems.warn(
                format!("{at}.max_age"),
                "browsers remember a preflight for a day at most (Chromium two hours)",
            );
        }
        let off = config.mode == Some(Mode::Off);
        Self {
            enabled: !off && (origins.crosses || anonymous.everyone || !anonymous.listed.is_empty()),
            allow_methods: prepared.add(ResponseHeader::AccessControlAllowMethods, &methods.join(", ")),
            allow_headers: (!headers.is_empty())
                .then(|| prepared.add(ResponseHeader::AccessControlAllowHeaders, &headers.join(", "))),
            max_age: prepared.add(ResponseHeader::AccessControlMaxAge, &format!("{max_age}")),
            expose_headers: (!exposed.is_empty())
                .then(|| prepared.add(ResponseHeader::AccessControlExposeHeaders, &exposed.join(", "))),
            methods: methods.into_iter().map(|method| method.as_bytes().into()).collect(),
            headers: headers.into_iter().map(|header| header.into_bytes().into()).collect(),
            anonymous,
            reject_foreign: config.reject_foreign.unwrap_or(false),
        }
    }

    /// Whether any other origin may read anything here.
    pub(crate) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// With whom a response to `origin` is shared.
    #[inline]
    pub(crate) fn sharing(
        &self,
        shared: &Shared,
        origins: &OriginSet,
        origin: Option<&[u8]>,
        scheme: Scheme,
    ) -> Sharing {
        if !self.enabled {
            return Sharing::Off;
        }
        // `null` is every sandboxed frame and local file: nobody in particular.
        let Some(origin) = origin.filter(|origin| *origin != b"null") else { return Sharing::Nobody };
        if let Some(found) = origins.find(origin, scheme) {
            let prepared = match found {
                OriginMatch::Exact(index) => shared.origins.get(index).copied().flatten(),
                OriginMatch::Wildcard => None,
            };
            return Sharing::With { origin: prepared.ok_or_else(|| origin.into()), credentials: true };
        }
        if self.anonymous.everyone {
            return Sharing::With { origin: Ok(shared.everyone), credentials: false };
        }
        if self.anonymous.listed.contains(origin, scheme) {
            return Sharing::With { origin: Err(origin.into()), credentials: false };
        }
        Sharing::Nobody
    }

    /// Judges a preflight (Fetch §4.8); the sharing that goes with it, or the refusal.
    pub(crate) fn decide_preflight<'r>(&self, facts: &Facts<'r>, sharing: &Sharing) -> Finding<'r> {
        let origin = facts.origin.value().unwrap_or_default();
        if !matches!(sharing, Sharing::With { .. }) {
            return Finding::refuse(
                DenialCode::CorsOrigin,
                origin,
                "the preflight's origin is not one that this route is shared with",
            );
        }
        let method = facts.preflight_method.unwrap_or_default();
        let is_safelisted = matches!(method, b"GET" | b"HEAD" | b"POST");
        if !is_safelisted && !self.methods.iter().any(|allowed| **allowed == *method) {
            return Finding::refuse(
                DenialCode::CorsMethod,
                method,
                "the preflight asks for a method that cors.methods does not name",
            );
        }
        let refused = facts
            .preflight_headers
            .iter()
            .flat_map(|line| list(line))
            .find(|header| !self.headers.iter().any(|allowed| header.eq_ignore_ascii_case(allowed)));
        match refused {
            Some(header) => Finding::refuse(
                DenialCode::CorsHeader,
                header,
                "the preflight asks for a header that cors.headers does not name",
            ),
            None => Finding::Pass("the preflight asks for nothing that the policy does not share"),
        }
    }

    /// Judges an actual request, where the policy refuses foreign origins on the server too.
    pub(crate) fn decide_actual<'r>(&self, facts: &Facts<'r>, sharing: &Sharing) -> Finding<'r> {
        let Some(origin) = facts.origin.value() else {
            return Finding::Skip("the request names no origin");
        };
        match sharing {
            Sharing::With { .. } => Finding::Pass("shared with this origin"),
            _ if self.reject_foreign && facts.site() != Some(b"same-origin") => Finding::refuse(
                DenialCode::CorsOrigin,
                origin,
                "the origin is foreign, and cors.reject_foreign is set",
            ),
            _ => Finding::Pass(
                "not shared with this origin; the browser will not let its page read the response",
            ),
        }
    }

    /// The headers of the answer to a preflight, besides those of [`Shared::append`].
    pub(crate) fn append_preflight(&self, mut append: impl FnMut(HeaderId)) {
        append(self.allow_methods);
        if let Some(headers) = self.allow_headers {
            append(headers);
        }
        append(self.max_age);
    }

    /// `Access-Control-Expose-Headers`, which belongs to actual responses only.
    pub(crate) const fn expose_headers(&self) -> Option<HeaderId> {
        self.expose_headers
    }
}

/// Whether this is a preflight: OPTIONS with `Origin` and `Access-Control-Request-Method` (Fetch §4.8).
pub(crate) fn is_preflight(facts: &Facts<'_>) -> bool {
    facts.method == b"OPTIONS" && facts.origin.value().is_some() && facts.preflight_method.is_some()
}

fn strings<'c>(
    written: Option<&'c Vec<String>>,
    default: &'static [&'static str],
) -> impl Iterator<Item = &'c str> {
    let written_or_default: Vec<&'c str> =
        written.map_or_else(|| default.to_vec(), |written| written.iter().map(String::as_str).collect());
    written_or_default.into_iter()
}

fn header_name(name: &str, at: &str, problems: &mut Problems) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let fault = if lower == "*" {
        Some(PolicyErrorKind::UnusableHeader(
            "`*` would not cover `authorization`, and with credentials it is a name; list the headers",
        ))
    } else if !is_header_name(&lower) {
        Some(PolicyErrorKind::InvalidHeaderName)
    } else if lower.starts_with("access-control-") {
        Some(PolicyErrorKind::UnusableHeader("browsers and the engine write it themselves"))
    } else {
        None
    };
    match fault {
        Some(fault) => {
            problems.error(at, Some(name), fault);
            None
        }
        None => Some(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;
    use alloc::{borrow::ToOwned as _, string::ToString};

    struct Fixture {
        cors: Cors,
        shared: Shared,
        origins: OriginSet,
        prepared: Prepared,
    }

    fn fixture(config: &CorsConfig) -> Fixture {
        let mut origins = OriginSet::default();
        for text in [
            "https://api.example.com",
            "https://app.example.com",
            "https://*.example.org",
            "http://old.example.com",
        ] {
            origins.push(OriginPattern::parse(text).unwrap());
        }
        origins.crosses = true;
        let mut prepared = Prepared::default();
        let mut problems = Problems::default();
        let shared = Shared::compile(&origins, &mut prepared);
        let cors = Cors::compile(config, &origins, "cors", &mut prepared, &mut problems);
        assert_eq!(problems.finish(), Ok([].into()));
        Fixture { cors, shared, origins, prepared }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn with_whom_a_response_is_shared() {
        let closed = fixture(&CorsConfig::default());
        let open = fixture(&CorsConfig { anonymous: Some(words(&["*"])), ..CorsConfig::default() });
        let listed = fixture(&CorsConfig {
            anonymous: Some(words(&["https://reader.example"])),
            ..CorsConfig::default()
        });
        let off = fixture(&CorsConfig {
            mode: Some(Mode::Off),
            anonymous: Some(words(&["*"])),
            ..CorsConfig::default()
        });
        for (fixture, origin, expected) in [
            (&closed, None, "nobody"),
            (&closed, Some("https://app.example.com"), "https://app.example.com with credentials"),
            (&closed, Some("https://a.example.org"), "https://a.example.org with credentials"),
            (&closed, Some("http://old.example.com"), "nobody"),
            (&closed, Some("https://evil.example"), "nobody"),
            (&closed, Some("null"), "nobody"),
            (&open, Some("https://app.example.com"), "https://app.example.com with credentials"),
            (&open, Some("https://evil.example"), "*"),
            (&open, Some("null"), "nobody"),
            (&listed, Some("https://reader.example"), "https://reader.example"),
            (&listed, Some("https://evil.example"), "nobody"),
            (&off, Some("https://app.example.com"), "off"),
        ] {
            let sharing = fixture.cors.sharing(
                &fixture.shared,
                &fixture.origins,
                origin.map(str::as_bytes),
                Scheme::Https,
            );
            let text = match sharing {
                Sharing::Off => "off".to_owned(),
                Sharing::Nobody => "nobody".to_owned(),
                Sharing::With { origin, credentials } => {
                    let origin = match origin {
                        Ok(id) => fixture.prepared.as_slice()[id.index()].value.to_string(),
                        Err(echo) => String::from_utf8(echo.into()).unwrap(),
                    };
                    format!("{origin}{}", if credentials { " with credentials" } else { "" })
                }
            };
            assert_eq!(text, expected, "{origin:?}");
        }
    }

    #[test]
    fn preflights() {
        let fixture = fixture(&CorsConfig {
            methods: Some(words(&["GET", "DELETE"])),
            headers: Some(words(&["Content-Type", "X-Request-Id"])),
            ..CorsConfig::default()
        });
        for (origin, method, headers, expected) in [
            ("https://app.example.com", "DELETE", "content-type,x-request-id", None),
            ("https://app.example.com", "DELETE", "", None),
            ("https://app.example.com", "POST", "CONTENT-TYPE", None),
            ("https://app.example.com", "PUT", "", Some("cors.method")),
            ("https://app.example.com", "delete", "", Some("cors.method")),
            ("https://app.example.com", "DELETE", "content-type, authorization", Some("cors.header")),
            ("https://evil.example", "GET", "", Some("cors.origin")),
            ("null", "GET", "", Some("cors.origin")),
        ] {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", headers),
            ];
            let facts = facts("OPTIONS", &headers);
            assert!(is_preflight(&facts));
            let sharing =
                fixture.cors.sharing(&fixture.shared, &fixture.origins, facts.origin.value(), Scheme::Https);
            assert_eq!(fixture.cors.decide_preflight(&facts, &sharing).code(), expected, "{headers:?}");
        }
        assert!(!is_preflight(&facts("OPTIONS", &[("origin", "https://app.example.com")])));
        assert!(!is_preflight(&facts("POST", &[("origin", "x"), ("access-control-request-method", "PUT")])));
    }

    #[test]
    fn foreign_origins_are_refused_on_the_server_only_if_asked() {
        for (reject, headers, expected) in [
            (false, &[("origin", "https://evil.example")][..], None),
            (true, &[("origin", "https://evil.example")], Some("cors.origin")),
            (true, &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], None),
            (true, &[("origin", "https://app.example.com")], None),
            (true, &[], None),
        ] {
            let fixture = fixture(&CorsConfig { reject_foreign: Some(reject), ..CorsConfig::default() });
            let facts = facts("GET", headers);
            let sharing =
                fixture.cors.sharing(&fixture.shared, &fixture.origins, facts.origin.value(), Scheme::Https);
            assert_eq!(fixture.cors.decide_actual(&facts, &sharing).code(), expected, "{headers:?}");
        }
    }

    #[test]
    fn whom_the_policy_names_without_credentials_is_not_refused_on_the_server() {
        let fixture = fixture(&CorsConfig {
            reject_foreign: Some(true),
            anonymous: Some(words(&["https://reader.example"])),
            ..CorsConfig::default()
        });
        let headers = [("origin", "https://reader.example")];
        let facts = facts("GET", &headers);
        let sharing =
            fixture.cors.sharing(&fixture.shared, &fixture.origins, facts.origin.value(), Scheme::Https);
        assert_eq!(fixture.cors.decide_actual(&facts, &sharing).code(), None);
    }

    #[test]
    fn exact_origins_are_prepared_and_wildcards_echoed() {
        let fixture = fixture(&CorsConfig::default());
        for (origin, is_prepared) in [("https://app.example.com", true), ("https://a.example.org", false)] {
            let origin = Some(origin.as_bytes());
            let sharing = fixture.cors.sharing(&fixture.shared, &fixture.origins, origin, Scheme::Https);
            assert!(
                matches!(sharing, Sharing::With { origin, .. } if origin.is_ok() == is_prepared),
                "{origin:?}"
            );
        }
        let mut prepared = fixture.prepared.as_slice().iter();
        assert!(prepared.all(|header| !header.value.contains("*.")), "no origin has a wildcard in it");
    }

    #[test]
    fn a_longer_memory_than_browsers_have_is_warned_of() {
        for (seconds, warned) in [(86_399, false), (86_400, false), (86_401, true)] {
            let max_age = Some(crate::policy::Duration(core::time::Duration::from_secs(seconds)));
            let config = CorsConfig { max_age, ..CorsConfig::default() };
            let mut problems = Problems::default();
            Cors::compile(&config, &OriginSet::default(), "cors", &mut Prepared::default(), &mut problems);
            assert_eq!(problems.finish().unwrap().len(), usize::from(warned), "{seconds}");
        }
    }

    #[test]
    fn wrong_configurations() {
        let config = CorsConfig {
            methods: Some(words(&["*", "TRACE"])),
            headers: Some(words(&["*", "a b", "Access-Control-Allow-Origin"])),
            exposed_headers: Some(words(&["*"])),
            anonymous: Some(words(&["*", "null", "https://x/"])),
            ..CorsConfig::default()
        };
        let mut problems = Problems::default();
        Cors::compile(&config, &OriginSet::default(), "cors", &mut Prepared::default(), &mut problems);
        let paths: Vec<_> = problems.finish().unwrap_err().into_iter().map(|error| error.path).collect();
        assert_eq!(
            paths,
            [
                "cors.methods[0]",
                "cors.methods[1]",
                "cors.headers[0]",
                "cors.headers[1]",
                "cors.headers[2]",
                "cors.exposed_headers[0]",
                "cors.anonymous[1]",
                "cors.anonymous[2]",
            ]
        );
    }
}
