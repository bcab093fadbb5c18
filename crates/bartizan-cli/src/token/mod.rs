//! `bartizan token`: tokens made, and judged, from outside.

mod inspect;
mod issue;
mod judged;
mod revoke;
mod shown;

use std::{
    io::{self, Read as _},
    path::PathBuf,
    time::Duration,
};

use bartizan::{
    StoreError,
    jwt::{KeyFault, KeyRingError},
};
use bartizan_core::jwt::{JwkSetFault, TokenError};
use thiserror::Error;

use crate::{
    Outcome,
    arguments::{TokenArguments, TokenCommand},
    failure::Failure,
};

/// More is read of no token: one of 8 KiB is refused for its length.
const LONGEST: u64 = 64 << 10;

/// Why a token cannot be made, judged or revoked. That one is refused when it is inspected is no failure.
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
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody was there to be asked.
    #[error("this revokes tokens for good, and nobody can be asked: standard input is not a terminal")]
    NotAsked,
    /// One that nobody accepts need not be revoked, and what it says may be anybody's.
    #[error("nothing was revoked, for this token is refused already: {0} [{code}]", code = .0.code())]
    Refused(TokenError),
    /// Nothing to know it by.
    #[error("the token has no jti, by which it could be told from others")]
    NoJti,
    /// One of an issuer that the policy trusts.
    #[error("this token is of {0}, which the policy trusts: only its issuer can revoke it")]
    NotOurs(Box<str>),
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
            Self::NotAsked => Some("--yes revokes without asking".into()),
            Self::NoJti => Some("--subject NAME revokes all that its subject was given".into()),
            _ => None,
        }
    }
}

/// Makes, judges or revokes one.
pub(crate) fn run(arguments: &TokenArguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        TokenCommand::Issue(arguments) => issue::run(arguments),
        TokenCommand::Inspect(arguments) => inspect::run(arguments),
        TokenCommand::Revoke(arguments) => revoke::run(arguments),
    }
}

/// The token itself, without what a shell or an editor put around it.
fn text_of(argument: &str) -> Result<String, TokenFailure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text).map_err(TokenFailure::Read)?;
    let text = text.trim_ascii();
    if text.is_empty() { Err(TokenFailure::Empty) } else { Ok(text.to_owned()) }
}
