//! An evaluation that waits for an answer, without the request that it reads.

use alloc::boxed::Box;
use core::mem;

use super::{
    Engine, csrf_token,
    evaluation::{Evaluation, Stage},
};
use crate::{
    Answer, Entropy, HeaderPair, NoTrace, RequestHead, Timestamp,
    decision::{Context, Verified},
    policy::CredentialKind,
};

/// What an evaluation has come to when it is paused: all but the request.
///
/// Nothing is judged twice for it; only the headers are read again.
///
/// ```
/// use bartizan_core::{
///     Answer, Decision, Deployment, Engine, Entropy, Query, RequestHead, Scheme, Step, Timestamp,
///     policy::{PolicyInput, load_and_build},
/// };
/// # #[derive(Clone, Copy)] struct Sevens;
/// # impl Entropy for Sevens { fn fill(&mut self, bytes: &mut [u8]) { bytes.fill(7) } }
///
/// let text = "version = 1\norigin.public = ['http://localhost']\n[session]\n[default]\nrequire = 'session'\n";
/// let deployment = Deployment { listen: "127.0.0.1:8080".parse().ok(), ..Deployment::default() };
/// let (engine, _) = load_and_build(&PolicyInput { text, ..PolicyInput::new("p.toml") }, |_| Ok(deployment)).unwrap();
/// let headers = [("host", "localhost"), ("cookie", "__Host-session=stolen")];
/// let head = RequestHead {
///     method: b"GET", path: b"/", query: None, authority: None, scheme: Scheme::Http, peer: None, http2: false,
///     headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
/// };
/// let mut evaluation = engine.evaluate(&head, Timestamp(1_700_000_000_000), Sevens);
/// assert!(matches!(evaluation.step(), Step::Need(Query::Session { .. })));
/// let mut paused = evaluation.pause();
///
/// // Later, with the same request.
/// let mut evaluation = paused.resume(&head, Sevens);
/// evaluation.supply(Answer::Unknown);
/// assert!(matches!(evaluation.step(), Step::Done(Decision::Deny(_))));
/// ```
#[derive(Debug)]
pub struct Paused {
    engine: Engine,
    now: Timestamp,
    context: Context,
    verified: Option<Box<Verified>>,
    token: Option<Box<csrf_token::Needed>>,
    stage: Stage,
    given: Option<Answer>,
}

impl<'r, H, E> Evaluation<'_, 'r, H, E, NoTrace>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
{
    /// Gives the request back. What was asked is to be answered when it [goes on](Paused::resume).
    #[cold]
    pub fn pause(self) -> Paused {
        let Self { engine, now, context, verified, token, stage, given, .. } = self;
        Paused { engine: engine.clone(), now, context, verified, token, stage, given }
    }
}

impl Paused {
    /// Goes on where it paused, at the time at which it began. `head` must be the same request's: what was judged of it
    /// is not judged again. It goes on once; a second time it lets nobody in.
    pub fn resume<'e, 'r, H, E>(
        &'e mut self,
        head: &RequestHead<'r, H>,
        entropy: E,
    ) -> Evaluation<'e, 'r, H, E, NoTrace>
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
        E: Entropy,
    {
        let Self { engine, now, context, verified, token, stage, given } = self;
        let mut evaluation = Evaluation::new(engine, head, *now, entropy, NoTrace);
        let stage = mem::replace(stage, Stage::Decided);
        if stage == Stage::Head {
            return evaluation;
        }
        evaluation.read();
        evaluation.stage = stage;
        evaluation.context = mem::replace(context, Context::unknown());
        evaluation.verified = verified.take();
        evaluation.token = token.take();
        evaluation.given = given.take();
        if let Stage::Answer(CredentialKind::Jwt, _) = stage {
            evaluation.read_token_again();
        }
        evaluation
    }
}

#[cfg(test)]
mod tests;
