//! What may remain of a writer's markup.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, LazyLock},
};

use html5ever::LocalName;

use super::{builder::PolicyBuilder, limits::Limits, vocabulary::Value};

/// What may remain of a writer's markup: elements, their attributes, the schemes of URLs.
///
/// Made once, checked when made, and cheap to clone. Whatever it is built from, it allows no script, no event
/// handler, no `javascript:` URL, no style, no frame, no form, no SVG and no `MathML`: such a policy cannot be built.
///
/// ```
/// use bartizan_sinks::html::{Policy, clean};
///
/// let policy = Policy::builder().tags(["b", "i"]).tag("a", ["href"]).schemes(["https"]).build()?;
/// let html = clean("<b>Hi</b> <u>there</u>, <a href='javascript:alert(1)'>click</a><script>x()</script>", &policy);
/// assert_eq!(html.as_str(), "<b>Hi</b> there, <a>click</a>");
/// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy(pub(super) Arc<Checked>);

/// Attributes that may remain, with what their values are. They are few: a list is faster than a table.
pub(super) type Attributes = Vec<(LocalName, Value)>;

/// A policy as `clean` reads it: nothing in it can be wrong.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) rules: HashMap<LocalName, Attributes, BuildHasherDefault<AtomHash>>,
    pub(super) everywhere: Attributes,
    pub(super) schemes: Vec<String>,
    pub(super) classes: Vec<String>,
    pub(super) relative_urls: bool,
    pub(super) id_prefix: Option<String>,
    pub(super) link_attributes: &'static str,
    pub(super) limits: Limits,
}

impl Policy {
    /// Text only: every tag goes, and the content of scripts and styles with them.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let html = clean("<p>Dear <b>Ann</b> & Bob,<style>p{}</style><script>x()</script>", &Policy::strip_all());
    /// assert_eq!(html.as_str(), "Dear Ann &amp; Bob,");
    /// ```
    pub fn strip_all() -> Self {
        static STRIP_ALL: LazyLock<Policy> = LazyLock::new(|| PolicyBuilder::new().checked());
        STRIP_ALL.clone()
    }

    /// What people write in comments, articles and mails: headings, lists, tables, quotes, code and links.
    ///
    /// Links go to `https`, `http`, `mailto`, `tel` or a place of this site, and carry
    /// `rel="noopener noreferrer nofollow"`. There are no images, which tell their host who reads what; add them with
    /// [`PolicyBuilder::rich_text`] where that is wanted.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let html = clean("<h2 onclick=x()>News</h2><a href=/more>more</a>", &Policy::rich_text());
    /// assert_eq!(html.as_str(), r#"<h2>News</h2><a href="/more" rel="noopener noreferrer nofollow">more</a>"#);
    /// ```
    pub fn rich_text() -> Self {
        static RICH_TEXT: LazyLock<Policy> = LazyLock::new(|| PolicyBuilder::rich_text().checked());
        RICH_TEXT.clone()
    }

    /// A policy that allows nothing yet.
    ///
    /// ```
    /// use bartizan_sinks::html::Policy;
    ///
    /// assert!(Policy::builder().tags(["p", "br"]).build().is_ok());
    /// ```
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::new()
    }

    pub(super) fn checked(&self) -> &Checked {
        &self.0
    }
}

impl Checked {
    /// Whether an element may remain.
    pub(super) fn allows(&self, element: &LocalName) -> bool {
        self.rules.contains_key(element)
    }

    /// What the values of an attribute of an element are; `None` if it may not remain.
    pub(super) fn value(&self, rule: &[(LocalName, Value)], attribute: &LocalName) -> Option<Value> {
        rule.iter().chain(&self.everywhere).find(|(name, _)| name == attribute).map(|(_, value)| *value)
    }

    /// The attributes of an element, if it may remain.
    pub(super) fn rule(&self, element: &LocalName) -> Option<&[(LocalName, Value)]> {
        self.rules.get(element).map(Vec::as_slice)
    }

    /// Whether a scheme, in any case, is allowed.
    pub(super) fn allows_scheme(&self, scheme: &str) -> bool {
        self.schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme))
    }

    /// The class names that may remain; none at all where it is empty.
    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }
}

/// Atoms bring their hash. Nobody but a policy's author chooses what is in the table, so that none can flood it.
#[derive(Debug, Default)]
pub(super) struct AtomHash(u64);

impl Hasher for AtomHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        // The table takes its index from the low bits and its tag from the high ones.
        self.0 = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
