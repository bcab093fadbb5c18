//! Reads markup as a browser does (HTML §13.2), and keeps of its attributes only what the policy allows.

use std::cell::Cell;

use html5ever::{
    TokenizerResult,
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
    tree_builder::{TreeBuilder, TreeBuilderOpts},
};

use super::{
    OverLimit, attributes,
    policy::Checked,
    tree::{Handle, Nodes, Tree},
};

/// How many bytes are read before limits are looked at again.
const CHUNK: usize = 2048;

/// The most names of attributes that one tag may have. The tokenizer compares each with all before it.
const MOST_ATTRIBUTES: usize = 4096;

/// The most that a tag may have when it is written: whatever stands before it in its first chunk when it is read again,
/// it is not stopped at.
const MOST_WRITTEN: usize = MOST_ATTRIBUTES - CHUNK / 2;

/// Refuses a tag, as it is written, that would not be read again. References can become white space.
pub(super) fn refuse_unreadable(tag: &str) -> Result<(), OverLimit> {
    if tag.len() > MOST_WRITTEN && names(tag) > MOST_WRITTEN {
        Err(OverLimit::Attributes { most: MOST_WRITTEN })
    } else {
        Ok(())
    }
}

/// The tree of a fragment, as if it stood in a `<div>`.
pub(super) fn parse(input: &str, policy: &Checked) -> Result<Nodes, OverLimit> {
    let tree = Tree::new(policy, input.len());
    let context = tree.context();
    let builder = TreeBuilder::new_for_fragment(tree, context, None, TreeBuilderOpts::default());
    // A byte order mark is a character like others in the middle of a page.
    let options = TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Gate { builder, policy, tokens: Cell::new(0) }, options);
    let queue = BufferQueue::default();
    let mut rest = input;
    let mut unfinished = Unfinished::default();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK));
        rest = after;
        let before = tokenizer.sink.tokens.get();
        queue.push_back(StrTendril::from_slice(chunk));
        while !matches!(tokenizer.feed(&queue), TokenizerResult::Done) {}
        if let Some(over) = tokenizer.sink.builder.sink.over() {
            return Err(over);
        }
        unfinished.read(chunk, tokenizer.sink.tokens.get() != before)?;
    }
    tokenizer.end();
    match tokenizer.sink.builder.sink.over() {
        Some(over) => Err(over),
        None => Ok(tokenizer.sink.builder.sink.into_nodes()),
    }
}

/// A tag whose end has not come yet: how many names of attributes it can have at most.
#[derive(Default)]
struct Unfinished<'i> {
    /// The chunk in which it may have begun.
    first: &'i str,
    names: usize,
}

impl<'i> Unfinished<'i> {
    fn read(&mut self, chunk: &'i str, told: bool) -> Result<(), OverLimit> {
        if told {
            *self = Self { first: chunk, names: 0 };
            return Ok(());
        }
        if self.names == 0 {
            self.names = names(self.first);
        }
        self.names += names(chunk);
        if self.names > MOST_ATTRIBUTES {
            Err(OverLimit::Attributes { most: MOST_ATTRIBUTES })
        } else {
            Ok(())
        }
    }
}

/// Where a name can begin: after white space, a slash or a quote.
fn names(chunk: &str) -> usize {
    let ends = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ' | b'/' | b'"' | b'\'');
    chunk
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [before, after] if ends(*before) && !ends(*after)))
        .count()
}

/// Stands between tokenizer and tree: no comment passes, and of a tag's attributes only what may remain.
///
/// They are taken out here and not from the finished tree because the parser copies them with every element that it
/// opens again: a tag with thousands of attributes would be multiplied.
struct Gate<'p> {
    builder: TreeBuilder<Handle, Tree<'p>>,
    policy: &'p Checked,
    tokens: Cell<usize>,
}

impl TokenSink for Gate<'_> {
    type Handle = Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Handle> {
        // An error is no end of a tag.
        if matches!(token, Token::ParseError(_)) {
            return TokenSinkResult::Continue;
        }
        self.tokens.set(self.tokens.get().wrapping_add(1));
        match token {
            Token::CommentToken(_) | Token::DoctypeToken(_) => TokenSinkResult::Continue,
            Token::TagToken(mut tag) => {
                match tag.kind {
                    TagKind::StartTag => attributes::keep(&mut tag, self.policy),
                    TagKind::EndTag => tag.attrs.clear(),
                }
                self.builder.process_token(Token::TagToken(tag), line)
            }
            other => self.builder.process_token(other, line),
        }
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::{Policy, tree::Data};

    #[test]
    fn no_name_is_kept_that_the_policy_has_not() {
        let policy = Policy::rich_text();
        let hostile =
            "<p><svg><a></a></svg><unknown-1><svg><b><title><unknown-2></svg><form><template><b><unknown-3>";
        let nodes = parse(hostile, policy.checked()).unwrap();
        let names = nodes.all().filter_map(|data| match data {
            Data::Element { name, .. } => Some(&**name),
            _ => None,
        });
        assert_eq!(names.collect::<Vec<_>>(), ["div", "p", "b"]);
    }

    #[test]
    fn elements_that_the_parser_moves_are_as_deep_as_they_are() {
        // With `</b>`, the `<div>` goes into an `<i>` that stands nowhere yet, and with it into the tree.
        for hostile in ["<b><i><div></b>", "<pre><nobr><em></image>", "<template><b>"] {
            let over = parse(&hostile.repeat(500), Policy::strip_all().checked()).err();
            assert_eq!(over, Some(OverLimit::Depth { most: 100 }), "{hostile}");
        }
        let siblings = "<template><b>1</b></template><b><i><div></b></div></i>".repeat(500);
        assert!(parse(&siblings, Policy::strip_all().checked()).is_ok());
    }
}
