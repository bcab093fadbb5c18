//! Cleaning HTML: a second time changes nothing, nothing that could run is left, and ammonia finds nothing to add.

#![no_main]

use std::sync::LazyLock;

use bartizan_sinks::html::{Policy, PolicyBuilder, clean, try_clean};
use libfuzzer_sys::fuzz_target;

/// All that can be allowed, and more than `rich_text` does.
static WIDE: LazyLock<Policy> = LazyLock::new(|| {
    let policy = PolicyBuilder::rich_text()
        .tags(["img", "section", "center", "big", "address", "main", "hgroup"])
        .attributes(["id", "name", "href", "src", "cite", "value"])
        .classes(["note"])
        .id_prefix("user-")
        .build();
    match policy {
        Ok(policy) => policy,
        Err(faults) => panic!("the target's own policy is wrong: {faults}"),
    }
});

fuzz_target!(|data: &[u8]| {
    let input = String::from_utf8_lossy(data);
    for policy in [Policy::strip_all(), Policy::rich_text(), WIDE.clone()] {
        let once = clean(&input, &policy);
        assert_eq!(clean(once.as_str(), &policy), once, "{input:?}");
        harmless(once.as_str(), &input);
        if try_clean(&input, &policy).is_err() {
            assert!(!once.as_str().contains('<'), "{input:?}");
        }
    }
    assert!(!clean(&input, &Policy::strip_all()).as_str().contains('<'), "{input:?}");
});

/// What another sanitiser, with all our elements allowed, would take out of it: nothing, and it would put none in.
/// (Attributes are not compared: it takes out URLs that are none, `https://[`, which lead nowhere.)
fn harmless(html: &str, input: &str) {
    static AMMONIA: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
        let mut ammonia = ammonia::Builder::new();
        ammonia.add_tags(["section", "center", "big", "address", "main", "tfoot"]);
        ammonia
    });
    let theirs = AMMONIA.clean(html).to_string();
    assert_eq!(
        theirs.matches('<').count(),
        html.matches('<').count(),
        "{html:?} of {input:?} is {theirs:?} to ammonia"
    );
}
