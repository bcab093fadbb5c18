//! `POST /prefs/{user_id}` and `GET /prefs/{user_id}`: one's own preferences, and nobody else's.

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use bartizan::Session;
use http::request::Parts;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::{Id, Input},
    database::{Preferences, PreferencesChange, Theme},
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem, Refused},
};

/// The number of an account, in the path, that is the session's own: 403 for anybody else's, whether or not there is such
/// an account, and before anything of the body is looked at.
pub(crate) struct Own(i64);

impl<S: Send + Sync> FromRequestParts<S> for Own {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let session = Session::from_request_parts(parts, state).await.map_err(Refused::Response)?;
        let Id(user) = Id::from_request_parts(parts, state).await?;
        if session.account()? == user {
            return Ok(Self(user));
        }
        Err(Problem::forbidden("These are somebody else's preferences.").into())
    }
}

impl FromFields for PreferencesChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let theme = fields.optional_choice("theme", &Theme::WORDS);
        let language = fields.optional_text("language", Text::Line, 2..=35).and_then(|tag| {
            // BCP 47: subtags of letters and digits.
            let is_subtag = |part: &str| {
                (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            if tag.as_ref().is_none_or(|tag| tag.split('-').all(is_subtag)) {
                return Some(tag);
            }
            fields.wrong("language", "has to be a language tag such as `en` or `pt-BR`");
            None
        });
        let newsletter = fields.optional_flag("newsletter");
        Some(Self { theme: theme?, language: language?, newsletter: newsletter? })
    }
}

/// Keeps what is named, leaves the rest as it was, and gives all of it back.
#[utoipa::path(
    post,
    path = "/prefs/{user_id}",
    tag = "people",
    security(("session" = [])),
    params(("user_id" = i64, Path, description = "The number of one's own account.")),
    request_body = PreferencesChange,
    responses(
        (status = 200, description = "One's preferences.", body = Preferences),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 403, description = "They are somebody else's.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn keep(
    State(api): State<ReferenceApi>,
    Own(user): Own,
    Input(change): Input<PreferencesChange>,
) -> Result<Json<Preferences>, Problem> {
    Ok(Json(api.database().change_preferences(user, &change).await?))
}

/// Reads them.
#[utoipa::path(
    get,
    path = "/prefs/{user_id}",
    tag = "people",
    security(("session" = [])),
    params(("user_id" = i64, Path, description = "The number of one's own account.")),
    responses(
        (status = 200, description = "One's preferences.", body = Preferences),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 403, description = "They are somebody else's.", body = Document),
        (status = 422, description = "The number is none.", body = Document),
    )
)]
pub(crate) async fn read(
    State(api): State<ReferenceApi>,
    Own(user): Own,
) -> Result<Json<Preferences>, Problem> {
    Ok(Json(api.database().preferences(user).await?))
}
