//! Links from one page of ours to another lead somewhere.

use super::{
    Finding,
    tree::{Tree, has_extension},
};

/// Checks the links of each page, with their anchors.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (page, text) in tree.texts(|path| has_extension(path, "md")) {
        for (number, target) in links(text) {
            if let Some(message) = fault(tree, page, text, target) {
                findings.push(Finding::at(page, number, format!("the link to `{target}` {message}")));
            }
        }
    }
    findings
}

/// What is wrong with a link to `target` in the page at `page`.
fn fault(tree: &Tree, page: &str, text: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { page.to_owned() } else { resolve(page, file) };
    if !tree.exists(&path) {
        return Some("leads nowhere");
    }
    let headings = if file.is_empty() { Some(text) } else { tree.text(&path) };
    match (anchor, headings) {
        (Some(anchor), Some(text))
            if has_extension(&path, "md") && !anchors(text).any(|found| found == anchor) =>
        {
            Some("names a heading that is not there")
        }
        _ => None,
    }
}

/// The path from the root of `link` as it stands in `page`; above the root, a path that cannot exist.
fn resolve(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = if link.starts_with('/') { Vec::new() } else { page.split('/').collect() };
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.is_empty() => return "../".to_owned(),
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Each link's line number and target: `[text](target)`, and `[name]: target` at the start of a line.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            links.push((number, target.split(' ').next().unwrap_or_default()));
            rest = after;
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|line| line.split_once("]: ")) {
            links.push((number, target.split(' ').next().unwrap_or_default()));
        }
    }
    links
}

/// The lines outside of fenced code, numbered.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        let is_heading = heading.len() < line.len() && heading.starts_with(' ');
        is_heading.then(|| {
            heading
                .trim()
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
                    _ => None,
                })
                .collect()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let other = "# A page\n\n## How to allow it\n\n```sh\n# not a heading\n```\n";
        for (link, expected) in [
            ("[x](https://example.com/nothing)", 0),
            ("[x](other.md)", 0),
            ("[x](./other.md#how-to-allow-it)", 0),
            ("[x](../docs)", 0),
            ("[x](#own)", 0),
            ("[x]: other.md", 0),
            ("```\n[x](nothing.md)\n```", 0),
            ("[x](nothing.md)", 1),
            ("[x](other.md#not-a-heading)", 1),
            ("[x](#nothing)", 1),
            ("[x](../../other.md)", 1),
            ("[x]: nothing.md", 1),
            ("[a](other.md) and [b](nothing.md)", 1),
        ] {
            let page = format!("# Own\n\n{link}\n");
            let tree = Tree::of(&[("docs/page.md", &page), ("docs/other.md", other)]);
            assert_eq!(check(&tree).len(), expected, "{link}");
        }
    }

    #[test]
    fn anchors_are_made_as_on_github() {
        let found: Vec<_> = anchors("# `cors.origin`: who?\n## Add a response header\n#!/bin/sh\n").collect();
        assert_eq!(found, ["corsorigin-who", "add-a-response-header"]);
    }
}
