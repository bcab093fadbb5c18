//! `bartizan token revoke`: tokens are refused before their time is over.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use bartizan::OsClock;
use bartizan_core::{Clock as _, Timestamp, TokenDigest};

use super::{TokenFailure, judged::by_ring, text_of};
use crate::{
    Outcome,
    arguments::TokenRevokeArguments,
    deployment::Deployment,
    failure::Failure,
    keys,
    terminal::{self, printable},
    when::{ahead, minute},
};

/// Revokes them, if whoever is asked agrees.
pub(super) fn run(arguments: &TokenRevokeArguments) -> Result<Outcome, Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(TokenFailure::NotAsked.into());
    }
    let Some(deployment) = keys::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let outcome = revoke(&deployment, arguments);
    deployment.close();
    outcome
}

fn revoke(deployment: &Deployment, arguments: &TokenRevokeArguments) -> Result<Outcome, Failure> {
    let now = OsClock.now();
    let (meant, until) = meant(deployment, arguments, now)?;
    let what = meant.what();
    if !arguments.yes && !terminal::agrees(&format!("Revoke {what} for good?"))? {
        terminal::print("nothing was revoked\n")?;
        return Ok(Outcome::Faults);
    }
    let store = deployment.store.store();
    let revoked = match &meant {
        Meant::Token { jti, .. } => store.revoke_token(TokenDigest::of_jti(jti), until, now),
        Meant::Subject { subject, before } => {
            store.revoke_subject(subject.as_str().into(), *before, until, now)
        }
    };
    deployment.wait_for(revoked).map_err(TokenFailure::from)?;
    terminal::print(&format!(
        "revoked: {what}\nevery node refuses it from now on; this is kept until {} ({}), when nothing of it can be good \
         any more\n",
        minute(until),
        ahead(until, now)
    ))?;
    Ok(Outcome::Fine)
}

/// What is to be revoked.
enum Meant {
    Token {
        jti: String,
        /// Whose it is, where the token itself was given.
        subject: Option<Box<str>>,
    },
    Subject {
        subject: String,
        before: Timestamp,
    },
}

impl Meant {
    fn what(&self) -> String {
        match self {
            Self::Token { jti, subject: Some(subject) } => {
                format!("the token {} of {}", printable(jti), printable(subject))
            }
            Self::Token { jti, subject: None } => format!("the token {}", printable(jti)),
            Self::Subject { subject, before } => {
                format!("every token that {} was given before {}", printable(subject), minute(*before))
            }
        }
    }
}

/// What the arguments mean, and until when it must be remembered.
fn meant(
    deployment: &Deployment,
    arguments: &TokenRevokeArguments,
    now: Timestamp,
) -> Result<(Meant, Timestamp), Failure> {
    let settings = keys::issuers(&deployment.loaded)?.ring();
    // The ring is read and not turned: this needs no master key.
    let tokens_end = |issued| Ok::<_, Failure>(keys::kept(deployment)?.tokens_end(settings, issued));
    if let Some(subject) = arguments.subject.clone() {
        let before = arguments.before.unwrap_or(now);
        return Ok((Meant::Subject { subject, before }, tokens_end(before.max(now))?));
    }
    if let Some(jti) = arguments.jti.clone() {
        return Ok((Meant::Token { jti, subject: None }, tokens_end(now)?));
    }
    let text = text_of(arguments.token.as_deref().unwrap_or("-"))?;
    // One whose time has not come is refused now, and good later.
    let judged = by_ring(deployment, &text, Duration::MAX, now).map_err(|failure| match failure {
        Failure::Token(TokenFailure::Trusted { issuer, .. }) => TokenFailure::NotOurs(issuer).into(),
        other => other,
    })?;
    // Whoever could have another's token revoked by writing its name into one of their own would sign others out.
    let token = judged.verdict.map_err(TokenFailure::Refused)?;
    let jti = token.jti.ok_or(TokenFailure::NoJti)?;
    // By the clock of the node that is furthest behind.
    let until = token.expires.after(settings.grace());
    Ok((Meant::Token { jti: jti.into(), subject: Some(token.subject) }, until))
}
