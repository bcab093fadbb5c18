//! What can be wrong with a policy as written: one fault each, all of them together.

use alloc::{format, string::String};
use core::fmt;

use thiserror::Error;

use super::source::DANGEROUSLY;

/// One fault: where it is, what was written there, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CspFault {
    /// The directive's name, as written.
    pub directive: String,
    /// The place of the source in the directive's list, from 0; `None` where the whole directive is meant.
    pub index: Option<usize>,
    /// What was written there: the source, or the directive's name.
    pub value: String,
    /// What is wrong.
    pub error: CspError,
}

impl CspFault {
    /// Where the fault is within the table of directives: `script-src[1]`, `script-src`.
    pub fn path(&self) -> String {
        match self.index {
            Some(index) => format!("{}[{index}]", self.directive),
            None => self.directive.clone(),
        }
    }

    /// What to write instead, where that can be said.
    pub fn hint(&self) -> Option<String> {
        self.error.hint(&self.value)
    }
}

impl fmt::Display for CspFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `", self.path())?;
        // A control character in a message would reach someone's terminal.
        for character in self.value.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        write!(f, "`: {}", self.error)
    }
}

impl core::error::Error for CspFault {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What can be wrong with a directive or a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CspError {
    /// No browser knows a directive of this name.
    #[error("no directive has this name")]
    UnknownDirective(Option<&'static str>),
    /// A directive of an earlier draft.
    #[error("browsers do not know this directive any more; use {0}")]
    WithdrawnDirective(&'static str),
    /// Browsers ignore the directive in a policy that is only reported on.
    #[error("browsers ignore this directive in a policy that is only reported on")]
    NotInReportOnly,
    /// The list is empty.
    #[error("the list is empty")]
    EmptyList,
    /// The directive takes no value.
    #[error("this directive takes no value")]
    TakesNoValue,
    /// The directive takes one value.
    #[error("this directive takes exactly one value")]
    TakesOneValue,
    /// The source is there already.
    #[error("this is there already, at [{first}]")]
    Duplicate {
        /// Where, from 0.
        first: usize,
    },
    /// The source is the empty string.
    #[error("the source is empty")]
    EmptySource,
    /// A character that would end the source, the directive or the policy.
    #[error("a source cannot contain {0:?}")]
    ForbiddenCharacter(char),
    /// `self` for `'self'`: browsers take it for the name of a host.
    #[error("without single quotes this is the name of a host, not the keyword")]
    UnquotedKeyword(&'static str),
    /// No browser knows such a keyword.
    #[error("no keyword has this name")]
    UnknownKeyword(Option<&'static str>),
    /// Quotes around a host or a scheme.
    #[error("only keywords, nonces and hashes stand in quotes")]
    QuotedSource,
    /// A keyword, nonce or hash that has no meaning in this directive.
    #[error("this has no meaning in this directive")]
    OutOfPlace,
    /// `'none'` with other sources: browsers ignore it then.
    #[error("'none' stands alone: beside other sources browsers ignore it")]
    NoneBesideOthers,
    /// Hosts, schemes and `'self'` with `'strict-dynamic'`: browsers ignore them then.
    #[error("browsers ignore this beside 'strict-dynamic'")]
    BesideStrictDynamic,
    /// `'strict-dynamic'` with neither nonce nor hash: no script can be the first.
    #[error("'strict-dynamic' needs a nonce or a hash: without one no script runs")]
    StrictDynamicAlone,
    /// `'unsafe-inline'` with a nonce, a hash or `'strict-dynamic'`: browsers ignore it then.
    #[error("browsers ignore 'unsafe-inline' beside a nonce, a hash or 'strict-dynamic'")]
    UnsafeInlineIgnored,
    /// The source takes the policy's protection away and does not say so.
    #[error("this lets injected code run; it is taken only where the danger is named")]
    DangerNotNamed,
    /// `dangerously:` before a source that is not dangerous.
    #[error("there is no danger to name in this source")]
    NoDangerToName,
    /// Not a host-source.
    #[error("this is not a host-source: {0}")]
    BadHost(HostFault),
    /// Not a scheme-source.
    #[error("this is not a scheme-source")]
    BadScheme,
    /// `https` for `https:`.
    #[error("without a colon this is the name of a host, not a scheme")]
    SchemeWithoutColon,
    /// A nonce that would be the same in every response.
    #[error("a nonce is fresh in each response and cannot be written down")]
    LiteralNonce,
    /// Not a hash-source.
    #[error("this is not a hash-source: {0}")]
    BadHash(HashFault),
    /// No such token in this directive.
    #[error("this directive has no such token")]
    UnknownToken(Option<&'static str>),
    /// Not the name of a Trusted Types policy.
    #[error("this is not the name of a Trusted Types policy")]
    BadPolicyName,
    /// Not the name of a reporting endpoint.
    #[error("this is not the name of a reporting endpoint")]
    BadEndpoint,
    /// Not an address that reports can be sent to.
    #[error("this is not an address for reports")]
    BadReportUri,
}

/// What is wrong with a host-source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostFault {
    /// Before `://`.
    #[error("no scheme is written so")]
    Scheme,
    /// Nothing between two dots, or no host at all.
    #[error("a label of the host is empty")]
    EmptyLabel,
    /// A `*` that is not the first label.
    #[error("`*` can only be the whole host or its first label")]
    Wildcard,
    /// A character that host names do not have.
    #[error("{0:?} cannot be in a host")]
    Character(char),
    /// After `:`.
    #[error("a port is a number from 1 to 65535, or `*`")]
    Port,
    /// After the first `/`.
    #[error("the path has a character that must be percent-encoded")]
    Path,
    /// `[::1]`: the grammar has no place for it.
    #[error("IPv6 addresses cannot be written in a Content Security Policy")]
    Ipv6,
    /// `?` or `#`.
    #[error("it has a query or a fragment, which are never compared")]
    QueryOrFragment,
    /// `user@host`.
    #[error("it has a user name")]
    UserInfo,
}

/// What is wrong with a hash-source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HashFault {
    /// The single quotes are missing.
    #[error("its single quotes are missing")]
    Unquoted,
    /// The algorithm is written in capitals.
    #[error("the algorithm is written sha256, sha384 or sha512")]
    Algorithm,
    /// Neither base64 nor base64url.
    #[error("the digest is not base64")]
    NotBase64,
    /// Too short or too long for the algorithm.
    #[error("the digest has {found} bytes where the algorithm gives {expected}")]
    Length {
        /// The algorithm's, in bytes.
        expected: usize,
        /// What was written, in bytes.
        found: usize,
    },
}

impl CspError {
    /// The stable name of the fault: `csp.unquoted-keyword`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownDirective(_) => "csp.unknown-directive",
            Self::WithdrawnDirective(_) => "csp.withdrawn-directive",
            Self::NotInReportOnly => "csp.not-in-report-only",
            Self::EmptyList => "csp.empty-list",
            Self::TakesNoValue => "csp.takes-no-value",
            Self::TakesOneValue => "csp.takes-one-value",
            Self::Duplicate { .. } => "csp.duplicate",
            Self::EmptySource => "csp.empty-source",
            Self::ForbiddenCharacter(_) => "csp.forbidden-character",
            Self::UnquotedKeyword(_) => "csp.unquoted-keyword",
            Self::UnknownKeyword(_) => "csp.unknown-keyword",
            Self::QuotedSource => "csp.quoted-source",
            Self::OutOfPlace => "csp.out-of-place",
            Self::NoneBesideOthers => "csp.none-beside-others",
            Self::BesideStrictDynamic => "csp.beside-strict-dynamic",
            Self::StrictDynamicAlone => "csp.strict-dynamic-alone",
            Self::UnsafeInlineIgnored => "csp.unsafe-inline-ignored",
            Self::DangerNotNamed => "csp.danger-not-named",
            Self::NoDangerToName => "csp.no-danger-to-name",
            Self::BadHost(_) => "csp.bad-host",
            Self::BadScheme => "csp.bad-scheme",
            Self::SchemeWithoutColon => "csp.scheme-without-colon",
            Self::LiteralNonce => "csp.literal-nonce",
            Self::BadHash(_) => "csp.bad-hash",
            Self::UnknownToken(_) => "csp.unknown-token",
            Self::BadPolicyName => "csp.bad-policy-name",
            Self::BadEndpoint => "csp.bad-endpoint",
            Self::BadReportUri => "csp.bad-report-uri",
        }
    }

    /// What to write instead of `value`.
    pub fn hint(&self, value: &str) -> Option<String> {
        let hint = match self {
            Self::UnknownDirective(Some(word))
            | Self::UnknownToken(Some(word))
            | Self::UnknownKeyword(Some(word)) => format!("did you mean \"{word}\"?"),
            Self::UnquotedKeyword(word) => format!("write \"{word}\", with the single quotes"),
            Self::UnknownKeyword(None) => {
                "keywords are 'self', 'none', 'nonce', 'strict-dynamic' and a few more; \
                hosts stand without quotes"
                    .into()
            }
            Self::Duplicate { .. } => "remove it".into(),
            Self::EmptyList => "write [\"'none'\"] to allow nothing".into(),
            Self::TakesNoValue => "write []".into(),
            Self::ForbiddenCharacter(';' | ',') => {
                "in a path it is written %3B or %2C; each directive has a key of its own".into()
            }
            Self::ForbiddenCharacter(' ' | '\t' | '\n') => {
                "each source is an item of its own in the list".into()
            }
            Self::ForbiddenCharacter(c) if !c.is_ascii() => {
                "a host is written in its ASCII form: xn--…".into()
            }
            Self::QuotedSource => format!("write \"{}\"", value.trim_matches('\'')),
            Self::NoneBesideOthers => "leave 'none' out, or everything else".into(),
            Self::BesideStrictDynamic => {
                "leave it out: scripts are trusted by their nonce, and what they load with them".into()
            }
            Self::StrictDynamicAlone => "add \"'nonce'\"".into(),
            Self::UnsafeInlineIgnored => "leave it out, or the nonce and the hashes".into(),
            Self::DangerNotNamed => format!("if nothing else will do, write \"{DANGEROUSLY}{value}\""),
            Self::NoDangerToName => {
                format!("write \"{}\"", value.strip_prefix(DANGEROUSLY).unwrap_or(value))
            }
            Self::SchemeWithoutColon => format!("write \"{value}:\""),
            Self::BadScheme => "a scheme-source is a scheme and its colon: \"https:\"".into(),
            Self::BadHost(HostFault::Character('_')) => {
                "an underscore cannot be in a host of this policy".into()
            }
            Self::BadHost(_) => "a host-source looks like \"https://cdn.example.com\"".into(),
            Self::LiteralNonce => "write \"'nonce'\": each response gets a fresh one in its place".into(),
            Self::BadHash(HashFault::Unquoted) => format!("write \"'{value}'\""),
            Self::BadPolicyName => {
                "a name has letters, digits and - # = _ / @ . %; 'none', 'allow-duplicates' stand in quotes"
                    .into()
            }
            Self::BadEndpoint => "an endpoint is named as in Reporting-Endpoints: \"default\"".into(),
            Self::BadReportUri => "write a path, \"/csp-reports\", or an https URL".into(),
            Self::OutOfPlace if value.eq_ignore_ascii_case("'nonce'") => {
                "nonces are for scripts and styles: script-src, style-src and their -elem forms".into()
            }
            Self::OutOfPlace => "it belongs to script-src or style-src".into(),
            _ => return None,
        };
        Some(hint)
    }
}
