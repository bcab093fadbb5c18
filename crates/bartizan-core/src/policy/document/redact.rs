//! The text of a policy with its secrets blotted out, to quote from.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use super::{
    MAX_BYTES,
    lines::Lines,
    shape, syntax,
    tree::{Node, Value},
};
use crate::policy::{SecretProvider, SecretRef};

/// The text with every literal secret overwritten by `*`, and every value that may be one: that of an unknown
/// key which is not nearly a known one, and what stands where a table belongs.
///
/// Lines and byte offsets stay what they were, so that the [`Location`](super::Location)s of diagnostics fit. Of a
/// text that cannot be read at all nothing is left but its line ends.
pub fn redacted_source(text: &str) -> String {
    let mut blots = Vec::new();
    if text.len() > MAX_BYTES {
        blots.push(0..text.len());
    } else {
        let lines = Lines::new(text);
        let mut parsed = syntax::parse(text, &lines);
        if parsed.refused {
            blots.push(0..text.len());
        }
        let all_marked = shape::mark_hidden(&mut parsed.root);
        collect(&parsed.root, !all_marked, &mut blots);
        for shadow in parsed.shadows {
            blot_unread(text, &shadow, &mut blots);
        }
    }

    let mut bytes = Vec::from(text);
    for blot in blots {
        for byte in bytes.get_mut(blot).unwrap_or_default().iter_mut().filter(|byte| !byte.is_ascii_control())
        {
            *byte = b'*';
        }
    }
    // Whole characters were overwritten, byte by byte.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Lines with a syntax error, whose keys and values nobody knows, show nothing behind a word that smells of a
/// secret.
fn blot_unread(text: &str, lines: &Range<usize>, blots: &mut Vec<Range<usize>>) {
    let end = lines.end.min(text.len());
    let mut start = lines.start;
    for line in text.get(start..end).unwrap_or("").split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        if let Some(at) = SECRET_WORDS.iter().filter_map(|word| Some(lower.find(word)? + word.len())).min() {
            blots.push(start + at..start + line.len());
        }
        start += line.len();
    }
}

const SECRET_WORDS: [&str; 9] = [
    "token",
    "key",
    "certificate",
    "secret",
    "password",
    // A URL may have a password in it.
    "postgres://",
    "postgresql://",
    "redis://",
    "rediss://",
];

/// The spans of what must not be shown below `node`.
fn collect(node: &Node, hidden: bool, blots: &mut Vec<Range<usize>>) {
    let hidden = hidden || node.hidden;
    match &node.value {
        Value::Table(table) => table.values().for_each(|entry| collect(&entry.node, hidden, blots)),
        Value::Array(nodes) => nodes.iter().for_each(|node| collect(node, hidden, blots)),
        Value::String(text) if is_reference(text) => {}
        _ if hidden => blots.extend(node.origin.span.clone()),
        _ => {}
    }
}

fn is_reference(text: &str) -> bool {
    SecretRef::parse(text).is_ok_and(|secret| secret.provider() != SecretProvider::Literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_and_nothing_moves() {
        for (text, expected) in [
            ("[server]\nupstream_token = \"hunter2\" # x\n", "[server]\nupstream_token = ********* # x\n"),
            ("[server]\nupstream_token = \"env://T\"\n", "[server]\nupstream_token = \"env://T\"\n"),
            ("[server]\nupstream_token = hunter2\n", "[server]\nupstream_token**********\n"),
            ("[server]\nupstream_token hunter2\nmode = x\n", "[server]\nupstream_token********\nmode = x\n"),
            ("[store]\nurl = \"redis://:a@b\"\n", "[store]\nurl = **************\n"),
            ("[store]\nulr = \"redis://:a@b\"\n", "[store]\nulr = **************\n"),
            ("[store]\nurl = \"redis://b\"\n", "[store]\nurl = \"redis://b\"\n"),
            ("[store]\nurl = redis://:a@b\n", "[store]\nurl = redis://****\n"),
            ("[store]\nprevious_master_keys = [\"a\"]\n", "[store]\nprevious_master_keys = [***]\n"),
            ("[server.tls\nkey = \"a\"\n[cors]\n", "[server.tls\nkey******\n[cors]\n"),
            ("[server]\nupstrem_token = \"hünter\"\n", "[server]\nupstrem_token = *********\n"),
            (
                "[servr]\nupstrem_token = \"a\"\nhealt = \"/x\"\npassword = \"b\"\n",
                "[servr]\nupstrem_token = ***\nhealt = \"/x\"\npassword = ***\n",
            ),
            ("[server]\ntls = [\"a\", 1]\n", "[server]\ntls = [***, *]\n"),
            ("[server.tls]\nkey = { a = \"b\" }\n", "[server.tls]\nkey = { a = *** }\n"),
            ("[server.tls]\nkey = '''a\nb'''\n", "[server.tls]\nkey = ****\n****\n"),
            (
                "[profile.x]\nserver.upstream_token = \"a\"\nmode = \"off\"\n",
                "[profile.x]\nserver.upstream_token = ***\nmode = \"off\"\n",
            ),
            ("profile = \"a\"\n", "profile = ***\n"),
            ("[origin]\npublic = [\"https://a\"]\n", "[origin]\npublic = [\"https://a\"]\n"),
        ] {
            assert_eq!(redacted_source(text), expected);
        }
        let deep = "[".repeat(1000);
        assert_eq!(redacted_source(&deep), "*".repeat(1000));
    }
}
