//! `bartizan api-key revoke`: a key is refused from now on.

use std::io::{self, IsTerminal as _};

use bartizan::OsClock;
use bartizan_core::Clock as _;

use super::{ApiKeyFailure, deployment, one};
use crate::{
    Outcome,
    arguments::ApiKeyRevokeArguments,
    deployment::Deployment,
    failure::Failure,
    terminal::{self, printable},
    when::ago,
};

/// Revokes it, if whoever is asked agrees.
pub(super) fn run(arguments: &ApiKeyRevokeArguments) -> Result<Outcome, Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(ApiKeyFailure::NotAsked.into());
    }
    let Some(deployment) = deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let outcome = revoke(&deployment, arguments);
    deployment.close();
    outcome
}

fn revoke(deployment: &Deployment, arguments: &ApiKeyRevokeArguments) -> Result<Outcome, Failure> {
    let key = one(deployment, arguments.id)?;
    let now = OsClock.now();
    let used = key.last_used.map_or_else(|| "never used".into(), |at| format!("last used {}", ago(at, now)));
    let question = format!(
        "Revoke the key {} of {}, `{}`, {used}?",
        key.id,
        printable(&key.owner),
        printable(&key.name)
    );
    if !arguments.yes && !terminal::agrees(&question)? {
        terminal::print("nothing was revoked\n")?;
        return Ok(Outcome::Faults);
    }
    let revoked = deployment.store.store().revoke_api_key(key.id, OsClock.now());
    if !deployment.wait_for(revoked).map_err(ApiKeyFailure::from)? {
        return Err(ApiKeyFailure::Revoked(key.id).into());
    }
    terminal::print(&format!("{} is revoked\n", key.id))?;
    Ok(Outcome::Fine)
}
