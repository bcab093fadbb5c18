//! The engine with what a thread derives from it once: header values ready to be sent.
//!
//! Each thread has its own copy, so that threads do not share the reference counts of header values. A reload
//! replaces the whole; requests under way keep what they began with.

use bartizan_core::{Engine, ResponseHeader};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::GatewayError;

/// One engine, ready to be used by one thread.
pub(crate) struct Site {
    pub(crate) engine: Engine,
    /// The engine's prepared headers, by [`bartizan_core::HeaderId`].
    prepared: Box<[(HeaderName, HeaderValue)]>,
    /// The names of all headers that the engine knows, in the order of [`ResponseHeader::ALL`].
    names: Box<[HeaderName]>,
    pub(crate) upstream_token: Option<HeaderValue>,
}

impl Site {
    pub(crate) fn new(engine: Engine, upstream_token: Option<HeaderValue>) -> Self {
        // Names are made once: reading one from its text takes a hundred instructions.
        let names: Box<[HeaderName]> =
            ResponseHeader::ALL.iter().map(|header| HeaderName::from_static(header.as_str())).collect();
        let prepared = engine
            .prepared_headers()
            .iter()
            .map(|header| {
                let value = HeaderValue::from_str(&header.value);
                // The engine prepares visible ASCII only; an empty value would be a header that says nothing.
                let value = value.unwrap_or(HeaderValue::from_static(""));
                // The first clone moves the bytes behind a counter: here rather than in the first request.
                drop(value.clone());
                (names[header.name as usize].clone(), value)
            })
            .collect();
        Self { engine, prepared, names, upstream_token }
    }

    /// The name of a header that the engine knows.
    pub(crate) fn name(&self, header: ResponseHeader) -> &HeaderName {
        // The list has every variant, in the order of their numbers; a test holds that.
        &self.names[header as usize]
    }

    /// The header that the engine prepared under `index`.
    pub(crate) fn prepared(&self, index: usize) -> Option<&(HeaderName, HeaderValue)> {
        self.prepared.get(index)
    }
}

/// The token as a header value that is never shown.
pub(crate) fn token_value(token: &SecretString) -> Result<HeaderValue, GatewayError> {
    let mut value =
        HeaderValue::from_str(token.expose_secret()).map_err(|_| GatewayError::UpstreamTokenInvalid)?;
    if value.is_empty() {
        return Err(GatewayError::UpstreamTokenInvalid);
    }
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bartizan_core::{Deployment, policy::Policy};

    use super::*;

    #[test]
    fn every_header_of_the_engine_has_a_name() {
        let deployment = Deployment { listen: "127.0.0.1:0".parse().ok(), ..Deployment::default() };
        let engine = Engine::build(&Policy::default(), &deployment).expect("the default policy");
        let site = Site::new(engine, None);
        for &header in ResponseHeader::ALL {
            assert_eq!(site.name(header).as_str(), header.as_str());
        }
    }

    #[test]
    fn a_token_is_sensitive_and_can_be_sent() {
        assert!(token_value(&"s3cret".into()).unwrap().is_sensitive());
        for bad in ["", "a\nb", "a\0"] {
            assert!(token_value(&bad.into()).is_err(), "{bad:?}");
        }
    }
}
