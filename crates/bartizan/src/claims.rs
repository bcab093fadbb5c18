//! The claims of a request's token, for handlers.

use std::sync::Arc;

use bartizan_core::{Denial, Engine, Grant};

/// What the request's token says (RFC 7519 §4), as a type of the handler's. The layer has verified it: the issuer is one
/// that the policy trusts, and the token is for this API, signed, in its time and not revoked.
///
/// Who asks and what they may do is in the [`Principal`](crate::Principal), and what a route needs is the policy's to say;
/// this is for the claims of your own. What `T` does not name is not read.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
/// use bartizan::{Answer, Answers, BartizanLayer, BoxFuture, Claims, Layer as _, PolicyFile, Query};
/// use bartizan::jwt::{Algorithm, HmacKey, VerifyingKey};
/// use std::sync::Arc;
/// use tower::ServiceExt as _;
///
/// #[derive(serde::Deserialize)]
/// struct Member {
///     sub: String,
///     tenant: String,
/// }
///
/// async fn orders(Claims(member): Claims<Member>) -> String {
///     format!("{}'s orders at {}", member.sub, member.tenant)
/// }
///
/// /// Knows one key, and has revoked nothing.
/// struct OneKey(VerifyingKey);
///
/// impl Answers for OneKey {
///     fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
///         Box::pin(std::future::ready(match query {
///             Query::TokenKey { kid: Some(kid), .. } if &*kid == "2026-11" => Answer::TokenKey(self.0.clone()),
///             Query::TokenKey { .. } => Answer::Unknown,
///             Query::Revocation { .. } => Answer::Revoked(false),
///             _ => Answer::Unavailable,
///         }))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("bartizan.toml");
/// let policy = r#"
///     version = 1
///     [origin]
///     public = ["http://localhost:8080"]
///     [jwt]
///     issuer = "http://localhost:8080"
///     audience = "orders"
///     [default]
///     require = "jwt"
/// "#;
/// # std::fs::write(&path, policy)?;
/// let secret = HmacKey::new(b"0123456789abcdef0123456789abcdef")?;
/// let keys = OneKey(VerifyingKey::new(Algorithm::Hs256, Arc::new(secret.clone())));
/// let engine = PolicyFile::new(&path).profile("development").load()?;
/// let app = BartizanLayer::new(engine).store(keys).layer(Router::new().route("/orders", get(orders)));
///
/// # use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
/// # let sign = |claims: &str| {
/// #     let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11"}"#);
/// #     let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
/// #     format!("{signed}.{}", URL_SAFE_NO_PAD.encode(secret.sign(signed.as_bytes())))
/// # };
/// let get = |token: String| {
///     let get = Request::get("/orders").header("host", "localhost:8080");
///     get.header("authorization", format!("Bearer {token}")).body(Body::empty())
/// };
/// let token = sign(
///     r#"{"iss":"http://localhost:8080","aud":"orders","sub":"alice","exp":9999999999,"tenant":"acme"}"#,
/// );
/// let response = app.clone().oneshot(get(token)?).await?;
/// assert_eq!(to_bytes(response.into_body(), 99).await?, "alice's orders at acme");
///
/// let token = sign(r#"{"iss":"http://localhost:8080","aud":"orders","sub":"alice","exp":9999999999}"#);
/// assert_eq!(app.oneshot(get(token)?).await?.status(), 401);
/// # Ok(())
/// # }
/// ```
///
/// As an extractor it refuses with a [`NoClaims`]. On a route that takes sessions too, `Result<Claims<T>, NoClaims>` tells who
/// has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<T>(pub T);

/// Why a handler gets no claims.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoClaims {
    /// The request has no token: it came with another credential or none, or no layer is around the handler. The client
    /// gets 401 with the challenge `Bearer`.
    #[error(
        "the request has no token to take claims from; write `require = \"jwt\"` for its route, and put a BartizanLayer \
         around the handler"
    )]
    NoToken,
    /// The token is good, and does not say what the handler needs. The client gets this refusal, `jwt.claims` (401): with
    /// another token it would go on.
    #[error("the token's claims are not what the handler takes: {error}")]
    Unfit {
        /// What is lacking or of another type. It may quote what the token says of a person.
        error: serde_json::Error,
        /// What the client gets.
        denial: Box<Denial>,
    },
}

/// The claims of a request that was let through by its token.
pub(crate) struct Carried {
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only axum's handlers ask"))]
    engine: Engine,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only axum's handlers ask"))]
    json: Box<[u8]>,
}

impl Carried {
    pub(crate) fn of(grant: &Grant) -> Option<Arc<Self>> {
        let json = grant.claims()?.into();
        Some(Arc::new(Self { engine: grant.engine().clone(), json }))
    }
}

#[cfg(feature = "axum")]
mod axum_extractor {
    use std::sync::Arc;

    use axum::{
        extract::FromRequestParts,
        response::{IntoResponse, Response},
    };
    use bartizan_core::{DenialCode, Reason};
    use http::{StatusCode, header::WWW_AUTHENTICATE, request::Parts};
    use serde::de::DeserializeOwned;

    use super::{Carried, Claims, NoClaims};
    use crate::{OsEntropy, headers};

    impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
        type Rejection = NoClaims;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoClaims> {
            let carried = parts.extensions.get::<Arc<Carried>>().ok_or(NoClaims::NoToken)?;
            serde_json::from_slice(&carried.json).map(Self).map_err(|error| {
                let reason = Reason::new(DenialCode::JwtClaims);
                NoClaims::Unfit { error, denial: Box::new(carried.engine.refuse(reason, OsEntropy)) }
            })
        }
    }

    impl IntoResponse for NoClaims {
        fn into_response(self) -> Response {
            match &self {
                Self::NoToken => {
                    tracing::debug!("{self}");
                    // RFC 6750 §3: without a token, nothing more is said.
                    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response()
                }
                Self::Unfit { error, denial } => {
                    // Not what the error quotes: it may be a person's.
                    let (request_id, column) = (denial.request_id(), error.column());
                    tracing::warn!(%request_id, column, "the token's claims are not what the handler takes");
                    // Without the policy's headers: the layer adds them to every response.
                    headers::bare_response(denial.reply())
                }
            }
        }
    }
}
