//! The rows of the API, one file each.

mod info;
mod login;
mod prefs;
mod profile;

use axum::{Router, routing::get, routing::post};

use crate::{ReferenceApi, problem::Problem};

/// All rows. What they need of a caller stands in the policy.
pub(crate) fn router() -> Router<ReferenceApi> {
    Router::new()
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/profile", get(profile::profile))
        .route("/prefs/{user_id}", get(prefs::read).post(prefs::keep))
        .route("/info", get(info::info))
        .fallback(async || Problem::not_found("There is nothing here."))
        .method_not_allowed_fallback(async || {
            Problem::new(http::StatusCode::METHOD_NOT_ALLOWED, "method", "This is not done here.")
        })
}
