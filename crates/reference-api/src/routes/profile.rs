//! `GET /profile`: who has signed in.

use axum::{Json, extract::State};
use bartizan::Session;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    problem::{Document, Problem},
};

/// Whoever has signed in, as they see themselves.
#[derive(Debug, Serialize, ToSchema)]
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
#[utoipa::path(
    get,
    path = "/profile",
    tag = "people",
    security(("session" = [])),
    responses(
        (status = 200, description = "Who has signed in.", body = Own),
        (status = 401, description = "Nobody has.", body = Document),
    )
)]
pub(crate) async fn profile(State(api): State<ReferenceApi>, session: Session) -> Result<Json<Own>, Problem> {
    own(&api, session.account()?, session.scopes().map(Into::into).collect()).await
}

/// The account, as its session sees it.
pub(crate) async fn own(api: &ReferenceApi, id: i64, scopes: Vec<String>) -> Result<Json<Own>, Problem> {
    let gone = || Problem::not_found("This account is no more.");
    let profile = api.database().profile(id).await?.ok_or_else(gone)?;
    let balance = api.database().balance(id).await?.ok_or_else(gone)?;
    Ok(Json(Own { id, name: profile.name, display_name: profile.display_name, balance, scopes }))
}
