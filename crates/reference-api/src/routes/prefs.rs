//! `POST /prefs/{user_id}` and `GET /prefs/{user_id}`: one's own preferences, and nobody else's.

use axum::{Json, extract::State};
use bartizan::Session;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::{Id, Input},
    database::{Preferences, Theme},
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

impl FromFields for Preferences {
    fn read(fields: &mut Fields) -> Option<Self> {
        let theme = fields.choice("theme", &Theme::WORDS);
        let language = fields.text("language", Text::Line, 2..=35);
        let language = language.and_then(|tag| {
            // BCP 47: subtags of letters and digits.
            let is_subtag = |part: &str| {
                (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            if tag.split('-').all(is_subtag) {
                return Some(tag);
            }
            fields.wrong("language", "has to be a language tag such as `en` or `pt-BR`");
            None
        });
        let newsletter = fields.flag("newsletter");
        Some(Self { theme: theme?, language: language?, newsletter: newsletter? })
    }
}

/// Keeps them, and gives them back.
#[utoipa::path(
    post,
    path = "/prefs/{user_id}",
    tag = "people",
    security(("session" = [])),
    params(("user_id" = i64, Path, description = "The number of one's own account.")),
    request_body = Preferences,
    responses(
        (status = 200, description = "One's preferences.", body = Preferences),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 403, description = "They are somebody else's.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn keep(
    State(api): State<ReferenceApi>,
    session: Session,
    Id(user): Id,
    Input(preferences): Input<Preferences>,
) -> Result<Json<Preferences>, Problem> {
    own(&session, user)?;
    api.database().keep_preferences(user, &preferences).await?;
    Ok(Json(preferences))
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
        (status = 422, description = "A field is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn read(
    State(api): State<ReferenceApi>,
    session: Session,
    Id(user): Id,
) -> Result<Json<Preferences>, Problem> {
    own(&session, user)?;
    Ok(Json(api.database().preferences(user).await?))
}

/// 403 for anybody else's, whether or not there is such a user.
fn own(session: &Session, user: i64) -> Result<(), Problem> {
    if session.account()? == user {
        return Ok(());
    }
    Err(Problem::forbidden("These are somebody else's preferences."))
}
