//! `POST /comments`, `GET /comments` and `GET /comments/page`: kept as they were written, and shown so that nothing in
//! them runs.

use askama::Template as _;
use axum::{Json, extract::State, response::Html};
use bartizan::Session;
use bartizan_sinks::html::{Policy, SafeHtml, clean};
use http::StatusCode;
use serde::Serialize;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::{Input, Query},
    clock,
    database::Comment,
    fields::{Fields, FromFields, Text},
    problem::Problem,
};

/// How many comments are shown where nothing else is said, and at most.
const USUAL: i64 = 50;
const MOST: i64 = 200;

/// What is shown of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
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
pub(crate) struct NewComment {
    text: String,
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
#[derive(Debug, Serialize)]
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
