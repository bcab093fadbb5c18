//! `PUT /files/{name}` and `POST /files?name=`, `GET /files`, `GET /files/{name}`, `DELETE /files/{name}`: one's own files,
//! which stay in their folder and never become a page of this site.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bartizan::Authenticated;
use bartizan_sinks::path::{FileName, ServedAs};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    accounts::AccountOf as _,
    body::{Query, Segment},
    fields::{Fields, FromFields, Text},
    files,
    problem::{Document, Problem},
};

/// How many files are listed at most.
const MOST: usize = 1_000;

/// A file, as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileEntry {
    /// Its name.
    name: String,
    /// Its length in bytes.
    size: u64,
}

/// The files of whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileList {
    /// By name.
    files: Vec<FileEntry>,
    /// Whether there are more.
    more: bool,
}

/// Lists them.
#[utoipa::path(
    get,
    path = "/files",
    tag = "files",
    security(("session" = []), ("token" = ["read"]), ("api_key" = ["read"])),
    responses(
        (status = 200, description = "One's own files, by name.", body = FileList),
        (status = 401, description = "No credential.", body = Document),
    )
)]
pub(crate) async fn list(
    State(api): State<ReferenceApi>,
    Authenticated(caller): Authenticated,
) -> Result<Json<FileList>, Problem> {
    let listing = api.files().with(caller.account()?, |folder| folder.list(MOST)).await?;
    let listed = listing
        .entries
        .into_iter()
        .map(|entry| FileEntry { name: entry.name.as_str().to_owned(), size: entry.size });
    Ok(Json(FileList { files: listed.collect(), more: listing.has_more }))
}

/// Gives one out.
#[utoipa::path(
    get,
    path = "/files/{name}",
    tag = "files",
    security(("session" = []), ("token" = ["read"]), ("api_key" = ["read"])),
    params(("name" = String, Path, description = "The name of a file.")),
    responses(
        (
            status = 200,
            description = "The file. What a browser could run is an attachment.",
            content(
                (Vec<u8> = "application/octet-stream"),
                (Vec<u8> = "application/pdf"),
                (Vec<u8> = "image/*"),
            )
        ),
        (status = 400, description = "No file has such a name.", body = Document),
        (status = 401, description = "No credential.", body = Document),
        (status = 403, description = "It was asked for as a script or the like.", body = Document),
        (status = 404, description = "There is no such file.", body = Document),
    )
)]
pub(crate) async fn read(
    State(api): State<ReferenceApi>,
    Authenticated(caller): Authenticated,
    Segment(name): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = files::name(&name)?;
    let served = ServedAs::of(&name);
    let destination = headers.get("sec-fetch-dest").map(|value| value.to_str().unwrap_or("?"));
    served.refuse_destination(destination).map_err(|_| {
        Problem::new(
            StatusCode::FORBIDDEN,
            "file.destination",
            "A file of somebody's is not given out as that.",
        )
    })?;
    let opened = api.files().with(caller.account()?, move |folder| {
        let file = folder.open_file(&name)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let (file, length) = opened.await?;
    let mut response = files::body(file).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(served.content_type()));
    let disposition = HeaderValue::try_from(served.content_disposition());
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|error| Problem::internal(&error))?);
    // Somebody's own: no cache keeps it for others, and none shows it after a logout.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Sec-Fetch-Dest"));
    Ok(response)
}

/// Keeps one by `PUT`.
#[utoipa::path(
    put,
    path = "/files/{name}",
    tag = "files",
    security(("session" = []), ("token" = ["write"]), ("api_key" = ["write"])),
    params(("name" = String, Path, description = "The name of a file.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It is kept in the place of the one before.", body = FileEntry),
        (status = 201, description = "It is kept, and survives a crash.", body = FileEntry),
        (status = 400, description = "No file has such a name.", body = Document),
        (status = 401, description = "No credential.", body = Document),
        (status = 413, description = "It is longer than 10 MiB.", body = Document),
        (status = 507, description = "There is no room left; the one before is still there.", body = Document),
    )
)]
pub(crate) async fn put(
    State(api): State<ReferenceApi>,
    Authenticated(caller): Authenticated,
    Segment(name): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FileEntry>), Problem> {
    keep(&api, caller.account()?, files::name(&name)?, &headers, body).await
}

/// The name of an upload.
pub(crate) struct Named {
    name: String,
}

impl FromFields for Named {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { name: fields.text("name", Text::Line, 1..=255)? })
    }
}

/// Keeps one by `POST`, with its name in the query and the file for a body.
#[utoipa::path(
    post,
    path = "/files",
    tag = "files",
    security(("session" = []), ("token" = ["write"]), ("api_key" = ["write"])),
    params(("name" = String, Query, description = "The name of the file.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It is kept in the place of the one before.", body = FileEntry),
        (status = 201, description = "It is kept, and survives a crash.", body = FileEntry),
        (status = 400, description = "No file has such a name.", body = Document),
        (status = 401, description = "No credential.", body = Document),
        (status = 413, description = "It is longer than 10 MiB.", body = Document),
        (status = 422, description = "There is no name.", body = Document),
        (status = 507, description = "There is no room left; the one before is still there.", body = Document),
    )
)]
pub(crate) async fn post(
    State(api): State<ReferenceApi>,
    Authenticated(caller): Authenticated,
    Query(Named { name }): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FileEntry>), Problem> {
    keep(&api, caller.account()?, files::name(&name)?, &headers, body).await
}

/// Takes one away.
#[utoipa::path(
    delete,
    path = "/files/{name}",
    tag = "files",
    security(("session" = []), ("token" = ["write"]), ("api_key" = ["write"])),
    params(("name" = String, Path, description = "The name of a file.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 400, description = "No file has such a name.", body = Document),
        (status = 401, description = "No credential.", body = Document),
        (status = 404, description = "There is no such file.", body = Document),
    )
)]
pub(crate) async fn remove(
    State(api): State<ReferenceApi>,
    Authenticated(caller): Authenticated,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    let name = files::name(&name)?;
    api.files().with(caller.account()?, move |folder| folder.remove(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a whole file.
async fn keep(
    api: &ReferenceApi,
    account: i64,
    name: FileName,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FileEntry>), Problem> {
    // A part would be kept as the whole (RFC 9110 §14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::malformed("A file is sent whole; leave out Content-Range."));
    }
    let shown = name.as_str().to_owned();
    let kept = api.files().keep(account, name, body).await?;
    // RFC 9110 §9.3.4.
    let status = if kept.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(FileEntry { name: shown, size: kept.length })))
}
