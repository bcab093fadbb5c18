//! `bartizan api-key rotate`: a key takes another's place.

use bartizan::{OsClock, OsEntropy};
use bartizan_core::{
    Clock as _,
    api_key::{Grantor, Rotation, sole_active},
};
use bartizan_store::{KeyRotation, RotationOutcome};

use super::{ApiKeyFailure, all, deployment, maker, one, show};
use crate::{
    Outcome,
    arguments::ApiKeyRotateArguments,
    failure::Failure,
    terminal,
    when::{ahead, minute},
};

/// Replaces it.
pub(super) fn run(arguments: &ApiKeyRotateArguments) -> Result<Outcome, Failure> {
    let Some(deployment) = deployment(&arguments.policy)? else { return Ok(Outcome::Faults) };
    let now = OsClock.now();
    let old = match arguments.id {
        Some(id) => one(&deployment, id)?,
        None => {
            sole_active(all(&deployment, arguments.owner.as_deref())?, now).map_err(ApiKeyFailure::from)?
        }
    };
    let scopes = arguments.scope.iter().flat_map(|scopes| scopes.0.iter().cloned());
    let new = Rotation {
        scopes: (!arguments.scope.is_empty()).then(|| scopes.collect()),
        expires: arguments.expires.map(|span| now.after(span)),
    };
    let maker = maker(&deployment)?;
    let rotated = maker.rotate(&old, new, arguments.grace, Grantor::Operator, now, &mut OsEntropy);
    let rotated = rotated.map_err(ApiKeyFailure::from)?;
    let rotation = deployment.store.store().rotate_api_key(KeyRotation::new(old, &rotated));
    let outcome = deployment.wait_for(rotation).map_err(ApiKeyFailure::from)?;
    deployment.close();
    if outcome == RotationOutcome::Changed {
        return Err(ApiKeyFailure::Changed(rotated.old).into());
    }
    let ends = rotated.old_expires;
    terminal::print_error(&format!(
        "the key {} is replaced, and good until {} ({})\n",
        rotated.old,
        minute(ends),
        ahead(ends, now)
    ));
    show(&rotated.issued, now)?;
    Ok(Outcome::Fine)
}
