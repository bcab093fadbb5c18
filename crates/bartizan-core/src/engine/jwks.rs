//! The public keys, as a JWK set at [`JWKS_PATH`](crate::JWKS_PATH) (RFC 7517 §5).

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use super::evaluation::{Evaluation, Stop};
use crate::{
    Answer, DenialCode, Entropy, HeaderPair, Reason, Trace, Verdict, jwt::Issuers, key_ring::Settings,
    policy::Mode,
};

/// How long others may keep keys that a whole period passes before they are used.
const FIXED_MAX_AGE: Duration = Duration::from_mins(5);

/// What is published.
#[derive(Debug)]
pub(super) struct Published {
    /// Keys that do not change while this engine runs, with commas between them.
    fixed: String,
    /// Whether there are those of a key ring too.
    has_ring: bool,
    /// Whether there is anything.
    any: bool,
    max_age: Duration,
}

impl Published {
    pub(super) fn new(fixed: &[Box<str>], issuers: Option<&Issuers>) -> Self {
        let ring = issuers.map(Issuers::ring);
        Self {
            fixed: fixed.join(","),
            has_ring: ring.is_some(),
            any: ring.is_some() || !fixed.is_empty(),
            max_age: ring.map_or(FIXED_MAX_AGE, Settings::jwks_max_age),
        }
    }

    /// Whether anything is.
    #[inline]
    pub(super) const fn any(&self) -> bool {
        self.any
    }

    /// How long others may keep it (RFC 9111 §5.2.2): the ring turns by it.
    pub(super) fn cache_control(&self) -> String {
        format!("public, max-age={}", self.max_age.as_secs())
    }

    /// The set, with the keys of the ring.
    fn set(&self, ring: &[Box<str>]) -> String {
        let fixed = Some(&*self.fixed).filter(|fixed| !fixed.is_empty());
        let keys: Vec<&str> = fixed.into_iter().chain(ring.iter().map(|key| &**key)).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }
}

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// The answer to who asks for the keys; those of a ring have to be asked for first.
    #[cold]
    pub(super) fn answer_published(&mut self) -> Stop {
        if self.engine.0.published.has_ring { Stop::AskedForKeys } else { self.answer_jwks(&[]) }
    }

    /// The answer, once it is known which keys the ring has.
    #[cold]
    pub(super) fn answer_with_ring(&mut self) -> Stop {
        if let Some(Answer::PublicKeys(keys)) = self.given.take() {
            return self.answer_jwks(&keys);
        }
        // Rather none than a set that lacks keys: whoever reads one replaces what he had.
        let why = "the store that keeps the public keys cannot be asked";
        let code = DenialCode::StoreUnavailable;
        match self.settle_refusal("jwks", Mode::Enforce, code, b"", why) {
            Err(stop) => stop,
            // What is enforced is refused.
            Ok(()) => Stop::Refused(Reason::new(code)),
        }
    }

    /// Public keys are for everyone, and caches may keep them.
    fn answer_jwks(&mut self, ring: &[Box<str>]) -> Stop {
        self.trace.note("jwks", Verdict::Answer, || "200 by itself: the public keys".into());
        let engine = self.engine;
        let mut reply = engine.reply(200, &self.context);
        let replies = &engine.0.replies;
        reply.leave_out(&[replies.no_store]);
        reply.prepare(replies.for_minutes);
        reply.prepare(replies.jwks);
        reply.body = engine.0.published.set(ring).into_bytes().into();
        Stop::Answered(reply)
    }
}
