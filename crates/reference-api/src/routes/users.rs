//! `GET /users/{id}` and `GET /users?name=`: what a client says is bound to a statement, and never a part of one.

use axum::{Json, extract::State};

use crate::{
    ReferenceApi,
    body::{Id, Query},
    database::Profile,
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

/// Whom somebody looks for.
pub(crate) struct Named {
    name: String,
}

impl FromFields for Named {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { name: fields.text("name", Text::Line, 1..=64)? })
    }
}

/// One user, by number.
#[utoipa::path(
    get,
    path = "/users/{id}",
    tag = "people",
    security(("session" = []), ("token" = ["read"]), ("api_key" = ["read"])),
    params(("id" = i64, Path, description = "The number of an account.")),
    responses(
        (status = 200, description = "The user.", body = Profile),
        (status = 401, description = "No credential.", body = Document),
        (status = 404, description = "There is no such user.", body = Document),
        (status = 422, description = "The number is none.", body = Document),
    )
)]
pub(crate) async fn user(State(api): State<ReferenceApi>, Id(id): Id) -> Result<Json<Profile>, Problem> {
    let found = api.database().profile(id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("There is no such user."))
}

/// The users of a name: none or one.
#[utoipa::path(
    get,
    path = "/users",
    tag = "people",
    security(("session" = []), ("token" = ["read"]), ("api_key" = ["read"])),
    params(("name" = String, Query, min_length = 1, max_length = 64, description = "The whole name of an account.")),
    responses(
        (status = 200, description = "None or one.", body = Vec<Profile>),
        (status = 401, description = "No credential.", body = Document),
        (status = 422, description = "There is no name.", body = Document),
    )
)]
pub(crate) async fn users(
    State(api): State<ReferenceApi>,
    Query(Named { name }): Query<Named>,
) -> Result<Json<Vec<Profile>>, Problem> {
    Ok(Json(api.database().profiles_named(&name).await?))
}
