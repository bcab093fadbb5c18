//! From byte offsets to lines and columns.

use alloc::{boxed::Box, vec::Vec};
use core::{iter, ops::Range};

use super::Location;

/// The text of the policy, and where its lines begin.
pub(super) struct Lines {
    text: Box<str>,
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let starts = iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text: text.into(), starts }
    }

    /// The place of a span; what lies beyond the end is the end.
    pub(super) fn locate(&self, span: &Range<usize>) -> Location {
        let offset = span.start.min(self.text.len());
        let (line, start) = self.line_of(offset);
        let before = self.text.get(start..offset).unwrap_or("");
        let len = span.end.min(self.text.len()).saturating_sub(offset);
        Location { line: line + 1, column: before.chars().count() + 1, offset, len }
    }

    /// The bytes of the line that `offset` is in.
    pub(super) fn line_span(&self, offset: usize) -> Range<usize> {
        let (line, start) = self.line_of(offset);
        start..self.starts.get(line + 1).copied().unwrap_or(self.text.len() + 1)
    }

    /// Where the first line after `offset` begins that opens a table; else the end.
    pub(super) fn next_table(&self, offset: usize) -> usize {
        let (line, _) = self.line_of(offset);
        let mut later = self.starts.iter().skip(line + 1).copied();
        later.find(|start| self.opens_table(*start)).unwrap_or(self.text.len() + 1)
    }

    /// Whether the line that `offset` is in opens a table.
    pub(super) fn opens_table(&self, offset: usize) -> bool {
        self.text.get(self.line_span(offset).start..).is_some_and(|line| line.trim_start().starts_with('['))
    }

    fn line_of(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, self.starts.get(line).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let lines = Lines::new("a = 1\nü = \"é\" # x\n\n");
        for (span, line, column) in
            [(0..1, 1, 1), (4..5, 1, 5), (6..8, 2, 1), (11..15, 2, 5), (99..100, 4, 1)]
        {
            let place = lines.locate(&span);
            assert_eq!((place.line, place.column), (line, column), "{span:?}");
        }
        assert_eq!(Lines::new("").locate(&(0..0)), Location { line: 1, column: 1, offset: 0, len: 0 });
    }
}
