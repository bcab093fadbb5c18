//! The layer and its service: decide, call the handler, finish the response.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bartizan_core::{Engine, Scheme};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Answers, NoStore, WithLocalLimits,
    body::{AnyBodies, BoxError, RequestBodies, ResponseBodies},
    connection,
    future::ResponseFuture,
    headers,
    judge::{Seen, Shared},
};

/// Puts a policy around a service: a [`tower`](tower_layer) layer.
///
/// Requests are judged before the service sees them. Refusals, preflights and redirects are answered here; what
/// passes is stripped of the headers that only Bartizan asserts, and its response, whatever it is (a 404, a
/// 500, a timeout, a panic), leaves with the policy's headers.
///
/// Wrap it **around** the router. `Router::layer` gives the same answers, but there axum boxes the request once
/// more. `with_state` makes handlers services once and for all, which axum does by itself only for a router that it
/// serves without anything around:
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use std::net::SocketAddr;
///
/// use axum::{Router, ServiceExt, extract::Request, routing::get};
/// use bartizan::{BartizanLayer, Layer as _};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let router = Router::new().route("/hello", get(|| async { "hello" })).with_state(());
/// let app = BartizanLayer::from_policy_file("bartizan.toml")?.layer(router);
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app)).await?;
/// # Ok(())
/// # }
/// ```
///
/// The peer's address is axum's `ConnectInfo<SocketAddr>` or a [`PeerAddr`](crate::PeerAddr) among the request's
/// extensions. Without one no proxy is trusted, and nobody's forwarded headers are believed.
///
/// `B` says how bodies travel: `AxumBodies` for axum ([`new`](BartizanLayer::new)), [`AnyBodies`] for any
/// other service ([`for_any_body`](BartizanLayer::for_any_body)).
pub struct BartizanLayer<B> {
    shared: Arc<Shared>,
    bodies: PhantomData<fn() -> B>,
}

#[cfg(feature = "axum")]
impl BartizanLayer<crate::body::AxumBodies> {
    /// A layer for axum, and for any service whose bodies are [`axum::body::Body`].
    pub fn new(engine: Engine) -> Self {
        Self::with(engine)
    }

    /// The same from a policy file; [`PolicyFile`](crate::PolicyFile) tells what is read besides it.
    pub fn from_policy_file(path: impl Into<std::path::PathBuf>) -> Result<Self, crate::PolicyFileError> {
        crate::PolicyFile::new(path).load().map(Self::new)
    }
}

impl BartizanLayer<AnyBodies> {
    /// A layer for a service of any other kind: it gets its bodies as [`RequestBody`](crate::RequestBody), and its responses leave
    /// as [`ResponseBody`](crate::ResponseBody).
    pub fn for_any_body(engine: Engine) -> Self {
        Self::with(engine)
    }
}

impl<B> BartizanLayer<B> {
    fn with(engine: Engine) -> Self {
        let prepared = headers::prepare(&engine);
        let shared = Shared {
            engine,
            prepared,
            finished: Arc::default(),
            store: Arc::new(WithLocalLimits::new(NoStore)),
            scheme: Scheme::Http,
        };
        Self { shared: Arc::new(shared), bodies: PhantomData }
    }

    /// Who answers for credentials. Without it no credential can be checked, and what needs one stays closed. Rate limits
    /// are counted in this process without it, and with it while it [is away](WithLocalLimits).
    #[must_use]
    pub fn store(mut self, store: impl Answers) -> Self {
        Arc::make_mut(&mut self.shared).store = Arc::new(WithLocalLimits::new(store));
        self
    }

    /// Says that the listener in front of this service speaks TLS itself, so that requests came by `scheme`;
    /// [`Scheme::Http`] unless said. Behind a proxy that speaks TLS leave it, and name the proxy in the policy.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        Arc::make_mut(&mut self.shared).scheme = scheme;
        self
    }
}

impl<B> Clone for BartizanLayer<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), bodies: PhantomData }
    }
}

impl<B> fmt::Debug for BartizanLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BartizanLayer").field("scheme", &self.shared.scheme).finish_non_exhaustive()
    }
}

impl<S, B> Layer<S> for BartizanLayer<B> {
    type Service = BartizanService<S, B>;

    fn layer(&self, inner: S) -> BartizanService<S, B> {
        BartizanService { inner, shared: Arc::clone(&self.shared), bodies: PhantomData }
    }
}

/// A service behind a policy; [`BartizanLayer`] makes it.
///
/// The inner service is cloned only for requests about which a store or a form has to be waited for.
pub struct BartizanService<S, B> {
    inner: S,
    shared: Arc<Shared>,
    bodies: PhantomData<fn() -> B>,
}

impl<S: Clone, B> Clone for BartizanService<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared), bodies: PhantomData }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for BartizanService<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BartizanService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, I, O> Service<Request<I>> for BartizanService<S, B>
where
    B: RequestBodies<I> + ResponseBodies<O>,
    S: Service<Request<<B as RequestBodies<I>>::Body>, Response = Response<O>> + Clone,
    I: Body + Send + 'static,
    I::Data: Send,
    I::Error: Into<BoxError>,
{
    type Response = Response<<B as ResponseBodies<O>>::Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, I, O>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        let target = connection::target(request.uri(), request.extensions());
        let seen = Seen::of(&request, target);
        let asks = match self.shared.judge(&request, target, seen.peer) {
            Ok(decision) => {
                return ResponseFuture::settled(&self.shared, decision, seen, request, &mut self.inner);
            }
            Err(asks) => asks,
        };
        // The service that was polled ready is the one to call; its clone waits for the next request.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::asking(&self.shared, asks, request, seen, inner)
    }
}
