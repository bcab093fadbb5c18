//! How often a login may fail, by hand-off: what is asked before a request is forwarded, and when its response tells how
//! the login went.

use alloc::{boxed::Box, format};

use super::evaluation::{Evaluation, Stop};
use crate::{
    Entropy, Grant, HeaderPair, Query, Reason, ResponseEdits, Trace, Verdict,
    login::{LoginTurn, LoginVerdict},
    response::{Next, Pending, Then},
};

/// What this control is called in the trace.
const CONTROL: &str = "login_protection";

impl<'r, H, E, T> Evaluation<'_, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Asks whether a login that this request may carry is to be looked at.
    #[inline]
    pub(super) fn ask_about_logins(&mut self) -> Option<Query> {
        // Few routes are such.
        if self.handoff.is_some_and(|route| route.login) { self.begin_turn() } else { None }
    }

    #[cold]
    fn begin_turn(&mut self) -> Option<Query> {
        let guard = self.engine.0.logins?;
        // Which account it is about, the upstream knows.
        let mut turn = guard.before(None, self.context.client_ip, self.now);
        let query = turn.ask();
        if query.is_some() {
            self.context.seldom().logins = Some(Box::new(turn));
        } else {
            self.trace.note(CONTROL, Verdict::Skip, || "no address is known of this client".into());
        }
        query
    }

    /// What the answer comes to, or what else to ask.
    #[cold]
    pub(super) fn judge_logins(&mut self) -> Result<Option<Query>, Stop> {
        let Some(mut turn) = self.context.seldom().logins.take() else { return Ok(None) };
        // What was not answered counts as what could not be.
        if let Some(answer) = self.given.take() {
            turn.supply(&answer);
        }
        if let Some(query) = turn.ask() {
            self.context.seldom().logins = Some(turn);
            return Ok(Some(query));
        }
        let reason = turn.reason();
        match turn.verdict() {
            LoginVerdict::Allowed { .. } => {
                self.trace.note(CONTROL, Verdict::Pass, || "no more logins have failed than may".into());
                Ok(None)
            }
            LoginVerdict::Reported { .. } => {
                self.trace.note(CONTROL, Verdict::Report, || refusal(&reason));
                self.context.seldom().reports.push(reason);
                Ok(None)
            }
            LoginVerdict::Refused { retry_after } => {
                self.trace.note(CONTROL, Verdict::Refuse, || refusal(&reason));
                Err(Stop::RefusedUntil(reason, retry_after))
            }
            LoginVerdict::Unavailable => {
                self.trace.note(CONTROL, Verdict::Refuse, || refusal(&reason));
                Err(Stop::Refused(reason))
            }
        }
    }
}

impl Grant {
    /// Goes on with a turn about the login that a response tells of: the next question, or what all answers come to, and
    /// then `next`.
    pub(super) fn go_on_with_login(
        &self,
        mut turn: Box<LoginTurn>,
        next: Next,
        edits: &mut ResponseEdits,
        entropy: &mut impl Entropy,
    ) {
        if let Some(query) = turn.ask() {
            edits.seldom().pending = Some(Pending { query: Some(query), then: Then::Judge(turn, next) });
            return;
        }
        match turn.verdict() {
            LoginVerdict::Allowed { delay } => edits.seldom().delay = delay,
            LoginVerdict::Reported { .. } => edits.seldom().reports.push(turn.reason()),
            LoginVerdict::Refused { retry_after } => {
                edits.seldom().replacement = Some(self.fail_until(turn.reason(), retry_after, entropy));
                return;
            }
            LoginVerdict::Unavailable => {
                edits.seldom().replacement = Some(self.fail(turn.reason(), entropy));
                return;
            }
        }
        if let Next::Begin(begun) = next {
            let then = Then::SetCookie(begun.cookie);
            edits.seldom().pending = Some(Pending { query: Some(begun.query), then });
        }
    }
}

fn refusal(reason: &Reason) -> alloc::borrow::Cow<'static, str> {
    match reason.value() {
        Some(limit) => format!("{}: more logins have failed than `{limit}` lets", reason.code()).into(),
        None => format!("{}: whoever counts failed logins cannot be asked", reason.code()).into(),
    }
}
