//! One corpus of cases for every surface: what is sent, what must be decided, and what must come back.
//!
//! The cases are the files `tests/corpus/*.toml`; [`written`](mod@written) documents their format. A surface
//! (the engine itself, the tower layer, the gateway) builds each case's engine ([`Case::build`]), sends the case in its own
//! way with the [`CaseStore`] behind it, and says what it saw as an [`Observed`]. [`Corpus::check`] compares, and reports
//! all differences of all cases at once.
//!
//! ```
//! use bartizan_corpus::{Corpus, Surface};
//! let corpus = Corpus::load().unwrap();
//! assert!(corpus.cases(Surface::Engine).count() > 100);
//! ```

mod answers;
mod api_key;
mod case;
mod check;
mod compare;
mod deployment;
mod jwt;
mod observed;
mod reports;
mod text;
mod token;
pub mod written;

pub use answers::{CaseStore, StoreAnswer};
pub use api_key::KeyState;
pub use case::{Case, Corpus, CorpusError, Fault, Head, Request, Response, Surface};
pub use compare::Expect;
pub use jwt::TokenState;
pub use observed::{Handled, Observed, problem_code};
pub use reports::Reports;
