//! What a client is told when something is refused or fails (RFC 9457): what is wrong with what it sent, and never what
//! this is made of.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use bartizan::SessionError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem document.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: Cow<'static, str>,
    errors: Vec<FieldError>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Which: `amount`.
    #[schema(value_type = String)]
    pub(crate) field: Cow<'static, str>,
    /// What it has to be.
    #[schema(value_type = String)]
    pub(crate) message: Cow<'static, str>,
}

impl Problem {
    /// A problem of this kind. `code` is for programs, `title` for people.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, title: title.into(), errors: Vec::new() }
    }

    /// 400: it cannot be read at all.
    pub(crate) fn malformed(title: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request.malformed", title)
    }

    /// 422 with all that is wrong, field by field.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "request.fields",
            "Some fields of the request are not what they have to be.",
        );
        Self { errors, ..problem }
    }

    /// 422 for one field.
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// 404.
    pub(crate) fn not_found(title: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", title)
    }

    /// 403.
    pub(crate) fn forbidden(title: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", title)
    }

    /// 503: what this needs is away.
    pub(crate) fn unavailable(title: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title)
    }

    /// 507 (RFC 4918 §11.5).
    pub(crate) fn full() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "storage.full",
            "There is no room left to keep this; what was kept before is still there.",
        )
    }

    /// 500. Why stands in the log, which `error` is written to.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(target: "reference_api", %error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.")
    }
}

/// What was wrong (RFC 9457), as `application/problem+json`. Where the policy refuses there is `request_id` too, by which
/// the log knows the request.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// `urn:reference-api:problem:` and the code, or `urn:bartizan:denial:` and the code where the policy refuses.
    r#type: String,
    /// For people.
    #[schema(value_type = String)]
    title: Cow<'static, str>,
    /// The status of the response.
    status: u16,
    /// For programs.
    code: &'static str,
    /// All that is wrong with single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: format!("urn:reference-api:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            errors: self.errors,
        };
        // Texts alone: it cannot fail.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// Why a handler came to nothing: our own problem, or what the layer says.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Ours.
    Problem(Problem),
    /// The layer's, which makes its own document of it.
    Session(SessionError),
    /// The layer's, as it is.
    Response(Response),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Session(error) => error.into_response(),
            Self::Response(response) => response,
        }
    }
}
