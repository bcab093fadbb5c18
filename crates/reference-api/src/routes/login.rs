//! `POST /login` and `POST /logout`: a password becomes a session, and the session ends.

use axum::{Json, extract::State};
use bartizan::Sessions;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    accounts::{self, Credentials},
    body::Input,
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem, Refused},
};

/// The longest password that is looked at, in bytes: a longer one is work for us and no safer.
const LONGEST_PASSWORD: usize = 1024;

/// Who has signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedIn {
    /// The number of the account.
    id: i64,
    /// Its name.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Box<str>>,
}

impl FromFields for Credentials {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username = fields.text("username", Text::Line, 1..=64);
        let password = fields.secret("password", LONGEST_PASSWORD);
        Some(Self { username: username?, password: password? })
    }
}

/// Signs in. A session begins with a new id, and the one that the client had ends.
#[utoipa::path(
    post,
    path = "/login",
    tag = "people",
    request_body(content(
        (Credentials = "application/json"),
        (Credentials = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "A session has begun: its cookie goes with this.", body = SignedIn),
        (status = 401, description = "The name or the password is wrong.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
        (status = 429, description = "Too many logins have failed.", body = Document),
    )
)]
pub(crate) async fn login(
    State(api): State<ReferenceApi>,
    sessions: Sessions,
    Input(credentials): Input<Credentials>,
) -> Result<Json<SignedIn>, Refused> {
    sessions.before_login(Some(&credentials.username)).await?;
    let Some(account) = accounts::verify(api.database(), api.passwords(), &credentials).await? else {
        sessions.login_failed(&credentials.username).await?;
        return Err(wrong_password().into());
    };
    // The number and not the name: what names somebody for good.
    sessions.login(&account.id.to_string(), account.scopes.iter().cloned()).await?;
    Ok(Json(SignedIn { id: account.id, name: account.name, scopes: account.scopes }))
}

/// The same for a name that there is not and for a password that is wrong.
pub(crate) fn wrong_password() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "login.wrong", "The name or the password is wrong.")
}

/// Signs out.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "people",
    responses((status = 204, description = "The session is over, if there was one."))
)]
pub(crate) async fn logout(sessions: Sessions) -> Result<StatusCode, Refused> {
    sessions.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}
