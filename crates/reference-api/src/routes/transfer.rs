//! `POST /transfer`: money moves once, with a token that is good for one request.
//!
//! The token is the policy's to demand (`csrf = "token"`, `one_time = true`), and `GET /csrf-token` is answered by the
//! engine: nothing of either is here.

use axum::{Json, extract::State};
use bartizan::Session;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::Input,
    clock,
    database::{Moved, NotMoved},
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

/// The most that is moved at once.
const MOST: i64 = 1_000_000;

/// What is to be moved.
#[derive(ToSchema)]
pub(crate) struct Transfer {
    /// The name of who gets it.
    #[schema(min_length = 1, max_length = 64, example = "bob")]
    to: String,
    /// How much.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    amount: i64,
}

impl FromFields for Transfer {
    fn read(fields: &mut Fields) -> Option<Self> {
        // A form brings the token in a field, which the layer has read by now.
        fields.ignore("csrf_token");
        let to = fields.text("to", Text::Line, 1..=64);
        let amount = fields.integer("amount", 1..=MOST);
        Some(Self { to: to?, amount: amount? })
    }
}

/// What was moved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Transferred {
    /// The transfer's number.
    id: i64,
    /// Who has it now.
    to: String,
    /// How much.
    amount: i64,
    /// What is left.
    balance: i64,
}

/// Moves it.
#[utoipa::path(
    post,
    path = "/transfer",
    tag = "money",
    security(("session" = [])),
    params((
        "x-csrf-token" = Option<String>, Header,
        description = "A token of `GET /csrf-token`, good for one request; a form may have it as its field `csrf_token`.",
    )),
    request_body(content((Transfer = "application/json"), (Transfer = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "It was moved.", body = Transferred),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 403, description = "The token is missing, another's, or was used.", body = Document),
        (status = 409, description = "There is less in the account.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn transfer(
    State(api): State<ReferenceApi>,
    session: Session,
    Input(Transfer { to, amount }): Input<Transfer>,
) -> Result<Json<Transferred>, Problem> {
    let sender = session.account()?;
    match api.database().transfer(sender, &to, amount, clock::milliseconds()).await {
        Ok(Moved { id, balance }) => Ok(Json(Transferred { id, to, amount, balance })),
        Err(NotMoved::NoRecipient) => Err(Problem::field("to", "is nobody's name here")),
        Err(NotMoved::Oneself) => Err(Problem::field("to", "has to be somebody else")),
        Err(NotMoved::TooLittle) => Err(Problem::new(
            StatusCode::CONFLICT,
            "transfer.too-little",
            "There is less in the account than that.",
        )),
        Err(NotMoved::Database(error)) => Err(error.into()),
    }
}
