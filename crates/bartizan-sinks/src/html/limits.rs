//! What markup may cost, and the error of what costs more.

/// What markup may cost. Above any of these `clean` shows the input as the text that it is, tags and all.
///
/// The HTML parser's work grows with the depth for every tag, and a handful of bytes can ask for thousands of
/// elements; without a bound, a small comment occupies a processor for minutes. Text without markup is never bounded.
///
/// ```
/// use bartizan_sinks::html::Limits;
///
/// assert_eq!(Limits::default(), Limits { bytes: 1_048_576, depth: 100, nodes: 100_000 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the input, and of the output.
    pub bytes: usize,
    /// Elements inside each other; at most [`Limits::MOST_DEPTH`].
    pub depth: usize,
    /// Elements and pieces of text.
    pub nodes: usize,
}

impl Limits {
    /// The most that `depth` may be: 256, half of what browsers build before they begin to flatten.
    pub const MOST_DEPTH: usize = 256;

    pub(super) fn are_in_range(self) -> bool {
        self.bytes > 0 && self.nodes > 0 && (1..=Self::MOST_DEPTH).contains(&self.depth)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 100, nodes: 100_000 }
    }
}

/// Why markup was not read: it would cost too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverLimit {
    /// Too long.
    #[error("the markup is longer than {most} bytes; shorten it, or raise `Limits::bytes`")]
    Bytes {
        /// The limit.
        most: usize,
    },
    /// Too many elements inside each other.
    #[error("the markup is nested more than {most} elements deep; flatten it, or raise `Limits::depth`")]
    Depth {
        /// The limit.
        most: usize,
    },
    /// Too many elements.
    #[error("the markup is of more than {most} elements and texts; shorten it, or raise `Limits::nodes`")]
    Nodes {
        /// The limit.
        most: usize,
    },
    /// Too many attributes in one tag.
    #[error("a tag or comment in the markup goes on for more than {most} words; shorten it")]
    Attributes {
        /// The limit.
        most: usize,
    },
}
