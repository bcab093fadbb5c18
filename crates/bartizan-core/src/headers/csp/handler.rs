//! The policy that a handler sent: what it lacks, and who it lets frame the document.
//!
//! A handler's policy stands. Of three directives that nothing falls back to, or whose absence is a known way
//! in (`<base>` moves relative scripts, `<object>` runs plug-ins, framing is clickjacking), those that it lacks
//! are added by a second policy; a browser enforces every policy that it gets (CSP3 §8.1).

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{Csp, Framing};

const BASE_URI: u8 = 1;
const OBJECT_SRC: u8 = 2;
const FRAME_ANCESTORS: u8 = 4;
const ALL: u8 = 7;

/// What the `Content-Security-Policy` headers of a response say, read without copying.
///
/// ```
/// use bartizan_core::headers::csp::{Csp, Framing, HandlerCsp, Supplements};
/// let supplements = Supplements::beside(&Csp::preset_page());
/// let mut handler = HandlerCsp::default();
/// handler.observe(b"default-src 'self'; base-uri 'self'; frame-ancestors https://partner.example");
/// assert_eq!(supplements.text(handler.missing()), Some("object-src 'none'"));
/// assert_eq!(handler.framing(), Some(Framing::Others)); // no X-Frame-Options then
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerCsp {
    has_directives: bool,
    found: u8,
    framing: Option<Framing>,
}

impl HandlerCsp {
    /// Reads one header value. A response may have several, and each may be a list (CSP3 §2.2.2): all of them
    /// hold together.
    pub fn observe(&mut self, value: &[u8]) {
        for policy in value.split(|byte| *byte == b',') {
            self.observe_policy(policy);
        }
    }

    /// Whether the handler sent a policy at all. A header without a directive is none (§2.2.2).
    pub const fn is_present(self) -> bool {
        self.has_directives
    }

    /// What is lacking of `base-uri`, `object-src` and `frame-ancestors`.
    pub const fn missing(self) -> Missing {
        Missing(!self.found & ALL)
    }

    /// Whom the handler lets frame the document; `None` where it does not say.
    pub const fn framing(self) -> Option<Framing> {
        self.framing
    }

    fn observe_policy(&mut self, policy: &[u8]) {
        let mut has_frame_ancestors = false;
        for directive in policy.split(|byte| *byte == b';') {
            // A browser passes over a directive that is not ASCII (§2.2.1).
            if !directive.is_ascii() {
                continue;
            }
            let mut words = directive.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let Some(name) = words.next() else { continue };
            self.has_directives = true;
            // Names are compared without case, and of two of one name the first counts (§2.2.1).
            if name.eq_ignore_ascii_case(b"base-uri") {
                self.found |= BASE_URI;
            } else if name.eq_ignore_ascii_case(b"object-src") {
                self.found |= OBJECT_SRC;
            } else if name.eq_ignore_ascii_case(b"frame-ancestors") && !has_frame_ancestors {
                has_frame_ancestors = true;
                self.found |= FRAME_ANCESTORS;
                let framing = read_framing(words);
                // Every policy must agree to a frame: the narrowest decides.
                self.framing = Some(self.framing.map_or(framing, |earlier| earlier.min(framing)));
            }
        }
    }
}

/// An ancestor-source-list; an empty one, like `'none'` by itself, matches nobody (§6.4.2).
fn read_framing<'w>(words: impl Iterator<Item = &'w [u8]>) -> Framing {
    words
        .map(|word| {
            if word.eq_ignore_ascii_case(b"'none'") {
                Framing::Nobody
            } else if word.eq_ignore_ascii_case(b"'self'") {
                Framing::SameOrigin
            } else {
                Framing::Others
            }
        })
        .max()
        .unwrap_or(Framing::Nobody)
}

/// Which of `base-uri`, `object-src` and `frame-ancestors` a handler's policy lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Missing(u8);

impl Missing {
    /// A number below 8, one for each combination; 0 where nothing is missing.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether nothing is missing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The second policies that go beside a handler's own: one for each combination of what can be missing,
/// finished when the engine is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplements([Box<str>; 8]);

impl Supplements {
    /// The supplements of a route whose pages get `csp`: their `frame-ancestors` is that policy's, or `'none'`.
    pub fn beside(csp: &Csp) -> Self {
        let frame_ancestors = csp.frame_ancestors().unwrap_or_else(|| "'none'".into());
        Self(core::array::from_fn(|missing| {
            let mut text: Vec<String> = Vec::new();
            let lacks = |directive: u8| missing & usize::from(directive) != 0;
            if lacks(BASE_URI) {
                text.push("base-uri 'none'".into());
            }
            if lacks(OBJECT_SRC) {
                text.push("object-src 'none'".into());
            }
            if lacks(FRAME_ANCESTORS) {
                text.push(["frame-ancestors ", &frame_ancestors].concat());
            }
            text.join("; ").into()
        }))
    }

    /// The policy that adds what is missing; `None` where nothing is.
    pub fn text(&self, missing: Missing) -> Option<&str> {
        self.0.get(missing.index()).map(|text| &**text).filter(|text| !text.is_empty())
    }

    /// All eight by [`Missing::index`], the first empty: to be turned into prepared headers once.
    pub fn texts(&self) -> &[Box<str>; 8] {
        &self.0
    }
}
