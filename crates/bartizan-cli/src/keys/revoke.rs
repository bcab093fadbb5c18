//! `bartizan keys revoke`: nothing that a key signed counts any more.

use std::io::{self, IsTerminal as _};

use bartizan::OsClock;
use bartizan_core::{
    Clock as _, Timestamp,
    key_ring::{Ring, Settings, Snapshot, State},
};

use super::{KeysError, find, issuers, kept, list::state_name, shown};
use crate::{
    Outcome,
    arguments::KeysRevokeArguments,
    deployment::Deployment,
    failure::Failure,
    terminal,
    when::{ago, ahead},
};

/// Revokes it, if whoever is asked agrees.
pub(super) fn run(arguments: &KeysRevokeArguments) -> Result<Outcome, Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(KeysError::NotAsked.into());
    }
    let Some(deployment) = super::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let outcome = revoke(&deployment, arguments);
    deployment.close();
    outcome
}

fn revoke(deployment: &Deployment, arguments: &KeysRevokeArguments) -> Result<Outcome, Failure> {
    let (ring, settings) = (kept(deployment)?, issuers(&deployment.loaded)?.ring().clone());
    let key = find(&ring, &arguments.kid)?;
    let kid = key.kid();
    if let Some(at) = key.revoked() {
        return Err(KeysError::Revoked { kid: kid.into(), ago: ago(at, OsClock.now()) }.into());
    }
    if !arguments.yes && !terminal::agrees(&question(&ring, kid, &settings, OsClock.now()))? {
        terminal::print("nothing was revoked\n")?;
        return Ok(Outcome::Faults);
    }
    let now = OsClock.now();
    let keys = super::open(deployment, now)?;
    deployment.wait_for(keys.revoke(kid, now)).map_err(KeysError::from)?;
    terminal::print(&told(kid, keys.ring(), keys.settings(), now))?;
    Ok(Outcome::Fine)
}

fn question(ring: &Ring, kid: &str, settings: &Settings, now: Timestamp) -> String {
    let state = ring.key(kid).map(|key| key.state(ring.longest_token(), settings, now));
    let consequence = match state {
        Some(State::Pending) => "It has signed nothing; another stands ready in its place.",
        Some(State::Active) => "All tokens that it signed are refused, and the standby signs at once.",
        _ => "All tokens that it signed are refused.",
    };
    let state = state.map_or("unknown", state_name);
    format!("Revoke the key {kid} ({state}) for good? {consequence}")
}

fn told(kid: &str, ring: Ring, settings: &Settings, now: Timestamp) -> String {
    let signer = Snapshot::new(ring, settings.clone(), now);
    let signer = signer.signer(std::time::Duration::ZERO, now).map(|key| shown(key.kid()));
    let signs = signer.map_or_else(|none| none.to_string(), |kid| format!("{kid} signs"));
    // Nodes read the ring again five times within this time; others may keep the JWK set for all of it.
    let published = ahead(now.after(settings.publication()), now);
    format!(
        "{kid} is revoked; {signs}\nthe nodes of this deployment have read it {} at the latest; those who verify with \
         our JWK set know it {published} at the latest\n",
        ahead(now.after(settings.jwks_max_age()), now)
    )
}
