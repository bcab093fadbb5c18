//! `bartizan keys revoke`: nothing that a key signed counts any more.

use std::io::{self, IsTerminal as _};

use bartizan::{OsClock, jwt::KeyRingError};
use bartizan_core::{
    Clock as _, Timestamp,
    key_ring::{RevokeError, Ring, Settings, Snapshot, State},
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
    let before = key.revoked();
    // Where it was, there is nothing to agree to: at the most that it is completed.
    if before.is_none()
        && !arguments.yes
        && !terminal::agrees(&question(&ring, kid, &settings, OsClock.now()))?
    {
        terminal::print("nothing was revoked\n")?;
        return Ok(Outcome::Faults);
    }
    let now = OsClock.now();
    let keys = super::open(deployment, now)?;
    let revoked = deployment.wait_for(keys.revoke(kid, now));
    revoked.map_err(|error| failure(kid, &keys.ring(), error, now))?;
    if let Some(at) = before {
        terminal::print(&format!(
            "{kid} was revoked {}, but not to the end; now every node refuses what it signed\n",
            ago(at, now)
        ))?;
        return Ok(Outcome::Fine);
    }
    terminal::print(&told(kid, keys.ring(), keys.settings(), now))?;
    Ok(Outcome::Fine)
}

fn failure(kid: &str, ring: &Ring, error: KeyRingError, now: Timestamp) -> KeysError {
    let kid = kid.into();
    match error {
        KeyRingError::Revoke(RevokeError::AlreadyRevoked { at, .. }) => {
            KeysError::Revoked { kid, ago: ago(at, now) }
        }
        KeyRingError::Store(error) if ring.key(&kid).is_some_and(|key| key.revoked().is_some()) => {
            KeysError::Half { kid, error }
        }
        error => error.into(),
    }
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
    // Nodes ask the store about each token, and read the ring again within this time; others may keep the JWK set.
    let published = ahead(now.after(settings.publication()), now);
    format!(
        "{kid} is revoked; {signs}\nevery node refuses what it signed from now on, and signs with it no more {} at the \
         latest; those who verify with our JWK set know it {published} at the latest\n",
        ahead(now.after(settings.jwks_max_age()), now)
    )
}
