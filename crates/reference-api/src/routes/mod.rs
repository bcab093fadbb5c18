//! The rows of the API, one file each.

mod api_keys;
mod comments;
mod files;
mod info;
mod login;
mod prefs;
mod profile;
mod token;
mod transfer;
mod users;

use axum::{
    Router,
    routing::{delete, get, post},
};

use crate::{ReferenceApi, problem::Problem};

/// All rows. What they need of a caller stands in the policy.
pub(crate) fn router() -> Router<ReferenceApi> {
    Router::new()
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/profile", get(profile::profile))
        .route("/prefs/{user_id}", get(prefs::read).post(prefs::keep))
        .route("/transfer", post(transfer::transfer))
        .route("/comments", get(comments::list).post(comments::write))
        .route("/comments/page", get(comments::page))
        .route("/users", get(users::users))
        .route("/users/{id}", get(users::user))
        .route("/files", get(files::list).post(files::post))
        .route("/files/{name}", get(files::read).put(files::put).delete(files::remove))
        .route("/info", get(info::info))
        .route("/token", post(token::token))
        .route("/admin/signing-keys/rotate", post(token::rotate))
        .route("/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/api-keys/rotate", post(api_keys::rotate))
        .route("/api-keys/{id}", delete(api_keys::revoke))
        .fallback(async || Problem::not_found("There is nothing here."))
        .method_not_allowed_fallback(async || {
            Problem::new(http::StatusCode::METHOD_NOT_ALLOWED, "method", "This is not done here.")
        })
}
