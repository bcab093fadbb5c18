//! Credentials in the course of a request: which one is asked about, what the answer means, and whether it will do.

use alloc::{boxed::Box, sync::Arc};

use super::evaluation::{Evaluation, Stage, Stop};
use crate::{
    Answer, DenialCode, Entropy, HeaderPair, Principal, Query, Reason, Trace,
    controls::{Finding, requirement::Requirement},
    decision::Verified,
    policy::{CredentialKind, Mode},
    session::SessionKey,
};

/// The control that judges credentials. What a route requires has no mode: a watched door is still a door.
const CONTROL: &str = "requirement";

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Asks who this is, or goes on without.
    #[inline]
    pub(super) fn ask_who(&mut self) -> Result<Option<Query>, Stop> {
        let found = self.presented();
        // Whoever signs in or out may have a session, whatever the route requires.
        let session = self.facts.session.filter(|_| self.handoff.is_some() && !self.context.is_anonymous);
        let Some((kind, secret)) = found.or(session.map(|cookie| (CredentialKind::Session, cookie))) else {
            self.stage = Stage::Token(None);
            return Ok(None);
        };
        if kind == CredentialKind::Session {
            let key = SessionKey::of(secret);
            self.stage = Stage::Answer(kind, Some(key));
            return Ok(Some(Query::Session { key, now: self.now }));
        }
        self.stage = Stage::Answer(kind, None);
        if kind == CredentialKind::ApiKey {
            return self.ask_for_key(secret).map(Some);
        }
        self.ask_for_token_key(secret).map(Some)
    }

    /// The credential to ask about.
    #[inline]
    pub(super) fn presented(&self) -> Option<(CredentialKind, &'r [u8])> {
        let inner = &self.engine.0;
        let requirement = &self.engine.rules(self.context.route).requirement;
        requirement.credential(
            &self.facts,
            inner.configured,
            inner.api_keys.as_ref(),
            self.context.is_anonymous,
        )
    }

    /// What the answer about a credential of `kind` means: who asks, if anybody is let in by it, and what is to be asked
    /// besides.
    pub(super) fn verify(
        &mut self,
        kind: CredentialKind,
        session: Option<SessionKey>,
    ) -> Result<Option<Query>, Stop> {
        let verified = match kind {
            CredentialKind::Jwt => return self.verify_token(),
            CredentialKind::ApiKey => Some(self.verify_key()?),
            _ => self.verify_session(session)?,
        };
        self.verified = verified.map(Box::new);
        Ok(None)
    }

    fn verify_session(&mut self, session: Option<SessionKey>) -> Result<Option<Verified>, Stop> {
        let kind = CredentialKind::Session;
        let requires_nothing = self.engine.rules(self.context.route).requirement == Requirement::Nothing;
        match self.given.take() {
            Some(Answer::Session(record)) if record.is_alive(self.now) => {
                let ends = Some(record.ends());
                let principal =
                    Principal { subject: record.subject, issuer: None, kind, scopes: record.scopes };
                Ok(Some(Verified { principal: Arc::new(principal), ends, session, claims: None }))
            }
            // An invalid cookie is ignored where none is needed.
            Some(Answer::Unknown | Answer::Session(_)) if requires_nothing => Ok(None),
            Some(Answer::Unknown | Answer::Session(_)) => {
                let why = "the credential is not valid, or not any more";
                Err(self.refuse_credential(DenialCode::AuthInvalid, "", why))
            }
            // An answer to another question is none.
            _ => Err(self.refuse_unasked()),
        }
    }

    /// What the route requires.
    #[inline]
    pub(super) fn require(&mut self, kind: Option<CredentialKind>) -> Result<(), Stop> {
        let requirement = &self.engine.rules(self.context.route).requirement;
        let principal = self.verified.as_ref().map(|verified| &*verified.principal);
        let finding: Finding<'_> = requirement.decide(principal, kind);
        self.settle(CONTROL, Mode::Enforce, finding)
    }

    /// Whoever knows the credential has not said anything of it.
    #[cold]
    pub(super) fn refuse_unasked(&mut self) -> Stop {
        let why = "the store that knows this credential cannot be asked";
        self.refuse_credential(DenialCode::StoreUnavailable, "", why)
    }

    #[cold]
    pub(super) fn refuse_credential(&mut self, code: DenialCode, value: &str, why: &'static str) -> Stop {
        match self.settle_refusal(CONTROL, Mode::Enforce, code, value.as_bytes(), why) {
            Err(stop) => stop,
            // What is enforced is refused.
            Ok(()) => Stop::Refused(Reason::new(code)),
        }
    }
}
