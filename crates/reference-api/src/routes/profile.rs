//! `GET /profile`: who has signed in.

use axum::{Json, extract::State};
use bartizan::Session;
use serde::Serialize;

use crate::{ReferenceApi, accounts::AccountOf as _, problem::Problem};

/// Whoever has signed in, as they see themselves.
#[derive(Debug, Serialize)]
pub(crate) struct Own {
    /// The number of the account.
    id: i64,
    /// What it signs in by.
    name: String,
    /// What it is called.
    display_name: String,
    /// What it has.
    balance: i64,
    /// What this session may do.
    scopes: Vec<String>,
}

/// The session's user.
pub(crate) async fn profile(State(api): State<ReferenceApi>, session: Session) -> Result<Json<Own>, Problem> {
    let id = session.account()?;
    let gone = || Problem::not_found("This account is no more.");
    let profile = api.database().profile(id).await?.ok_or_else(gone)?;
    let balance = api.database().balance(id).await?.ok_or_else(gone)?;
    let scopes = session.scopes().map(Into::into).collect();
    Ok(Json(Own { id, name: profile.name, display_name: profile.display_name, balance, scopes }))
}
