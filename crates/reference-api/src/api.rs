//! The instance: opened once, and served.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router, ServiceExt,
    extract::{Request, State},
    routing::get,
};
use bartizan::{
    Answers, BartizanLayer, BartizanService, Engine, Layer as _, OsClock, Store,
    jwt::{
        CaFault, FetchDocument, HttpsFetch, IssuerFault, KeyRing, KeyRingError, Refreshing, WithTokenKeys,
    },
};
use bartizan_core::{
    Clock as _, Deployment,
    keys::Keys,
    policy::{Policy, StoreKind},
};
use bartizan_sinks::password::Passwords;
use bartizan_store::StoreError;
use secrecy::SecretString;
use thiserror::Error;
use tokio::{net::TcpListener, runtime::Handle, sync::Semaphore};

use crate::{
    accounts::{self, NewPassword, SeedError},
    database::{Database, DatabaseError},
    files::{self, Files},
    master_key::{self, MasterKeyError},
    openapi,
    policy::{PolicyFault, PolicySource},
    routes,
    settings::Settings,
    state::{self, Pruning},
};

/// How many passwords are hashed at once: each takes a core and 19 MiB.
const HASHED_AT_ONCE: usize = 2;

/// A running instance of the reference API. Cloning it shares it.
#[derive(Clone)]
pub struct ReferenceApi(Arc<Inner>);

struct Inner {
    source: PolicySource,
    facts: Facts,
    keys: Keys,
    engine: Engine,
    database: Database,
    store: Arc<dyn Store>,
    ring: KeyRing,
    answers: Arc<dyn Answers>,
    passwords: Passwords,
    files: Files,
    openapi: String,
    ping: PathBuf,
    ping_timeout: Duration,
    pings: Semaphore,
    request_timeout: Duration,
    _refreshing: Refreshing,
    _pruning: Pruning,
}

/// What the policy says that handlers need.
pub(crate) struct Facts {
    /// `iss` of our tokens.
    pub(crate) issuer: Box<str>,
    /// `aud` of our tokens.
    pub(crate) audience: Box<str>,
}

/// An instance that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The instance.
    pub api: ReferenceApi,
    /// The accounts that were made at this start, to be shown once; none at any later one.
    pub accounts: Vec<NewPassword>,
}

/// Why an instance cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data folder.
    #[error("the data folder {} cannot be used: {error}; name another, or give this one to the user that runs this", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The application's tables.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The accounts of a first start.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The engine's store.
    #[error("the engine's store: {0}")]
    Store(#[from] StoreError),
    /// The keys of tokens.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// Other issuers cannot be asked.
    #[error("the keys of other issuers cannot be fetched: {0}")]
    Fetch(#[from] CaFault),
    /// An issuer that the policy trusts.
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
}

impl ReferenceApi {
    /// Opens everything that `settings` name, and makes what is not there: the folder, the master key, the tables, the
    /// accounts. Within a tokio runtime that lives as long as the instance.
    pub async fn open(settings: &Settings) -> Result<Opened, OpenError> {
        let folder = make_folder(&settings.data)?;
        let mut source = PolicySource::of(settings)?;
        let key_file = place_state(&mut source, settings, &folder)?;
        let policy = source.read()?;
        let is_development = source.profile() == "development";
        let keys = master_key::read(&policy, |name| source.variable(name), is_development, &key_file)?;
        let (engine, document) = source.engine(&keys, &[])?;
        let policy = document.policy;
        let jwt = policy.jwt.as_ref().ok_or(PolicyFault::Lacks("jwt"))?;
        let issuers = engine.issuers().ok_or(PolicyFault::Lacks("jwt"))?;
        if engine.api_keys().is_none() {
            return Err(PolicyFault::Lacks("api_keys").into());
        }
        if !engine.has_sessions() {
            return Err(PolicyFault::Lacks("session").into());
        }
        let facts = Facts { issuer: jwt.issuer.as_str().into(), audience: jwt.audience.as_str().into() };

        let password = store_password(&policy, &source, is_development)?;
        let store = state::open(settings, &policy, password).await?;
        let ring =
            KeyRing::open(Arc::clone(&store), keys.clone(), issuers.ring().clone(), OsClock.now()).await?;
        let refreshing = ring.refresh_on(&Handle::current());
        let fetch: Arc<dyn FetchDocument> = Arc::new(HttpsFetch::new()?);
        let answers = WithTokenKeys::new(state::answers(&store), ring.clone(), issuers, &fetch)?;

        let database = Database::open(&settings.database, &folder).await?;
        let passwords = Passwords::new(HASHED_AT_ONCE);
        let accounts = accounts::seed(&database, &passwords).await?;
        let origin = policy.origin.public.first().map_or("/", String::as_str);
        let openapi = serde_json::to_string(&openapi::document(origin)).unwrap_or_default();
        let api = Self(Arc::new(Inner {
            facts,
            keys,
            database,
            ring,
            answers: Arc::new(answers),
            passwords,
            files: Files::below(&folder),
            openapi,
            ping: settings.ping.clone(),
            ping_timeout: settings.ping_timeout,
            pings: Semaphore::new(routes::ping::AT_ONCE),
            request_timeout: settings.request_timeout,
            _refreshing: refreshing,
            _pruning: Pruning::of(Arc::clone(&store)),
            store,
            engine,
            source,
        }));
        Ok(Opened { api, accounts })
    }

    /// The routes, with nothing around them.
    pub fn router(&self) -> Router {
        routes::router(self).with_state(self.clone())
    }

    /// The same, where whoever asks for `/profile` is taken for this account: what the policy's cost is measured over,
    /// and nothing to be served to anybody.
    #[doc(hidden)]
    pub fn dangerously_unguarded_router(&self, account: i64, scopes: &'static [&'static str]) -> Router {
        let profile = async move |State(api): State<Self>| {
            routes::profile::own(&api, account, scopes.iter().map(|scope| (*scope).to_owned()).collect())
                .await
        };
        routes::router_with(self, get(profile)).with_state(self.clone())
    }

    /// The routes behind the policy.
    pub fn service(&self) -> BartizanService<Router, bartizan::AxumBodies> {
        self.layer(self.0.engine.clone()).layer(self.router())
    }

    /// The layer of an engine that was built from this instance's policy, with this instance's store.
    pub fn layer(&self, engine: Engine) -> BartizanLayer<bartizan::AxumBodies> {
        BartizanLayer::new(engine).store(Arc::clone(&self.0.answers))
    }

    /// The engine of this instance's policy under an overlay: overrides of single values by their variables' names
    /// (`BARTIZAN__CSP__MODE`) and as TOML.
    pub fn engine(&self, overlay: &[(String, String)]) -> Result<Engine, PolicyFault> {
        self.0.source.engine(&self.0.keys, overlay).map(|(engine, _)| engine)
    }

    /// Serves until the listener fails.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, std::future::pending()).await
    }

    /// Serves until `end`, and then what is under way.
    pub async fn serve_until(
        &self,
        listener: TcpListener,
        end: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let service = self.service();
        let make = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
        axum::serve(listener, make).with_graceful_shutdown(end).await
    }

    /// Lets the standby among the signing keys take over now, without any token refused.
    pub async fn rotate_signing_key(&self) -> Result<(), KeyRingError> {
        self.0.ring.rotate(OsClock.now()).await
    }

    /// Lets go of the database, after what is under way.
    pub async fn close(&self) {
        self.0.database.close().await;
    }

    /// The profile of the policy.
    pub fn profile(&self) -> &str {
        self.0.source.profile()
    }

    /// Its policy.
    pub(crate) fn policy(&self) -> Result<Policy, PolicyFault> {
        self.0.source.read()
    }

    /// Where its policy is used.
    pub(crate) fn deployment(&self) -> Deployment {
        self.0.source.deployment(&self.0.keys)
    }

    /// The application's tables.
    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    /// The engine's store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// How API keys are made and verified; there always is a way, or this would not have opened.
    pub(crate) fn api_keys(&self) -> Option<&bartizan::api_key::ApiKeys> {
        self.0.engine.api_keys()
    }

    /// The keys that tokens are signed with.
    pub(crate) fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// What hashes passwords.
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// What the policy says that handlers need.
    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// The OpenAPI document.
    pub(crate) fn openapi(&self) -> &str {
        &self.0.openapi
    }

    /// Where `ping` is.
    pub(crate) fn ping_program(&self) -> &Path {
        &self.0.ping
    }

    /// How long `ping` may run.
    pub(crate) fn ping_timeout(&self) -> Duration {
        self.0.ping_timeout
    }

    /// Whose turn it is to run `ping`.
    pub(crate) fn pings(&self) -> &Semaphore {
        &self.0.pings
    }

    /// How long a request may take in all.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.0.request_timeout
    }

    /// What people have uploaded.
    pub(crate) fn files(&self) -> &Files {
        &self.0.files
    }
}

impl fmt::Debug for ReferenceApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceApi").field("profile", &self.profile()).finish_non_exhaustive()
    }
}

/// The folder, absolute, for its owner alone where it has to be made.
fn make_folder(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |error| OpenError::Folder { path: path.to_owned(), error };
    files::make(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

/// Says where the engine's state is, where the policy does not; and where the master key is that is made where the policy
/// names none.
fn place_state(source: &mut PolicySource, settings: &Settings, folder: &Path) -> Result<PathBuf, OpenError> {
    if let Some(store) = &settings.store {
        source.set("STORE__URL", toml_string(store.url.as_str()));
    }
    let written = source.read()?.store;
    let named = written.as_ref().and_then(|store| store.url.clone());
    let Some(url) = named else {
        source.set("STORE__URL", toml_string(&state::usual_url(folder)));
        // As `bartizan` itself places it, so that its commands find the key of this instance.
        return Ok(folder.join("state.db.key"));
    };
    let key_file = url.path().map_or_else(|| folder.join("master.key"), |path| format!("{path}.key").into());
    let is_shared = matches!(url.kind(), StoreKind::Postgres | StoreKind::Redis);
    if is_shared && written.is_none_or(|store| store.master_key.is_none()) {
        // Nodes that share a store share the key: whoever starts a second one copies the file.
        master_key::make_file(&key_file)?;
        source.set("STORE__MASTER_KEY", toml_string(&format!("file://{}", key_file.display())));
    }
    Ok(key_file)
}

fn toml_string(text: &str) -> String {
    // A JSON string is a TOML basic string.
    serde_json::Value::from(text).to_string()
}

/// The password that the policy's `[store]` refers to.
fn store_password(
    policy: &Policy,
    source: &PolicySource,
    is_development: bool,
) -> Result<Option<SecretString>, MasterKeyError> {
    let Some(reference) = policy.store.as_ref().and_then(|store| store.password.as_ref()) else {
        return Ok(None);
    };
    let bytes = master_key::resolve(reference, |name| source.variable(name), is_development)?;
    Ok(Some(String::from_utf8_lossy(bytes.trim_ascii()).into_owned().into()))
}
