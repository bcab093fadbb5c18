//! What runs: built once from a policy, shared by all requests.

use alloc::{sync::Arc, vec, vec::Vec};
use core::{marker::PhantomData, net::IpAddr};

use crate::{
    Answer, Decision, Denial, Deployment, Entropy, Form, Grant, HeaderPair, NoTrace, PolicyError,
    PreparedHeader, Principal, Reason, Reply, RequestHead, RequestId, ResponseEdits, ResponseHead, Scheme,
    Step, Timestamp, Trace, Warning, policy::Policy,
};

/// A policy that runs.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prepared: Vec<PreparedHeader>,
    warnings: Vec<Warning>,
}

impl Engine {
    /// Builds the engine, or says all that is wrong with the policy.
    pub fn build(_policy: &Policy, _deployment: &Deployment) -> Result<Self, Vec<PolicyError>> {
        Ok(Self(Arc::new(Inner { prepared: Vec::new(), warnings: Vec::new() })))
    }

    /// What works and is probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// The headers that were finished at build.
    pub fn prepared_headers(&self) -> &[PreparedHeader] {
        &self.0.prepared
    }

    /// Begins to judge a request.
    pub fn evaluate<'r, H, E>(
        &self,
        head: &RequestHead<'r, H>,
        now: Timestamp,
        entropy: E,
    ) -> Evaluation<'_, 'r, E, NoTrace>
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
        E: Entropy,
    {
        self.evaluate_traced(head, now, entropy, NoTrace)
    }

    /// The same, telling `trace` what each control found.
    pub fn evaluate_traced<'r, H, E, T>(
        &self,
        _head: &RequestHead<'r, H>,
        _now: Timestamp,
        entropy: E,
        trace: T,
    ) -> Evaluation<'_, 'r, E, T>
    where
        H: Iterator<Item = HeaderPair<'r>> + Clone,
        E: Entropy,
        T: Trace,
    {
        Evaluation { engine: self, entropy, trace, head: PhantomData }
    }

    /// A refusal without a grant.
    pub fn refuse(&self, reason: Reason, mut entropy: impl Entropy) -> Denial {
        let mut id = [0; 8];
        entropy.fill(&mut id);
        let status = reason.code().status();
        Denial {
            reason,
            request_id: RequestId(u64::from_be_bytes(id)),
            reply: Reply { status, headers: vec![], body: [].into() },
        }
    }

    /// The routes' patterns, in order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        core::iter::empty()
    }

    /// Whether no credential is configured, so that authorisation is the upstream's.
    pub fn authorisation_is_upstreams(&self) -> bool {
        true
    }
}

/// A request being judged.
#[derive(Debug)]
pub struct Evaluation<'e, 'r, E, T> {
    engine: &'e Engine,
    entropy: E,
    #[expect(dead_code, reason = "controls follow")]
    trace: T,
    head: PhantomData<&'r ()>,
}

impl<E: Entropy, T: Trace> Evaluation<'_, '_, E, T> {
    /// Goes on until it has decided or must ask.
    pub fn step(&mut self) -> Step {
        Step::Done(Decision::Deny(
            self.engine.refuse(Reason::new(crate::DenialCode::StoreUnavailable), &mut self.entropy),
        ))
    }

    /// Answers [`Step::Need`].
    pub fn supply(&mut self, _answer: Answer) {}

    /// Answers [`Step::NeedForm`].
    pub fn supply_form(&mut self, _form: Form) {}
}

impl Grant {
    /// The engine that decided.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    /// The client's address.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.context.client_ip
    }
    /// The client's scheme.
    pub fn scheme(&self) -> Scheme {
        self.context.scheme
    }
    /// The nonce.
    pub fn nonce(&self) -> Option<&str> {
        None
    }
    /// Who asks.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_deref()
    }
    /// The route's pattern.
    pub fn route(&self) -> Option<&str> {
        self.engine.routes().nth(usize::from(self.context.route))
    }
    /// What mode `report` would have refused.
    pub fn reports(&self) -> &[Reason] {
        &self.reports
    }
    /// The longest body, in bytes.
    pub fn max_body(&self) -> u64 {
        0
    }
    /// What is to be done to the request.
    pub fn request_edits(&self) -> &RequestEdits {
        &RequestEdits {}
    }
    /// Whether this is a WebSocket handshake that may pass.
    pub fn is_websocket(&self) -> bool {
        false
    }
    /// Judges the response.
    pub fn respond<'h, H: Iterator<Item = HeaderPair<'h>>>(
        &self,
        _head: ResponseHead<H>,
        _entropy: impl Entropy,
    ) -> ResponseEdits {
        ResponseEdits::default()
    }
    /// A refusal after the grant.
    pub fn fail(&self, reason: Reason, entropy: impl Entropy) -> Denial {
        self.engine.refuse(reason, entropy)
    }
}

/// What is to be done to the request before the handler sees it.
#[derive(Clone, Debug, Default)]
pub struct RequestEdits {}

impl RequestEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        true
    }
    /// Whether this inbound header reaches the handler.
    pub fn passes(&self, _name: &[u8]) -> bool {
        true
    }
    /// What becomes of a Cookie header.
    pub fn cookie(&self, _value: &[u8]) -> CookieEdit {
        CookieEdit::Keep
    }
}

/// What becomes of a `Cookie` header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieEdit {
    /// It passes as it is.
    Keep,
    /// Nothing of it is left.
    Drop,
    /// It passes with this value.
    Replace(Vec<u8>),
}

/// Whether a header name is ours to assert.
pub fn is_protected(name: &[u8]) -> bool {
    name.len() >= 9 && name[..8].eq_ignore_ascii_case(b"bartizan")
}

/// Whether a header concerns one connection only.
pub fn is_hop_by_hop(_name: &[u8]) -> bool {
    false
}
