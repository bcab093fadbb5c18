//! What holds of every input.

use bartizan_sinks::html::{OverLimit, SafeHtml, clean, try_clean};
use proptest::prelude::*;

use crate::{attacks, generated};

/// What `clean` must keep for every input: a second time changes nothing, and what is refused is shown as text.
fn check(input: &str) {
    for (name, policy) in attacks::policies() {
        let once = clean(input, &policy);
        assert_eq!(clean(once.as_str(), &policy), once, "{name}: {input:?}");
        let elements = once.as_str().matches('<').count();
        assert!(name != "strip_all" || elements == 0, "{name}: {input:?} gives {once}");
        if try_clean(input, &policy).is_err() {
            assert_eq!(elements, 0, "{name}: {input:?} gives {once}");
        }
    }
}

#[test]
fn attacks_are_clean_after_one_time() {
    for attack in attacks::all() {
        check(&attack);
    }
}

#[test]
fn generated_attacks_are_clean_after_one_time() {
    for attack in generated::attacks(1, 6_000) {
        check(&attack);
    }
}

#[test]
fn words_that_come_of_references_can_be_read_again() {
    // Words are few in `ab&#32;ab&#32;` and many in `ab ab `, and so they are in what stands before a tag.
    for (before, words, reference) in [
        ("", 9_000, "&#32;"),
        ("", 9_000, "&#47;"),
        ("", 9_000, "&apos;"),
        ("a&#32;", 3_000, "&#32;"),
        ("a&#32;", 3_500, "&#32;"),
        ("a&#32;", 4_000, " "),
        ("a&#32;", 5_000, " "),
    ] {
        check(&format!(
            "<i>{}<b title=\"{}\">x",
            before.repeat(1_010),
            format!("ab{reference}").repeat(words)
        ));
    }
}

#[test]
fn depth_takes_no_stack_and_no_time_that_grows_with_it() {
    let policy = attacks::policies()[2].1.clone();
    for tag in
        ["<b>", "<div>", "<p><b>", "<a><table>", "<svg>", "<template>", "<select><b>", "<button>", "<x>"]
    {
        let hostile = tag.repeat(1_000_000 / tag.len());
        assert!(try_clean(&hostile, &policy).is_err(), "{tag}");
        assert!(!clean(&hostile, &policy).as_str().contains('<'), "{tag}");
    }
}

/// The most memory that this process has had so far, in KiB (`VmHWM`, see proc(5)).
#[cfg(target_os = "linux")]
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a VmHWM line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The parser opens `<b>` again in each paragraph: 100 KB become 400 MB, where nobody stops at the limit.
#[cfg(target_os = "linux")]
#[test]
fn what_is_opened_again_takes_no_memory_for_its_attributes() {
    let policy = attacks::policies()[1].1.clone();
    let hostile = format!("<p><b title={}>x{}", "A".repeat(100_000), "<p>y".repeat(4_000));
    let before = most_memory();
    assert_eq!(try_clean(&hostile, &policy), Err(OverLimit::Bytes { most: 1 << 20 }));
    let grown = most_memory() - before;
    assert!(grown < 100_000, "{grown} KiB");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn anything_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn anything_with_markup(text in "([<>&/\"'= !?a-cp-t\\-\r\n\0]|&[a-z#0-9]{1,5};?|</?(a|b|p|svg|table|td|li)( [a-z]+=.)?>){0,40}") {
        check(&text);
    }

    #[test]
    fn escaped_text_is_that_text(text in any::<String>()) {
        let html = SafeHtml::escape(&text);
        prop_assert!(!html.as_str().contains(['<', '>', '"', '\'']));
        let read = html.as_str().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
        prop_assert_eq!(read.replace("&amp;", "&"), text.replace('\0', ""));
    }
}
