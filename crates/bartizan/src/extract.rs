//! What a handler may ask for.

use std::{fmt, net::IpAddr, ops::Deref, sync::Arc};

/// The nonce of this response's Content Security Policy, for `<script nonce="…">`: 128 random bits in base64.
///
/// It is **empty** where the request did not ask for a page (by `Sec-Fetch-Dest`, or `Accept: text/html`), and
/// where no layer saw the request: then the policy names no nonce, and an inline script that carries an empty
/// one does not run. Write it into HTML as it is; it needs no escaping.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::response::Html;
/// use bartizan::CspNonce;
///
/// async fn page(nonce: CspNonce) -> Html<String> {
///     Html(format!("<!doctype html><script nonce=\"{nonce}\">start()</script>"))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CspNonce(Option<Arc<str>>);

impl CspNonce {
    pub(crate) fn new(nonce: &str) -> Self {
        Self(Some(nonce.into()))
    }
}

impl Deref for CspNonce {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// The client's address: behind a proxy that the policy trusts, the one that it forwarded, else the peer's.
///
/// As an extractor it refuses with 500 where nobody knows the peer's address: serve with
/// `into_make_service_with_connect_info::<SocketAddr>()`, or insert a [`PeerAddr`](crate::PeerAddr). A request
/// that came over a Unix socket has none; ask for `Option<ClientIp>` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The request says nothing of its peer; see [`ClientIp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer's address is not known; serve with `into_make_service_with_connect_info::<SocketAddr>()`")]
pub struct UnknownPeer;

#[cfg(feature = "axum")]
mod axum_extractors {
    use std::convert::Infallible;

    use axum::{
        extract::{FromRequestParts, OptionalFromRequestParts},
        response::{IntoResponse, Response},
    };
    use http::{StatusCode, request::Parts};

    use super::{ClientIp, CspNonce, UnknownPeer};
    use crate::connection;

    impl<S: Sync> FromRequestParts<S> for CspNonce {
        type Rejection = Infallible;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
            Ok(parts.extensions.get().cloned().unwrap_or_default())
        }
    }

    impl ClientIp {
        fn of(parts: &Parts) -> Option<Self> {
            // The layer inserts it only where it is not the peer's.
            let told = parts.extensions.get().copied();
            told.or_else(|| connection::peer(&parts.extensions).map(Self))
        }
    }

    impl<S: Sync> FromRequestParts<S> for ClientIp {
        type Rejection = UnknownPeer;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, UnknownPeer> {
            Self::of(parts).ok_or(UnknownPeer)
        }
    }

    impl<S: Sync> OptionalFromRequestParts<S> for ClientIp {
        type Rejection = Infallible;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(Self::of(parts))
        }
    }

    impl IntoResponse for UnknownPeer {
        fn into_response(self) -> Response {
            // The advice is the developer's, in the log; the client is told nothing of it.
            tracing::error!("{self}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
