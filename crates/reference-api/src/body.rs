//! What handlers take from a request: its body, its query and its path, read into a type or refused with a problem.

use axum::{
    RequestPartsExt as _,
    body::Body,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
};
use http::{StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;

use crate::{
    fields::{Fields, FromFields},
    problem::Problem,
};

/// A body: a JSON object, or a form. None at all has no fields.
pub(crate) struct Input<T>(pub(crate) T);

impl<S: Sync, T: FromFields> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let kind = Kind::of(&parts)?;
        // The layer bounds it by the policy's `max_body`, and answers with 413 whatever is made of the error here.
        let collected = Body::collect(body).await;
        let bytes =
            collected.map_err(|_| Problem::malformed("The body could not be read to its end."))?.to_bytes();
        let fields = match kind {
            _ if bytes.is_empty() => Fields::default(),
            Some(Kind::Json) => Fields::of_json(&bytes)?,
            Some(Kind::Form) => Fields::of_form(&bytes),
            None => return Err(unsupported()),
        };
        fields.into().map(Self)
    }
}

enum Kind {
    Json,
    Form,
}

impl Kind {
    /// By the content type; a cross-site page can send no JSON without a preflight, unless a text passes for it.
    fn of(parts: &Parts) -> Result<Option<Self>, Problem> {
        let mut types = parts.headers.get_all(header::CONTENT_TYPE).iter();
        let Some(content_type) = types.next() else { return Ok(None) };
        let essence =
            content_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        match essence {
            _ if types.next().is_some() => Err(unsupported()),
            _ if essence.eq_ignore_ascii_case(b"application/json") => Ok(Some(Self::Json)),
            _ if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") => Ok(Some(Self::Form)),
            _ => Err(unsupported()),
        }
    }
}

fn unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "request.media-type",
        "Send application/json or application/x-www-form-urlencoded.",
    )
}

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: FromFields> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Fields::of_form(parts.uri.query().unwrap_or_default().as_bytes()).into().map(Self)
    }
}

/// The one segment of a path that varies, decoded.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        segment(parts).await.map(|(_, text)| Self(text))
    }
}

/// The same where it is the number of something: 422 where it is none.
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (name, text) = segment(parts).await?;
        // Not `parse` alone, which takes `+1`.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
        match text.parse() {
            Ok(id) if is_plain => Ok(Self(id)),
            _ => Err(Problem::field(name, "has to be a whole number")),
        }
    }
}

/// What the segment is called in the route, and what stands there.
async fn segment(parts: &mut Parts) -> Result<(String, String), Problem> {
    let unreadable = || Problem::malformed("The path cannot be read.");
    let segments = parts.extract::<RawPathParams>().await.map_err(|_| unreadable())?;
    let only = segments.iter().next().ok_or_else(unreadable)?;
    Ok((only.0.to_owned(), only.1.to_owned()))
}
