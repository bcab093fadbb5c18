//! How a policy is written, and checked.

use std::{collections::HashMap, sync::Arc};

use html5ever::LocalName;

use super::{
    fault::{PolicyFault, PolicyFaults},
    limits::Limits,
    policy::{Attributes, Checked, Policy},
    vocabulary::{ELEMENTS, FORBIDDEN_SCHEMES, Value, forbidden_attribute, forbidden_element, value_of},
};

/// What a person wrote that a [`Policy`] is to be; see [`Policy::builder`].
#[derive(Clone, Debug, Default)]
pub struct PolicyBuilder {
    tags: Vec<(String, Vec<String>)>,
    everywhere: Vec<String>,
    schemes: Vec<String>,
    classes: Vec<String>,
    relative_urls: bool,
    id_prefix: Option<String>,
    follow: bool,
    new_tab: bool,
    limits: Limits,
}

impl PolicyBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// What [`Policy::rich_text`] allows, to add to.
    ///
    /// ```
    /// use bartizan_sinks::html::{PolicyBuilder, clean};
    ///
    /// let with_images = PolicyBuilder::rich_text().tag("img", ["src", "alt"]).build()?;
    /// let html = clean("<p><img src=https://img.example/1.png onerror=x()></p>", &with_images);
    /// assert_eq!(html.as_str(), r#"<p><img src="https://img.example/1.png"></p>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn rich_text() -> Self {
        Self::new()
            .tags([
                "abbr", "b", "bdi", "bdo", "br", "caption", "cite", "code", "dd", "dfn", "div", "dl", "dt",
                "em",
            ])
            .tags([
                "figcaption",
                "figure",
                "h1",
                "h2",
                "h3",
                "h4",
                "h5",
                "h6",
                "hr",
                "i",
                "kbd",
                "mark",
                "p",
                "pre",
            ])
            .tags([
                "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup",
            ])
            .tags(["table", "tbody", "tfoot", "thead", "tr", "tt", "u", "ul", "var", "wbr"])
            .tag("a", ["href", "hreflang"])
            .tag("blockquote", ["cite"])
            .tag("q", ["cite"])
            .tag("col", ["span"])
            .tag("colgroup", ["span"])
            .tag("del", ["cite", "datetime"])
            .tag("ins", ["cite", "datetime"])
            .tag("details", ["open"])
            .tag("li", ["value"])
            .tag("ol", ["start", "reversed", "type"])
            .tag("td", ["colspan", "rowspan", "align"])
            .tag("th", ["colspan", "rowspan", "align", "scope", "abbr"])
            .tag("time", ["datetime"])
            .attributes(["dir", "lang", "title"])
            .schemes(["https", "http", "mailto", "tel"])
            .relative_urls()
    }

    /// Allows elements, with no attributes of their own.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tags(["em"]).build()?;
    /// assert_eq!(clean("<em title=x>a</em>", &policy).as_str(), "<em>a</em>");
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn tags<'t>(mut self, tags: impl IntoIterator<Item = &'t str>) -> Self {
        self.tags.extend(tags.into_iter().map(|tag| (tag.to_owned(), Vec::new())));
        self
    }

    /// Allows one element with these attributes.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tag("time", ["datetime"]).build()?;
    /// let html = clean(r#"<time datetime="12:00" class=x>noon</time>"#, &policy);
    /// assert_eq!(html.as_str(), r#"<time datetime="12:00">noon</time>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn tag<'t>(mut self, tag: &str, attributes: impl IntoIterator<Item = &'t str>) -> Self {
        self.tags.push((tag.to_owned(), attributes.into_iter().map(str::to_owned).collect()));
        self
    }

    /// Allows attributes on every element that is allowed.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tags(["p"]).attributes(["lang"]).build()?;
    /// assert_eq!(clean("<p lang=fr>oui</p>", &policy).as_str(), r#"<p lang="fr">oui</p>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn attributes<'t>(mut self, attributes: impl IntoIterator<Item = &'t str>) -> Self {
        self.everywhere.extend(attributes.into_iter().map(str::to_owned));
        self
    }

    /// Allows class names, on every element that is allowed; all others are taken out.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tags(["code"]).classes(["language-rust"]).build()?;
    /// let html = clean(r#"<code class="admin language-rust">x</code>"#, &policy);
    /// assert_eq!(html.as_str(), r#"<code class="language-rust">x</code>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn classes<'t>(mut self, classes: impl IntoIterator<Item = &'t str>) -> Self {
        self.classes.extend(classes.into_iter().map(str::to_owned));
        self
    }

    /// Allows URLs of these schemes, written in lower case and without the colon. A URL of another scheme is taken
    /// out with its attribute.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tag("q", ["cite"]).schemes(["https"]).build()?;
    /// assert_eq!(clean("<q cite=' HTTPS://a.example'>a</q>", &policy).as_str(), r#"<q cite="HTTPS://a.example">a</q>"#);
    /// assert_eq!(clean("<q cite='java&Tab;script:x'>a</q>", &policy).as_str(), "<q>a</q>");
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn schemes<'t>(mut self, schemes: impl IntoIterator<Item = &'t str>) -> Self {
        self.schemes.extend(schemes.into_iter().map(str::to_owned));
        self
    }

    /// Allows URLs without a scheme: `/path`, `page`, `#place`. Such as name another host (`//host/`) are allowed
    /// where `https` is.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tag("q", ["cite"]).relative_urls().build()?;
    /// assert_eq!(clean("<q cite=/a>a</q><q cite=//b.example>b</q>", &policy).as_str(), r#"<q cite="/a">a</q><q>b</q>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn relative_urls(mut self) -> Self {
        self.relative_urls = true;
        self
    }

    /// What every `id` and `name` begins with; what does not, gets it. Links to `#place` follow.
    ///
    /// Without it these attributes cannot be allowed: `id="config"` makes `window.config` an element, and a script
    /// that reads it is in the writer's hands (DOM clobbering). Use a prefix that no script of the page looks up.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, clean};
    ///
    /// let policy = Policy::builder().tag("h2", ["id"]).id_prefix("user-").build()?;
    /// assert_eq!(clean("<h2 id=config>a</h2>", &policy).as_str(), r#"<h2 id="user-config">a</h2>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn id_prefix(mut self, prefix: &str) -> Self {
        self.id_prefix = Some(prefix.to_owned());
        self
    }

    /// Lets search engines count links: `rel` is `noopener noreferrer`, without `nofollow`.
    ///
    /// ```
    /// use bartizan_sinks::html::{PolicyBuilder, clean};
    ///
    /// let policy = PolicyBuilder::rich_text().follow_links().build()?;
    /// let html = clean("<a href=/a rel=opener>a</a>", &policy);
    /// assert_eq!(html.as_str(), r#"<a href="/a" rel="noopener noreferrer">a</a>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn follow_links(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Opens links in a new tab: `target="_blank"`. Else links have no `target`, whatever the writer wrote.
    ///
    /// ```
    /// use bartizan_sinks::html::{PolicyBuilder, clean};
    ///
    /// let policy = PolicyBuilder::rich_text().links_open_new_tab().follow_links().build()?;
    /// let html = clean("<a href=/a target=_top>a</a>", &policy);
    /// assert_eq!(html.as_str(), r#"<a href="/a" rel="noopener noreferrer" target="_blank">a</a>"#);
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn links_open_new_tab(mut self) -> Self {
        self.new_tab = true;
        self
    }

    /// What markup may cost.
    ///
    /// ```
    /// use bartizan_sinks::html::{Limits, Policy, clean};
    ///
    /// let policy = Policy::builder().tags(["b"]).limits(Limits { depth: 2, ..Limits::default() }).build()?;
    /// assert_eq!(clean("<b><b>2</b></b>", &policy).as_str(), "<b><b>2</b></b>");
    /// assert_eq!(clean("<i><i><b>3", &policy).as_str(), "&lt;i>&lt;i>&lt;b>3");
    /// # Ok::<(), bartizan_sinks::html::PolicyFaults>(())
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one error.
    ///
    /// ```
    /// use bartizan_sinks::html::Policy;
    ///
    /// let faults = Policy::builder().tag("svg", ["onload"]).schemes(["data"]).build().unwrap_err();
    /// assert_eq!(
    ///     faults.to_string(),
    ///     "<svg> cannot be allowed: it switches to another grammar, in which markup means something else; leave it out\n\
    ///      the attribute `onload` cannot be allowed: event handlers are code; leave it out\n\
    ///      URLs of the scheme `data` cannot be allowed: they run code or read what only this browser can; leave it out"
    /// );
    /// ```
    pub fn build(self) -> Result<Policy, PolicyFaults> {
        let mut faults = Vec::new();
        for (tag, attributes) in &self.tags {
            faults.extend(tag_fault(tag));
            faults.extend(attributes.iter().filter_map(|attribute| self.attribute_fault(attribute)));
        }
        faults.extend(self.everywhere.iter().filter_map(|attribute| self.attribute_fault(attribute)));
        faults.extend(self.schemes.iter().filter_map(|scheme| scheme_fault(scheme)));
        let classes =
            self.classes.iter().filter(|class| class.is_empty() || class.contains(char::is_whitespace));
        faults.extend(classes.map(|class| PolicyFault::MalformedClass { class: class.clone() }));
        let prefix = self.id_prefix.iter().filter(|prefix| !is_prefix(prefix));
        faults.extend(prefix.map(|prefix| PolicyFault::MalformedPrefix { prefix: prefix.clone() }));
        if !self.limits.are_in_range() {
            faults.push(PolicyFault::Limits { limits: self.limits, most_depth: Limits::MOST_DEPTH });
        }
        if faults.is_empty() { Ok(self.checked()) } else { Err(PolicyFaults(faults)) }
    }

    /// Only after it was found right, or where it is ours.
    pub(super) fn checked(self) -> Policy {
        let named = |names: Vec<String>| -> Attributes {
            names.into_iter().filter_map(|name| Some((LocalName::from(&*name), value_of(&name)?))).collect()
        };
        let mut rules: HashMap<LocalName, Attributes, _> = HashMap::default();
        for (tag, attributes) in self.tags {
            rules.entry(LocalName::from(tag)).or_default().extend(named(attributes));
        }
        let link_attributes = match (self.follow, self.new_tab) {
            (false, false) => r#" rel="noopener noreferrer nofollow""#,
            (true, false) => r#" rel="noopener noreferrer""#,
            (false, true) => r#" rel="noopener noreferrer nofollow" target="_blank""#,
            (true, true) => r#" rel="noopener noreferrer" target="_blank""#,
        };
        Policy(Arc::new(Checked {
            rules,
            everywhere: named(self.everywhere),
            schemes: self.schemes,
            classes: self.classes,
            relative_urls: self.relative_urls,
            id_prefix: self.id_prefix,
            link_attributes,
            limits: self.limits,
        }))
    }

    fn attribute_fault(&self, attribute: &str) -> Option<PolicyFault> {
        let owned = attribute.to_owned();
        if let Some(why) = forbidden_attribute(&attribute.to_ascii_lowercase()) {
            return Some(PolicyFault::ForbiddenAttribute { attribute: owned, why });
        }
        match value_of(attribute) {
            None => Some(PolicyFault::UnknownAttribute { attribute: owned }),
            Some(Value::Name) if self.id_prefix.is_none() => {
                Some(PolicyFault::NameWithoutPrefix { attribute: owned })
            }
            Some(_) => None,
        }
    }
}

fn tag_fault(tag: &str) -> Option<PolicyFault> {
    // Compared in lower case, so that `SCRIPT` is called what it is.
    let tag_owned = tag.to_owned();
    if let Some(why) = forbidden_element(&tag.to_ascii_lowercase()) {
        return Some(PolicyFault::ForbiddenTag { tag: tag_owned, why });
    }
    ELEMENTS.binary_search(&tag).is_err().then_some(PolicyFault::UnknownTag { tag: tag_owned })
}

/// RFC 3986 §3.1, in lower case.
fn scheme_fault(scheme: &str) -> Option<PolicyFault> {
    let owned = scheme.to_owned();
    let lower = scheme.trim_end_matches(':').to_ascii_lowercase();
    if FORBIDDEN_SCHEMES.binary_search(&lower.as_str()).is_ok() {
        return Some(PolicyFault::ForbiddenScheme { scheme: owned });
    }
    let well_formed = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    (!well_formed).then_some(PolicyFault::MalformedScheme { scheme: owned })
}

fn is_prefix(prefix: &str) -> bool {
    prefix.len() > 1
        && prefix.starts_with(|first: char| first.is_ascii_alphabetic())
        && prefix.ends_with(['-', '_'])
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
