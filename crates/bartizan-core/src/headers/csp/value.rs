//! What stands behind a directive's name: parsed as a whole, all faults together.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    CspError, CspFault, Directive, Framing, NONE,
    directive::{SANDBOX_TOKENS, Syntax},
    source::{DANGEROUSLY, Keyword, Source},
    text::Draft,
    whole_directive,
};
use crate::spelling::nearest;

/// A directive's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Source expressions.
    Sources(Vec<Source>),
    /// Tokens of other kinds; none for `sandbox` and `upgrade-insecure-requests` by themselves.
    Words(Vec<Box<str>>),
}

impl Value {
    /// Parses what was written for `directive`.
    pub(super) fn parse(directive: Directive, items: &[String]) -> Result<Self, Vec<CspFault>> {
        let check: fn(&str) -> Result<(), CspError> = match directive.syntax() {
            Syntax::Sources => return sources(directive, items),
            Syntax::Sandbox => |item| one_of(item, SANDBOX_TOKENS),
            Syntax::Webrtc => |item| one_of(item, &["'allow'", "'block'"]),
            Syntax::TrustedTypesSinks => |item| one_of(item, &["'script'"]),
            Syntax::TrustedTypes => trusted_types_item,
            Syntax::ReportTo => endpoint,
            Syntax::ReportUri => report_uri,
            Syntax::Flag => |_| Ok(()),
        };
        words(directive, items, check)
    }

    pub(super) fn has_nonce(&self) -> bool {
        matches!(self, Self::Sources(sources) if sources.contains(&Source::Nonce))
    }

    /// Writes the value behind its directive's name.
    pub(super) fn render(&self, draft: &mut Draft) {
        match self {
            Self::Sources(sources) => {
                for source in sources {
                    draft.push(" ");
                    match source {
                        Source::Nonce => draft.push_nonce(),
                        _ => draft.push(source.as_str()),
                    }
                }
            }
            Self::Words(words) => {
                for word in words {
                    draft.push(" ");
                    draft.push(word);
                }
            }
        }
    }

    /// The value without its nonces; `'none'` where what is left admits nothing.
    pub(super) fn without_nonce(&self) -> String {
        match self {
            Self::Words(words) => words.join(" "),
            Self::Sources(sources) => {
                let left = sources.iter().filter(|source| **source != Source::Nonce);
                if left.clone().any(Source::admits) { join(left) } else { NONE.to_string() }
            }
        }
    }
}

impl Source {
    /// Whom this source of a `frame-ancestors` lets frame the document.
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::None => Framing::Nobody,
            Self::Keyword(Keyword::Own) => Framing::SameOrigin,
            _ => Framing::Others,
        }
    }
}

fn join<'s>(sources: impl Iterator<Item = &'s Source>) -> String {
    sources.map(Source::as_str).collect::<Vec<_>>().join(" ")
}

/// Parses a serialized-source-list (CSP3 §2.3.1).
fn sources(directive: Directive, items: &[String]) -> Result<Value, Vec<CspFault>> {
    if items.is_empty() {
        return Err([whole_directive(directive.as_str(), "[]", CspError::EmptyList)].into());
    }
    let parsed: Vec<_> = items.iter().map(|item| source(directive, item)).collect();
    // A source that could not be parsed still stands where it stands: the indices stay those of the list.
    let good = || parsed.iter().map(|parsed| parsed.as_ref().ok());
    let has = |wanted: &Source| good().flatten().any(|source| source == wanted);
    let context = Context {
        length: items.len(),
        strict_dynamic: has(&Source::Keyword(Keyword::StrictDynamic)),
        nonce_or_hash: good().flatten().any(|source| matches!(source, Source::Nonce | Source::Hash(_))),
        all_parsed: parsed.iter().all(Result::is_ok),
    };
    let mut faults = Vec::new();
    for (index, (item, parsed)) in items.iter().zip(&parsed).enumerate() {
        let error = match parsed {
            Err(error) => Some(*error),
            Ok(source) => match good().take(index).position(|earlier| earlier == Some(source)) {
                Some(first) => Some(CspError::Duplicate { first }),
                None => context.objection(source),
            },
        };
        if let Some(error) = error {
            faults.push(fault(directive, index, item, error));
        }
    }
    if faults.is_empty() { Ok(Value::Sources(parsed.into_iter().flatten().collect())) } else { Err(faults) }
}

/// What a source shares its list with.
struct Context {
    length: usize,
    strict_dynamic: bool,
    nonce_or_hash: bool,
    all_parsed: bool,
}

impl Context {
    /// What speaks against a source because of the others.
    fn objection(&self, source: &Source) -> Option<CspError> {
        match source {
            Source::None if self.length > 1 => Some(CspError::NoneBesideOthers),
            Source::Host(_) | Source::Scheme(_) | Source::Keyword(Keyword::Own) if self.strict_dynamic => {
                Some(CspError::BesideStrictDynamic)
            }
            Source::Keyword(Keyword::UnsafeInline) if self.strict_dynamic || self.nonce_or_hash => {
                Some(CspError::UnsafeInlineIgnored)
            }
            // Where a source could not be read it may have been the nonce: one fault is enough then.
            Source::Keyword(Keyword::StrictDynamic) if !self.nonce_or_hash && self.all_parsed => {
                Some(CspError::StrictDynamicAlone)
            }
            _ => None,
        }
    }
}

/// Parses one source and judges it by itself.
fn source(directive: Directive, item: &str) -> Result<Source, CspError> {
    let (text, named) = match item.strip_prefix(DANGEROUSLY) {
        Some(text) => (text, true),
        None => (item, false),
    };
    let source = Source::parse(text)?;
    if !source.belongs_in(directive) {
        return Err(CspError::OutOfPlace);
    }
    match named {
        true if !source.is_dangerous_somewhere() => Err(CspError::NoDangerToName),
        false if source.is_dangerous_in(directive) => Err(CspError::DangerNotNamed),
        _ => Ok(source),
    }
}

/// Parses a list of tokens that are not sources.
fn words(
    directive: Directive,
    items: &[String],
    check: fn(&str) -> Result<(), CspError>,
) -> Result<Value, Vec<CspFault>> {
    let whole = |error| {
        let value = if items.is_empty() { "[]".to_string() } else { items.join(" ") };
        whole_directive(directive.as_str(), &value, error)
    };
    let mut faults: Vec<_> = match (directive.syntax(), items) {
        (Syntax::Flag, [_, ..]) => return Err([whole(CspError::TakesNoValue)].into()),
        // Trusted Types §4.2.2: an empty list lets no policy be made, which 'none' says aloud.
        (Syntax::TrustedTypes, []) => return Ok(Value::Words([NONE.into()].into())),
        (Syntax::ReportUri, []) => return Err([whole(CspError::BadReportUri)].into()),
        (Syntax::ReportTo | Syntax::Webrtc | Syntax::TrustedTypesSinks, [] | [_, _, ..]) => {
            [whole(CspError::TakesOneValue)].into()
        }
        // A sandbox without tokens has every restriction.
        _ => Vec::new(),
    };
    for (index, item) in items.iter().enumerate() {
        let earlier = items.iter().take(index).position(|earlier| earlier == item);
        let error = match (check(item), earlier) {
            (Err(error), _) => error,
            (Ok(()), Some(first)) => CspError::Duplicate { first },
            (Ok(()), None) if item == NONE && items.len() > 1 => CspError::NoneBesideOthers,
            (Ok(()), None) => continue,
        };
        faults.push(fault(directive, index, item, error));
    }
    if faults.is_empty() {
        Ok(Value::Words(items.iter().map(|item| item.as_str().into()).collect()))
    } else {
        Err(faults)
    }
}

fn fault(directive: Directive, index: usize, item: &str, error: CspError) -> CspFault {
    CspFault { directive: directive.as_str().into(), index: Some(index), value: item.into(), error }
}

fn one_of(item: &str, tokens: &[&'static str]) -> Result<(), CspError> {
    if tokens.contains(&item) {
        return Ok(());
    }
    let bare = |token: &'static str| token.trim_matches('\'');
    let near = nearest(item.trim_matches('\''), tokens.iter().map(|token| bare(token)));
    Err(CspError::UnknownToken(tokens.iter().copied().find(|token| Some(bare(token)) == near)))
}

/// tt-expression = tt-policy-name / tt-keyword / tt-wildcard (Trusted Types §4.2.2)
fn trusted_types_item(item: &str) -> Result<(), CspError> {
    let is_name = |item: &str| {
        !item.is_empty()
            && item.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'#' | b'=' | b'_' | b'/' | b'@' | b'.' | b'%')
            })
    };
    match item {
        "'none'" | "'allow-duplicates'" | "*" => Ok(()),
        "none" => Err(CspError::UnquotedKeyword("'none'")),
        "allow-duplicates" => Err(CspError::UnquotedKeyword("'allow-duplicates'")),
        _ if is_name(item) => Ok(()),
        _ => Err(CspError::BadPolicyName),
    }
}

/// The name of an endpoint is a key of `Reporting-Endpoints` (Reporting §3.2; RFC 9651 §3.1.2).
fn endpoint(item: &str) -> Result<(), CspError> {
    let starts = item.starts_with(|c: char| c.is_ascii_lowercase() || c == '*');
    let goes_on = item
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*'));
    if starts && goes_on { Ok(()) } else { Err(CspError::BadEndpoint) }
}

/// uri-reference, of those that a browser can send a report to; `;` and `,` would end the directive.
fn report_uri(item: &str) -> Result<(), CspError> {
    let absolute = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
    let place = match absolute {
        Some(rest) => !rest.starts_with(['/', '?', '#']) && !rest.is_empty(),
        None => item.starts_with('/') && !item.starts_with("//"),
    };
    let plain =
        item.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'<' | b'>' | b'\\'));
    if place && plain { Ok(()) } else { Err(CspError::BadReportUri) }
}
