//! One corpus of cases for every surface: what is sent, what must be decided, and what must come back.
//!
//! The cases are the files `tests/corpus/*.toml`; [`written`](mod@written) documents their format. A surface
//! (the engine itself, the tower layer, the gateway) sends each case in its own way, says what it saw as an
//! [`Observed`], and [`Corpus::check`] compares. All differences of all cases are reported at once.
//!
//! ```
//! use bartizan_corpus::{Corpus, Surface};
//! let corpus = Corpus::load().unwrap();
//! assert!(corpus.cases(Surface::Engine).count() > 100);
//! ```

mod case;
mod check;
mod compare;
mod observed;
mod text;
mod token;
pub mod written;

pub use case::{
    Case, Corpus, CorpusError, Fault, Head, Request, Response, Scheme, StoreAnswer, Surface, Taken,
};
pub use compare::Expect;
pub use observed::{Handled, Observed, problem_code};
pub use token::{KeyAge, MASTER_KEY, Owner, Token};
