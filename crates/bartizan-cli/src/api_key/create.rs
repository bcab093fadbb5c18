//! `bartizan api-key create`: the key, shown once.

use bartizan::{OsClock, OsEntropy};
use bartizan_core::{
    Clock as _,
    api_key::{Grantor, NewKey},
};

use super::{ApiKeyFailure, maker, show};
use crate::{
    Outcome,
    arguments::ApiKeyCreateArguments,
    deployment::{Deployment, Kept},
    failure::Failure,
};

/// Makes it.
pub(super) fn run(arguments: &ApiKeyCreateArguments) -> Result<Outcome, Failure> {
    let Some(found) = Deployment::find(&arguments.policy, Kept::ApiKeys)? else { return Ok(Outcome::Faults) };
    // Its clients may be given theirs before anything has run.
    let deployment = found.open_or_make()?;
    let now = OsClock.now();
    let new = NewKey {
        owner: arguments.owner.as_str().into(),
        name: arguments.name.as_str().into(),
        scopes: arguments.scope.iter().flat_map(|scopes| scopes.0.iter().cloned()).collect(),
        expires: arguments.expires.map(|span| now.after(span)),
    };
    let issued = maker(&deployment)?.issue(new, Grantor::Operator, now, &mut OsEntropy);
    let issued = issued.map_err(ApiKeyFailure::from)?;
    let created = deployment.store.store().create_api_key(issued.record.clone());
    let created = deployment.wait_for(created).map_err(ApiKeyFailure::from)?;
    deployment.close();
    if !created {
        return Err(ApiKeyFailure::Changed(issued.record.id).into());
    }
    show(&issued, now)?;
    Ok(Outcome::Fine)
}
