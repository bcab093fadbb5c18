//! HTML that is safe to show, as a type.

use std::{borrow::Cow, fmt};

use super::plain;

/// HTML that is safe to show: between tags, where a paragraph or a list could stand.
///
/// Only [`clean`](super::clean), [`try_clean`](super::try_clean) and [`SafeHtml::escape`] make one, so that whoever
/// takes a `SafeHtml` needs not ask where it came from. Store what was written, and clean it when it is shown.
///
/// What `clean` makes is not for the value of an attribute, nor for `<script>` and `<style>`; what `escape` makes may
/// stand in a quoted attribute too.
///
/// ```compile_fail
/// let html: bartizan_sinks::html::SafeHtml = String::from("<b>not so</b>").into();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SafeHtml<'a>(Cow<'a, str>);

impl<'a> SafeHtml<'a> {
    pub(super) fn trusted(html: impl Into<Cow<'a, str>>) -> Self {
        Self(html.into())
    }

    /// Shows text as it is: `<` is written `&lt;`. Borrowed where nothing is to be escaped.
    ///
    /// ```
    /// use bartizan_sinks::html::SafeHtml;
    ///
    /// assert_eq!(SafeHtml::escape("1 < 2 & 'x'").as_str(), "1 &lt; 2 &amp; &#39;x&#39;");
    /// ```
    pub fn escape(text: &'a str) -> Self {
        let special = |byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b'\0');
        if !text.bytes().any(special) {
            return Self(Cow::Borrowed(text));
        }
        let mut html = String::with_capacity(text.len() + text.len() / 8);
        plain::escape(&mut html, text, special);
        Self(Cow::Owned(html))
    }

    /// The HTML.
    ///
    /// ```
    /// use bartizan_sinks::html::SafeHtml;
    ///
    /// assert_eq!(SafeHtml::escape("text").as_str(), "text");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, of its own.
    ///
    /// ```
    /// use bartizan_sinks::html::{Policy, SafeHtml, clean};
    ///
    /// fn bio(form: &str) -> SafeHtml<'static> {
    ///     clean(form, &Policy::rich_text()).into_owned()
    /// }
    /// assert_eq!(bio("<b>I</b>").as_str(), "<b>I</b>");
    /// ```
    #[must_use]
    pub fn into_owned(self) -> SafeHtml<'static> {
        SafeHtml(Cow::Owned(self.0.into_owned()))
    }

    /// The HTML as a plain string, which is no longer known to be safe.
    ///
    /// ```
    /// use bartizan_sinks::html::SafeHtml;
    ///
    /// assert_eq!(SafeHtml::escape("a & b").into_string(), "a &amp; b");
    /// ```
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }

    /// Whether it is the input itself, uncopied.
    #[cfg(test)]
    pub(super) fn is_borrowed(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }
}

impl fmt::Display for SafeHtml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SafeHtml<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// `{{ value }}` stays as it is.
#[cfg(feature = "askama")]
impl askama::filters::HtmlSafe for SafeHtml<'_> {}

#[cfg(feature = "askama")]
impl askama::FastWritable for SafeHtml<'_> {
    fn write_into(&self, to: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(to.write_str(&self.0)?)
    }
}
