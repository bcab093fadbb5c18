//! `POST /token`: a password or a session becomes an access token, which others verify by `/.well-known/jwks.json`. That
//! one the engine answers. `POST /admin/signing-keys/rotate`: the next key takes over.

use axum::{Json, extract::State};
use bartizan::{
    OptionalSession, Sessions,
    jwt::{AccessToken, KeyRingError},
};
use http::StatusCode;
use serde::Serialize;
use serde_json::Map;
use utoipa::ToSchema;

use super::login::wrong_password;
use crate::{
    ReferenceApi,
    accounts::{self, Credentials},
    body::Input,
    clock,
    fields::{Fields, FromFields},
    problem::{Document, Problem, Refused},
};

/// What somebody wants a token for.
pub(crate) struct Wanted {
    /// Who they are; `None` is the session's user.
    credentials: Option<Credentials>,
    /// What the token is for; `None` is all that its owner may do.
    scopes: Option<Vec<Box<str>>>,
}

/// What somebody wants a token for.
#[derive(ToSchema)]
#[schema(as = TokenRequest)]
#[expect(dead_code, reason = "for the document alone")]
pub(crate) struct Documented {
    /// The name of an account; left out where a session asks.
    #[schema(min_length = 1, max_length = 64)]
    username: Option<String>,
    /// Its password.
    #[schema(format = Password, min_length = 1, max_length = 1024)]
    password: Option<String>,
    /// What the token is for, with spaces between; all that its owner may do where nothing is said.
    #[schema(example = "read")]
    scope: Option<String>,
}

impl FromFields for Wanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        // What OAuth clients send along.
        fields.ignore("grant_type");
        let names_somebody = fields.has("username") || fields.has("password");
        let credentials = if names_somebody { Credentials::read(fields).map(Some) } else { Some(None) };
        let scopes = fields.scopes("scope");
        Some(Self { credentials: credentials?, scopes: scopes? })
    }
}

/// A token (RFC 6749 §5.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct Issued {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long it is good, in seconds.
    expires_in: u64,
    /// What it is for, with spaces between.
    scope: String,
}

/// Makes a token.
#[utoipa::path(
    post,
    path = "/token",
    tag = "programs",
    request_body(content((Documented = "application/json"), (Documented = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "An access token.", body = Issued),
        (status = 401, description = "Nobody asks, or the password is wrong.", body = Document),
        (status = 422, description = "A field is not what it has to be.", body = Document),
        (status = 429, description = "Too many logins have failed.", body = Document),
        (status = 503, description = "No token can be signed now.", body = Document),
    )
)]
pub(crate) async fn token(
    State(api): State<ReferenceApi>,
    sessions: Sessions,
    OptionalSession(session): OptionalSession,
    Input(wanted): Input<Wanted>,
) -> Result<Json<Issued>, Refused> {
    let (subject, own) = match (wanted.credentials, session) {
        (Some(credentials), _) => by_password(&api, &sessions, &credentials).await?,
        (None, Some(session)) => {
            (session.subject().to_owned(), session.scopes().map(Into::into).collect::<Vec<Box<str>>>())
        }
        (None, None) => {
            let title = "Send a name and a password, or sign in first.";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "token.nobody", title).into());
        }
    };
    let scopes = match wanted.scopes {
        None => own,
        Some(scopes) => {
            if let Some(wider) = scopes.iter().find(|scope| !own.contains(scope)) {
                let message = format!("`{wider}` is more than whoever asks may do");
                return Err(Problem::field("scope", message).into());
            }
            scopes
        }
    };
    let lifetime = api.ring().settings().token_lifetime();
    let scope = scopes.join(" ");
    let token = AccessToken {
        issuer: api.facts().issuer.clone(),
        audience: api.facts().audience.clone(),
        subject: subject.into(),
        scopes,
        lifetime,
        claims: Map::new(),
    };
    let issued = api.ring().issue(&token, clock::now()).map_err(not_signing)?;
    Ok(Json(Issued {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
        scope,
    }))
}

/// Whose the password is, and what they may do. It is guessed no oftener here than at the login.
async fn by_password(
    api: &ReferenceApi,
    sessions: &Sessions,
    credentials: &Credentials,
) -> Result<(String, Vec<Box<str>>), Refused> {
    sessions.before_login(Some(&credentials.username)).await?;
    let Some(account) = accounts::verify(api.database(), api.passwords(), credentials).await? else {
        sessions.login_failed(&credentials.username).await?;
        return Err(wrong_password().into());
    };
    // Of many guesses at once, one that is right counts only where too many have not failed meanwhile.
    sessions.before_login(Some(&credentials.username)).await?;
    Ok((account.id.to_string(), account.scopes))
}

/// Lets the standby take over.
#[utoipa::path(
    post,
    path = "/admin/signing-keys/rotate",
    tag = "programs",
    security(("session" = [])),
    responses(
        (status = 204, description = "The standby takes over as soon as others know it."),
        (status = 401, description = "Nobody has signed in.", body = Document),
        (status = 403, description = "Whoever has signed in is no administrator.", body = Document),
    )
)]
pub(crate) async fn rotate(State(api): State<ReferenceApi>) -> Result<StatusCode, Problem> {
    api.rotate_signing_key().await.map_err(not_signing)?;
    Ok(StatusCode::NO_CONTENT)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn not_signing(error: KeyRingError) -> Problem {
    tracing::error!(target: "reference_api", %error, "the key ring cannot be used");
    Problem::unavailable("No token can be signed now; try again.")
}
