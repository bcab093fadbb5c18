//! Fetching a document: the seam at which an application can bring its own client.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use thiserror::Error;

use super::DocumentUrl;
use crate::BoxFuture;

/// The most bytes that a document may have: 256 KiB.
pub(super) const LONGEST: usize = 256 * 1024;

/// Who fetches documents of issuers. [`HttpsFetch`](super::HttpsFetch) does; an application brings its own where they
/// come by another way.
///
/// The future is dropped at the [deadline](super::RemoteKeySettings::deadline). What it must see to by itself: that the
/// server is the one that the address names, that no redirect is followed to where the address does not say, and that
/// no more than 256 KiB are read.
///
/// ```
/// use bartizan::{BoxFuture, jwt::{Document, DocumentUrl, FetchDocument, FetchError}};
///
/// /// Knows one document.
/// struct Fixed(&'static str);
///
/// impl FetchDocument for Fixed {
///     fn fetch<'f>(&'f self, _: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>> {
///         Box::pin(async { Ok(Document::new(self.0)) })
///     }
/// }
/// ```
pub trait FetchDocument: Send + Sync + 'static {
    /// The document at `url`.
    fn fetch<'f>(&'f self, url: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>>;
}

/// A document that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// What it says.
    pub body: Bytes,
    /// For how long it is fresh, as its server says; `None` where it does not.
    pub fresh_for: Option<Duration>,
}

impl Document {
    /// One whose server does not say for how long it is fresh.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), fresh_for: None }
    }
}

/// Why a document could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody answers there.
    #[error("nobody answers there: {0}")]
    Unreachable(#[source] io::Error),
    /// The server could not show that it is the one.
    #[error("its server cannot be trusted: {0}; a certificate of a private authority needs that authority's")]
    Tls(#[source] io::Error),
    /// What came is no HTTP response.
    #[error("the exchange broke: {0}")]
    Exchange(#[source] hyper::Error),
    /// A redirect. It is not followed: the address decides whom we trust.
    #[error("it redirects with status {}, which is not followed: name the address that it leads to", .0.as_u16())]
    Redirect(StatusCode),
    /// Any other answer than 200.
    #[error("it answers with status {}: see whether the address is right", .0.as_u16())]
    Status(StatusCode),
    /// More than 256 KiB.
    #[error("it is longer than {LONGEST} bytes, which are read at most")]
    Long,
    /// Any other reason, of a client that an application brings.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}
