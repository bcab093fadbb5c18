//! `bartizan token`: tokens made, and judged, from outside.

mod inspect;
mod issue;
mod shown;

use std::{io, path::PathBuf, time::Duration};

use bartizan::jwt::{KeyFault, KeyRingError};
use bartizan_core::jwt::JwkSetFault;
use thiserror::Error;

use crate::{
    Outcome,
    arguments::{TokenArguments, TokenCommand},
    failure::Failure,
};

/// Why a token cannot be made or judged. That one is refused is no failure.
#[derive(Debug, Error)]
pub(crate) enum TokenFailure {
    /// It would live too long.
    #[error("a token of this deployment lives {most:?} at most, and {asked:?} was asked for")]
    Lifetime { asked: Duration, most: Duration },
    /// The ring makes none.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// Standard input.
    #[error("the token cannot be read: {0}")]
    Read(#[source] io::Error),
    /// There is none.
    #[error("standard input has no token")]
    Empty,
    /// What the file holds is no set.
    #[error("{} is no JWK set: {fault}", file.display())]
    Set { file: PathBuf, fault: JwkSetFault },
    /// A key of it.
    #[error("the key of this token in {} cannot be used: {fault}", file.display())]
    Key { file: PathBuf, fault: KeyFault },
    /// One of an issuer that the policy trusts.
    #[error(
        "this token is of {issuer}, which the policy trusts: its keys are not in the ring, but at {keys}"
    )]
    Trusted { issuer: Box<str>, keys: String },
    /// Nothing says whose it must be.
    #[error("nothing says what {0} the token must have, so it cannot be called valid")]
    Unnamed(&'static str),
}

impl TokenFailure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Lifetime { .. } => Some("write a shorter --lifetime".into()),
            Self::Trusted { issuer, .. } => Some(format!(
                "fetch its JWK set into a file, and write --jwks FILE --issuer {issuer} --audience … --type …"
            )),
            Self::Unnamed(name) => {
                Some(format!("write --{name}, or name a policy with `jwt.{name}` with --policy"))
            }
            _ => None,
        }
    }
}

/// Makes or judges one.
pub(crate) fn run(arguments: &TokenArguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        TokenCommand::Issue(arguments) => issue::run(arguments),
        TokenCommand::Inspect(arguments) => inspect::run(arguments),
    }
}
