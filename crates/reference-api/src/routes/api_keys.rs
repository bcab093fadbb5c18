//! `POST /api-keys`, `GET /api-keys`, `POST /api-keys/rotate`, `DELETE /api-keys/{id}`: keys for one's own programs. A key
//! opens no more than the session that made it, and makes no other key: the policy asks for a session here.

use std::time::Duration;

use axum::{Json, extract::State};
use bartizan::{
    OsEntropy, Session, StoreError,
    api_key::{
        ApiKeyRecord, ApiKeys, Grantor, KeyId, NewKey, NotIssued, NotOne, NotRotated, Rotation, sole_active,
    },
};
use bartizan_core::Timestamp;
use bartizan_store::{KeyRotation, RotationOutcome};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    body::{Input, Segment},
    clock,
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

/// How many keys one account may have that have not ended: each takes room in the store.
const MOST: usize = 100;

const DAY: Duration = Duration::from_hours(24);

/// A key that is to be made.
#[derive(ToSchema)]
#[schema(as = ApiKeyRequest)]
pub(crate) struct Wanted {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64, example = "nightly backup")]
    name: String,
    /// What may be done with it: some of what the session may do.
    #[schema(value_type = Vec<String>, required = false, example = json!(["read"]))]
    scopes: Vec<Box<str>>,
    /// How long it is good; left out for a key without an end.
    #[schema(rename = "expires_in_days", minimum = 1, maximum = 3650)]
    days: Option<i64>,
}

impl FromFields for Wanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.text("name", Text::Line, 1..=64);
        let scopes = fields.scopes("scopes");
        let days = fields.optional_integer("expires_in_days", 1..=3650);
        Some(Self { name: name?, scopes: scopes?.unwrap_or_default(), days: days? })
    }
}

/// Which key is to be replaced, and how.
#[derive(ToSchema)]
#[schema(as = ApiKeyRotation)]
pub(crate) struct WantedRotation {
    /// Which; left out where exactly one is active.
    #[schema(min_length = 1, max_length = 64)]
    id: Option<String>,
    /// What may be done with the new one; all that the old one may where nothing is said.
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Option<Vec<Box<str>>>,
    /// How long the old one is good, at most the policy's `api_keys.grace` and what it had.
    #[schema(rename = "grace_seconds", minimum = 0, maximum = 31_536_000)]
    grace: Option<i64>,
}

impl FromFields for WantedRotation {
    fn read(fields: &mut Fields) -> Option<Self> {
        let id = fields.optional_text("id", Text::Line, 1..=64);
        let scopes = fields.scopes("scopes");
        let grace = fields.optional_integer("grace_seconds", 0..=31_536_000);
        Some(Self { id: id?, scopes: scopes?, grace: grace? })
    }
}

/// A key, as it is listed. What opens anything is not there: it is kept nowhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyEntry {
    /// What it is called.
    id: String,
    /// What its owner calls it.
    name: String,
    /// What may be done with it.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Box<str>>,
    /// Whether it opens anything, and why not. One that was replaced does for a while.
    #[schema(pattern = "^(active|replaced|revoked|expired)$")]
    state: &'static str,
    /// When it was made; times are in milliseconds since 1970.
    created: u64,
    /// When it ends, if ever.
    #[schema(required = true)]
    expires: Option<u64>,
    /// When it was last used, to the hour.
    #[schema(required = true)]
    last_used: Option<u64>,
    /// The key that has taken its place.
    #[schema(required = true)]
    replaced_by: Option<String>,
}

/// A key that was made, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct Made {
    /// The key itself, for `X-API-Key` or `Authorization: Bearer`.
    key: String,
    #[serde(flatten)]
    listed: KeyEntry,
}

/// A key that took another's place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RotatedApiKey)]
pub(crate) struct Rotated {
    #[serde(flatten)]
    made: Made,
    /// The one before.
    replaces: String,
    /// Until when that one is good.
    old_expires: u64,
}

impl KeyEntry {
    fn of(record: &ApiKeyRecord, now: Timestamp) -> Self {
        let state = match record.check(now) {
            Ok(()) if record.replaced_by.is_some() => "replaced",
            Ok(()) => "active",
            Err(_) if record.revoked.is_some() => "revoked",
            Err(_) if record.replaced_by.is_some() => "replaced",
            Err(_) => "expired",
        };
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            scopes: record.scopes.clone(),
            state,
            created: record.created.0,
            expires: record.expires.map(|time| time.0),
            last_used: record.last_used.map(|time| time.0),
            replaced_by: record.replaced_by.map(|id| id.to_string()),
        }
    }
}

/// Makes a key.
#[utoipa::path(
    post,
    path = "/api-keys",
    tag = "programs",
    security(("session" = [])),
    request_body = Wanted,
    responses(
        (status = 201, description = "The key, which is shown this once.", body = Made),
        (status = 401, description = "Nobody has signed in: a key makes no other.", body = Document),
        (status = 409, description = "There are as many as one may have.", body = Document),
        (status = 422, description = "A field is not what it has to be, or a scope is more than one's own.", body = Document),
    )
)]
pub(crate) async fn create(
    State(api): State<ReferenceApi>,
    session: Session,
    Input(wanted): Input<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let now = clock::now();
    has_room(&of(&api, session.subject()).await?, MOST, now)?;
    let scopes: Vec<Box<str>> = session.scopes().map(Into::into).collect();
    let new = NewKey {
        owner: session.subject().into(),
        name: wanted.name.into(),
        scopes: wanted.scopes,
        expires: wanted.days.map(|days| now.after(DAY * u32::try_from(days).unwrap_or(u32::MAX))),
    };
    let by = Grantor::Subject { subject: session.subject(), scopes: &scopes };
    let issued = maker(&api)?.issue(new, by, now, &mut OsEntropy).map_err(|error| not_issued(&error))?;
    if !api.store().create_api_key(issued.record.clone()).await.map_err(away)? {
        return Err(Problem::unavailable("The key was not kept; try again."));
    }
    let made = Made { key: issued.key.expose().to_owned(), listed: KeyEntry::of(&issued.record, now) };
    Ok((StatusCode::CREATED, Json(made)))
}

/// One's own keys, also those that have ended, for a while.
#[utoipa::path(
    get,
    path = "/api-keys",
    tag = "programs",
    security(("session" = [])),
    responses(
        (status = 200, description = "One's own keys.", body = Vec<KeyEntry>),
        (status = 401, description = "Nobody has signed in.", body = Document),
    )
)]
pub(crate) async fn list(
    State(api): State<ReferenceApi>,
    session: Session,
) -> Result<Json<Vec<KeyEntry>>, Problem> {
    let now = clock::now();
    let records = of(&api, session.subject()).await?;
    Ok(Json(records.iter().map(|record| KeyEntry::of(record, now)).collect()))
}

/// Puts a new key in the place of one. Both are good until the grace is over.
#[utoipa::path(
    post,
    path = "/api-keys/rotate",
    tag = "programs",
    security(("session" = [])),
    request_body = WantedRotation,
    responses(
        (status = 201, description = "The new key, which is shown this once.", body = Rotated),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 404, description = "There is no such key.", body = Document),
        (status = 409, description = "It is not clear which is meant, it is over, or there are as many as one may have.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
    )
)]
pub(crate) async fn rotate(
    State(api): State<ReferenceApi>,
    session: Session,
    Input(wanted): Input<WantedRotation>,
) -> Result<(StatusCode, Json<Rotated>), Problem> {
    let now = clock::now();
    let records = of(&api, session.subject()).await?;
    // Each may be replaced while all that one may have are there; and no more, though the grace of those before lasts.
    has_room(&records, 2 * MOST, now)?;
    let old = match wanted.id {
        Some(id) => named(records, &id)?,
        None => sole_active(records, now).map_err(|error| not_one(&error))?,
    };
    let scopes: Vec<Box<str>> = session.scopes().map(Into::into).collect();
    let by = Grantor::Subject { subject: session.subject(), scopes: &scopes };
    let grace = wanted.grace.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    // A grace of one's own is no longer than the policy's.
    let maker = maker(&api)?;
    let grace = grace.map(|grace| grace.min(maker.grace));
    let rotation = Rotation { scopes: wanted.scopes, expires: None };
    let rotated = maker.rotate(&old, rotation, grace, by, now, &mut OsEntropy).map_err(not_rotated)?;
    let outcome = api.store().rotate_api_key(KeyRotation::new(old, &rotated)).await.map_err(away)?;
    if outcome == RotationOutcome::Changed {
        return Err(changed("Somebody has replaced or revoked the key meanwhile; look at the list again."));
    }
    let issued = &rotated.issued;
    Ok((
        StatusCode::CREATED,
        Json(Rotated {
            made: Made { key: issued.key.expose().to_owned(), listed: KeyEntry::of(&issued.record, now) },
            replaces: rotated.old.to_string(),
            old_expires: rotated.old_expires.0,
        }),
    ))
}

/// Revokes one. It is refused from the next request on.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    tag = "programs",
    security(("session" = [])),
    params(("id" = String, Path, description = "The key's id.")),
    responses(
        (status = 204, description = "It is refused from now on."),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 404, description = "There is no such key.", body = Document),
    )
)]
pub(crate) async fn revoke(
    State(api): State<ReferenceApi>,
    session: Session,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    let record = named(of(&api, session.subject()).await?, &id)?;
    if api.store().revoke_api_key(record.id, clock::now()).await.map_err(away)? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(no_such_key())
}

/// All keys of one owner.
async fn of(api: &ReferenceApi, owner: &str) -> Result<Vec<ApiKeyRecord>, Problem> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = api.store().api_keys(Some(owner.into()), after, 1000).await.map_err(away)?;
        after = page.keys.last().map(|record| record.id);
        records.extend(page.keys);
        if !page.more {
            return Ok(records);
        }
    }
}

/// A key of the caller's own by its id: nobody learns of others.
fn named(records: Vec<ApiKeyRecord>, id: &str) -> Result<ApiKeyRecord, Problem> {
    let id: KeyId = id.parse().map_err(|_| no_such_key())?;
    records.into_iter().find(|record| record.id == id).ok_or_else(no_such_key)
}

/// Refuses one more where there are `most` that have not ended.
fn has_room(records: &[ApiKeyRecord], most: usize, now: Timestamp) -> Result<(), Problem> {
    if records.iter().filter(|record| record.check(now).is_ok()).count() < most {
        return Ok(());
    }
    let title = "There are as many keys as one may have; revoke one.";
    Err(Problem::new(StatusCode::CONFLICT, "api-key.too-many", title))
}

fn maker(api: &ReferenceApi) -> Result<&ApiKeys, Problem> {
    api.api_keys().ok_or_else(|| Problem::unavailable("There are no API keys here."))
}

fn no_such_key() -> Problem {
    Problem::not_found("There is no such key.")
}

fn changed(title: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "api-key.changed", title)
}

fn not_one(error: &NotOne) -> Problem {
    let title = match error {
        NotOne::None => "There is no active key.".to_owned(),
        NotOne::Several(count) => format!("{count} keys are active; say which by its id."),
    };
    Problem::new(StatusCode::CONFLICT, "api-key.not-one", title)
}

fn not_issued(error: &NotIssued) -> Problem {
    let field = match error {
        NotIssued::Scope(_) | NotIssued::Scopes | NotIssued::WiderScope(_) => "scopes",
        NotIssued::Ended => "expires_in_days",
        _ => "name",
    };
    Problem::field(field, error.to_string())
}

fn not_rotated(error: NotRotated) -> Problem {
    match error {
        NotRotated::NotIssued(error) => not_issued(&error),
        error => Problem::new(StatusCode::CONFLICT, "api-key.over", error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn away(error: StoreError) -> Problem {
    tracing::error!(target: "reference_api", %error, "the store cannot be asked about API keys");
    Problem::unavailable("The keys cannot be looked at now; try again.")
}
