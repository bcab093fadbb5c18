//! The rows of the API, one file each.

pub(crate) mod api_keys;
pub(crate) mod comments;
pub(crate) mod files;
pub(crate) mod info;
pub(crate) mod login;
pub(crate) mod ping;
pub(crate) mod prefs;
pub(crate) mod profile;
pub(crate) mod token;
pub(crate) mod transfer;
pub(crate) mod users;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, delete, get, post},
};
use http::StatusCode;

use crate::{ReferenceApi, docs_page, openapi, problem::Problem};

/// All rows. What they need of a caller stands in the policy.
pub(crate) fn router(api: &ReferenceApi) -> Router<ReferenceApi> {
    router_with(api, get(profile::profile))
}

/// The same, with this in the place of `/profile`.
pub(crate) fn router_with(api: &ReferenceApi, profile: MethodRouter<ReferenceApi>) -> Router<ReferenceApi> {
    Router::new()
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/profile", profile)
        .route("/prefs/{user_id}", get(prefs::read).post(prefs::keep))
        .route("/transfer", post(transfer::transfer))
        .route("/comments", get(comments::list).post(comments::write))
        .route("/comments/page", get(comments::page))
        .route("/users", get(users::users))
        .route("/users/{id}", get(users::user))
        .route("/files", get(files::list).post(files::post))
        .route("/files/{name}", get(files::read).put(files::put).delete(files::remove))
        .route("/ping", get(ping::ping))
        .route("/info", get(info::info))
        .route("/token", post(token::token))
        .route("/admin/signing-keys/rotate", post(token::rotate))
        .route("/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/api-keys/rotate", post(api_keys::rotate))
        .route("/api-keys/{id}", delete(api_keys::revoke))
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(docs_page::page))
        .route("/docs/start.js", get(docs_page::start))
        .route("/docs/swagger-ui-bundle.js", get(docs_page::bundle))
        .route("/docs/swagger-ui.css", get(docs_page::style))
        .fallback(async || Problem::not_found("There is nothing here."))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "This is not done here.")
        })
        .layer(from_fn_with_state(api.clone(), in_time))
}

/// Ends what takes too long: a transaction is undone, a file that was not whole is none.
async fn in_time(State(api): State<ReferenceApi>, request: Request, next: Next) -> Response {
    let done = tokio::time::timeout(api.request_timeout(), next.run(request)).await;
    done.unwrap_or_else(|_| {
        let title = "The request took too long.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request.slow", title).into_response()
    })
}
