//! Writes what remains of a tree (HTML §13.3), and knows whether it will be read as it was meant.

use html5ever::{Attribute, LocalName, local_name};

use super::{
    OverLimit,
    parse::refuse_unreadable,
    plain::{escape_text, escape_value},
    policy::Checked,
    tree::{Data, Id, Nodes},
};

/// What was written of a tree.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) html: String,
    /// Whether every parser is sure to read this tree from it again. Where an element was taken out, what was in it
    /// may now stand where it cannot: `<a>` in `<a>`, say.
    pub(super) stable: bool,
}

/// An element that is written and not yet ended.
struct Open {
    id: Id,
    name: LocalName,
    in_p: bool,
    in_a: bool,
    in_list: bool,
    /// Where what is in it begins.
    start: usize,
}

/// Writes what the policy allows.
pub(super) fn write(nodes: &Nodes, policy: &Checked, expected: usize) -> Result<Written, OverLimit> {
    let mut written = Written { html: String::with_capacity(expected + expected / 8), stable: true };
    let root = nodes.root();
    let name = local_name!("div");
    let mut open = vec![Open { id: root, name, in_p: false, in_a: false, in_list: false, start: 0 }];
    let mut at = nodes.first_child(root);
    while let Some(id) = at {
        let inside = visit(nodes, id, policy, &mut open, &mut written)?;
        if open.len() > policy.limits.depth + 1 {
            return Err(OverLimit::Depth { most: policy.limits.depth });
        }
        if inside && let Some(child) = nodes.first_child(id) {
            at = Some(child);
        } else {
            at = leave(nodes, id, root, &mut open, &mut written.html);
        }
        // Looked at as it grows: what the parser opens again has its attributes again, though they came only once.
        if written.html.len() > policy.limits.bytes {
            return Err(OverLimit::Bytes { most: policy.limits.bytes });
        }
    }
    Ok(written)
}

/// Only the text of what the policy allows.
pub(super) fn text(nodes: &Nodes) -> String {
    let mut text = String::new();
    let root = nodes.root();
    let mut at = nodes.first_child(root);
    while let Some(id) = at {
        let mut inside = None;
        match nodes.data(id) {
            Some(Data::Text(piece)) => escape_text(&mut text, piece),
            Some(Data::Element { .. } | Data::Bare) => inside = nodes.first_child(id),
            Some(Data::Gone) | None => {}
        }
        at = inside.or_else(|| leave(nodes, id, root, &mut Vec::new(), &mut text));
    }
    text
}

/// Writes a text or the start of an element. Whether what is in it remains.
fn visit(
    nodes: &Nodes,
    id: Id,
    policy: &Checked,
    open: &mut Vec<Open>,
    written: &mut Written,
) -> Result<bool, OverLimit> {
    let Some(parent) = open.last() else { return Ok(false) };
    Ok(match nodes.data(id) {
        Some(Data::Text(text)) => {
            written.stable &=
                !is_row_of_table(&parent.name) || text.bytes().all(|byte| byte.is_ascii_whitespace());
            // A newline right after this tag is not part of the text (§13.2.6.4.7).
            if text.starts_with(['\n', '\r'])
                && parent.name == local_name!("pre")
                && written.html.len() == parent.start
            {
                written.html.push('\n');
            }
            escape_text(&mut written.html, text);
            false
        }
        // Outside of a list it would end the item of the page that all of this stands in, with a `<div>` around it
        // (§13.2.6.4.7, a start tag whose name is "li"): the writer's next words would be somebody else's.
        Some(Data::Element { name, .. }) if is_item(name) && !parent.in_list => true,
        Some(Data::Element { name, attributes }) => {
            written.stable &= fits(parent, name);
            let in_p = name == &local_name!("p") || (parent.in_p && !ends_scope(name));
            let in_a = name == &local_name!("a") || parent.in_a;
            let in_list = is_list(name) || parent.in_list;
            let tag = written.html.len();
            start_tag(&mut written.html, name, attributes, policy.link_attributes);
            refuse_unreadable(written.html.get(tag..).unwrap_or_default())?;
            open.push(Open { id, name: name.clone(), in_p, in_a, in_list, start: written.html.len() });
            true
        }
        Some(Data::Bare) => true,
        Some(Data::Gone) | None => false,
    })
}

/// Goes to what follows a node, and ends the elements that end with it.
fn leave(nodes: &Nodes, mut id: Id, root: Id, open: &mut Vec<Open>, html: &mut String) -> Option<Id> {
    loop {
        if open.last().is_some_and(|open| open.id == id)
            && let Some(ended) = open.pop()
            && !is_void(&ended.name)
        {
            html.push_str("</");
            html.push_str(&ended.name);
            html.push('>');
        }
        if let Some(next) = nodes.next(id) {
            return Some(next);
        }
        id = nodes.parent(id).filter(|parent| *parent != root)?;
    }
}

fn start_tag(html: &mut String, name: &LocalName, attributes: &[Attribute], link_attributes: &str) {
    html.push('<');
    html.push_str(name);
    let mut link = false;
    for attribute in attributes {
        link |= attribute.name.local == local_name!("href");
        html.push(' ');
        html.push_str(&attribute.name.local);
        html.push_str("=\"");
        escape_value(html, &attribute.value);
        html.push('"');
    }
    if link && *name == local_name!("a") {
        html.push_str(link_attributes);
    }
    html.push('>');
}

/// Whether a parser leaves this element where it stands (§13.2.6.4.7 and the modes of tables). Rather not than wrongly
/// so: it costs one more reading.
fn fits(parent: &Open, name: &LocalName) -> bool {
    match *name {
        local_name!("caption")
        | local_name!("colgroup")
        | local_name!("tbody")
        | local_name!("tfoot")
        | local_name!("thead") => return parent.name == local_name!("table"),
        local_name!("col") => return parent.name == local_name!("colgroup"),
        local_name!("tr") => {
            return matches!(parent.name, local_name!("tbody") | local_name!("tfoot") | local_name!("thead"));
        }
        local_name!("td") | local_name!("th") => return parent.name == local_name!("tr"),
        _ if is_row_of_table(&parent.name) => return false,
        _ => {}
    }
    match *name {
        local_name!("a") => !parent.in_a,
        local_name!("rp") | local_name!("rt") => parent.name == local_name!("ruby"),
        local_name!("li") => !parent.in_p && matches!(parent.name, local_name!("ul") | local_name!("ol")),
        local_name!("dd") | local_name!("dt") => !parent.in_p && parent.name == local_name!("dl"),
        _ if is_heading(name) => !parent.in_p && !is_heading(&parent.name),
        _ => !parent.in_p || !closes_p(name),
    }
}

fn is_list(name: &LocalName) -> bool {
    matches!(*name, local_name!("ul") | local_name!("ol") | local_name!("dl"))
}

fn is_item(name: &LocalName) -> bool {
    matches!(*name, local_name!("li") | local_name!("dd") | local_name!("dt"))
}

fn is_heading(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("h1")
            | local_name!("h2")
            | local_name!("h3")
            | local_name!("h4")
            | local_name!("h5")
            | local_name!("h6")
    )
}

/// What cannot stand in a paragraph, and so ends it.
fn closes_p(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("address")
            | local_name!("article")
            | local_name!("aside")
            | local_name!("blockquote")
            | local_name!("center")
            | local_name!("details")
            | local_name!("div")
            | local_name!("dl")
            | local_name!("figcaption")
            | local_name!("figure")
            | local_name!("footer")
            | local_name!("header")
            | local_name!("hgroup")
            | local_name!("hr")
            | local_name!("main")
            | local_name!("nav")
            | local_name!("ol")
            | local_name!("p")
            | local_name!("pre")
            | local_name!("section")
            | local_name!("summary")
            | local_name!("table")
            | local_name!("ul")
    )
}

/// Whether a paragraph around this element is out of reach of what is in it (§13.2.4.2, "has an element in scope").
fn ends_scope(name: &LocalName) -> bool {
    matches!(*name, local_name!("caption") | local_name!("table") | local_name!("td") | local_name!("th"))
}

/// Parts of a table that hold other parts only; whatever else stands in them is moved before the table.
fn is_row_of_table(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("colgroup")
            | local_name!("table")
            | local_name!("tbody")
            | local_name!("tfoot")
            | local_name!("thead")
            | local_name!("tr")
    )
}

fn is_void(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("br") | local_name!("col") | local_name!("hr") | local_name!("img") | local_name!("wbr")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::{Limits, Policy, parse::parse};

    #[test]
    fn only_text_remains_where_nothing_else_stays_as_it_is() {
        for (input, expected) in [
            ("", ""),
            ("a<b>b<i>&lt;c&amp;</i></b>d", "ab&lt;c&amp;d"),
            ("<script>x</script>a<svg><p>b</p><title>y</title></svg><template>z</template>", "ab"),
            ("<table>a<tr><td><form>b", "ab"),
        ] {
            let nodes = parse(input, Policy::rich_text().checked()).unwrap();
            assert_eq!(text(&nodes), expected, "{input}");
        }
    }

    #[test]
    fn what_the_parser_moved_is_not_written_deeper_than_may_be() {
        let limits = Limits { depth: 4, ..Limits::default() };
        let policy = Policy::builder().tags(["b", "u", "div"]).limits(limits).build().unwrap();
        // Each `</b>` moves what is as deep as it may be, and where the parser ends is none of it.
        let moved = "<b><u><div></b>".repeat(3) + &"</div></u>".repeat(3) + "<div>";
        let nodes = parse(&moved, policy.checked()).unwrap();
        assert_eq!(write(&nodes, policy.checked(), 0).err(), Some(OverLimit::Depth { most: 4 }));
    }
}
