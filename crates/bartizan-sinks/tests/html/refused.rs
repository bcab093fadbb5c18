//! Policies that cannot be built.

use bartizan_sinks::html::{Limits, Policy, PolicyFault};

#[test]
fn no_policy_allows_what_is_never_safe() {
    for tag in [
        "script",
        "SCRIPT",
        "iframe",
        "object",
        "embed",
        "svg",
        "math",
        "style",
        "link",
        "meta",
        "base",
        "form",
        "input",
        "template",
        "noscript",
        "title",
        "textarea",
        "html",
        "frameset",
        "foreignObject",
    ] {
        let faults = Policy::builder().tags([tag]).build().expect_err(tag);
        assert!(matches!(faults.all(), [PolicyFault::ForbiddenTag { .. }]), "{tag}: {faults}");
    }
    for tag in ["x-y", "B", "", "b>", "a href", "font"] {
        let faults = Policy::builder().tags([tag]).build().expect_err(tag);
        assert!(matches!(faults.all(), [PolicyFault::UnknownTag { .. }]), "{tag}: {faults}");
    }
    for attribute in [
        "onclick",
        "ONERROR",
        "onx",
        "style",
        "srcdoc",
        "class",
        "target",
        "formaction",
        "data-x",
        "xlink:href",
    ] {
        let faults = Policy::builder().tag("b", [attribute]).build().expect_err(attribute);
        assert!(matches!(faults.all(), [PolicyFault::ForbiddenAttribute { .. }]), "{attribute}: {faults}");
        assert_eq!(Policy::builder().attributes([attribute]).build().expect_err(attribute), faults);
    }
    for attribute in ["x", "", "Title", "title=x"] {
        let faults = Policy::builder().tag("b", [attribute]).build().expect_err(attribute);
        assert!(matches!(faults.all(), [PolicyFault::UnknownAttribute { .. }]), "{attribute}: {faults}");
    }
    for scheme in
        ["javascript", "JavaScript", "javascript:", "data", "vbscript", "blob", "file", "view-source"]
    {
        let faults = Policy::builder().schemes([scheme]).build().expect_err(scheme);
        assert!(matches!(faults.all(), [PolicyFault::ForbiddenScheme { .. }]), "{scheme}: {faults}");
    }
    for scheme in ["", "https:", "HTTPS", "1x", "a b", " javascript"] {
        let faults = Policy::builder().schemes([scheme]).build().expect_err(scheme);
        assert!(matches!(faults.all(), [PolicyFault::MalformedScheme { .. }]), "{scheme}: {faults}");
    }
}

#[test]
fn names_need_a_prefix() {
    for attribute in ["id", "name"] {
        let faults = Policy::builder().tag("a", [attribute]).build().expect_err(attribute);
        assert!(matches!(faults.all(), [PolicyFault::NameWithoutPrefix { .. }]), "{faults}");
        assert!(Policy::builder().tag("a", [attribute]).id_prefix("user-").build().is_ok());
    }
    for prefix in ["", "-", "u", "user", "1-", "user -", "ü-", "\"-"] {
        let faults = Policy::builder().id_prefix(prefix).build().expect_err(prefix);
        assert!(matches!(faults.all(), [PolicyFault::MalformedPrefix { .. }]), "{faults}");
    }
}

#[test]
fn limits_and_classes_are_checked() {
    let limits = Limits::default();
    for limits in [
        Limits { depth: 0, ..limits },
        Limits { depth: Limits::MOST_DEPTH + 1, ..limits },
        Limits { bytes: 0, ..limits },
        Limits { nodes: 0, ..limits },
    ] {
        let faults = Policy::builder().limits(limits).build().expect_err("out of range");
        assert!(matches!(faults.all(), [PolicyFault::Limits { .. }]), "{faults}");
    }
    for class in ["", "a b", "a\n"] {
        let faults = Policy::builder().classes([class]).build().expect_err(class);
        assert!(matches!(faults.all(), [PolicyFault::MalformedClass { .. }]), "{faults}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = Policy::builder()
        .tags(["script", "p"])
        .tag("a", ["href", "onclick", "id"])
        .schemes(["https", "javascript"])
        .limits(Limits { depth: 1000, ..Limits::default() })
        .build()
        .expect_err("all of it is wrong");
    assert_eq!(faults.all().len(), 5, "{faults}");
    assert_eq!(faults.to_string().lines().count(), 5);
}
