//! What a policy can allow at all: elements and attributes that run nothing, load nothing but images, and submit nothing.
//!
//! Lists of what is harmless, by the HTML standard's index of elements and attributes. What the standard adds
//! tomorrow is in none of them. The reasons in the other lists only make for better errors.

/// What an attribute's value is, and therefore how it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Words that nothing acts upon.
    Plain,
    /// A URL, whose scheme must be allowed.
    Url,
    /// A name in the document, which gets the policy's prefix.
    Name,
}

/// Elements that a policy may allow, sorted.
pub(super) const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Attributes that a policy may allow, sorted, with what their values are.
pub(super) const ATTRIBUTES: &[(&str, Value)] = &[
    ("abbr", Value::Plain),
    ("align", Value::Plain),
    ("alt", Value::Plain),
    ("aria-hidden", Value::Plain),
    ("aria-label", Value::Plain),
    ("cite", Value::Url),
    ("colspan", Value::Plain),
    ("datetime", Value::Plain),
    ("decoding", Value::Plain),
    ("dir", Value::Plain),
    ("height", Value::Plain),
    ("href", Value::Url),
    ("hreflang", Value::Plain),
    ("id", Value::Name),
    ("lang", Value::Plain),
    ("loading", Value::Plain),
    ("name", Value::Name),
    ("open", Value::Plain),
    ("reversed", Value::Plain),
    ("rowspan", Value::Plain),
    ("scope", Value::Plain),
    ("span", Value::Plain),
    ("src", Value::Url),
    ("start", Value::Plain),
    ("title", Value::Plain),
    ("translate", Value::Plain),
    ("type", Value::Plain),
    ("valign", Value::Plain),
    ("value", Value::Plain),
    ("width", Value::Plain),
];

/// Elements whose content goes with them, sorted: it is code, another document, or text for those without scripts,
/// which would stand on the page as the writing of somebody who wrote none.
const GONE_WITH_CONTENT: &[&str] =
    &["iframe", "math", "noembed", "noframes", "noscript", "script", "style", "svg", "template", "title"];

/// Whether an element goes with its content.
pub(super) fn is_gone_with_content(name: &str) -> bool {
    GONE_WITH_CONTENT.binary_search(&name).is_ok()
}

/// Why an element can never be allowed.
pub(super) fn forbidden_element(name: &str) -> Option<&'static str> {
    Some(match name {
        "script" => "it runs code",
        "style" | "link" => "styles reach over the whole page, and read it",
        "svg" | "math" | "foreignobject" | "annotation-xml" => {
            "it switches to another grammar, in which markup means something else"
        }
        "iframe" | "frame" | "frameset" | "object" | "embed" | "applet" | "portal" | "fencedframe" => {
            "it loads another document"
        }
        "base" => "it redirects every relative URL of the page",
        "meta" => "it redirects the page, or sets its policies",
        "form" | "input" | "button" | "select" | "option" | "optgroup" | "textarea" | "label"
        | "fieldset" | "legend" | "output" | "datalist" | "meter" | "progress" => {
            "a form asks readers for secrets in your name"
        }
        "template" | "slot" => "its content is inert until a script of the page revives it",
        "noscript" | "noembed" | "noframes" | "xmp" | "plaintext" | "listing" | "title" => {
            "its content is read as text here and as markup there"
        }
        "html" | "head" | "body" => "there is one of it, and it is the page's",
        "audio" | "video" | "source" | "track" | "picture" | "map" | "area" | "canvas" => {
            "it loads or overlays more than a comment needs"
        }
        "marquee" | "blink" | "dialog" | "menu" => "it takes over more of the page than its place",
        _ => return None,
    })
}

/// Why an attribute can never be allowed.
pub(super) fn forbidden_attribute(name: &str) -> Option<&'static str> {
    if name.starts_with("on") {
        return Some("event handlers are code");
    }
    if name.starts_with("data-") {
        return Some("scripts of the page act upon data attributes");
    }
    Some(match name {
        "style" => "styles can cover the page, and load from elsewhere",
        "srcdoc" => "it is another document",
        "class" => "list the names with `classes`, for any class of the page's stylesheet could be used",
        "rel" | "target" => "the policy sets it on links, never the writer",
        "action" | "formaction" | "form" | "method" | "formmethod" | "enctype" => {
            "it sends a form of the page elsewhere"
        }
        "ping" | "background" | "poster" | "srcset" | "imagesrcset" | "longdesc" | "usemap" | "ismap"
        | "data" | "code" | "codebase" | "archive" | "classid" | "profile" | "manifest" | "dynsrc"
        | "lowsrc" => "it is a URL that this module does not check",
        "xmlns" | "xlink:href" | "xml:base" => "it belongs to another grammar",
        "http-equiv" | "content" | "charset" => "it sets what the whole page is",
        "contenteditable"
        | "autofocus"
        | "tabindex"
        | "accesskey"
        | "draggable"
        | "popover"
        | "popovertarget"
        | "popovertargetaction"
        | "command"
        | "commandfor"
        | "is"
        | "slot"
        | "part"
        | "nonce"
        | "integrity"
        | "crossorigin"
        | "for"
        | "headers"
        | "itemprop"
        | "itemscope"
        | "itemtype"
        | "itemid"
        | "itemref" => "it acts upon the page around it",
        _ => return None,
    })
}

/// Schemes by which a URL can run code, or read what only this browser can, sorted.
pub(super) const FORBIDDEN_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "data",
    "feed",
    "file",
    "filesystem",
    "intent",
    "jar",
    "javascript",
    "livescript",
    "mhtml",
    "mocha",
    "moz-extension",
    "resource",
    "vbscript",
    "view-source",
    "wyciwyg",
];

/// How the values of an attribute are checked, if it may be allowed.
pub(super) fn value_of(attribute: &str) -> Option<Value> {
    ATTRIBUTES
        .binary_search_by(|(name, _)| (*name).cmp(attribute))
        .ok()
        .and_then(|at| Some(ATTRIBUTES.get(at)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_say_nothing_against_each_other() {
        assert!(ELEMENTS.is_sorted() && GONE_WITH_CONTENT.is_sorted() && FORBIDDEN_SCHEMES.is_sorted());
        assert!(ATTRIBUTES.is_sorted_by_key(|(name, _)| *name));
        for name in ELEMENTS {
            assert_eq!(forbidden_element(name), None, "{name}");
            assert!(GONE_WITH_CONTENT.binary_search(name).is_err(), "{name}");
        }
        for (name, _) in ATTRIBUTES {
            assert_eq!(forbidden_attribute(name), None, "{name}");
        }
        for name in GONE_WITH_CONTENT {
            assert!(forbidden_element(name).is_some(), "{name}");
        }
    }
}
