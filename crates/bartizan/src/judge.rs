//! From a request to a decision: at once where whoever is asked answers at once, else on the heap.

use std::{
    any::Any,
    future::poll_fn,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
};

use bartizan_core::{
    Answer, Decision, Engine, Evaluation, HeaderPair, NoTrace, Paused, Query, RequestHead, Scheme, Step,
    policy::Mode,
};
use http::{Method, Request, Uri, uri::PathAndQuery};
use http_body::Body;

use crate::{
    Answers, BoxFuture, DenialEvent, OsClock, OsEntropy,
    body::{BoxError, RequestBody},
    connection,
    finished::Finished,
    future::forget,
    headers::Prepared,
};

/// What all requests of a layer share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) prepared: Prepared,
    pub(crate) finished: Arc<Finished>,
    pub(crate) store: Arc<dyn Answers>,
    pub(crate) scheme: Scheme,
}

/// What is kept of a request that is moved on: for replies, for the log, and for the handler.
pub(crate) struct Seen {
    pub(crate) method: Method,
    path: Option<PathAndQuery>,
    pub(crate) peer: Option<IpAddr>,
}

impl Seen {
    pub(crate) fn of<B>(request: &Request<B>, target: &Uri) -> Self {
        Self {
            method: request.method().clone(),
            path: target.path_and_query().cloned(),
            peer: connection::peer(request.extensions()),
        }
    }

    /// The path as the client sent it.
    pub(crate) fn path(&self) -> &str {
        self.path.as_ref().map_or("", PathAndQuery::path)
    }
}

/// A decision with the request that it is about.
pub(crate) type Judged<B> = (Decision, Request<RequestBody<B>>);

/// Where judging stopped, and what for.
pub(crate) struct Asks {
    paused: Paused,
    /// A question.
    step: Step,
}

impl Shared {
    /// Decides, unless somebody has to be waited for.
    #[inline]
    pub(crate) fn judge<B>(
        &self,
        request: &Request<B>,
        target: &Uri,
        peer: Option<IpAddr>,
    ) -> Result<Decision, Box<Asks>> {
        let head = connection::head(request, target, peer, self.scheme);
        let mut evaluation = self.engine.evaluate(&head, OsClock, OsEntropy);
        match evaluation.step() {
            Step::Done(decision) => {
                if let Decision::Deny(_) = &decision {
                    log_denial(&decision, &head, &evaluation);
                }
                Ok(decision)
            }
            question => decide_at_once(&*self.store, evaluation, &head, question),
        }
    }

    /// Goes on with answers that have to be waited for, and with a request that it owns.
    pub(crate) fn judge_slowly<B>(
        self: Arc<Self>,
        asks: Box<Asks>,
        request: Request<B>,
        peer: Option<IpAddr>,
    ) -> BoxFuture<'static, Judged<B>>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let request = Request::from_parts(parts, ());
            let mut body = RequestBody::new(body);
            let decision = {
                let target = connection::target(request.uri(), request.extensions());
                let head = connection::head(&request, target, peer, self.scheme);
                let Asks { mut paused, mut step } = *asks;
                let mut evaluation = paused.resume(&head, OsEntropy);
                let decision = loop {
                    match step {
                        Step::Done(decision) => break decision,
                        Step::Need(query) => evaluation.supply(ask(&*self.store, query).await),
                        Step::NeedForm { limit } => {
                            let (replaying, form) = body.buffer(limit).await;
                            body = replaying;
                            evaluation.supply_form(form);
                        }
                    }
                    let next = evaluation.step();
                    step = go_on_at_once(&*self.store, &mut evaluation, next);
                };
                log_denial(&decision, &head, &evaluation);
                decision
            };
            (decision, request.map(|()| body))
        })
    }
}

/// Decides with what is answered at once, or pauses at the first question that is not.
#[inline(never)]
fn decide_at_once<'r, H>(
    store: &dyn Answers,
    mut evaluation: Evaluation<'_, 'r, H, OsEntropy, NoTrace>,
    head: &RequestHead<'r, H>,
    question: Step,
) -> Result<Decision, Box<Asks>>
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    match go_on_at_once(store, &mut evaluation, question) {
        Step::Done(decision) => {
            log_denial(&decision, head, &evaluation);
            Ok(decision)
        }
        step => Err(Box::new(Asks { paused: evaluation.pause(), step })),
    }
}

/// Goes on from `step` to the decision, or to what has to be waited for.
fn go_on_at_once<'r, H>(
    store: &dyn Answers,
    evaluation: &mut Evaluation<'_, 'r, H, OsEntropy, NoTrace>,
    mut step: Step,
) -> Step
where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    while let Step::Need(query) = step {
        match try_ask(store, query) {
            Ok(answer) => evaluation.supply(answer),
            Err(query) => return Step::Need(query),
        }
        step = evaluation.step();
    }
    step
}

/// A refusal goes into the log while its request is at hand.
fn log_denial<'r, H>(
    decision: &Decision,
    head: &RequestHead<'r, H>,
    evaluation: &Evaluation<'_, 'r, H, OsEntropy, NoTrace>,
) where
    H: Iterator<Item = HeaderPair<'r>> + Clone,
{
    let Decision::Deny(denial) = decision else { return };
    let from_header = || head.headers.clone().find(|(name, _)| *name == b"host").map(|(_, value)| value);
    DenialEvent {
        reason: denial.reason(),
        request_id: Some(denial.request_id()),
        mode: Mode::Enforce,
        method: head.method,
        path: head.path,
        host: head.authority.or_else(from_header),
        client_ip: evaluation.client_ip(),
        route: evaluation.route(),
    }
    .emit();
}

/// Asks the store, if it answers at once. One that panics has not answered, and the door stays closed.
fn try_ask(store: &dyn Answers, query: Query) -> Result<Answer, Query> {
    catch_unwind(AssertUnwindSafe(|| store.try_answer(query))).unwrap_or_else(|panic| Ok(unanswered(panic)))
}

/// The same, waiting for the answer.
async fn ask(store: &dyn Answers, query: Query) -> Answer {
    let (mut query, mut asked) = (Some(query), None);
    poll_fn(|cx| {
        let answer = AssertUnwindSafe(|| {
            if let Some(query) = query.take() {
                asked = Some(store.answer(query));
            }
            asked.as_mut().map_or(Poll::Ready(Answer::Unavailable), |answer| answer.as_mut().poll(cx))
        });
        catch_unwind(answer).unwrap_or_else(|panic| Poll::Ready(unanswered(panic)))
    })
    .await
}

#[cold]
fn unanswered(panic: Box<dyn Any + Send>) -> Answer {
    forget(panic);
    Answer::Unavailable
}
