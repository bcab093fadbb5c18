//! One source expression (CSP3 §2.3.1): parsed, and judged against the directive that it stands in.

use alloc::{boxed::Box, format, string::String};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    Directive,
    error::{CspError, HashFault, HostFault},
};
use crate::spelling::nearest;

/// What the danger of a source is named by: `dangerously:'unsafe-inline'`.
pub(super) const DANGEROUSLY: &str = "dangerously:";

/// A source expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    None,
    Keyword(Keyword),
    /// The place of the nonce; its value comes with each response.
    Nonce,
    /// `'sha256-…'`, as it is rendered.
    Hash(Box<str>),
    /// `https:`, in lower case.
    Scheme(Box<str>),
    /// `https://*.example.com:443/path`, in lower case up to the path.
    Host(Box<str>),
}

macro_rules! keywords {
    ($( $variant:ident = $quoted:literal; )+) => {
        /// A keyword-source, other than `'none'`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Keyword { $( $variant, )+ }

        impl Keyword {
            const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            pub(super) const fn as_str(self) -> &'static str { match self { $( Self::$variant => $quoted, )+ } }
        }
    };
}

keywords! {
    Own = "'self'";
    UnsafeInline = "'unsafe-inline'";
    UnsafeEval = "'unsafe-eval'";
    UnsafeHashes = "'unsafe-hashes'";
    StrictDynamic = "'strict-dynamic'";
    WasmUnsafeEval = "'wasm-unsafe-eval'";
    TrustedTypesEval = "'trusted-types-eval'";
    InlineSpeculationRules = "'inline-speculation-rules'";
    ReportSample = "'report-sample'";
    ReportSha256 = "'report-sha256'";
    ReportSha384 = "'report-sha384'";
    ReportSha512 = "'report-sha512'";
}

const NONE: &str = "'none'";
const NONCE: &str = "'nonce'";

impl Keyword {
    /// Whether the keyword means something in `directive`.
    const fn belongs_in(self, directive: Directive) -> bool {
        match self {
            Self::Own => true,
            Self::UnsafeInline | Self::ReportSample => {
                directive.governs_scripts() || directive.governs_styles()
            }
            // Hashes of event handlers and style attributes; elements need no such leave (§8.3).
            Self::UnsafeHashes => {
                (directive.governs_scripts() || directive.governs_styles())
                    && !matches!(directive, Directive::ScriptSrcElem | Directive::StyleSrcElem)
            }
            // Compiling strings asks `script-src`, else `default-src`, and no other (§4.4.1).
            Self::UnsafeEval | Self::WasmUnsafeEval | Self::TrustedTypesEval => {
                matches!(directive, Directive::ScriptSrc | Directive::DefaultSrc)
            }
            Self::StrictDynamic
            | Self::InlineSpeculationRules
            | Self::ReportSha256
            | Self::ReportSha384
            | Self::ReportSha512 => directive.governs_scripts() && !directive.governs_attributes_only(),
        }
    }
}

impl Source {
    /// Parses one source as a policy's author wrote it, without the prefix that names a danger.
    pub(super) fn parse(text: &str) -> Result<Self, CspError> {
        if text.is_empty() {
            return Err(CspError::EmptySource);
        }
        // `;` and `,` end a directive and a policy, white space a source: none can be inside one (§2.2.1).
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, ';' | ',')) {
            return Err(CspError::ForbiddenCharacter(character));
        }
        if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return Self::parse_quoted(text, inner);
        }
        if text.contains(['\'', '"', '`']) {
            return Err(CspError::UnknownKeyword(nearest_keyword(text)));
        }
        if let Some(keyword) = unquoted(text) {
            return Err(CspError::UnquotedKeyword(keyword));
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("nonce-") {
            return Err(CspError::LiteralNonce);
        }
        if is_hash(&lower) {
            return Err(CspError::BadHash(HashFault::Unquoted));
        }
        if text.contains("://") {
            return host(text);
        }
        match text.split_once(':') {
            // No URL of this scheme is ever fetched, so it would match nothing.
            Some((scheme, "")) if !is_scheme(scheme) || scheme.eq_ignore_ascii_case("javascript") => {
                Err(CspError::BadScheme)
            }
            Some((_, "")) => Ok(Self::Scheme(lower.into())),
            Some((scheme, _)) if is_well_known(scheme) => Err(CspError::BadScheme),
            None if is_well_known(text) => Err(CspError::SchemeWithoutColon),
            _ => host(text),
        }
    }

    fn parse_quoted(text: &str, inner: &str) -> Result<Self, CspError> {
        // Keywords are compared without case, nonces and hashes with it (§2.3.1).
        if text.eq_ignore_ascii_case(NONE) {
            return Ok(Self::None);
        }
        if text.eq_ignore_ascii_case(NONCE) {
            return Ok(Self::Nonce);
        }
        if let Some(keyword) = Keyword::ALL.iter().find(|keyword| keyword.as_str().eq_ignore_ascii_case(text))
        {
            return Ok(Self::Keyword(*keyword));
        }
        let lower = inner.to_ascii_lowercase();
        if lower.starts_with("nonce-") {
            return Err(CspError::LiteralNonce);
        }
        if is_hash(&lower) {
            return hash(text, inner).map_err(CspError::BadHash);
        }
        // `'example.com'`, `'https:'`: only keywords, nonces and hashes are quoted.
        if inner.contains(['.', ':', '/', '*']) {
            return Err(CspError::QuotedSource);
        }
        Err(CspError::UnknownKeyword(nearest_keyword(text)))
    }

    /// Whether the source means something in `directive`.
    pub(super) const fn belongs_in(&self, directive: Directive) -> bool {
        match self {
            Self::None | Self::Scheme(_) | Self::Host(_) => true,
            Self::Keyword(keyword) => keyword.belongs_in(directive),
            Self::Hash(_) => directive.governs_scripts() || directive.governs_styles(),
            Self::Nonce => {
                (directive.governs_scripts() || directive.governs_styles())
                    && !directive.governs_attributes_only()
            }
        }
    }

    /// Whether the source gives away what a policy is for, in one directive or another.
    pub(super) fn is_dangerous_somewhere(&self) -> bool {
        match self {
            Self::Keyword(keyword) => {
                matches!(keyword, Keyword::UnsafeInline | Keyword::UnsafeEval | Keyword::UnsafeHashes)
            }
            // Anyone can serve from a whole scheme, and `data:` and `blob:` are made by whoever can write them.
            Self::Scheme(_) => true,
            Self::Host(host) => is_any_host(host),
            Self::None | Self::Nonce | Self::Hash(_) => false,
        }
    }

    /// Whether `directive` takes the source only with its danger named.
    pub(super) fn is_dangerous_in(&self, directive: Directive) -> bool {
        directive.lets_code_in() && self.is_dangerous_somewhere()
    }

    /// Whether the source by itself admits anything; others only add to what others admit.
    pub(super) const fn admits(&self) -> bool {
        match self {
            Self::None => false,
            Self::Keyword(keyword) => !matches!(
                keyword,
                Keyword::StrictDynamic
                    | Keyword::UnsafeHashes
                    | Keyword::ReportSample
                    | Keyword::ReportSha256
                    | Keyword::ReportSha384
                    | Keyword::ReportSha512
            ),
            Self::Nonce | Self::Hash(_) | Self::Scheme(_) | Self::Host(_) => true,
        }
    }

    /// The source as it is rendered; a nonce has no text of its own.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::None => NONE,
            Self::Keyword(keyword) => keyword.as_str(),
            Self::Nonce => NONCE,
            Self::Hash(text) | Self::Scheme(text) | Self::Host(text) => text,
        }
    }
}

/// The keyword that `text` is without its quotes. A host of that name is never meant.
fn unquoted(text: &str) -> Option<&'static str> {
    keywords().find(|keyword| keyword.trim_matches('\'').eq_ignore_ascii_case(text))
}

fn nearest_keyword(text: &str) -> Option<&'static str> {
    let quotes = ['\'', '"', '`'];
    nearest(text.trim_matches(quotes), keywords().map(|keyword| keyword.trim_matches('\'')))
        .and_then(unquoted)
}

fn keywords() -> impl Iterator<Item = &'static str> {
    [NONE, NONCE].into_iter().chain(Keyword::ALL.iter().map(|keyword| keyword.as_str()))
}

/// `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )` (RFC 3986 §3.1)
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Schemes that are never meant as the name of a host.
fn is_well_known(text: &str) -> bool {
    ["http", "https", "ws", "wss", "data", "blob", "filesystem", "mediastream", "javascript", "about", "file"]
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(text))
}

/// Whether the host is `*`, with or without scheme, port and path.
fn is_any_host(host: &str) -> bool {
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    host.strip_prefix('*').is_some_and(|rest| !rest.starts_with('.'))
}

fn is_hash(lower: &str) -> bool {
    ["sha256-", "sha384-", "sha512-"].iter().any(|algorithm| lower.starts_with(algorithm))
}

/// `hash-source = "'" hash-algorithm "-" base64-value "'"`, either alphabet, padded or not.
fn hash(text: &str, inner: &str) -> Result<Source, HashFault> {
    const EITHER_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let (algorithm, digest) = inner.split_once('-').unwrap_or((inner, ""));
    let length = match algorithm {
        "sha256" => 32,
        "sha384" => 48,
        "sha512" => 64,
        // Browsers compare the algorithm without case, but every generator writes it so.
        _ => return Err(HashFault::Algorithm),
    };
    let standard: String = digest.replace('-', "+").replace('_', "/");
    let decoded =
        GeneralPurpose::new(&STANDARD, EITHER_PADDING).decode(standard).map_err(|_| HashFault::NotBase64)?;
    if decoded.len() == length {
        Ok(Source::Hash(text.into()))
    } else {
        Err(HashFault::Length { expected: length, found: decoded.len() })
    }
}

/// `host-source = [ scheme-part "://" ] host-part [ ":" port-part ] [ path-part ]` (§2.3.1)
fn host(text: &str) -> Result<Source, CspError> {
    check_host(text).map_err(CspError::BadHost)?;
    let start = text.find("://").map_or(0, |at| at + 3);
    let path = text.get(start..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| start + at);
    let (origin, path) = text.split_at_checked(path).unwrap_or((text, ""));
    Ok(Source::Host(format!("{}{path}", origin.to_ascii_lowercase()).into()))
}

fn check_host(text: &str) -> Result<(), HostFault> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        Some(_) => return Err(HostFault::Scheme),
        None => text,
    };
    if rest.contains(['?', '#']) {
        return Err(HostFault::QueryOrFragment);
    }
    let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err(HostFault::UserInfo);
    }
    if authority.starts_with('[') {
        return Err(HostFault::Ipv6);
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| port != "*" && !is_port(port)) {
        return Err(HostFault::Port);
    }
    check_name(name)?;
    if is_path(path) { Ok(()) } else { Err(HostFault::Path) }
}

/// `host-part = "*" / [ "*." ] 1*host-char *( "." 1*host-char )`, `host-char = ALPHA / DIGIT / "-"`
fn check_name(name: &str) -> Result<(), HostFault> {
    if name == "*" {
        return Ok(());
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if labels.contains('*') {
        return Err(HostFault::Wildcard);
    }
    if labels.split('.').any(str::is_empty) {
        return Err(HostFault::EmptyLabel);
    }
    match labels.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.')) {
        Some(character) => Err(HostFault::Character(character)),
        None => Ok(()),
    }
}

fn is_port(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// path-absolute (RFC 3986 §3.3): `pchar` and `/`; what is percent-encoded has its two digits.
fn is_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            }
            b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'(' | b')' | b'*' | b'+' | b'='
            | b':' | b'@' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
    }
    true
}
