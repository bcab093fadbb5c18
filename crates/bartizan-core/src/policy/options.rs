//! What a route, and `[default]`, can say; and the tables that a route can override.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use core::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{ByteSize, Duration, Mode, RateLimitChoice};

/// CSP directives by name, each with its sources.
pub type Directives = BTreeMap<String, Vec<String>>;

/// One `[[route]]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Method and path: `GET /public/**`, `* /admin/**`, `GET,POST /items/{id}`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Whether letters match in either case; needed where the application ignores case.
    #[serde(default)]
    pub case_insensitive: bool,
    /// What the client must present: `"nothing"`, `"session"`, `{ any = ["session", "jwt"], scope = "admin" }`.
    #[serde(default)]
    pub require: Option<RequireConfig>,
    /// `origin` (tiers 1–5) or `token` (a token from everyone).
    #[serde(default)]
    pub csrf: Option<CsrfChoice>,
    /// `refuse`, or `anonymous`: foreign requests come in without identity.
    #[serde(default)]
    pub cross_site: Option<CrossSite>,
    /// Each CSRF token is good for one request.
    #[serde(default)]
    pub one_time: Option<bool>,
    /// No CSRF defence on this route.
    #[serde(default)]
    pub dangerously_skip_csrf: Option<bool>,
    /// `"off"`, or the keys of `[cors]` that differ here.
    #[serde(default)]
    pub cors: Option<CorsChoice>,
    /// CSP directives that replace the preset's.
    #[serde(default)]
    pub csp: Option<Directives>,
    /// Where forms may be sent: the CSP directive of that name.
    #[serde(default)]
    pub form_action: Option<Vec<String>>,
    /// Who may frame these pages: the CSP directive of that name.
    #[serde(default)]
    pub frame_ancestors: Option<Vec<String>>,
    /// Cross-Origin-Opener-Policy.
    #[serde(default)]
    pub coop: Option<String>,
    /// Cross-Origin-Resource-Policy.
    #[serde(default)]
    pub corp: Option<String>,
    /// Parts of the request firewall that let this route's paths pass.
    #[serde(default)]
    pub relax: Option<Vec<Relaxation>>,
    /// Error pages and texts of the application reach the client.
    #[serde(default)]
    pub pass_errors: Option<bool>,
    /// The longest request body.
    #[serde(default)]
    pub max_body: Option<ByteSize>,
    /// The application sees the bearer token too.
    #[serde(default)]
    pub forward_authorization: Option<bool>,
    /// `"off"`, or rules of this route alone. What it does not name is counted by `[rate_limit]`, over all routes.
    #[serde(default)]
    pub rate_limit: Option<RateLimitChoice>,
}

/// `[default]`: the same keys as a route, without `match`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteOptions {
    /// What the client must present. Must be written once any kind of credential is configured.
    pub require: Option<RequireConfig>,
    /// `origin` (tiers 1–5) or `token` (a token from everyone).
    pub csrf: Option<CsrfChoice>,
    /// `refuse`, or `anonymous`: foreign requests come in without identity.
    pub cross_site: Option<CrossSite>,
    /// Each CSRF token is good for one request.
    pub one_time: Option<bool>,
    /// No CSRF defence.
    pub dangerously_skip_csrf: Option<bool>,
    /// `"off"`, or the keys of `[cors]` that differ.
    pub cors: Option<CorsChoice>,
    /// CSP directives that replace the preset's.
    pub csp: Option<Directives>,
    /// Where forms may be sent: the CSP directive of that name.
    pub form_action: Option<Vec<String>>,
    /// Who may frame pages: the CSP directive of that name.
    pub frame_ancestors: Option<Vec<String>>,
    /// Cross-Origin-Opener-Policy.
    pub coop: Option<String>,
    /// Cross-Origin-Resource-Policy.
    pub corp: Option<String>,
    /// Parts of the request firewall that let paths pass.
    pub relax: Option<Vec<Relaxation>>,
    /// Error pages and texts of the application reach the client.
    pub pass_errors: Option<bool>,
    /// The longest request body; 10 MiB.
    pub max_body: Option<ByteSize>,
    /// The application sees the bearer token too.
    pub forward_authorization: Option<bool>,
}

impl RouteConfig {
    /// The options without the pattern.
    pub fn options(&self) -> RouteOptions {
        RouteOptions {
            require: self.require.clone(),
            csrf: self.csrf,
            cross_site: self.cross_site,
            one_time: self.one_time,
            dangerously_skip_csrf: self.dangerously_skip_csrf,
            cors: self.cors.clone(),
            csp: self.csp.clone(),
            form_action: self.form_action.clone(),
            frame_ancestors: self.frame_ancestors.clone(),
            coop: self.coop.clone(),
            corp: self.corp.clone(),
            relax: self.relax.clone(),
            pass_errors: self.pass_errors,
            max_body: self.max_body,
            forward_authorization: self.forward_authorization,
        }
    }
}

/// What a client must present.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged, deny_unknown_fields)]
pub enum RequireConfig {
    /// One word: `nothing`, `session`, `jwt`, `api-key`.
    One(CredentialKind),
    /// Any of several, with a scope.
    Any {
        /// The kinds that will do.
        any: Vec<CredentialKind>,
        /// A scope that the principal must have.
        #[schemars(default)]
        scope: Option<String>,
    },
}

/// By hand: serde's untagged enums lose the place of an error and what was expected there.
impl<'de> Deserialize<'de> for RequireConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Any {
            any: Vec<CredentialKind>,
            #[serde(default)]
            scope: Option<String>,
        }

        struct Require;
        impl<'de> Visitor<'de> for Require {
            type Value = RequireConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of credential such as \"session\", or `{ any = [\"session\", \"jwt\"] }`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<RequireConfig, E> {
                CredentialKind::deserialize(StrDeserializer::new(word)).map(RequireConfig::One)
            }
            fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<RequireConfig, A::Error> {
                let Any { any, scope } = Any::deserialize(MapAccessDeserializer::new(keys))?;
                Ok(RequireConfig::Any { any, scope })
            }
        }
        deserializer.deserialize_any(Require)
    }
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// Open to everyone.
    Nothing,
    /// Our session cookie.
    Session,
    /// A bearer token.
    Jwt,
    /// An API key.
    ApiKey,
}

impl CredentialKind {
    /// As a policy writes it: `api-key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Session => "session",
            Self::Jwt => "jwt",
            Self::ApiKey => "api-key",
        }
    }
}

/// How a route defends against cross-site request forgery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CsrfChoice {
    /// By where the request comes from; a token only where that is unknown.
    #[default]
    Origin,
    /// By a token, from everyone.
    Token,
}

/// What happens to a state-changing request from a foreign site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossSite {
    /// It is refused.
    #[default]
    Refuse,
    /// It comes in without our session, the ambient cookies and Basic credentials.
    Anonymous,
}

/// A part of the request firewall that can be relaxed on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Relaxation {
    /// `//`
    EmptySegment,
    /// `;` and `%3b`
    Semicolon,
    /// `\` and `%5c`
    Backslash,
    /// `%2f`
    EncodedSlash,
    /// `%2e`
    EncodedDot,
    /// `%25`
    EncodedPercent,
    /// `.` and `..`
    DotSegment,
    /// Control characters, encoded.
    Control,
    /// Bytes that are not UTF-8 after decoding.
    Utf8,
}

/// `[cors]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// `off`, `report` or `enforce`. `off` shares nothing; `report` leaves what the application shares as it is.
    pub mode: Option<Mode>,
    /// The methods that other origins may use; GET, HEAD, POST.
    pub methods: Option<Vec<String>>,
    /// The request headers that other origins may send; `content-type`.
    pub headers: Option<Vec<String>>,
    /// The response headers that their scripts may read.
    pub exposed_headers: Option<Vec<String>>,
    /// How long a browser may remember a preflight; 1 h.
    pub max_age: Option<Duration>,
    /// Origins that may read **without credentials**: `["*"]`, or a list.
    pub anonymous: Option<Vec<String>>,
    /// Refuse requests of foreign origins on the server too, whatever their method.
    pub reject_foreign: Option<bool>,
}

impl CorsConfig {
    /// These keys, and those of `base` that are not written here.
    pub(crate) fn over(&self, base: &Self) -> Self {
        let (own, base) = (self.clone(), base.clone());
        Self {
            mode: own.mode.or(base.mode),
            methods: own.methods.or(base.methods),
            headers: own.headers.or(base.headers),
            exposed_headers: own.exposed_headers.or(base.exposed_headers),
            max_age: own.max_age.or(base.max_age),
            anonymous: own.anonymous.or(base.anonymous),
            reject_foreign: own.reject_foreign.or(base.reject_foreign),
        }
    }

    /// Whether this key is written here.
    pub(crate) fn names(&self, key: &str) -> bool {
        match key {
            "methods" => self.methods.is_some(),
            "headers" => self.headers.is_some(),
            "exposed_headers" => self.exposed_headers.is_some(),
            "max_age" => self.max_age.is_some(),
            "anonymous" => self.anonymous.is_some(),
            _ => true,
        }
    }
}

/// A route's `cors`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum CorsChoice {
    /// `"off"`: no other origin may read this route.
    Mode(Mode),
    /// Keys that differ from `[cors]`.
    Override(Box<CorsConfig>),
}

/// By hand, for the same reason as [`RequireConfig`].
impl<'de> Deserialize<'de> for CorsChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = CorsChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\", or a table with the keys of `[cors]` that differ")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<CorsChoice, E> {
                Mode::deserialize(StrDeserializer::new(word)).map(CorsChoice::Mode)
            }
            fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<CorsChoice, A::Error> {
                let differing = CorsConfig::deserialize(MapAccessDeserializer::new(keys))?;
                Ok(CorsChoice::Override(Box::new(differing)))
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

/// `[csp]`: the policy of pages.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CspConfig {
    /// `off`, `report` (sent as Report-Only) or `enforce`.
    pub mode: Option<Mode>,
    /// `page`, or `strict`: only scripts with a nonce, and what they load.
    pub preset: CspPreset,
    /// Directives that replace the preset's whole.
    pub directives: Directives,
    /// A second policy, only reported on, beside the enforced one.
    pub report_only: Directives,
    /// Require Trusted Types for scripts; the names of policies that may be made.
    pub trusted_types: Option<Vec<String>>,
}

/// Where a page's policy starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CspPreset {
    /// Own files, and inline scripts with the nonce.
    #[default]
    Page,
    /// Scripts with the nonce and what they load (`'strict-dynamic'`).
    Strict,
}
