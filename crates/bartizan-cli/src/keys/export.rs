//! `bartizan keys export-jwks`: the public keys, as they are published.

use bartizan::OsClock;
use bartizan_core::{
    Clock as _,
    key_ring::{RingKey, Snapshot},
};

use super::{KeysError, issuers, kept};
use crate::{Outcome, arguments::KeysExportArguments, failure::Failure, terminal};

/// Prints them.
pub(super) fn run(arguments: &KeysExportArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = super::deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let now = OsClock.now();
    let snapshot = Snapshot::new(kept(&deployment)?, issuers(&deployment.loaded)?.ring().clone(), now);
    deployment.close();
    let keys = snapshot.published(now).map_err(|stale| KeysError::Ring(stale.into()))?;
    let keys: Vec<&str> = keys.filter_map(RingKey::public).collect();
    terminal::print(&format!("{{\"keys\":[{}]}}\n", keys.join(",")))?;
    Ok(Outcome::Fine)
}
