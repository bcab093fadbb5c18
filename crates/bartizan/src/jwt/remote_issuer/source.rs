//! Where an issuer's keys are (OpenID Connect Discovery 1.0 §4, RFC 8414 §3), and how they are brought.

use std::{sync::Arc, time::Duration};

use bartizan_core::jwt::{IssuerMetadata, IssuerMetadataFault, JwkSet, JwkSetFault};
use bytes::Bytes;
use http::StatusCode;
use thiserror::Error;

use super::{Document, DocumentUrl, DocumentUrlFault, FetchDocument, FetchError};

/// Where the keys are.
pub(super) enum Source {
    /// The issuer says it, in the first of these that it has.
    Discovery { issuer: Box<str>, documents: [DocumentUrl; 2] },
    /// There.
    Keys(DocumentUrl),
}

/// Why an issuer's keys could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteIssuerError {
    /// A document could not be fetched.
    #[error("{url} cannot be fetched: {error}")]
    Fetch {
        /// The document.
        url: DocumentUrl,
        /// Why.
        #[source]
        error: FetchError,
    },
    /// A document says something else than it should.
    #[error("{url} does not say where the keys are: {fault}")]
    Metadata {
        /// The document.
        url: DocumentUrl,
        /// What is wrong with it.
        #[source]
        fault: IssuerMetadataFault,
    },
    /// The keys are where we do not go.
    #[error("the issuer's `jwks_uri` cannot be used: {0}")]
    JwksUri(#[source] DocumentUrlFault),
    /// What should be keys is none.
    #[error("{url} is no set of keys: {fault}")]
    Keys {
        /// The document.
        url: DocumentUrl,
        /// What is wrong with it.
        #[source]
        fault: JwkSetFault,
    },
    /// The deadline came first.
    #[error("it took more than {} ms; see whether the issuer can be reached from here", .0.as_millis())]
    Slow(Duration),
    /// The fetch was broken off: a client of the application's panicked, or the process is ending.
    #[error("the fetch was broken off")]
    BrokenOff,
}

impl Source {
    /// Of an issuer that says itself where its keys are.
    pub(super) fn discovery(issuer: &str) -> Result<Self, DocumentUrlFault> {
        let url = DocumentUrl::parse(issuer)?;
        // An issuer has none (OpenID Connect Discovery §3, RFC 8414 §2).
        if issuer.contains('?') {
            return Err(DocumentUrlFault::Rest(issuer.into(), '?'));
        }
        let path = url.path_and_query();
        let (origin, path) = match issuer.len().checked_sub(path.len()) {
            // `https://host` has no path, and reads as if it were `/`.
            Some(end) if issuer.ends_with(path) => issuer.split_at(end),
            _ => (issuer, ""),
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let documents = [
            // After the issuer's path (OpenID Connect Discovery §4.1), and before it (RFC 8414 §3.1).
            DocumentUrl::parse(&format!("{origin}{path}/.well-known/openid-configuration"))?,
            DocumentUrl::parse(&format!("{origin}/.well-known/oauth-authorization-server{path}"))?,
        ];
        Ok(Self::Discovery { issuer: issuer.into(), documents })
    }

    /// Brings the keys, and how long they are fresh.
    pub(super) async fn keys(
        &self,
        fetch: &Arc<dyn FetchDocument>,
    ) -> Result<(JwkSet, Option<Duration>), RemoteIssuerError> {
        let discovered;
        let url = match self {
            Self::Keys(url) => url,
            // Each time, for an issuer may move its keys.
            Self::Discovery { issuer, documents } => {
                discovered = discover(issuer, documents, fetch).await?;
                &discovered
            }
        };
        let document = document(url, fetch).await?;
        let set = JwkSet::parse(&document.body)
            .map_err(|fault| RemoteIssuerError::Keys { url: url.clone(), fault })?;
        Ok((set, document.fresh_for))
    }
}

async fn discover(
    issuer: &str,
    [first, second]: &[DocumentUrl; 2],
    fetch: &Arc<dyn FetchDocument>,
) -> Result<DocumentUrl, RemoteIssuerError> {
    let (url, body) = match document(first, fetch).await {
        Ok(document) => (first, document.body),
        Err(error) if is_absent(&error) => match document(second, fetch).await {
            Ok(document) => (second, document.body),
            // What most issuers have is what the reader should hear of.
            Err(other) => return Err(if is_absent(&other) { error } else { other }),
        },
        Err(error) => return Err(error),
    };
    jwks_uri(&body, issuer, url)
}

/// Where the keys are, as the document at `url` says.
fn jwks_uri(body: &Bytes, issuer: &str, url: &DocumentUrl) -> Result<DocumentUrl, RemoteIssuerError> {
    let metadata = IssuerMetadata::parse(body, issuer)
        .map_err(|fault| RemoteIssuerError::Metadata { url: url.clone(), fault })?;
    let keys = DocumentUrl::parse(&metadata.jwks_uri).map_err(RemoteIssuerError::JwksUri)?;
    // An issuer elsewhere must not send us to what runs on this machine.
    if url.is_https() && !keys.is_https() {
        return Err(RemoteIssuerError::JwksUri(DocumentUrlFault::Plain(metadata.jwks_uri)));
    }
    Ok(keys)
}

/// Whether the issuer does not have that document, so that it may have the other.
fn is_absent(error: &RemoteIssuerError) -> bool {
    let absent = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::GONE];
    matches!(
        error,
        RemoteIssuerError::Fetch { error: FetchError::Status(status), .. } if absent.contains(status)
    )
}

async fn document(url: &DocumentUrl, fetch: &Arc<dyn FetchDocument>) -> Result<Document, RemoteIssuerError> {
    fetch.fetch(url).await.map_err(|error| RemoteIssuerError::Fetch { url: url.clone(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_where_the_standards_put_them() {
        for (issuer, oidc, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/tenant/b",
                "https://a.example:8443/tenant/b/.well-known/openid-configuration",
                "https://a.example:8443/.well-known/oauth-authorization-server/tenant/b",
            ),
            (
                "http://[::1]:1/b/",
                "http://[::1]:1/b/.well-known/openid-configuration",
                "http://[::1]:1/.well-known/oauth-authorization-server/b",
            ),
        ] {
            let Ok(Source::Discovery { documents, .. }) = Source::discovery(issuer) else {
                panic!("{issuer}");
            };
            assert_eq!(documents.each_ref().map(DocumentUrl::as_str), [oidc, oauth], "{issuer}");
        }
    }

    #[test]
    fn what_no_issuer_is_named_is_refused() {
        for (issuer, expected) in [
            ("login.example.com", DocumentUrlFault::NotAUrl("login.example.com".into())),
            ("http://a.example", DocumentUrlFault::Plain("http://a.example".into())),
            ("https://a.example/?b", DocumentUrlFault::Rest("https://a.example/?b".into(), '?')),
            ("https://a.example?", DocumentUrlFault::Rest("https://a.example?".into(), '?')),
            ("https://a.example#b", DocumentUrlFault::Rest("https://a.example#b".into(), '#')),
            ("https://b@a.example", DocumentUrlFault::User),
        ] {
            assert_eq!(Source::discovery(issuer).err(), Some(expected), "{issuer}");
        }
    }

    #[test]
    fn keys_are_not_fetched_from_where_an_issuer_must_not_send_us() {
        let plain = |url: &str| Err(DocumentUrlFault::Plain(url.into()));
        for (issuer, at, expected) in [
            ("https://a.example", "https://b.example/k", Ok("https://b.example/k".to_owned())),
            ("https://a.example", "http://b.example/k", plain("http://b.example/k")),
            ("https://a.example", "http://127.0.0.1/k", plain("http://127.0.0.1/k")),
            ("https://a.example", "file:///k", Err(DocumentUrlFault::NotAUrl("file:///k".into()))),
            ("https://a.example", "/k", Err(DocumentUrlFault::NotAUrl("/k".into()))),
            ("http://localhost", "http://127.0.0.1/k", Ok("http://127.0.0.1/k".to_owned())),
            ("http://localhost", "http://10.0.0.1/k", plain("http://10.0.0.1/k")),
        ] {
            let body = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{at}"}}"#).into();
            let found = match jwks_uri(&body, issuer, &DocumentUrl::parse(issuer).unwrap()) {
                Ok(url) => Ok(url.to_string()),
                Err(RemoteIssuerError::JwksUri(fault)) => Err(fault),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{issuer} {at}");
        }
    }
}
