//! `bartizan schema`: the JSON Schema of the policy file.

use crate::{Outcome, failure::Failure, terminal};

/// Prints it.
pub(crate) fn run() -> Result<Outcome, Failure> {
    terminal::print(&bartizan_core::policy::schema_text())?;
    Ok(Outcome::Fine)
}
