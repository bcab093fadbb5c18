//! Rate limits in the course of a request: what is asked before and after authentication, what the answers come to, and
//! the headers that tell the client.

use alloc::format;

use super::{
    Engine,
    evaluation::{Evaluation, Stop},
    jwt,
};
use crate::{
    Answer, DenialCode, Entropy, Grant, HeaderPair, Query, Reason, Reply, ResponseEdits, ResponseHeader,
    Trace, Verdict,
    controls::{
        Finding,
        rate_limit::{Count, Limits, Whom},
    },
    decision::{Context, Seldom},
    policy::Mode,
};

/// What this control is called in the trace.
const CONTROL: &str = "rate_limit";

impl<'e, 'r, H, E, T> Evaluation<'e, 'r, H, E, T>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
    E: Entropy,
    T: Trace,
{
    /// Asks to count `whom`, where a rule does and it is known who that is.
    #[inline]
    pub(super) fn count(&mut self, whom: Whom) -> Option<Query> {
        // Most policies count nobody.
        if !self.engine.0.counts {
            return None;
        }
        let limits = self.limits();
        limits.rule(whom).is_some().then(|| self.ask_to_count(limits, whom)).flatten()
    }

    #[cold]
    fn ask_to_count(&mut self, limits: &Limits, whom: Whom) -> Option<Query> {
        let (rule, now) = (limits.rule(whom)?, self.now);
        let (query, unknown) = match whom {
            Whom::Address => (
                self.context.client_ip.map(|address| rule.take_address(address, 1, now)),
                "no address is known of a client on a Unix socket",
            ),
            Whom::Principal => (
                self.verified.as_ref().map(|verified| {
                    let key = self.context.seldom.as_ref().and_then(|seldom| seldom.api_key);
                    rule.take_principal(&verified.principal, key.map(|key| key.id), now)
                }),
                "nobody was verified whose requests could be counted",
            ),
        };
        if query.is_none() {
            self.trace.note(CONTROL, Verdict::Skip, || unknown.into());
        }
        query
    }

    /// What the answer to [`count`](Self::count) comes to.
    #[cold]
    pub(super) fn judge_count(&mut self, whom: Whom) -> Result<(), Stop> {
        let mode = self.limits().mode;
        let Some(Answer::Taken(taken)) = self.given.take() else {
            let finding =
                Finding::refuse(DenialCode::StoreUnavailable, b"", "the store that counts cannot be asked");
            return self.settle(CONTROL, mode, finding);
        };
        self.context.seldom().counts.set(whom, Count::from(taken));
        if !taken.allowed {
            let why = "more requests than the limit lets through";
            return self.settle(
                CONTROL,
                mode,
                Finding::refuse(DenialCode::RateLimited, whom.key().as_bytes(), why),
            );
        }
        self.trace.note(CONTROL, Verdict::Pass, || {
            format!("`{}` has room for {} more at once", whom.key(), taken.remaining).into()
        });
        Ok(())
    }

    /// Asks to charge the client's address for a credential that is not valid. Guessing a credential is hopeless: what
    /// is paid for is the work of looking it up, which a stranger can cause with any text. So it is the requests'
    /// bucket that pays, and no question more before authentication; as much as is in it, for a take of more would
    /// take nothing.
    pub(super) fn charge_failure(&mut self, stop: Stop) -> Result<Query, Stop> {
        let reason = match stop {
            Stop::Refused(reason) if is_failure(reason.code()) => reason,
            other => return Err(other),
        };
        let Some(query) = self.ask_to_charge() else { return Err(Stop::Refused(reason)) };
        self.context.seldom().refusal = Some(reason);
        Ok(query)
    }

    fn ask_to_charge(&self) -> Option<Query> {
        let (rule, address) = (self.limits().rule(Whom::Address)?, self.context.client_ip?);
        let left = self.context.seldom.as_ref()?.counts.of(Whom::Address)?.remaining;
        let cost = self.engine.0.failure_cost.min(left);
        (cost > 0).then(|| rule.take_address(address, cost, self.now))
    }

    /// The answer to [`charge_failure`](Self::charge_failure) is told to the client; it is refused in any case.
    pub(super) fn failure_charged(&mut self) -> Stop {
        // Where another request was faster, there was less in the bucket, and nothing was taken.
        if let Some(Answer::Taken(taken)) = self.given.take()
            && taken.allowed
        {
            self.context.seldom().counts.set(Whom::Address, Count::from(taken));
        }
        let reason = self.context.seldom().refusal.take();
        Stop::Refused(reason.unwrap_or_else(|| Reason::new(DenialCode::AuthInvalid)))
    }

    fn limits(&self) -> &'e Limits {
        &self.engine.rules(self.context.route).limits
    }
}

/// Whether somebody was asked about a credential, and it is not valid.
const fn is_failure(code: DenialCode) -> bool {
    jwt::is_after_question(code)
        || matches!(code, DenialCode::AuthInvalid | DenialCode::ApiKeyInvalid | DenialCode::ApiKeyExpired)
}

impl Engine {
    /// Tells the client of a reply what was counted.
    #[inline]
    pub(super) fn tell_counts(&self, context: &Context, reply: &mut Reply) {
        if let Some(seldom) = &context.seldom {
            let limits = &self.rules(context.route).limits;
            if limits.mode == Mode::Enforce
                && let Some(policy) = limits.policy(&seldom.counts)
            {
                reply.prepare(policy);
                reply.compute(ResponseHeader::RateLimit, seldom.counts.header());
                if let Some(seconds) = seldom.counts.retry_after() {
                    reply.compute(ResponseHeader::RetryAfter, seconds);
                }
            }
        }
    }
}

impl Grant {
    /// Tells the client of a handler's response what was counted.
    #[inline]
    pub(super) fn tell_counts(&self, seldom: &Seldom, edits: &mut ResponseEdits) {
        let limits = &self.engine.rules(self.context.route).limits;
        // In mode `report` nothing changes for the client.
        if limits.mode == Mode::Enforce
            && let Some(policy) = limits.policy(&seldom.counts)
        {
            edits.prepare(policy);
            edits.computed.push((ResponseHeader::RateLimit, seldom.counts.header()));
        }
    }
}
