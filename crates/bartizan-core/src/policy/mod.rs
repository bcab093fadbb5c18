//! What a person writes: `bartizan.toml`, as types.
//!
//! Everything here is plain data that may be wrong. [`crate::Engine::build`] turns it into what runs, or into
//! the list of all its errors. Reading the file, with its profiles, overrides and references to the
//! environment, is the `document` module's work.

pub mod document;
mod jwt;
mod limits;
mod options;
mod store;
mod values;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::jwt::Algorithm as JwtAlgorithm;
pub use document::{
    Diagnostic, Document, Location, PolicyInput, Provenance, load, load_and_build, redacted_source, schema,
    schema_text,
};
pub use jwt::{Audiences, JwtConfig, TrustedIssuerConfig};
pub use limits::{
    LimitConfig, LimitStore, LoginProtectionConfig, RateLimitChoice, RateLimitConfig, RouteLimitConfig,
};
pub use options::{
    CorsChoice, CorsConfig, CredentialKind, CrossSite, CspConfig, CspPreset, CsrfChoice, Directives,
    Relaxation, RequireConfig, RouteConfig, RouteOptions,
};
pub use store::{MemoryConfig, StoreConfig, StoreKind, StoreUrl};
pub use values::{ByteSize, Duration, InvalidValue, SecretProvider, SecretRef};

/// One whole policy, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The version of this format: 1.
    pub version: Version,
    /// What every control does unless it says otherwise; `enforce` where nothing is written.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Where this API is reached and who may call it: one set for CORS, CSRF and WebSocket.
    #[serde(default)]
    pub origin: OriginConfig,
    /// What stands in front of us.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
    /// The gateway's own settings.
    #[serde(default)]
    pub server: ServerConfig,
    /// The request firewall.
    #[serde(default)]
    pub request: FirewallConfig,
    /// HTTPS: redirect or refuse plain HTTP.
    #[serde(default)]
    pub https: ControlConfig,
    /// Response headers.
    #[serde(default)]
    pub headers: HeadersConfig,
    /// Content Security Policy of pages.
    #[serde(default)]
    pub csp: CspConfig,
    /// Cross-origin resource sharing (Fetch standard).
    #[serde(default)]
    pub cors: CorsConfig,
    /// Cross-site request forgery.
    #[serde(default)]
    pub csrf: CsrfConfig,
    /// Refusal of API responses to foreign pages (ASVS 3.5.8); `report` where nothing is written.
    #[serde(default)]
    pub isolation: ControlConfig,
    /// WebSocket handshakes.
    #[serde(default)]
    pub websocket: ControlConfig,
    /// Cookies that pass on their way to the client.
    #[serde(default)]
    pub cookies: CookiesConfig,
    /// Rate limits, by address and by principal.
    #[serde(default)]
    pub rate_limit: RateLimitConfig,
    /// Sessions. Writing this table makes `session` a credential that routes can require.
    #[serde(default)]
    pub session: Option<SessionConfig>,
    /// Where state is kept.
    #[serde(default)]
    pub store: Option<StoreConfig>,
    /// Tokens. Writing this table makes `jwt` a credential that routes can require.
    #[serde(default)]
    pub jwt: Option<JwtConfig>,
    /// API keys. Writing this table makes `api-key` a credential that routes can require.
    #[serde(default)]
    pub api_keys: Option<ApiKeysConfig>,
    /// What holds where no route says otherwise.
    #[serde(default)]
    pub default: RouteOptions,
    /// The routes, in order: the first that matches wins.
    #[serde(default)]
    pub route: Vec<RouteConfig>,
    /// Overlays, chosen by name. The loader takes this table out before the policy is decoded.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    #[expect(clippy::zero_sized_map_values, reason = "what is in an overlay is not read here")]
    pub profile: BTreeMap<String, serde::de::IgnoredAny>,
}

/// The version of the policy format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
#[schemars(extend("const" = 1))]
pub struct Version(#[schemars(range(min = 1, max = 1))] u32);

impl TryFrom<u32> for Version {
    type Error = &'static str;
    fn try_from(version: u32) -> Result<Self, Self::Error> {
        if version == 1 { Ok(Self(1)) } else { Err("this build reads `version = 1`") }
    }
}

/// What a control does with what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Does not look.
    Off,
    /// Decides, logs and counts, and lets the request pass.
    Report,
    /// Decides and refuses.
    #[default]
    Enforce,
}

/// `[origin]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OriginConfig {
    /// Where this API is reached: `https://api.example.com`.
    pub public: Vec<String>,
    /// Other origins that may call it with credentials: exact, or `https://*.example.com`.
    pub trusted: Vec<String>,
}

/// `[proxy]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// The addresses that forwarded headers are believed from: `10.0.0.0/8`, `::1`.
    pub trusted: Vec<String>,
    /// The one header per fact that those proxies set.
    pub forwarded: ForwardedConfig,
}

/// `[proxy.forwarded]`: a header name per fact. A fact without a header is not believed from anyone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardedConfig {
    /// The client's address: `x-forwarded-for`, `forwarded`, `x-real-ip`.
    #[serde(rename = "for")]
    pub client: Option<String>,
    /// The client's scheme: `x-forwarded-proto`, `forwarded`.
    pub proto: Option<String>,
    /// The host that the client asked for: `x-forwarded-host`, `forwarded`.
    pub host: Option<String>,
}

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address to listen on: `127.0.0.1:8080`.
    pub listen: Option<String>,
    /// The application behind the gateway: `http://127.0.0.1:8000`.
    pub upstream: Option<String>,
    /// A path that answers 200 by itself, for load balancers: `/healthz`.
    pub health: Option<String>,
    /// Host names served besides those of `origin.public`: `api.internal`, `api.internal:8080`.
    pub hosts: Vec<String>,
    /// Certificate and key. This build cannot serve TLS yet.
    pub tls: Option<TlsConfig>,
    /// Sent to the upstream as `Bartizan-Upstream-Token` with every request, so that the application can tell
    /// requests that came through the gateway from those that went around it.
    pub upstream_token: Option<SecretRef>,
    /// How long a client may take to send a request's head; 10 s.
    pub header_timeout: Option<Duration>,
    /// How long connecting to the upstream may take; 5 s.
    pub connect_timeout: Option<Duration>,
    /// How long the upstream may take to begin its response; 60 s.
    pub response_timeout: Option<Duration>,
    /// How long a body, stream or tunnel may stay silent; 5 min.
    pub idle_timeout: Option<Duration>,
    /// How long a kept-alive connection may wait for its next request; 60 s.
    pub keep_alive: Option<Duration>,
    /// How long requests may go on after SIGTERM; 30 s.
    pub drain_timeout: Option<Duration>,
    /// How many clients may be connected at once; 10 000.
    pub max_connections: Option<u32>,
    /// How many threads serve; one per core.
    pub threads: Option<u16>,
}

/// `[server.tls]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: SecretRef,
    /// The private key, PEM.
    pub key: SecretRef,
}

/// `[request]`: the request firewall.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FirewallConfig {
    /// `off`, `report` or `enforce`.
    pub mode: Option<Mode>,
    /// The methods that may come in; GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
    pub methods: Option<Vec<String>>,
    /// At most this many headers; 100.
    pub max_headers: Option<u32>,
    /// Names and values of all headers together; 32 KiB.
    pub max_header_bytes: Option<ByteSize>,
    /// Name and value of one cookie; 4096 bytes.
    pub max_cookie_bytes: Option<ByteSize>,
    /// All cookies together; 16 KiB.
    pub max_cookies_bytes: Option<ByteSize>,
}

/// A control that has nothing to set but its mode.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlConfig {
    /// `off`, `report` or `enforce`.
    pub mode: Option<Mode>,
}

/// `[headers]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// `off` or `enforce`. Response headers cannot be reported on.
    pub mode: Option<Mode>,
    /// HTTP Strict Transport Security (RFC 6797).
    pub hsts: HstsConfig,
    /// `X-XSS-Protection`: absent by default, for it is deprecated and can be misused.
    pub x_xss_protection: Option<XssProtection>,
    /// Permissions-Policy features to leave at the browser's default, besides those that already are.
    pub allow_features: Vec<String>,
}

/// `[headers.hsts]`
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HstsConfig {
    /// How long browsers remember; 2 years.
    pub max_age: Option<Duration>,
    /// Whether subdomains are meant too; yes, and must be written out on a registrable domain.
    pub include_subdomains: Option<bool>,
    /// Asks for the browsers' preload list. It cannot be taken back for months.
    pub preload: bool,
}

/// What `X-XSS-Protection` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum XssProtection {
    /// `0`: switches the old filter off.
    #[serde(rename = "0")]
    Off,
    /// `1; mode=block`, for checklists that still ask for it.
    #[serde(rename = "1; mode=block")]
    Block,
}

/// `[csrf]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsrfConfig {
    /// `off`, `report` or `enforce`.
    pub mode: Option<Mode>,
    /// The upstream's cookies that carry a login: a request with one needs proof of where it comes from.
    pub ambient_cookies: Vec<String>,
    /// The form field that a token may come in where there is no `X-CSRF-Token`; `csrf_token`.
    pub field: Option<String>,
    /// A path that answers GET with a token: `/csrf-token`.
    pub token_path: Option<String>,
}

/// `[cookies]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CookiesConfig {
    /// `off` or `enforce`.
    pub mode: Option<Mode>,
    /// Names that scripts may read; the well-known CSRF cookie names where nothing is written.
    pub readable: Option<Vec<String>>,
}

/// `[session]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// How long a session lives without a request; 30 min.
    pub idle: Option<Duration>,
    /// How long a session lives at most; 12 h.
    pub absolute: Option<Duration>,
    /// `lax`; `strict` also loses the session when a link or a redirect of another site leads here.
    pub same_site: Option<SameSite>,
    /// How many sessions a subject may have at once; the oldest end. Any number where nothing is written.
    pub max_per_subject: Option<u32>,
    /// Routes on which the upstream may begin and end sessions.
    pub handoff: Option<HandoffConfig>,
    /// How often a login may fail.
    pub login_protection: LoginProtectionConfig,
}

/// Which requests of other sites carry the session cookie (RFC 6265bis §5.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SameSite {
    /// Navigations that cannot change anything.
    #[default]
    Lax,
    /// None at all.
    Strict,
}

/// `[session.handoff]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HandoffConfig {
    /// `["POST /login"]`
    pub login: Vec<String>,
    /// `["POST /logout"]`
    pub logout: Vec<String>,
}

/// `[api_keys]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeysConfig {
    /// What a key begins with: `PREFIX_live_…`. 2 to 16 lowercase letters and digits; `bartizan`.
    pub prefix: Option<String>,
    /// How long a key that was replaced is good, unless it ends before; 7 days.
    pub grace: Option<Duration>,
}
