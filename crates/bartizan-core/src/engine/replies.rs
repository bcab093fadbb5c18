//! The headers of answers that the engine gives by itself.

use super::jwks::Published;
use crate::{
    HeaderId, ResponseHeader,
    controls::{firewall::Firewall, requirement},
    headers::{prepared::Prepared, problem},
};

/// The finished headers that only replies of ours have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replies {
    pub(super) data: HeaderId,
    pub(super) json: HeaderId,
    pub(super) html: HeaderId,
    pub(super) text: HeaderId,
    pub(super) no_store: HeaderId,
    pub(super) allow: HeaderId,
    pub(super) retry_after: HeaderId,
    pub(super) jwks: HeaderId,
    pub(super) for_minutes: HeaderId,
    pub(super) invalid_token: HeaderId,
}

impl Replies {
    pub(super) fn prepare(firewall: &Firewall, published: &Published, prepared: &mut Prepared) -> Self {
        Self {
            data: prepared.add(ResponseHeader::ContentType, "application/json"),
            json: prepared.add(ResponseHeader::ContentType, problem::JSON),
            html: prepared.add(ResponseHeader::ContentType, problem::HTML),
            text: prepared.add(ResponseHeader::ContentType, "text/plain; charset=utf-8"),
            no_store: prepared.add(ResponseHeader::CacheControl, "no-store"),
            allow: prepared.add(ResponseHeader::Allow, &firewall.allow),
            retry_after: prepared.add(ResponseHeader::RetryAfter, "5"),
            jwks: prepared.add(ResponseHeader::ContentType, "application/jwk-set+json"),
            for_minutes: prepared.add(ResponseHeader::CacheControl, &published.cache_control()),
            invalid_token: prepared.add(ResponseHeader::WwwAuthenticate, requirement::INVALID_TOKEN),
        }
    }
}
