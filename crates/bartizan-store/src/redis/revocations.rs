//! Revocations of tokens in Redis.

use bartizan_core::{Timestamp, TokenDigest};

use super::{LONGEST, RedisStore, SLACK, record::hex, record::milliseconds, script};
use crate::StoreError;

impl RedisStore {
    pub(super) async fn put_revoked_token(
        &self,
        digest: TokenDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if until <= now {
            return Ok(());
        }
        let keys = [self.revoked_token(digest)];
        let arguments = [until.0, lifetime(until, now)].map(|number| number.to_string());
        self.ask::<u8>(script::REVOKE_TOKEN.call(&keys, &arguments)).await.map(drop)
    }

    pub(super) async fn put_revoked_subject(
        &self,
        subject: &str,
        before: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if until <= now {
            return Ok(());
        }
        let keys = [self.revoked_subject(subject)];
        let arguments = [before.0, until.0, now.0, lifetime(until, now)].map(|number| number.to_string());
        self.ask::<u8>(script::REVOKE_SUBJECT.call(&keys, &arguments)).await.map(drop)
    }

    pub(super) async fn has_revoked(
        &self,
        digests: [Option<TokenDigest>; 2],
        subject: &str,
        issued: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let keys: Vec<_> = [self.revoked_subject(subject)]
            .into_iter()
            .chain(digests.into_iter().flatten().map(|digest| self.revoked_token(digest)))
            .collect();
        let arguments = [now.0, issued.map_or(0, |issued| issued.0)].map(|number| number.to_string());
        let answer: Option<bool> = self.ask(script::IS_REVOKED.call(&keys, &arguments)).await?;
        answer.ok_or_else(|| self.connection.foreign(format!("one of {keys:?} is no revocation")))
    }

    fn revoked_token(&self, digest: TokenDigest) -> String {
        format!("{}revoked-token:{}", self.base(), hex(&digest.0))
    }

    fn revoked_subject(&self, subject: &str) -> String {
        format!("{}revoked-subject:{subject}", self.base())
    }
}

/// How long Redis keeps it, in milliseconds.
fn lifetime(until: Timestamp, now: Timestamp) -> u64 {
    milliseconds(until.since(now)).saturating_add(SLACK).min(LONGEST)
}
