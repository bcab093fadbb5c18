//! `bartizan demo`: the reference API, a site that attacks it, and the page that shows both.

mod banner;
mod browser;

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use reference_api::{
    DatabaseSettings, OpenError, Opened, ReferenceApi, Settings, StoreSettings,
    lab::{Addresses, Lab, LabError},
};
use thiserror::Error;
use tokio::{
    runtime::{self, Runtime},
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    Outcome,
    arguments::{DemoArguments, LogFormat},
    demo::banner::Facts,
    failure::Failure,
    log,
    serve::shutdown::Shutdown,
    terminal,
};

/// Holds the password of `--store`.
const STORE_PASSWORD: &str = "BARTIZAN_DEMO_STORE_PASSWORD";

/// How long requests may go on after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(5);

/// How long what is kept may take to be closed.
const CLOSING: Duration = Duration::from_secs(5);

/// Why the demo cannot run.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// Both ports are one.
    #[error("the attacker's site needs a port of its own, and both are {0}")]
    SamePort(u16),
    /// A port cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    /// The application.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// What runs it.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// A listener failed.
    #[error("cannot go on listening: {0}")]
    Serve(io::Error),
}

impl DemoError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::SamePort(_) => Some("bartizan demo --port 8080 --attacker-port 8081".into()),
            Self::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
                Some("another program has this port; take others: bartizan demo --port 9000 --attacker-port 9001".into())
            }
            Self::Listen { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 are for the system; take others: bartizan demo --port 9000 --attacker-port 9001".into())
            }
            Self::Open(OpenError::Folder { .. }) => Some("bartizan demo --data DIR keeps everything in another folder".into()),
            Self::Open(OpenError::Database(_) | OpenError::MasterKey(_) | OpenError::Store(_)) => Some(
                "bartizan demo --data DIR begins with a new folder; what --database and --store name has to answer"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// Runs it until it is told to stop.
pub(crate) fn run(arguments: &DemoArguments) -> Result<Outcome, Failure> {
    // The ports first: what is said of them is said at once, and nothing was made yet.
    let listeners = Listeners::bind(arguments)?;
    let flush = log::install(LogFormat::Auto, None, false)?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build().map_err(DemoError::Runtime)?;
    let served = runtime.block_on(serve(arguments, listeners));
    finish(runtime);
    flush.wait();
    served?;
    terminal::print_error("stopped\n");
    Ok(Outcome::Fine)
}

/// Lets the stores write down what they have not: they end in tasks of their own, once nobody holds them any more.
fn finish(runtime: Runtime) {
    let metrics = runtime.metrics();
    runtime.block_on(async {
        let deadline = Instant::now() + CLOSING;
        while metrics.num_alive_tasks() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(2)).await;
        }
    });
    runtime.shutdown_background();
}

async fn serve(arguments: &DemoArguments, listeners: Listeners) -> Result<(), DemoError> {
    let addresses = Addresses::of_ports(listeners.api_port, listeners.attacker_port);
    let settings = settings(arguments, &listeners, &addresses);
    let is_new = !arguments.data.exists();
    let Opened { api, accounts, .. } = ReferenceApi::open(&settings).await?;
    if is_new {
        // It holds keys, and may stand in somebody's repository. Where it cannot be written, nothing is worse than without.
        let _ = fs::write(arguments.data.join(".gitignore"), "*\n");
    }
    let served = serve_api(arguments, listeners, &api, addresses, &accounts).await;
    // Also where it could not listen: a database that is left open leaves its log beside its file.
    api.close().await;
    served
}

async fn serve_api(
    arguments: &DemoArguments,
    listeners: Listeners,
    api: &ReferenceApi,
    addresses: Addresses,
    accounts: &[reference_api::NewPassword],
) -> Result<(), DemoError> {
    let lab = Lab::around(api, addresses.clone())?;
    let (api, attacker) = listeners.into_tokio()?;
    // From here on it listens, for clients and for signals; what is said is true.
    let shutdown = Shutdown::listen();
    terminal::print_error(&banner::text(&Facts {
        addresses: &addresses,
        data: &std::path::absolute(&arguments.data).unwrap_or_else(|_| PathBuf::from(&arguments.data)),
        database: if arguments.database.is_some() { "Postgres" } else { "SQLite" },
        store: arguments.store.as_ref(),
        accounts,
    }));
    if arguments.open {
        let url = addresses.api.clone();
        browser::open(&addresses.api, move |why| {
            terminal::print_error(&format!("no browser could be opened ({why}); open {url} yourself\n"));
        });
    }
    let stopping = Arc::new(Notify::new());
    let told = Arc::clone(&stopping);
    let stop = async move {
        shutdown.requested().await;
        told.notify_one();
    };
    let too_long = async {
        stopping.notified().await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        served = lab.serve(api, attacker, stop) => served.map_err(DemoError::Serve),
        () = too_long => Ok(()),
    }
}

fn settings(arguments: &DemoArguments, listeners: &Listeners, addresses: &Addresses) -> Settings {
    // Without the environment of this process: what is there for another Bartizan is not meant for this one.
    let mut settings = Settings::new(&arguments.data).origin(&addresses.api);
    settings.profile = Some("demo".into());
    settings.listen = (Ipv4Addr::LOCALHOST, listeners.api_port).into();
    if let Some(url) = &arguments.database {
        settings.database = DatabaseSettings::Postgres(url.0.clone().into());
    }
    settings.store = arguments
        .store
        .clone()
        .map(|url| StoreSettings { url, password: std::env::var(STORE_PASSWORD).ok().map(Into::into) });
    settings
}

/// Both listeners, on this machine alone.
struct Listeners {
    api: TcpListener,
    api_port: u16,
    attacker: TcpListener,
    attacker_port: u16,
}

impl Listeners {
    fn bind(arguments: &DemoArguments) -> Result<Self, DemoError> {
        if arguments.port == arguments.attacker_port && arguments.port != 0 {
            return Err(DemoError::SamePort(arguments.port));
        }
        let (api, api_port) = bind(arguments.port)?;
        let (attacker, attacker_port) = bind(arguments.attacker_port)?;
        Ok(Self { api, api_port, attacker, attacker_port })
    }

    fn into_tokio(self) -> Result<(tokio::net::TcpListener, tokio::net::TcpListener), DemoError> {
        let convert = |listener: TcpListener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        let both = convert(self.api).and_then(|api| Ok((api, convert(self.attacker)?)));
        both.map_err(DemoError::Runtime)
    }
}

fn bind(port: u16) -> Result<(TcpListener, u16), DemoError> {
    let listen = |address: SocketAddr| {
        TcpListener::bind(address).map_err(|error| DemoError::Listen { address, error })
    };
    // `localhost` may be either. What listens on the other would be met in the place of this one.
    match listen((Ipv6Addr::LOCALHOST, port).into()) {
        Err(DemoError::Listen { address, error }) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(DemoError::Listen { address, error });
        }
        // Taken by nobody; or there is no IPv6 here.
        Ok(_) | Err(_) => {}
    }
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let listener = listen(address)?;
    let port = listener.local_addr().map_err(|error| DemoError::Listen { address, error })?.port();
    Ok((listener, port))
}
