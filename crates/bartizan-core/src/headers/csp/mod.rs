//! `Content-Security-Policy` (CSP Level 3): what a document may load, run and be framed by.
//!
//! A person writes directives as lists of strings ([`Directives`]). [`Csp`] is what runs: every directive and
//! source in it was parsed and makes sense where it stands. What does not, comes back as [`CspFault`]s, all of
//! them together, because a browser would only ignore it and leave a hole that nobody sees: `self` without
//! quotes is a host, `'none'` beside another source is nothing, `'self'` beside `'strict-dynamic'` neither.
//!
//! A source that lets injected code run is taken only with its danger named, `"dangerously:'unsafe-inline'"`.
//! That concerns the directives that govern scripts (`script-src` and its two parts, and `default-src`), and
//! for `*` and whole schemes also `object-src` and `base-uri`. `'unsafe-inline'` in `style-src` needs no such
//! name: styles do not run code.
//!
//! A handler's own policy stands; [`HandlerCsp`] reads what it lacks and [`Supplements`] has the second policy
//! that adds just that.
//!
//! The nonce is written `'nonce'`; its value is fresh in each response (§7.1).

mod directive;
mod error;
mod handler;
mod source;
mod text;
mod value;

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

pub use directive::Directive;
pub use error::{CspError, CspFault, HashFault, HostFault};
pub use handler::{HandlerCsp, Missing, Supplements};
pub use text::{CspTemplate, CspText};

use crate::{policy::Directives, spelling::nearest};
use source::{Keyword, Source};
use text::Draft;
use value::Value;

/// A Content Security Policy that makes sense.
///
/// ```
/// use bartizan_core::headers::csp::{Csp, CspText};
/// let api = Csp::preset_api();
/// let CspText::Finished(value) = api.render() else { panic!("an API's policy has no nonce") };
/// assert_eq!(
///     &*value,
///     "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Csp {
    /// In the order in which they are rendered, which is the order of [`Directive`].
    directives: BTreeMap<Directive, Value>,
}

/// Who may frame a document, as `frame-ancestors` says (CSP3 §6.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framing {
    /// `'none'`: nobody. The same as `X-Frame-Options: DENY`.
    Nobody,
    /// `'self'`: documents of the same origin. The same as `X-Frame-Options: SAMEORIGIN`.
    SameOrigin,
    /// Others too, which `X-Frame-Options` cannot say.
    Others,
}

impl Csp {
    /// The policy of JSON and everything else that is not a page: nothing loads, nothing runs.
    pub fn preset_api() -> Self {
        let mut csp = Self::of(&[
            (Directive::DefaultSrc, &[Source::None]),
            (Directive::BaseUri, &[Source::None]),
            (Directive::FormAction, &[Source::None]),
            (Directive::FrameAncestors, &[Source::None]),
        ]);
        csp.directives.insert(Directive::Sandbox, Value::Words(Vec::new()));
        csp
    }

    /// The policy of pages: what the site itself serves, and inline scripts with the nonce.
    pub fn preset_page() -> Self {
        const OWN: Source = Source::Keyword(Keyword::Own);
        Self::of(&[
            (Directive::DefaultSrc, &[Source::None]),
            (Directive::ScriptSrc, &[OWN, Source::Nonce]),
            (Directive::StyleSrc, &[OWN]),
            (Directive::ImgSrc, &[OWN]),
            (Directive::FontSrc, &[OWN]),
            (Directive::ConnectSrc, &[OWN]),
            (Directive::ManifestSrc, &[OWN]),
            (Directive::WorkerSrc, &[OWN]),
            (Directive::ObjectSrc, &[Source::None]),
            (Directive::BaseUri, &[Source::None]),
            (Directive::FormAction, &[OWN]),
            (Directive::FrameAncestors, &[Source::None]),
        ])
    }

    /// The policy of pages whose scripts all carry the nonce: those, and what they load (§8.2).
    ///
    /// ```
    /// use bartizan_core::headers::csp::{Csp, CspText};
    /// let strict = Csp::preset_strict().require_trusted_types(&["app".to_string()]).unwrap();
    /// let CspText::Template(template) = strict.render() else { panic!() };
    /// let value = String::from_utf8(template.fill("abc").into()).unwrap();
    /// assert!(value.contains("; script-src 'nonce-abc' 'strict-dynamic'; "));
    /// assert!(value.ends_with("; require-trusted-types-for 'script'; trusted-types app"));
    /// ```
    pub fn preset_strict() -> Self {
        let mut csp = Self::preset_page();
        let scripts = [Source::Nonce, Source::Keyword(Keyword::StrictDynamic)];
        csp.directives.insert(Directive::ScriptSrc, Value::Sources(scripts.into()));
        csp
    }

    /// A policy of these directives and no others, or all that is wrong with them.
    pub fn new(directives: &Directives) -> Result<Self, Vec<CspFault>> {
        Self::default().with(directives)
    }

    /// A policy that is only reported on, or all that is wrong with it: `sandbox` and
    /// `upgrade-insecure-requests` do nothing there.
    pub fn report_only(directives: &Directives) -> Result<Self, Vec<CspFault>> {
        let ignored = directives
            .keys()
            .filter(|name| Directive::named(name).is_some_and(|directive| !directive.works_in_report_only()));
        let mut faults: Vec<_> =
            ignored.map(|name| whole_directive(name, name, CspError::NotInReportOnly)).collect();
        match Self::new(directives) {
            Ok(csp) if faults.is_empty() => Ok(csp),
            Ok(_) => Err(faults),
            Err(more) => {
                faults.extend(more);
                Err(faults)
            }
        }
    }

    /// This policy with some directives replaced, each whole; or all that is wrong with those.
    ///
    /// ```
    /// use bartizan_core::headers::csp::{Csp, CspError};
    /// let written = [("img-src".to_string(), vec!["self".to_string(), "data:".to_string()])];
    /// let faults = Csp::preset_page().with(&written.into()).unwrap_err();
    /// assert_eq!(faults[0].path(), "img-src[0]");
    /// assert_eq!(faults[0].error, CspError::UnquotedKeyword("'self'"));
    /// assert_eq!(faults[0].hint().unwrap(), "write \"'self'\", with the single quotes");
    /// ```
    pub fn with(mut self, directives: &Directives) -> Result<Self, Vec<CspFault>> {
        let mut faults = Vec::new();
        for (name, items) in directives {
            let Some(directive) = Directive::named(name) else {
                let error = unknown(name);
                faults.push(whole_directive(name, name, error));
                // What is misspelt is judged as what was meant.
                if let CspError::UnknownDirective(Some(meant)) = error
                    && !directives.contains_key(meant)
                    && let Some(Err(more)) = Directive::named(meant).map(|meant| Value::parse(meant, items))
                {
                    faults
                        .extend(more.into_iter().map(|fault| CspFault { directive: name.clone(), ..fault }));
                }
                continue;
            };
            match Value::parse(directive, items) {
                Ok(value) => {
                    self.directives.insert(directive, value);
                }
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }

    /// This policy with Trusted Types required for scripts, and only policies of these names; without names
    /// none can be made (Trusted Types §4.2).
    pub fn require_trusted_types(mut self, names: &[String]) -> Result<Self, Vec<CspFault>> {
        let value = if names.is_empty() {
            Value::Words([NONE.into()].into())
        } else {
            Value::parse(Directive::TrustedTypes, names)?
        };
        self.directives.insert(Directive::TrustedTypes, value);
        self.directives.insert(Directive::RequireTrustedTypesFor, Value::Words(["'script'".into()].into()));
        Ok(self)
    }

    /// Whether nothing is in it, so that there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.directives.is_empty()
    }

    /// What follows `frame-ancestors`, if the policy has it: `'none'`.
    pub fn frame_ancestors(&self) -> Option<String> {
        self.directives.get(&Directive::FrameAncestors).map(Value::without_nonce)
    }

    /// Who may frame the document. A policy without `frame-ancestors` stops nobody.
    pub fn framing(&self) -> Framing {
        let Some(Value::Sources(sources)) = self.directives.get(&Directive::FrameAncestors) else {
            return Framing::Others;
        };
        sources.iter().map(Source::framing).max().unwrap_or(Framing::Nobody)
    }

    /// Whether a nonce goes into it.
    pub fn has_nonce(&self) -> bool {
        self.directives.values().any(Value::has_nonce)
    }

    /// The policy as it is sent.
    pub fn render(&self) -> CspText {
        let mut draft = Draft::default();
        for (place, (directive, value)) in self.directives.iter().enumerate() {
            if place > 0 {
                draft.push("; ");
            }
            draft.push(directive.as_str());
            value.render(&mut draft);
        }
        draft.finish()
    }

    /// The policy of a page that shared caches may keep: a nonce that is served twice is none, so nonces are
    /// left out, and a directive that then admits nothing says `'none'`.
    ///
    /// ```
    /// use bartizan_core::headers::csp::Csp;
    /// assert!(Csp::preset_page().render_without_nonce().contains("script-src 'self'; "));
    /// assert!(Csp::preset_strict().render_without_nonce().contains("script-src 'none'; "));
    /// ```
    pub fn render_without_nonce(&self) -> Box<str> {
        let mut text = String::new();
        for (directive, value) in &self.directives {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(directive.as_str());
            let value = value.without_nonce();
            if !value.is_empty() {
                text.push(' ');
                text.push_str(&value);
            }
        }
        text.into()
    }

    fn of(directives: &[(Directive, &[Source])]) -> Self {
        let directives =
            directives.iter().map(|(directive, sources)| (*directive, Value::Sources(sources.to_vec())));
        Self { directives: directives.collect() }
    }
}

const NONE: &str = "'none'";

fn unknown(name: &str) -> CspError {
    match Directive::instead_of(name) {
        Some(instead) => CspError::WithdrawnDirective(instead),
        None => CspError::UnknownDirective(nearest(name, Directive::ALL.iter().map(|known| known.as_str()))),
    }
}

fn whole_directive(name: &str, value: &str, error: CspError) -> CspFault {
    CspFault { directive: name.into(), index: None, value: value.into(), error }
}
