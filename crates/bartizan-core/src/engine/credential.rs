//! Credentials in the course of a request: which one is asked about, what the answer means, and whether it will do.

use alloc::boxed::Box;

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
        if self.only_looks {
            self.stage = Stage::Decided;
            // That there is a question is all that is seen.
            return Ok(Some(Query::PublicKeys { now: self.now }));
        }
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
                Ok(Some(Verified { principal, ends, session, claims: None }))
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
        let principal = self.verified.as_ref().map(|verified| &verified.principal);
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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use crate::{
        Answer, Decision, Deployment, Engine, Entropy, RequestHead, Scheme, Step, Timestamp,
        keys::Keys,
        policy::{PolicyInput, load},
    };

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn engine() -> Engine {
        let text = "version = 1\norigin.public = ['http://localhost']\n[session]\n[api_keys]\n\
                    [jwt]\nissuer = 'http://localhost'\naudience = 'api'\n\
                    [default]\nrequire = { any = ['session', 'jwt', 'api-key'] }\n\
                    [[route]]\nmatch = 'GET /open'\nrequire = 'nothing'\n";
        let policy = load(&PolicyInput { text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
        let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).ok();
        let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), keys, ..Deployment::default() };
        Engine::build(&policy, &deployment).unwrap()
    }

    /// What comes out at once, and out of the step after it.
    fn unasked(engine: &Engine, path: &str, header: Option<(&str, &str)>) -> [&'static str; 2] {
        let headers: Vec<_> = [("host", "localhost")].into_iter().chain(header).collect();
        let head = RequestHead {
            method: b"GET",
            path: path.as_bytes(),
            query: None,
            authority: None,
            scheme: Scheme::Http,
            peer: "127.0.0.1".parse().ok(),
            http2: false,
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        };
        let mut evaluation = engine.evaluate(&head, Timestamp(1_700_000_000_000), Sevens);
        let code = |decision: Decision| match decision {
            Decision::Deny(denial) => denial.reason().code().as_str(),
            _ => "good",
        };
        let at_once = evaluation.decide_unasked().map_or("asks", code);
        evaluation.supply(Answer::Unknown);
        let after = match evaluation.step() {
            Step::Done(decision) => code(decision),
            _ => "asks",
        };
        [at_once, after]
    }

    #[test]
    fn what_is_decided_without_a_question_reads_no_credential() {
        let engine = engine();
        for (path, header, expected) in [
            ("/open", None, "good"),
            ("/", None, "auth.required"),
            // None of them is read, so none is refused yet.
            ("/", Some(("authorization", "Bearer a.b")), "asks"),
            ("/", Some(("x-api-key", "hunter2")), "asks"),
            ("/", Some(("cookie", "__Host-session=1")), "asks"),
        ] {
            // Whatever comes of it, it lets nobody in after that.
            assert_eq!(unasked(&engine, path, header), [expected, "store.unavailable"], "{path} {header:?}");
        }
    }
}
