//! The attack lab: a page at `/` with a card for each attack, which makes it against this very application, shows what
//! stopped it, and can switch that control off to show what it stops.
//!
//! It is for demonstrations on one machine. Nothing of it is reachable unless [`Lab`] is put around the API: its routes,
//! the careless application that it attacks, and the switches come with it and with nothing else.
//!
//! A switch changes the policy that this instance goes by, not its file: the engine is built again with the control off,
//! and the whole layered service is swapped, over the same store and the same keys.

mod attacker;
mod cards;
mod careless;
mod page;
mod rules;
mod runs;
mod switches;
mod tokens;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use axum::{Router, extract::Request, response::Response};
use bartizan::{
    Answers, AxumBodies, BartizanLayer, BartizanService, Deployment, Engine, Layer as _, PolicyError,
    jwt::KeyRing,
    policy::{CredentialKind, Directives, Mode, Policy, RateLimitChoice, RequireConfig, RouteConfig},
};
use thiserror::Error;
use tower_service::Service;

pub use self::careless::Holdings;
use self::{
    careless::Bank,
    runs::Runs,
    switches::{Off, Switch},
};

/// Where the two sites are: origins such as `http://localhost:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The API and the lab.
    pub api: String,
    /// The attacker's site. For a browser to take it for another *site*, its host must be another: `127.0.0.1` where the
    /// API is `localhost`.
    pub attacker: String,
}

/// What the lab goes around.
pub struct Parts {
    /// The API's routes, without a layer.
    pub router: Router,
    /// The policy, with `origin.public` as in [`Addresses`].
    pub policy: Policy,
    /// Where it is used.
    pub deployment: Deployment,
    /// Who answers the engine.
    pub answers: Arc<dyn Answers>,
    /// The keys that the API's tokens are signed with.
    pub ring: KeyRing,
    /// Where the two sites are.
    pub addresses: Addresses,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Why there is no lab.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// The policy with the lab's routes makes no engine.
    #[error("the policy does not take the lab: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policy(Vec<PolicyError>),
}

/// The API with the lab: a service for [`axum::serve`](https://docs.rs/axum/0.8/axum/fn.serve.html), and the attacker's
/// site.
#[derive(Clone)]
pub struct Lab {
    live: Arc<Live>,
    runs: Runs,
}

impl Lab {
    /// Puts the lab around an API.
    ///
    /// # Errors
    ///
    /// Where the policy cannot be built with the lab's routes.
    ///
    /// # Panics
    ///
    /// Where the API has a route at `/` or under `/lab`.
    pub fn new(parts: Parts) -> Result<Self, LabError> {
        let Parts { router, policy, deployment, answers, ring, addresses } = parts;
        let policy = with_routes(policy, &addresses);
        let state = Arc::new(State {
            addresses,
            bank: Bank::default(),
            runs: Runs::default(),
            tokens: tokens::Tokens::new(ring, &policy),
            live: OnceLock::new(),
        });
        let runs = state.runs.clone();
        let router = router.merge(page::routes(&state)).with_state(());
        let base = Base { router, policy, deployment, answers };
        let current = ArcSwap::from_pointee(base.service(Off::default())?);
        let live = Arc::new(Live { base, off: Mutex::default(), current });
        // The router holds the state: with more than a weak reference neither would ever go.
        let _ = state.live.set(Arc::downgrade(&live));
        Ok(Self { live, runs })
    }

    /// The attacker's site.
    pub fn attacker(addresses: &Addresses) -> Router {
        attacker::router(addresses)
    }
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").field("off", &self.live.off()).finish_non_exhaustive()
    }
}

impl Service<Request> for Lab {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Neither a router nor the layer ever makes anybody wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let lab = self.clone();
        Box::pin(async move {
            let mut service = Layered::clone(&lab.live.current.load());
            let answer = |request| async move {
                let Ok(response) = service.call(request).await;
                response
            };
            Ok(lab.runs.record(request, answer).await)
        })
    }
}

/// The API behind one policy.
type Layered = BartizanService<Router, AxumBodies>;

/// What is served now, and what it is made of.
struct Live {
    base: Base,
    off: Mutex<Off>,
    current: ArcSwap<Layered>,
}

impl Live {
    fn off(&self) -> Off {
        *self.off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves by another policy from the next request on.
    fn switch(&self, change: impl FnOnce(&mut Off)) -> Result<Off, LabError> {
        // Held while the engine is built, so that of two changes the later one is served.
        let mut off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = *off;
        change(&mut changed);
        self.current.store(Arc::new(self.base.service(changed)?));
        *off = changed;
        Ok(changed)
    }
}

struct Base {
    router: Router,
    policy: Policy,
    deployment: Deployment,
    answers: Arc<dyn Answers>,
}

impl Base {
    fn service(&self, off: Off) -> Result<Layered, LabError> {
        let engine =
            Engine::build(&off.lay_over(&self.policy), &self.deployment).map_err(LabError::Policy)?;
        Ok(BartizanLayer::new(engine).store(Arc::clone(&self.answers)).layer(self.router.clone()))
    }
}

/// What the lab's handlers share.
struct State {
    addresses: Addresses,
    bank: Bank,
    runs: Runs,
    tokens: tokens::Tokens,
    live: OnceLock<Weak<Live>>,
}

impl State {
    fn live(&self) -> Option<Arc<Live>> {
        self.live.get()?.upgrade()
    }

    fn off(&self) -> Off {
        self.live().map(|live| live.off()).unwrap_or_default()
    }
}

/// The policy with the lab's routes in front of its own.
fn with_routes(mut policy: Policy, addresses: &Addresses) -> Policy {
    let open = |pattern: &str| RouteConfig {
        pattern: pattern.into(),
        require: Some(RequireConfig::One(CredentialKind::Nothing)),
        rate_limit: Some(RateLimitChoice::Mode(Mode::Off)),
        ..RouteConfig::default()
    };
    let own = |word: &str| vec![word.to_owned()];
    let frames = vec![addresses.attacker.clone(), format!("{}/lab/careless/", addresses.api)];
    let page = RouteConfig {
        csp: Some(Directives::from([
            ("script-src".into(), own("'self'")),
            ("frame-src".into(), frames),
            ("require-trusted-types-for".into(), own("'script'")),
            ("trusted-types".into(), own("'none'")),
        ])),
        ..open("GET /")
    };
    // What the page shows of the careless application, in frames of its own.
    let shown = ["comments", "search", "upload"].map(|path| RouteConfig {
        frame_ancestors: Some(own("'self'")),
        ..open(&format!("GET /lab/careless/{path}"))
    });
    let routes = [page].into_iter().chain(shown).chain([open("* /lab/**")]);
    policy.route.splice(0..0, routes);
    policy
}
