//! The attacks of `attacks.toml`, and the policies that they are tried on.

use bartizan_sinks::html::{Policy, PolicyBuilder};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    pub(crate) name: String,
    #[serde(rename = "about")]
    _about: String,
    /// Those that do run in Chromium.
    pub(crate) runs: Vec<String>,
    pub(crate) inert: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    class: Vec<Class>,
}

pub(crate) fn classes() -> Vec<Class> {
    toml::from_str::<File>(include_str!("attacks.toml")).expect("attacks.toml is right").class
}

/// All of them.
pub(crate) fn all() -> Vec<String> {
    classes().into_iter().flat_map(|class| class.runs.into_iter().chain(class.inert)).collect()
}

/// Elements that the widest policy allows: all that any can.
pub(crate) const ELEMENTS: &str = "a abbr address article aside b bdi bdo big blockquote br caption center cite code \
    col colgroup data dd del details dfn div dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i img \
    ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody \
    td tfoot th thead time tr tt u ul var wbr";

/// Attributes that the widest policy allows on every element.
pub(crate) const ATTRIBUTES: &str = "abbr align alt aria-hidden aria-label cite colspan datetime decoding dir height \
    href hreflang id lang loading name open reversed rowspan scope span src start title translate type valign value \
    width";

/// The policies, with their names: nothing, what people write, and all that can be allowed.
pub(crate) fn policies() -> [(&'static str, Policy); 3] {
    let widest = PolicyBuilder::rich_text()
        .tags(ELEMENTS.split_ascii_whitespace())
        .attributes(ATTRIBUTES.split_ascii_whitespace())
        .schemes(["ftp", "sms"])
        .classes(["note"])
        .id_prefix("user-")
        .links_open_new_tab()
        .build()
        .expect("it is right");
    [("strip_all", Policy::strip_all()), ("rich_text", Policy::rich_text()), ("widest", widest)]
}
