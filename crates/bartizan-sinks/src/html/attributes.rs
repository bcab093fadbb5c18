//! Which attributes of a tag remain, and with what values.

use html5ever::{
    local_name,
    tendril::{StrTendril, format_tendril},
    tokenizer::Tag,
};

use super::{policy::Checked, vocabulary::Value};

/// Takes out of a start tag what the policy does not allow.
pub(super) fn keep(tag: &mut Tag, policy: &Checked) {
    if tag.attrs.is_empty() {
        return;
    }
    let Some(rule) = policy.rule(&tag.name) else {
        tag.attrs.clear();
        return;
    };
    tag.attrs.retain_mut(|attribute| {
        let (name, value) = (&attribute.name.local, &mut attribute.value);
        if *name == local_name!("class") {
            return keep_classes(value, policy.classes());
        }
        match policy.value(rule, name) {
            None => false,
            Some(Value::Plain) => true,
            Some(Value::Url) => keep_url(value, policy),
            Some(Value::Name) => policy.id_prefix.as_deref().is_some_and(|prefix| keep_name(value, prefix)),
        }
    });
}

/// Leaves the URL as the browser's parser reads it, if its scheme is allowed (URL Standard, basic URL parser).
fn keep_url(value: &mut StrTendril, policy: &Checked) -> bool {
    // Steps 1 and 3: control characters and blanks at the ends, tabs and newlines anywhere, are not there. What is
    // checked is what is written, so that nobody who reads it again reads it otherwise.
    let trimmed = value.trim_matches(|c: char| c <= ' ');
    if trimmed.contains(['\t', '\n', '\r']) {
        let read: String = trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        *value = StrTendril::from_slice(&read);
    } else if trimmed.len() != value.len() {
        *value = StrTendril::from_slice(trimmed);
    }
    let url: &str = value;
    // A scheme ends at the first colon, if that stands before the path, the query and the fragment. What stands there
    // and is no scheme, with a control character in it for instance, is refused: no other reader shall find one.
    if let Some(end) = url.find([':', '/', '?', '#', '\\'])
        && url.as_bytes().get(end) == Some(&b':')
    {
        return url.get(..end).is_some_and(|scheme| policy.allows_scheme(scheme));
    }
    if url.get(..2).is_some_and(|start| start.bytes().all(|byte| matches!(byte, b'/' | b'\\'))) {
        return policy.allows_scheme("https");
    }
    if !policy.relative_urls {
        return false;
    }
    if let (Some(prefix), Some(place)) = (&policy.id_prefix, url.strip_prefix('#'))
        && !place.is_empty()
        && !place.starts_with(prefix.as_str())
    {
        *value = format_tendril!("#{prefix}{place}");
    }
    true
}

fn keep_name(value: &mut StrTendril, prefix: &str) -> bool {
    if value.is_empty() || value.contains(|c: char| c.is_ascii_whitespace()) {
        return false;
    }
    if !value.starts_with(prefix) {
        *value = format_tendril!("{prefix}{value}");
    }
    true
}

fn keep_classes(value: &mut StrTendril, allowed: &[String]) -> bool {
    if allowed.is_empty() {
        return false;
    }
    let kept: Vec<&str> = value
        .split_ascii_whitespace()
        .filter(|class| allowed.iter().any(|allowed| allowed == class))
        .collect();
    let kept = kept.join(" ");
    *value = StrTendril::from_slice(&kept);
    !value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::Policy;

    #[test]
    fn a_url_is_written_as_a_browser_reads_it_and_goes_where_the_policy_lets_it() {
        let here = Policy::builder().relative_urls().build().unwrap();
        let away = Policy::builder().schemes(["https", "mailto"]).build().unwrap();
        for (policy, url, expected) in [
            (&here, "/a//b", Some("/a//b")),
            (&here, "a/b:c", Some("a/b:c")),
            (&here, "?a:b", Some("?a:b")),
            (&here, "\\a:b", Some("\\a:b")),
            (&here, " \t/a\r\n\u{1f}", Some("/a")),
            (&here, "/\n \t", Some("/")),
            (&here, "", Some("")),
            // All of another host.
            (&here, "//host", None),
            (&here, "/\\host", None),
            (&here, "\\/host", None),
            (&here, "\\\\host", None),
            (&here, "/\t/host", None),
            (&here, "\n/\r\\host", None),
            (&here, "\u{1}//host", None),
            (&here, "\t \u{1f}//host", None),
            (&here, "https://host", None),
            (&here, "a:b", None),
            (&here, ":b", None),
            (&away, "/a", None),
            (&away, "//host", Some("//host")),
            (&away, "ht\ttps:\n//host", Some("https://host")),
            (&away, "\u{0}\u{1f} HTTPS://host ", Some("HTTPS://host")),
            (&away, "\t https://host\n \t", Some("https://host")),
            (&away, "mailto:a@b.example", Some("mailto:a@b.example")),
            (&away, "java\tscript:ran()", None),
            (&away, "https\u{1}:ran()", None),
            (&away, "https :ran()", None),
            (&away, "http:ran()", None),
        ] {
            let mut value = StrTendril::from_slice(url);
            let is_kept = keep_url(&mut value, policy.checked());
            assert_eq!(is_kept.then_some(&*value), expected, "{url:?}");
        }
    }

    #[test]
    fn names_have_the_prefix_and_classes_are_of_the_list() {
        for (name, expected) in [
            ("config", Some("user-config")),
            ("user-config", Some("user-config")),
            ("USER-config", Some("user-USER-config")),
            ("", None),
            (" config", None),
            ("user- config", None),
            ("a\nb", None),
        ] {
            let mut value = StrTendril::from_slice(name);
            let is_kept = keep_name(&mut value, "user-");
            assert_eq!(is_kept.then_some(&*value), expected, "{name:?}");
        }
        let list = ["note".to_owned(), "wide".to_owned()];
        for (classes, allowed, expected) in [
            ("note", &list[..], Some("note")),
            ("\twide\nx  note ", &list, Some("wide note")),
            ("notes Note", &list, None),
            ("", &list, None),
            ("note", &[], None),
        ] {
            let mut value = StrTendril::from_slice(classes);
            let is_kept = keep_classes(&mut value, allowed);
            assert_eq!(is_kept.then_some(&*value), expected, "{classes:?}");
        }
    }
}
