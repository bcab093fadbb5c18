//! `bartizan serve`: stands in front of an application.

mod banner;
mod secrets;
mod shutdown;

use bartizan_gateway::{Gateway, GatewayConfig, GatewayError};
use thiserror::Error;

use crate::{
    Outcome,
    arguments::ServeArguments,
    diagnostics,
    failure::Failure,
    log,
    policy::{self, Loaded, Source},
    serve::{
        secrets::{Missing, Secrets},
        shutdown::Shutdown,
    },
    terminal,
};

/// Why the gateway cannot start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// No policy and no upstream.
    #[error("nothing says what to protect: there is no bartizan.toml in this folder, and no --upstream")]
    NothingToProtect,
    /// `[server.tls]`.
    #[error("the policy has [server.tls], and this build cannot serve TLS yet")]
    Tls,
    /// Secrets that cannot be had.
    #[error("{}", list(.0))]
    Secrets(Vec<Missing>),
    /// What the gateway says.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl StartError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NothingToProtect => "bartizan serve --upstream http://127.0.0.1:8000".into(),
            Self::Tls => "terminate TLS in front of Bartizan (nginx, Caddy, a load balancer), name that proxy in \
                          [proxy] trusted with forwarded = { proto = \"x-forwarded-proto\" }, and remove [server.tls]"
                .into(),
            _ => return None,
        })
    }
}

fn list(missing: &[Missing]) -> String {
    let lines: Vec<String> = missing.iter().map(ToString::to_string).collect();
    format!("{} cannot be read:\n  {}", terminal::count(missing.len(), "secret"), lines.join("\n  "))
}

/// Serves until it is told to stop.
pub(crate) fn run(arguments: &ServeArguments) -> Result<Outcome, Failure> {
    let source = match Source::find(arguments.policy.policy.as_deref())? {
        Some(source) => source,
        None if arguments.upstream.is_some() => Source::built_in(),
        None => return Err(StartError::NothingToProtect.into()),
    };
    let profile = policy::profile_name(arguments.policy.profile.profile.as_deref());
    let mut loaded = match policy::load(&source, profile, arguments.listen)? {
        Ok(loaded) => loaded,
        Err(faults) => {
            diagnostics::print(&source, &faults);
            return Ok(Outcome::Faults);
        }
    };
    let written = &mut loaded.document.policy;
    if let Some(upstream) = &arguments.upstream {
        written.server.upstream = Some(upstream.clone());
    }
    written.server.listen = Some(loaded.listen.to_string());
    let config = configure(&loaded)?;
    let bound = Gateway::bind(config).map_err(StartError::from)?;

    // From here on it listens, for clients and for signals; what is said is true.
    let shutdown = Shutdown::listen();
    let flush = log::install(arguments.log_format, arguments.log.as_deref(), arguments.access_log)?;
    terminal::print_error(&banner::text(&banner::Facts {
        source: &source,
        profile,
        document: &loaded.document,
        engine: &loaded.engine,
        address: bound.local_addr(),
    }));
    let drained = bound.run(shutdown.requested()).map_err(StartError::from);
    flush.wait();
    match drained?.cut {
        0 => terminal::print_error("stopped: every request was answered\n"),
        cut => terminal::print_error(&format!(
            "stopped: {} had not ended in time\n",
            terminal::count(cut, "connection")
        )),
    }
    Ok(Outcome::Fine)
}

fn configure(loaded: &Loaded) -> Result<GatewayConfig, StartError> {
    let policy = &loaded.document.policy;
    if policy.server.tls.is_some() {
        return Err(StartError::Tls);
    }
    let secrets = Secrets::read(policy, loaded.document.development()).map_err(StartError::Secrets)?;
    let mut config = GatewayConfig::new(policy, loaded.engine.clone())?;
    if let Some(token) = secrets.upstream_token {
        config = config.upstream_token(token);
    }
    Ok(config)
}
