//! One turn of questions about a login: asked one after the other, and what their answers come to together.

use arrayvec::ArrayVec;
use core::time::Duration;

use super::{LoginVerdict, Question};
use crate::{Answer, DenialCode, Query, Reason};

/// One of the three times that a [`LoginGuard`](super::LoginGuard) is asked.
///
/// [Ask](Self::ask) and [supply](Self::supply) until there is no question left: those of a failure count it, each for
/// its limit. A question that is not answered is one that the store could not answer.
#[derive(Clone, Debug)]
#[must_use = "nothing is counted before it is asked"]
pub struct LoginTurn {
    /// The last is asked first.
    questions: ArrayVec<Question, 3>,
    asked: Option<Question>,
    verdict: LoginVerdict,
    /// Which limit the verdict is by.
    limit: &'static [u8],
}

impl LoginTurn {
    pub(super) fn new(questions: [Option<Question>; 3]) -> Self {
        Self {
            questions: questions.into_iter().rev().flatten().collect(),
            asked: None,
            verdict: LoginVerdict::Allowed { delay: Duration::ZERO },
            limit: b"session.login_protection.address",
        }
    }

    /// The next question for the store.
    pub fn ask(&mut self) -> Option<Query> {
        if self.asked.is_some() {
            self.supply(&Answer::Unavailable);
        }
        self.asked = self.questions.pop();
        self.asked.as_ref().map(|question| question.query.clone())
    }

    /// The store's answer to it.
    pub fn supply(&mut self, answer: &Answer) {
        let Some(question) = self.asked.take() else { return };
        let together = self.verdict.and(question.judge(answer));
        if together != self.verdict {
            self.verdict = together;
            self.limit = question.limit();
        }
    }

    /// What the answers come to.
    pub fn verdict(&self) -> LoginVerdict {
        let unanswered = self.asked.iter().chain(&self.questions);
        unanswered.fold(self.verdict, |verdict, question| verdict.and(question.unanswered()))
    }

    /// Why, where it is not [`Allowed`](LoginVerdict::Allowed): `store.unavailable`, or `rate.limited` with the limit's
    /// key in the policy.
    pub fn reason(&self) -> Reason {
        match self.verdict() {
            LoginVerdict::Unavailable => Reason::new(DenialCode::StoreUnavailable),
            _ => Reason::with_value(DenialCode::RateLimited, self.limit),
        }
    }
}
