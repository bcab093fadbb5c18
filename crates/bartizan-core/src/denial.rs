//! Every refusal that Bartizan can answer with: one enum, one list, one docs page each (`docs/denials/`).

use alloc::{borrow::ToOwned as _, boxed::Box, format, string::String};
use core::fmt;

/// Declares [`DenialCode`] from one table, so that a code cannot lack its status, title or hint.
macro_rules! denial_codes {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $control:literal, $title:literal, $allow:expr; )+) => {
        /// The stable name of a reason to refuse a request.
        ///
        /// Written as `control.reason` in problem documents, logs and `explain`. Each has a page in
        /// `docs/denials/` that says what was seen, why it is refused, and how to allow it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DenialCode { $( $(#[$doc])* $variant, )+ }

        impl DenialCode {
            /// All codes, in the order of the list.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The code as it is written everywhere: `csrf.cross-site`.
            pub const fn as_str(self) -> &'static str { match self { $( Self::$variant => $code, )+ } }

            /// The HTTP status that goes with it, 400 to 504.
            pub const fn status(self) -> u16 { match self { $( Self::$variant => $status, )+ } }

            /// The control that gives it, as `explain` and the log name it.
            pub const fn control(self) -> &'static str { match self { $( Self::$variant => $control, )+ } }

            /// One sentence for the client: what was refused, without internals.
            pub const fn title(self) -> &'static str { match self { $( Self::$variant => $title, )+ } }

            /// The policy line that would allow it; `{}` stands for the offending value. `None` where no policy can.
            const fn allow_template(self) -> Option<&'static str> { match self { $( Self::$variant => $allow, )+ } }
        }
    };
}

denial_codes! {
    /// The method is not in the policy's allow list (RFC 9110 §15.5.6).
    RequestMethod = "request.method", 405, "firewall", "This method is not allowed here.",
        Some("[request] methods = [..., \"{}\"]");
    /// The request target is neither a path nor `*` with OPTIONS (RFC 9112 §3.2).
    RequestTarget = "request.target", 400, "firewall", "The request target is not a path.", None;
    /// The path has an empty segment, `//`.
    PathEmptySegment = "path.empty-segment", 400, "firewall", "The path has an empty segment.",
        Some("[[route]] relax = [\"empty-segment\"]");
    /// The path has a `;`, raw or as `%3b`.
    PathSemicolon = "path.semicolon", 400, "firewall", "The path contains a semicolon.",
        Some("[[route]] relax = [\"semicolon\"]");
    /// The path has a `\`, raw or as `%5c`.
    PathBackslash = "path.backslash", 400, "firewall", "The path contains a backslash.",
        Some("[[route]] relax = [\"backslash\"]");
    /// The path has an encoded slash, `%2f`.
    PathEncodedSlash = "path.encoded-slash", 400, "firewall", "The path contains an encoded slash.",
        Some("[[route]] relax = [\"encoded-slash\"]");
    /// The path has an encoded dot, `%2e`.
    PathEncodedDot = "path.encoded-dot", 400, "firewall", "The path contains an encoded dot.",
        Some("[[route]] relax = [\"encoded-dot\"]");
    /// The path has an encoded percent sign, `%25`, which a second decoding would turn into something else.
    PathEncodedPercent = "path.encoded-percent", 400, "firewall", "The path contains an encoded percent sign.",
        Some("[[route]] relax = [\"encoded-percent\"]");
    /// The path has a segment `.` or `..`.
    PathDotSegment = "path.dot-segment", 400, "firewall", "The path has a dot segment.",
        Some("[[route]] relax = [\"dot-segment\"]");
    /// The path has a control character, raw or encoded (`%00`, `%0a`, `%0d` and the others).
    PathControl = "path.control", 400, "firewall", "The path contains a control character.",
        Some("[[route]] relax = [\"control\"]");
    /// The path is not UTF-8 after decoding.
    PathUtf8 = "path.utf8", 400, "firewall", "The path is not valid UTF-8.", Some("[[route]] relax = [\"utf8\"]");
    /// The path has a `%` that two hexadecimal digits do not follow, or a character that a path cannot have
    /// (RFC 3986 §3.3).
    PathMalformed = "path.malformed", 400, "firewall", "The path is malformed.", None;
    /// The readings of a relaxed path select different routes.
    RouteAmbiguous = "route.ambiguous", 400, "firewall", "The path can be read in more than one way.", None;
    /// More headers than the policy allows.
    HeadersTooMany = "headers.too-many", 400, "firewall", "The request has too many headers.",
        Some("[request] max_headers = ...");
    /// The headers' names and values together are longer than the policy allows.
    HeadersTooLarge = "headers.too-large", 400, "firewall", "The request's headers are too large.",
        Some("[request] max_header_bytes = ...");
    /// One cookie, name and value, is longer than the policy allows.
    CookieTooLarge = "cookie.too-large", 400, "firewall", "A cookie is too large.",
        Some("[request] max_cookie_bytes = ...");
    /// The cookies together are longer than the policy allows.
    CookiesTooLarge = "cookie.total-too-large", 400, "firewall", "The cookies are too large.",
        Some("[request] max_cookies_bytes = ...");
    /// A cookie name that Bartizan owns came twice (cookie tossing).
    CookieDuplicate = "cookie.duplicate", 400, "firewall", "A protected cookie was sent twice.", None;
    /// Two `Authorization` headers.
    AuthorizationDuplicate = "authorization.duplicate", 400, "firewall", "Two Authorization headers were sent.", None;
    /// Length and transfer coding contradict each other (RFC 9112 §6.1); never optional.
    FramingAmbiguous = "framing.ambiguous", 400, "framing", "The request's length is ambiguous.", None;
    /// A transfer coding other than a single `chunked` (RFC 9112 §6.1); never optional.
    FramingUnsupported = "framing.unsupported", 400, "framing", "The transfer coding is not supported.", None;
    /// No authority: no Host, no `:authority`, no absolute target (RFC 9112 §3.2); never optional.
    AuthorityMissing = "authority.missing", 400, "host", "The request names no host.", None;
    /// The authority is not `host[:port]`, has userinfo, or came twice.
    AuthorityInvalid = "authority.invalid", 400, "host", "The request's host is not valid.", None;
    /// Host, `:authority` and the absolute target disagree.
    AuthorityMismatch = "authority.mismatch", 400, "host", "The request names two different hosts.", None;
    /// The host is not one of the policy's (RFC 9110 §15.5.20).
    HostUnknown = "host.unknown", 421, "host", "This host is not served here.",
        Some("[server] hosts = [\"{}\"]");
    /// Plain HTTP for a host whose public origin is https, by a client that must not be redirected.
    HttpsRequired = "https.required", 403, "https", "This resource needs HTTPS.", Some("[https] mode = \"off\"");
    /// A preflight from an origin that is not in the set.
    CorsOrigin = "cors.origin", 403, "cors", "This origin may not call this resource.",
        Some("[origin] trusted = [\"{}\"]");
    /// A preflight for a method that the policy does not name.
    CorsMethod = "cors.method", 403, "cors", "This method may not be used from another origin.",
        Some("[cors] methods = [..., \"{}\"]");
    /// A preflight for a header that the policy does not name.
    CorsHeader = "cors.header", 403, "cors", "This header may not be sent from another origin.",
        Some("[cors] headers = [..., \"{}\"]");
    /// A state-changing request from another site (tier 3), by `Sec-Fetch-Site`.
    CsrfCrossSite = "csrf.cross-site", 403, "csrf", "A request from another site may not change state here.",
        Some("[origin] trusted = [\"{}\"]");
    /// A state-changing request whose `Origin` is not in the set (tier 4).
    CsrfOrigin = "csrf.origin", 403, "csrf", "This origin may not change state here.",
        Some("[origin] trusted = [\"{}\"]");
    /// A token is required and the request brings none, neither in `X-CSRF-Token` nor in a form.
    CsrfTokenMissing = "csrf.token-missing", 403, "csrf", "This request needs a CSRF token.", None;
    /// The token was not made for this client, is too old, or came twice.
    CsrfTokenInvalid = "csrf.token-invalid", 403, "csrf", "The CSRF token is not valid.", None;
    /// The token is good for one request (`one_time`), and that was made.
    CsrfTokenUsed = "csrf.token-used", 403, "csrf", "The CSRF token was used before.", None;
    /// A token is required and none can be had: there are no keys to make one with, or a page of another site asks.
    CsrfTokenUnavailable = "csrf.token-unavailable", 403, "csrf", "This request needs a CSRF token, and none can be had here.",
        None;
    /// A WebSocket handshake from an origin that is not in the set (RFC 6455 §10.2).
    WebSocketOrigin = "websocket.origin", 403, "websocket", "This origin may not open a WebSocket here.",
        Some("[origin] trusted = [\"{}\"]");
    /// A WebSocket handshake that is not one (RFC 6455 §4.2.1).
    WebSocketInvalid = "websocket.invalid", 400, "websocket", "The WebSocket handshake is not valid.", None;
    /// A foreign page tried to load an API response (ASVS 3.5.8).
    IsolationCrossSite = "isolation.cross-site", 403, "isolation", "Another site may not load this resource.",
        Some("[origin] trusted = [\"{}\"]");
    /// The upstream handed off a session where it may not, or not with the nonce of this request. The response goes on
    /// without it.
    HandoffRefused = "handoff.refused", 502, "session", "The service's answer cannot be accepted.", None;
    /// More requests than a rate limit lets through (RFC 6585 §4).
    RateLimited = "rate.limited", 429, "rate_limit", "Too many requests.",
        Some("{} = { limit = ..., per = \"...\" }");
    /// The route needs a credential and there was none.
    AuthRequired = "auth.required", 401, "requirement", "Sign in to use this resource.",
        Some("[[route]] require = \"nothing\"");
    /// The credential is not valid.
    AuthInvalid = "auth.invalid", 401, "requirement", "The credential is not valid.", None;
    /// A text that claims to be an API key, and is not one: the form or the checksum is wrong. No store was asked.
    ApiKeyMalformed = "api-key.malformed", 401, "requirement", "This is not an API key of this service.", None;
    /// An API key that is not good: unknown, with a secret that is not its own, or revoked.
    ApiKeyInvalid = "api-key.invalid", 401, "requirement", "The API key is not valid.", None;
    /// An API key whose time, or whose grace after a rotation, is over.
    ApiKeyExpired = "api-key.expired", 401, "requirement", "The API key has expired.", None;
    /// A bearer token that is no signed token in the one form that is read. Nobody was asked for a key.
    JwtMalformed = "jwt.malformed", 401, "requirement", "This is not a token that can be read.", None;
    /// A token with an `alg` that is none of ours, not its key's, or not one that its issuer signs with (RFC 8725 §3.1).
    JwtAlgorithm = "jwt.algorithm", 401, "requirement", "The token's algorithm is not accepted.", None;
    /// A token of an issuer that the policy does not trust (RFC 8725 §3.8).
    JwtIssuer = "jwt.issuer", 401, "requirement", "The token's issuer is not trusted here.",
        Some("[[jwt.trusted_issuer]] issuer = \"{}\"");
    /// A token of a key that its issuer does not have in use.
    JwtKeyUnknown = "jwt.key-unknown", 401, "requirement", "The token's key is not known.", None;
    /// A token that its key did not sign.
    JwtSignature = "jwt.signature", 401, "requirement", "The token's signature is not valid.", None;
    /// A token of another type, such as an identity token (RFC 8725 §3.11).
    JwtType = "jwt.type", 401, "requirement", "This is not an access token.",
        Some("[[jwt.trusted_issuer]] types = [\"at+jwt\", ...]");
    /// A token for somebody else (RFC 8725 §3.9).
    JwtAudience = "jwt.audience", 401, "requirement", "The token is not meant for this service.",
        Some("[[jwt.trusted_issuer]] audience = [...]");
    /// A token whose time is over.
    JwtExpired = "jwt.expired", 401, "requirement", "The token has expired.", None;
    /// A token whose time has not come, by `nbf` or `iat`.
    JwtNotYetValid = "jwt.not-yet-valid", 401, "requirement", "The token is not valid yet.",
        Some("[jwt] leeway = \"...\"");
    /// A token that lacks a claim, or has one that is not what it must be.
    JwtClaims = "jwt.claims", 401, "requirement", "The token's claims are not what they must be.", None;
    /// A token that was revoked.
    JwtRevoked = "jwt.revoked", 401, "requirement", "The token was revoked.", None;
    /// The principal lacks the scope that the route requires.
    AuthScope = "auth.scope", 403, "requirement", "This account may not use this resource.",
        Some("[[route]] require = { any = [...], scope = \"...\" }");
    /// The store behind the engine cannot answer.
    StoreUnavailable = "store.unavailable", 503, "requirement", "The service cannot check this credential now.", None;
    /// The request body is longer than the route allows.
    BodyTooLarge = "body.too-large", 413, "body", "The request body is too large.",
        Some("[[route]] max_body = \"...\"");
    /// The client was too slow to send its request.
    RequestTimeout = "request.timeout", 408, "gateway", "The request took too long to arrive.", None;
    /// The upstream cannot be reached.
    UpstreamUnreachable = "upstream.unreachable", 502, "gateway", "The service behind this gateway cannot be reached.", None;
    /// The upstream closed or answered something that is not HTTP.
    UpstreamInvalid = "upstream.invalid", 502, "gateway", "The service behind this gateway gave no valid answer.", None;
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream.timeout", 504, "gateway", "The service behind this gateway did not answer in time.",
        Some("[server] response_timeout = \"...\"");
    /// The handler or upstream failed, and its error text is kept from the client.
    UpstreamError = "upstream.error", 500, "errors", "The service failed to answer.",
        Some("[[route]] pass_errors = true");
    /// The handler panicked.
    HandlerPanic = "handler.panic", 500, "errors", "The service failed to answer.", None;
}

impl DenialCode {
    /// The code with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for DenialCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was refused and why: a code, and the value that was at fault.
///
/// The value is what a stranger sent. It is kept for the log and for the development hint, at most
/// 128 characters long, with control characters replaced; it is never shown to a client in production.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: DenialCode,
    value: Option<Box<str>>,
}

impl Reason {
    /// A reason without a value.
    pub const fn new(code: DenialCode) -> Self {
        Self { code, value: None }
    }

    /// A reason with the offending value, shortened and made printable.
    pub fn with_value(code: DenialCode, value: &[u8]) -> Self {
        Self { code, value: Some(printable(value)) }
    }

    /// The stable code.
    pub const fn code(&self) -> DenialCode {
        self.code
    }

    /// The offending value, printable, at most 128 characters.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The policy line that would allow such a request, if a policy can.
    pub fn allow_line(&self) -> Option<String> {
        let template = self.code.allow_template()?;
        match (template.split_once("{}"), self.value()) {
            (Some((before, after)), Some(value)) => {
                Some(format!("{before}{}{after}", value.replace('\\', "\\\\").replace('"', "\\\"")))
            }
            (Some((before, after)), None) => Some(format!("{before}...{after}")),
            (None, _) => Some(template.to_owned()),
        }
    }
}

/// The first 128 characters of `value`, with everything but visible ASCII and single spaces replaced by `?`.
fn printable(value: &[u8]) -> Box<str> {
    // As bytes, for which there is room at once.
    let printable =
        value.iter().take(128).map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { byte } else { b'?' });
    String::from_utf8(printable.collect()).unwrap_or_default().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for &code in DenialCode::ALL {
            assert_eq!(DenialCode::from_name(code.as_str()), Some(code), "{code}");
            assert!((400..=504).contains(&code.status()), "{code}");
        }
        assert_eq!(DenialCode::from_name("csrf.nothing"), None);
    }

    #[test]
    fn the_allow_line_quotes_what_was_sent() {
        let reason = Reason::with_value(DenialCode::CsrfCrossSite, b"https://evil.example\"\n");
        assert_eq!(reason.value(), Some("https://evil.example\"?"));
        assert_eq!(reason.allow_line().as_deref(), Some(r#"[origin] trusted = ["https://evil.example\"?"]"#));
        assert_eq!(Reason::new(DenialCode::AuthorityMissing).allow_line(), None);
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(
            Reason::with_value(DenialCode::HostUnknown, &[b'a'; 4096]).value().map(str::len),
            Some(128)
        );
    }
}
