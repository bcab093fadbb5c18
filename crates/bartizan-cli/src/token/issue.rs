//! `bartizan token issue`: the token on standard output, what is to be known of it on standard error.

use bartizan::{OsClock, jwt::AccessToken};
use bartizan_core::Clock as _;

use super::TokenFailure;
use crate::{
    Outcome,
    arguments::TokenIssueArguments,
    failure::Failure,
    keys,
    terminal::{self, printable},
    when::{ahead, minute},
};

/// Makes it.
pub(super) fn run(arguments: &TokenIssueArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = keys::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let rules = keys::issuers(&deployment.loaded)?.ours().clone();
    let now = OsClock.now();
    let ring = keys::open(&deployment, now)?;
    let (asked, most) = (arguments.lifetime, ring.settings().token_lifetime());
    if asked > most {
        return Err(TokenFailure::Lifetime { asked, most }.into());
    }
    let token = AccessToken {
        issuer: rules.issuer,
        audience: rules.audiences.into_iter().next().unwrap_or_default(),
        subject: arguments.subject.as_str().into(),
        scopes: arguments.scope.iter().flat_map(|scopes| scopes.0.iter().cloned()).collect(),
        lifetime: asked,
        claims: arguments.claims.iter().cloned().collect(),
    };
    let issued = ring.issue(&token, now).map_err(TokenFailure::from)?;
    drop(ring);
    deployment.close();
    terminal::print(&format!("{}\n", issued.token))?;
    terminal::print_error(&format!(
        "a token for {}, jti {}, valid until {} ({})\n",
        printable(&arguments.subject),
        issued.jti,
        minute(issued.expires),
        ahead(issued.expires, now)
    ));
    Ok(Outcome::Fine)
}
