//! The client that fetches documents: HTTP/1.1 (RFC 9112) over TLS (RFC 8446), one connection for each document.

use std::{fmt, future::poll_fn, io, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;

use super::{Document, DocumentUrl, FetchDocument, FetchError, fetch::LONGEST, freshness::fresh_for};
use crate::BoxFuture;

/// The most bytes of a response's head.
const LONGEST_HEAD: usize = 64 * 1024;

/// Fetches over https, and over http from this machine. It follows no redirect, reads 256 KiB at most, uses no proxy,
/// and keeps no connection.
///
/// ```
/// use bartizan::jwt::{CaFault, HttpsFetch};
/// let public = HttpsFetch::new()?;
/// // An issuer within the company: its own authority, and no other.
/// assert_eq!(HttpsFetch::with_ca(b"not a certificate").unwrap_err(), CaFault::None);
/// # Ok::<(), CaFault>(())
/// ```
#[derive(Clone)]
pub struct HttpsFetch(TlsConnector);

/// Why servers could not be verified.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CaFault {
    /// There is no certificate.
    #[error("there is no certificate: it begins with `-----BEGIN CERTIFICATE-----` (PEM, RFC 7468)")]
    None,
    /// One is damaged, or not one of an authority.
    #[error("certificate {0} cannot be used: {1}")]
    Certificate(usize, Box<str>),
    /// The library has no TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

impl HttpsFetch {
    /// Trusts the authorities that browsers trust, by Mozilla's list.
    ///
    /// # Errors
    ///
    /// [`CaFault::Tls`], where the library cannot be used.
    pub fn new() -> Result<Self, CaFault> {
        Self::with_roots(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Trusts these authorities and no others: one certificate or more, as PEM (RFC 7468).
    ///
    /// # Errors
    ///
    /// Says which certificate cannot be used.
    pub fn with_ca(pem: &[u8]) -> Result<Self, CaFault> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let refused = |why: String| CaFault::Certificate(index + 1, why.into());
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if roots.is_empty() { Err(CaFault::None) } else { Self::with_roots(roots) }
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, CaFault> {
        // Named, so that it does not matter what else the process has installed.
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CaFault::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    async fn document(&self, url: &DocumentUrl) -> Result<Document, FetchError> {
        let socket = connect(url).await?;
        if !url.is_https() {
            return exchange(socket, url).await;
        }
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|error| FetchError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let socket = self.0.connect(name, socket).await.map_err(FetchError::Tls)?;
        exchange(socket, url).await
    }
}

impl FetchDocument for HttpsFetch {
    fn fetch<'f>(&'f self, url: &'f DocumentUrl) -> BoxFuture<'f, Result<Document, FetchError>> {
        Box::pin(self.document(url))
    }
}

impl fmt::Debug for HttpsFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsFetch").finish_non_exhaustive()
    }
}

async fn connect(url: &DocumentUrl) -> Result<TcpStream, FetchError> {
    let addresses = lookup_host((url.host(), url.port())).await.map_err(FetchError::Unreachable)?;
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    // Whatever a resolver says of `localhost`, plain http does not leave this machine.
    for address in addresses.filter(|address| url.is_https() || address.ip().is_loopback()) {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => refused = error,
        }
    }
    Err(FetchError::Unreachable(refused))
}

/// Asks for the document, and reads it. The connection lives as long as the future.
async fn exchange<S>(socket: S, url: &DocumentUrl) -> Result<Document, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_header_size(LONGEST_HEAD)
        .handshake(TokioIo::new(socket))
        .await
        .map_err(FetchError::Exchange)?;
    let request = Request::get(url.path_and_query())
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::USER_AGENT, concat!("bartizan/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Other(error.into()))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(FetchError::Exchange)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        let fresh_for = fresh_for(response.headers());
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return FetchError::Long;
            }
            error.downcast().map_or_else(FetchError::Other, |error| FetchError::Exchange(*error))
        })?;
        Ok(Document { body: body.to_bytes(), fresh_for })
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let mut is_open = true;
    poll_fn(move |context| {
        // Its errors are also the answer's.
        if is_open && connection.as_mut().poll(context).is_ready() {
            is_open = false;
        }
        match answer.as_mut().poll(context) {
            // What the answer asks of the connection, it asks while it is polled.
            Poll::Pending if is_open => {
                is_open = connection.as_mut().poll(context).is_pending();
                if is_open { Poll::Pending } else { answer.as_mut().poll(context) }
            }
            poll => poll,
        }
    })
    .await
}
