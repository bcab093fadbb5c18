//! From a request to a decision: at once where the engine asks nothing, else on the heap.

use std::sync::Arc;

use bartizan_core::{Decision, Engine, Scheme, Step};
use http::Request;
use http_body::Body;

use crate::{
    BoxFuture, OsEntropy, Store,
    body::{BoxError, RequestBody},
    connection,
    headers::Prepared,
    now,
};

/// What all requests of a layer share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) prepared: Prepared,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) scheme: Scheme,
}

/// A decision with the request that it is about.
pub(crate) type Judged<B> = (Decision, Request<RequestBody<B>>);

impl Shared {
    /// Decides at once, or returns `None` where the engine has to ask something first.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Option<Decision> {
        let head = connection::head(request, self.scheme);
        match self.engine.evaluate(&head, now(), OsEntropy).step() {
            Step::Done(decision) => Some(decision),
            Step::Need(_) | Step::NeedForm { .. } => None,
        }
    }

    /// Decides with the store's answers and the form's fields. It begins again, with a request that it owns, so
    /// that only requests that need this pay for it.
    pub(crate) fn judge_slowly<B>(self: Arc<Self>, request: Request<B>) -> BoxFuture<'static, Judged<B>>
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
                let head = connection::head(&request, self.scheme);
                let mut evaluation = self.engine.evaluate(&head, now(), OsEntropy);
                loop {
                    match evaluation.step() {
                        Step::Done(decision) => break decision,
                        Step::Need(query) => evaluation.supply(self.store.answer(query).await),
                        Step::NeedForm { limit } => {
                            let (replaying, form) = body.buffer(limit).await;
                            body = replaying;
                            evaluation.supply_form(form);
                        }
                    }
                }
            };
            (decision, request.map(|()| body))
        })
    }
}
