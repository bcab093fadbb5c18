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
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::{Router, ServiceExt, extract::Request, response::Response};
use bartizan::{
    AxumBodies, BartizanService, Deployment, Engine, Layer as _, PolicyError,
    policy::{CredentialKind, Directives, Mode, Policy, RateLimitChoice, RequireConfig, RouteConfig},
};
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch};
use tower_service::Service;

pub use self::careless::Holdings;
use self::{
    careless::Bank,
    runs::Runs,
    switches::{Off, Switch},
};
use crate::{PolicyFault, ReferenceApi};

/// So long a control stays off after the last switch: a demo that somebody left running is not left open.
const LONGEST_OFF: Duration = Duration::from_mins(15);

/// Where the sites are, as origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The API and the lab: `http://localhost:8080`.
    pub api: String,
    /// The attacker's site: `http://127.0.0.1:8081`. By its host a browser takes it for another *site*.
    pub attacker: String,
    /// The same by the API's host: `http://localhost:8081`, another origin of the same site.
    pub neighbour: String,
}

impl Addresses {
    /// Those of two ports of this machine.
    pub fn of_ports(api: u16, attacker: u16) -> Self {
        Self {
            api: origin("localhost", api),
            attacker: origin("127.0.0.1", attacker),
            neighbour: origin("localhost", attacker),
        }
    }
}

/// An origin as browsers write it: without the port that `http` has anyway.
fn origin(host: &str, port: u16) -> String {
    if port == 80 { format!("http://{host}") } else { format!("http://{host}:{port}") }
}

/// Why there is no lab.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// The policy cannot be read again.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// The policy with the lab's routes makes no engine.
    #[error("the policy does not take the lab's routes: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Engine(Vec<PolicyError>),
}

/// An API with the lab around it, and the attacker's site.
#[derive(Clone)]
pub struct Lab {
    live: Arc<Live>,
    state: Arc<State>,
}

impl Lab {
    /// Puts the lab around an API, whose policy has [`Addresses::api`] for its public origin.
    ///
    /// # Errors
    ///
    /// Where the policy makes no engine with the lab's routes.
    pub fn around(api: &ReferenceApi, addresses: Addresses) -> Result<Self, LabError> {
        let policy = with_routes(api.policy()?, &addresses);
        let state = Arc::new(State {
            tokens: tokens::Tokens::of(api),
            api: api.clone(),
            addresses,
            bank: Bank::default(),
            runs: Runs::default(),
            live: OnceLock::new(),
        });
        let router = api.router().merge(page::routes(&state)).with_state(());
        let base = Base { api: api.clone(), router, policy, deployment: api.deployment() };
        let current = ArcSwap::from_pointee(base.service(Off::default())?);
        let switched = Mutex::new(Switched { off: Off::default(), until: Instant::now() });
        let live = Arc::new(Live { base, switched, current });
        // The router holds the state: with more than a weak reference neither would ever go.
        let _ = state.live.set(Arc::downgrade(&live));
        Ok(Self { live, state })
    }

    /// Serves both sites until `stop` is done, and then what is under way.
    pub async fn serve(
        self,
        api: TcpListener,
        attacker: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // An error is the sender's end, and so the end of this function.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let attackers_site = attacker::router(&self.state.addresses);
        let make = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(self);
        let both = async {
            tokio::try_join!(
                axum::serve(api, make).with_graceful_shutdown(until(stopped.clone())).into_future(),
                axum::serve(attacker, attackers_site)
                    .with_graceful_shutdown(until(stopped.clone()))
                    .into_future(),
            )
        };
        tokio::pin!(both);
        tokio::select! {
            ended = &mut both => return ended.map(drop),
            () = stop => {}
        }
        let _ = stopping.send(true);
        both.await.map(drop)
    }

    /// What the careless application under attack holds.
    pub fn holdings(&self) -> Holdings {
        self.state.bank.holdings()
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
            lab.live.restore_if_over(Instant::now());
            let mut service = Layered::clone(&lab.live.current.load());
            let answer = |request| async move {
                let Ok(response) = service.call(request).await;
                response
            };
            Ok(lab.state.runs.record(request, answer).await)
        })
    }
}

/// The API behind one policy.
type Layered = BartizanService<Router, AxumBodies>;

/// What is served now, and what it is made of.
struct Live {
    base: Base,
    switched: Mutex<Switched>,
    current: ArcSwap<Layered>,
}

/// Which controls are off, and until when.
struct Switched {
    off: Off,
    until: Instant,
}

impl Live {
    fn off(&self) -> Off {
        self.switched().off
    }

    fn switched(&self) -> MutexGuard<'_, Switched> {
        self.switched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves by another policy from the next request on, and by the whole one again from `until` on.
    fn switch(&self, change: impl FnOnce(&mut Off), until: Instant) -> Result<Off, LabError> {
        // Held while the engine is built, so that of two changes the later one is served.
        let mut switched = self.switched();
        let mut off = switched.off;
        change(&mut off);
        self.current.store(Arc::new(self.base.service(off)?));
        *switched = Switched { off, until };
        Ok(off)
    }

    /// Puts every control back whose time is over.
    fn restore_if_over(&self, now: Instant) {
        let is_over = {
            let switched = self.switched();
            switched.off != Off::default() && now >= switched.until
        };
        if !is_over {
            return;
        }
        match self.switch(|off| *off = Off::default(), now) {
            Ok(_) => tracing::warn!("the lab has put back all controls: they were off for long enough"),
            Err(error) => tracing::error!("a switch of the lab: {error}"),
        }
    }
}

struct Base {
    api: ReferenceApi,
    router: Router,
    policy: Policy,
    deployment: Deployment,
}

impl Base {
    fn service(&self, off: Off) -> Result<Layered, LabError> {
        let engine =
            Engine::build(&off.lay_over(&self.policy), &self.deployment).map_err(LabError::Engine)?;
        Ok(self.api.layer(engine).layer(self.router.clone()))
    }
}

/// What the lab's handlers share.
struct State {
    api: ReferenceApi,
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
    let frames = vec![
        addresses.attacker.clone(),
        addresses.neighbour.clone(),
        format!("{}/lab/careless/", addresses.api),
    ];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Opened, Settings};
    use axum::body::Body;

    #[test]
    fn addresses_are_origins_as_browsers_write_them() {
        let addresses = Addresses::of_ports(8080, 8081);
        let all = [&*addresses.api, &*addresses.attacker, &*addresses.neighbour];
        assert_eq!(all, ["http://localhost:8080", "http://127.0.0.1:8081", "http://localhost:8081"]);
        assert_eq!(Addresses::of_ports(80, 8081).api, "http://localhost");
        let addresses = Addresses::of_ports(8080, 80);
        assert_eq!((&*addresses.attacker, &*addresses.neighbour), ("http://127.0.0.1", "http://localhost"));
    }

    #[tokio::test]
    async fn what_was_switched_off_is_put_back_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = Addresses::of_ports(8080, 8081);
        let mut settings = Settings::new(folder.path()).origin(&addresses.api);
        settings.profile = Some("demo".into());
        let Opened { api, .. } = ReferenceApi::open(&settings).await.unwrap();
        let mut lab = Lab::around(&api, addresses).unwrap();
        let csrf_off = |off: &mut Off| off.set(Switch::Csrf, true);
        let now = Instant::now();

        // 401 is the bank's, which nobody has signed in to; 403 is the control's.
        for (until, status) in [(now + LONGEST_OFF, 401), (now, 403)] {
            lab.live.switch(csrf_off, until).unwrap();
            let request = Request::post("/lab/careless/transfer")
                .header("host", "localhost:8080")
                .header("sec-fetch-site", "cross-site")
                .body(Body::empty())
                .unwrap();
            let Ok(response) = lab.call(request).await;
            assert_eq!(response.status(), status);
            assert_eq!(lab.live.off() == Off::default(), status == 403);
        }
        api.close().await;
    }
}
