//! Revocation of a key: in the ring, and in the store, which every node asks about each token.

use std::time::Duration;

use bartizan_core::{Timestamp, TokenDigest, key_ring::RevokeError};

use super::{KeyRing, KeyRingError};

impl KeyRing {
    /// Nothing that this key signed counts any more: on every node from the next request on, also on those that have
    /// not read the ring again yet, for they ask the store about each token.
    ///
    /// Two things are written, the ring first. Whoever was interrupted between them does it again.
    ///
    /// # Errors
    ///
    /// [`RevokeError::AlreadyRevoked`] where both were written before.
    pub async fn revoke(&self, kid: &str, now: Timestamp) -> Result<(), KeyRingError> {
        let (settings, digest) = (&self.0.settings, TokenDigest::of_kid(kid));
        let mut until = now;
        // Were the ring written second and never, its tokens would be refused while it goes on signing.
        let change = self.change(now, |ring| {
            // As long as a token of it could live the ring keeps the key itself. What this node has of the ring need not
            // have the key yet, where another node has revoked it.
            if let Some(key) = ring.key(kid) {
                until = key.retires(ring.longest_token(), settings);
            }
            Ok(ring.revoke(kid, settings, now)?)
        });
        let before = match change.await {
            Ok(()) => None,
            Err(error @ KeyRingError::Revoke(RevokeError::AlreadyRevoked { .. })) => Some(error),
            Err(error) => return Err(error),
        };
        if let Some(error) = before
            && (until <= now || self.is_remembered(digest, until).await?)
        {
            return Err(error);
        }
        Ok(self.0.store.revoke_token(digest, until, now).await?)
    }

    /// Whether the store knows a key as revoked, up to the last millisecond before `until`.
    async fn is_remembered(&self, key: TokenDigest, until: Timestamp) -> Result<bool, KeyRingError> {
        let last = until.before(Duration::from_millis(1));
        // Nobody has this subject (RFC 7519 §4.1.2 asks for a name), and a token of then is older than no cutoff.
        Ok(self.0.store.is_revoked(None, Some(key), Box::default(), Some(last), last).await?)
    }
}
