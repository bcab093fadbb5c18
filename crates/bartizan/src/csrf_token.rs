//! CSRF tokens for handlers that render forms.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bartizan_core::{Clock as _, Denial, DenialCode, Grant, Reason, TokenIssuer, csrf_token::IssuedToken};
use http::HeaderValue;

use crate::{OsClock, OsEntropy};

/// A fresh CSRF token of whoever asks, for the hidden field of a form, or for a script that sends it as `X-CSRF-Token`:
/// [OWASP]'s signed double submit, ASVS 3.5.1.
///
/// It belongs to the client's session, or before login to its *pre-session*: where the client has neither, one begins, and
/// its cookie goes with the response by itself. The response is for this client alone; what the handler lets shared
/// caches keep, they do not get. However often one request is asked, it has one token.
///
/// The form's field is `csrf_token`, or what the policy calls it in `csrf.field`. Write the token into HTML as it is: it is
/// letters, digits, `.`, `-` and `_`. Where it is demanded is the policy's to say: `csrf = "token"` on a route. With
/// login and logout it changes, so a handler that signs somebody in or out redirects to the page with the next form.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Router, body::{Body, to_bytes}, http::Request, response::Html, routing::get};
/// use bartizan::{BartizanLayer, CsrfToken, Layer as _, PolicyFile};
/// use tower::ServiceExt as _;
///
/// async fn form(token: CsrfToken) -> Html<String> {
///     Html(format!("<form method=post><input type=hidden name=csrf_token value='{token}'><button>Pay</button></form>"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("bartizan.toml");
/// // In production: master_key = "env://BARTIZAN_MASTER_KEY"
/// let policy = r#"
///     version = 1
///     [origin]
///     public = ["http://localhost:8080"]
///     [store]
///     master_key = "only in the development profile is it written here"
///     [[route]]
///     match = "POST /pay"
///     csrf = "token"
/// "#;
/// # std::fs::write(&path, policy)?;
/// let engine = PolicyFile::new(&path).profile("development").load()?;
/// let app = BartizanLayer::new(engine).layer(Router::new().route("/pay", get(form).post(async || "paid")));
///
/// let get = Request::get("/pay").header("host", "localhost:8080").body(Body::empty())?;
/// let page = app.clone().oneshot(get).await?;
/// let cookie = page.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
/// assert!(cookie.starts_with("__Host-presession="));
/// let html = String::from_utf8(to_bytes(page.into_body(), 4096).await?.into())?;
/// let token = html.split('\'').nth(1).unwrap_or_default().to_owned();
///
/// let post = |body: String| {
///     let post = Request::post("/pay").header("host", "localhost:8080").header("cookie", &cookie);
///     post.header("content-type", "application/x-www-form-urlencoded").body(Body::from(body))
/// };
/// assert_eq!(app.clone().oneshot(post(format!("csrf_token={token}"))?).await?.status(), 200);
/// assert_eq!(app.oneshot(post("csrf_token=guessed".into())?).await?.status(), 403);
/// # Ok(())
/// # }
/// ```
///
/// As an extractor it refuses with a [`NoCsrfToken`]. `Option<CsrfToken>` is for pages that other sites may load too: there
/// it is `None`.
///
/// [OWASP]: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
#[derive(Clone, PartialEq, Eq)]
pub struct CsrfToken(Arc<str>);

impl Deref for CsrfToken {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CsrfToken {
    /// The token itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken([redacted])")
    }
}

/// Why a handler gets no CSRF token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCsrfToken {
    /// There is nothing to make one with: a mistake of the deployment. The client gets a bare 500.
    #[error(
        "no CSRF token can be made: no BartizanLayer is around the handler that asks for one, or its policy names no \
         key; write `[store]` with `master_key = \"env://NAME\"` into the policy, and make the key with \
         `openssl rand -base64 48`"
    )]
    NoKeys,
    /// A page of another site loads this, in a frame or by a script, and its browser's own pre-session stayed behind: one
    /// that began now would take its place. The client gets this refusal, `csrf.token-unavailable`.
    #[error(
        "a page of another site loads this, and gets no CSRF token; a page of yours on another origin has to be among \
         `[origin] trusted`, and a handler whose page others may frame takes `Option<CsrfToken>`"
    )]
    OtherSite(Box<Denial>),
}

/// Where the tokens of one request come from: made when the handler asks, and once.
pub(crate) struct Issuer {
    issuer: TokenIssuer,
    issued: OnceLock<Option<Issued>>,
}

struct Issued {
    token: CsrfToken,
    /// The `Set-Cookie` of the pre-session that began with it.
    set_cookie: Option<Box<[u8]>>,
}

impl Issuer {
    /// For a request that was let through; `None` where there are no keys.
    #[inline]
    pub(crate) fn new(grant: &Grant) -> Option<Arc<Self>> {
        grant.token_issuer().map(|issuer| Arc::new(Self { issuer, issued: OnceLock::new() }))
    }

    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only axum's handlers ask"))]
    fn token(&self) -> Result<CsrfToken, NoCsrfToken> {
        let issued = self.issued.get_or_init(|| {
            let IssuedToken { token, set_cookie, .. } = self.issuer.issue(OsClock.now(), OsEntropy)?;
            Some(Issued { token: CsrfToken(token.into()), set_cookie })
        });
        issued.as_ref().map(|issued| issued.token.clone()).ok_or_else(|| {
            let reason = Reason::new(DenialCode::CsrfTokenUnavailable);
            NoCsrfToken::OtherSite(Box::new(self.issuer.engine().refuse(reason, OsEntropy)))
        })
    }

    /// Whether a handler got one, so that the response is for its client alone.
    #[inline]
    pub(crate) fn has_issued(&self) -> bool {
        matches!(self.issued.get(), Some(Some(_)))
    }

    /// The `Set-Cookie` of the pre-session that began with the token.
    pub(crate) fn set_cookie(&self) -> Option<HeaderValue> {
        let issued = self.issued.get()?.as_ref()?;
        let mut value = HeaderValue::from_bytes(issued.set_cookie.as_ref()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(feature = "axum")]
mod axum_extractors {
    use std::sync::Arc;

    use axum::{
        extract::{FromRequestParts, OptionalFromRequestParts},
        response::{IntoResponse, Response},
    };
    use http::{StatusCode, request::Parts};

    use super::{CsrfToken, Issuer, NoCsrfToken};
    use crate::headers;

    impl CsrfToken {
        fn of(parts: &Parts) -> Result<Self, NoCsrfToken> {
            parts.extensions.get::<Arc<Issuer>>().ok_or(NoCsrfToken::NoKeys)?.token()
        }
    }

    impl<S: Sync> FromRequestParts<S> for CsrfToken {
        type Rejection = NoCsrfToken;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoCsrfToken> {
            Self::of(parts)
        }
    }

    impl<S: Sync> OptionalFromRequestParts<S> for CsrfToken {
        type Rejection = NoCsrfToken;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NoCsrfToken> {
            match Self::of(parts) {
                Ok(token) => Ok(Some(token)),
                Err(NoCsrfToken::OtherSite(_)) => Ok(None),
                Err(error) => Err(error),
            }
        }
    }

    impl IntoResponse for NoCsrfToken {
        fn into_response(self) -> Response {
            match &self {
                Self::NoKeys => {
                    // The advice is the developer's, in the log; the client is told nothing of it.
                    tracing::error!("{self}");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
                // Without the policy's headers: the layer adds them to every response.
                Self::OtherSite(denial) => {
                    tracing::warn!(request_id = %denial.request_id(), "{self}");
                    headers::bare_response(denial.reply())
                }
            }
        }
    }
}
