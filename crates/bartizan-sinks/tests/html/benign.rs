//! What people write, and how it comes out.

use std::collections::HashSet;

use bartizan_sinks::html::clean;
use serde::Deserialize;

use crate::attacks;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    #[serde(rename = "kind")]
    name: String,
    input: String,
    /// The same as the input where it is left out.
    rich_text: Option<String>,
    /// With all that can be allowed; the same as `rich_text` where it is left out.
    widest: Option<String>,
    strip_all: String,
}

#[derive(Debug, Deserialize)]
struct File {
    benign: Vec<Kind>,
}

#[test]
fn what_people_write_survives() {
    let kinds = toml::from_str::<File>(include_str!("benign.toml")).expect("benign.toml is right").benign;
    let names: HashSet<_> = kinds.iter().map(|kind| &kind.name).collect();
    assert!(names.len() >= 50 && names.len() == kinds.len(), "{} kinds", names.len());
    for Kind { name: kind, input, rich_text, widest, strip_all } in &kinds {
        let rich_text = rich_text.as_ref().unwrap_or(input);
        let widest = widest.as_ref().unwrap_or(rich_text);
        for (name, policy) in attacks::policies() {
            let expected = match name {
                "strip_all" => strip_all,
                "rich_text" => rich_text,
                _ => widest,
            };
            assert_eq!(clean(input, &policy).as_str(), expected, "{kind}, {name}");
        }
    }
}
