//! `POST /comments`, `GET /comments` and `GET /comments/page`: kept as they were written, and shown so that nothing in
//! them runs.

use askama::Template as _;
use axum::{Json, extract::State, response::Html};
use bartizan::Session;
use bartizan_sinks::html::{Policy, SafeHtml, clean};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::{Input, Query},
    clock,
    database::Comment,
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

/// How many comments are shown where nothing else is said, and at most.
const USUAL: i64 = 50;
const MOST: i64 = 200;

/// What is shown of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shown {
    /// Its text alone.
    StripAll,
    /// Its text, links and simple markup.
    AllowList,
}

const SHOWN: [(&str, Shown); 2] = [("strip-all", Shown::StripAll), ("allow-list", Shown::AllowList)];

impl Shown {
    fn policy(self) -> Policy {
        match self {
            Self::StripAll => Policy::strip_all(),
            Self::AllowList => Policy::rich_text(),
        }
    }
}

/// A comment that is to be kept.
#[derive(ToSchema)]
pub(crate) struct NewComment {
    /// What is written. It is kept to the letter.
    #[schema(min_length = 1, max_length = 10_000)]
    text: String,
    /// What of it comes back as HTML; `strip-all` where nothing is said.
    #[schema(rename = "html", required = false)]
    shown: Shown,
}

impl FromFields for NewComment {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.ignore("csrf_token");
        let text = fields.text("text", Text::Lines, 1..=10_000);
        let shown = fields.choice_or("html", &SHOWN, Shown::StripAll);
        Some(Self { text: text?, shown: shown? })
    }
}

/// Which comments are to be shown, and how.
pub(crate) struct Wanted {
    shown: Shown,
    before: i64,
    most: i64,
}

impl FromFields for Wanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        let shown = fields.choice_or("html", &SHOWN, Shown::StripAll);
        let before = fields.optional_integer("before", 1..=i64::MAX);
        let most = fields.optional_integer("limit", 1..=MOST);
        Some(Self { shown: shown?, before: before?.unwrap_or(i64::MAX), most: most?.unwrap_or(USUAL) })
    }
}

/// A comment, as a client gets it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Comment)]
pub(crate) struct Rendered {
    /// Its number.
    id: i64,
    /// Who wrote it.
    author: String,
    /// When, in milliseconds since 1970.
    written: i64,
    /// What was written, to the letter. It is data: whoever puts it into a page escapes it.
    text: String,
    /// What may stand in a page as it is.
    html: String,
}

impl Rendered {
    fn of(comment: Comment, policy: &Policy) -> Self {
        let html = clean(&comment.body, policy).to_string();
        let Comment { id, author, body, written } = comment;
        Self { id, author, written, text: body, html }
    }
}

/// Keeps a comment, as it was written.
#[utoipa::path(
    post,
    path = "/comments",
    tag = "comments",
    security(("session" = [])),
    request_body(content((NewComment = "application/json"), (NewComment = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "It is kept.", body = Rendered),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
        (status = 507, description = "There is no room left.", body = Document),
    )
)]
pub(crate) async fn write(
    State(api): State<ReferenceApi>,
    session: Session,
    Input(NewComment { text, shown }): Input<NewComment>,
) -> Result<(StatusCode, Json<Rendered>), Problem> {
    let account = session.account()?;
    let author = api.database().profile(account).await?;
    let author = author.ok_or_else(|| Problem::not_found("This account is no more."))?.name;
    let written = clock::milliseconds();
    let id = api.database().keep_comment(account, &text, written).await?;
    let comment = Comment { id, author, body: text, written };
    Ok((StatusCode::CREATED, Json(Rendered::of(comment, &shown.policy()))))
}

/// The comments, the latest first.
#[utoipa::path(
    get,
    path = "/comments",
    tag = "comments",
    params(
        ("html" = Option<Shown>, Query, description = "What is shown of each: its text alone, or simple markup too."),
        ("before" = Option<i64>, Query, minimum = 1, description = "Only those before the one with this number."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200, description = "How many; 50 where nothing is said."),
    ),
    responses(
        (status = 200, description = "The latest first.", body = Vec<Rendered>),
        (status = 422, description = "A parameter is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn list(
    State(api): State<ReferenceApi>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Rendered>>, Problem> {
    let comments = api.database().comments(wanted.before, wanted.most).await?;
    let policy = wanted.shown.policy();
    Ok(Json(comments.into_iter().map(|comment| Rendered::of(comment, &policy)).collect()))
}

/// The same as a page.
#[derive(askama::Template)]
#[template(path = "comments.html")]
struct Page {
    comments: Vec<OnPage>,
}

/// A comment on the page: the template escapes the author, and takes the text as what it is known to be.
struct OnPage {
    author: String,
    html: SafeHtml<'static>,
}

/// The page.
#[utoipa::path(
    get,
    path = "/comments/page",
    tag = "comments",
    params(
        ("html" = Option<Shown>, Query, description = "What is shown of each: its text alone, or simple markup too."),
        ("before" = Option<i64>, Query, minimum = 1, description = "Only those before the one with this number."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200, description = "How many; 50 where nothing is said."),
    ),
    responses(
        (status = 200, description = "A page that shows them.", body = String, content_type = "text/html"),
        (status = 422, description = "A parameter is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn page(
    State(api): State<ReferenceApi>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Problem> {
    let comments = api.database().comments(wanted.before, wanted.most).await?;
    let policy = wanted.shown.policy();
    let on_page = |comment: Comment| OnPage {
        author: comment.author,
        html: clean(&comment.body, &policy).into_owned(),
    };
    let page = Page { comments: comments.into_iter().map(on_page).collect() };
    page.render().map(Html).map_err(|error| Problem::internal(&error))
}
