//! `GET /info`: what this is, and never a secret.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ReferenceApi;

/// What this is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Info {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The profile of its policy.
    environment: String,
}

/// Tells it.
#[utoipa::path(
    get,
    path = "/info",
    tag = "about",
    responses((status = 200, description = "What this is.", body = Info))
)]
pub(crate) async fn info(State(api): State<ReferenceApi>) -> Json<Info> {
    Json(Info {
        name: "reference-api",
        version: env!("CARGO_PKG_VERSION"),
        environment: api.profile().to_owned(),
    })
}
