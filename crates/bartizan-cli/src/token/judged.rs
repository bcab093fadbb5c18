//! How a token was judged: by the ring in the policy's store, as `serve` does.

use std::time::Duration;

use bartizan::jwt::MOST_TRIED;
use bartizan_core::{
    Timestamp, TokenDigest,
    jwt::{Token, TokenError, VerifiedToken, VerifyingKey},
    key_ring::RingKey,
};

use super::TokenFailure;
use crate::{
    deployment::Deployment,
    failure::Failure,
    keys::{self, KeysError},
    when::ago,
};

/// How a token was judged.
pub(super) struct Judged {
    pub(super) verdict: Result<VerifiedToken, TokenError>,
    /// By which keys.
    pub(super) keys: String,
    /// Whether it was asked whether the token was revoked.
    pub(super) revocation: bool,
    /// What of it was, where it was.
    pub(super) revoked: Option<Revoked>,
    /// What more can be said.
    pub(super) note: Option<String>,
}

/// What was revoked, of a token that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revoked {
    Token,
    Key,
    Subject,
}

impl Revoked {
    /// What it is called where programs read it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "jti",
            Self::Key => "key",
            Self::Subject => "subject",
        }
    }

    fn note(self, subject: &str) -> String {
        match self {
            Self::Token => "by its jti: this token alone was revoked".into(),
            Self::Key => "with its key: all that the key signed was revoked".into(),
            Self::Subject => format!("with its subject: what {subject} was given until a time was revoked"),
        }
    }
}

/// By the ring in the policy's store, as `serve` does; `skew` is how far ahead a token's time may lie besides.
pub(super) fn by_ring(
    deployment: &Deployment,
    text: &str,
    skew: Duration,
    now: Timestamp,
) -> Result<Judged, Failure> {
    let issuers = keys::issuers(&deployment.loaded)?;
    let mut rules = issuers.ours().clone();
    rules.skew = rules.skew.saturating_add(skew);
    let claimed = Token::parse(text.as_bytes()).ok();
    let claimed = claimed.as_ref().and_then(|token| token.issuer());
    // Its keys are elsewhere, and a refusal would say that it is bad.
    let other = issuers.trusted().iter().find(|other| Some(&*other.rules().issuer) == claimed);
    if let Some(other) = other {
        let issuer = other.rules().issuer.clone();
        return Err(TokenFailure::Trusted { issuer, keys: other.keys().to_string() }.into());
    }
    let ring = keys::open(deployment, now)?;
    let mut judged = Judged {
        verdict: Err(TokenError::KeyUnknown),
        keys: format!("the key ring in {}", deployment.url),
        revocation: true,
        revoked: None,
        note: None,
    };
    let token = match Token::parse(text.as_bytes()) {
        Ok(token) if token.issuer().is_some_and(|issuer| *issuer != *rules.issuer) => Err(TokenError::Issuer),
        read => read,
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => return Ok(Judged { verdict: Err(error), ..judged }),
    };
    let keys: Vec<VerifyingKey> = if let Some(kid) = token.kid() {
        let key = deployment.wait_for(ring.verifying_key(kid, now)).map_err(TokenFailure::from)?;
        if key.is_none() {
            let ring = ring.ring();
            judged.revoked = ring.key(kid).and_then(RingKey::revoked).map(|_| Revoked::Key);
            judged.note = ring.key(kid).map(|key| ended(key, now));
        }
        key.into_iter().collect()
    } else {
        // Keys of applications that moved here are found by trying, as many as `serve` tries.
        let mut keys = ring.legacy_keys(token.algorithm(), now).map_err(TokenFailure::from)?;
        keys.truncate(MOST_TRIED);
        keys
    };
    for key in &keys {
        judged.verdict = Token::parse(text.as_bytes()).and_then(|token| token.verify(key, &rules, now));
        // Another key's token.
        if judged.verdict != Err(TokenError::Signature) {
            break;
        }
    }
    if judged.verdict.is_ok() && keys.iter().any(VerifyingKey::is_legacy) {
        judged.note =
            Some("its key is of an application that moved here: kid, iss, aud and typ may be lacking".into());
    }
    if let Ok(verified) = &judged.verdict
        && let Some(revoked) = revoked(deployment, verified, now)?
    {
        judged.note = Some(revoked.note(&verified.subject));
        (judged.verdict, judged.revoked) = (Err(TokenError::Revoked), Some(revoked));
    }
    Ok(judged)
}

/// Why a key that the ring has verifies nothing.
fn ended(key: &RingKey, now: Timestamp) -> String {
    match key.revoked() {
        Some(at) => format!("the key was revoked {}", ago(at, now)),
        None => "the key is retired: all that it signed has ended".into(),
    }
}

/// What of a token was revoked, if anything: the store is asked as `serve` asks it, and only then which it was.
fn revoked(
    deployment: &Deployment,
    token: &VerifiedToken,
    now: Timestamp,
) -> Result<Option<Revoked>, KeysError> {
    let ask = |jti, key, subject, issued| {
        deployment.wait_for(deployment.store.store().is_revoked(jti, key, subject, issued, now))
    };
    let jti = token.jti.as_deref().map(TokenDigest::of_jti);
    if !ask(jti, token.signer, token.subject.clone(), token.issued)? {
        return Ok(None);
    }
    // Nobody has no name, and what is issued now is older than no cutoff.
    let (nobody, issued) = (Box::default, Some(now));
    Ok(Some(if ask(jti, None, nobody(), issued)? {
        Revoked::Token
    } else if ask(None, token.signer, nobody(), issued)? {
        Revoked::Key
    } else {
        Revoked::Subject
    }))
}
