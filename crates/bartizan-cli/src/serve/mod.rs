//! `bartizan serve`: stands in front of an application.

mod banner;
pub(crate) mod keys;
pub(crate) mod shutdown;
mod token_keys;

use std::{mem, sync::Arc};

use bartizan::Answers;
use bartizan_core::{PolicyError, policy::StoreUrl};
use bartizan_gateway::{Drained, Gateway, GatewayConfig, GatewayError};
use bartizan_store::StoreOptions;
use thiserror::Error;

use crate::{
    Outcome,
    arguments::ServeArguments,
    diagnostics,
    failure::Failure,
    log,
    policy::{self, Loaded, Source},
    secrets::{MissingSecrets, Secrets},
    serve::{
        banner::{Facts, State},
        keys::KeyError,
        shutdown::Shutdown,
        token_keys::TokenKeysError,
    },
    store::{OpenError, OpenStore},
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
    #[error(transparent)]
    Secrets(#[from] MissingSecrets),
    /// What the store says.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// No keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The policy is right without keys and wrong with them: a fault of ours.
    #[error("the policy cannot be used with keys: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policy(Vec<PolicyError>),
    /// No keys for tokens.
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
    /// What the gateway says.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl StartError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NothingToProtect => Some("bartizan serve --upstream http://127.0.0.1:8000".into()),
            Self::Tls => Some(
                "terminate TLS in front of Bartizan (nginx, Caddy, a load balancer), name that proxy in [proxy] trusted \
                 with forwarded = { proto = \"x-forwarded-proto\" }, and remove [server.tls]"
                    .into(),
            ),
            Self::Store(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::TokenKeys(error) => error.hint(),
            _ => None,
        }
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(arguments: &ServeArguments) -> Result<Outcome, Failure> {
    let source = match Source::find(arguments.policy.policy.as_deref())? {
        Some(source) => source,
        None if arguments.upstream.is_some() => Source::built_in(),
        None => return Err(StartError::NothingToProtect.into()),
    };
    let profile = policy::profile_name(arguments.policy.profile.profile.as_deref());
    // Keys are made once nothing is wrong with the policy.
    let mut loaded = match policy::load(&source, profile, arguments.listen, policy::stand_in_keys())? {
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
    // Before the store is opened, which may have something to say.
    let flush = log::install(arguments.log_format, arguments.log.as_deref(), arguments.access_log)?;
    let served = serve(&source, profile, &mut loaded);
    flush.wait();
    match served?.cut {
        0 => terminal::print_error("stopped: every request was answered\n"),
        cut => terminal::print_error(&format!(
            "stopped: {} had not ended in time\n",
            terminal::count(cut, "connection")
        )),
    }
    Ok(Outcome::Fine)
}

fn serve(source: &Source, profile: Option<&str>, loaded: &mut Loaded) -> Result<Drained, StartError> {
    let policy = &loaded.document.policy;
    if policy.server.tls.is_some() {
        return Err(StartError::Tls);
    }
    let mut secrets = Secrets::read(policy, loaded.document.development())?;
    let options = mem::take(&mut secrets.store).options(policy);
    let store = options.as_ref().map(OpenStore::open).transpose()?;
    let url = options.as_ref().map(StoreOptions::url);
    let drained = serve_with(store.as_ref(), url, secrets, source, profile, loaded);
    // Also where it could not listen: a store that is left open leaves its log beside its file.
    if let Some(store) = store {
        store.close();
    }
    drained
}

fn serve_with(
    store: Option<&OpenStore>,
    url: Option<&StoreUrl>,
    secrets: Secrets,
    source: &Source,
    profile: Option<&str>,
    loaded: &mut Loaded,
) -> Result<Drained, StartError> {
    let (keys, kept_in) = keys::read(&secrets, url)?;
    loaded.use_keys(keys.clone()).map_err(StartError::Policy)?;

    let mut config = GatewayConfig::new(&loaded.document.policy, loaded.engine.clone())?;
    if let Some(token) = secrets.upstream_token {
        config = config.upstream_token(token);
    }
    let issuers = loaded.engine.issuers();
    let authorities = &secrets.issuer_authorities;
    let token_keys =
        issuers.map(|issuers| token_keys::open(store, issuers, authorities, keys.clone())).transpose()?;
    if let Some(token_keys) = &token_keys {
        config = config.store(Arc::clone(&token_keys.answers));
    } else if let Some(store) = store {
        config = config.store(Arc::clone(store.store()) as Arc<dyn Answers>);
    }
    if policy::has_credentials(&loaded.document.policy) {
        config = config.assertions(keys, &loaded.issuer());
    }
    let bound = Gateway::bind(config)?;

    // From here on it listens, for clients and for signals; what is said is true.
    let shutdown = Shutdown::listen();
    terminal::print_error(&banner::text(&Facts {
        source,
        profile,
        document: &loaded.document,
        engine: &loaded.engine,
        address: bound.local_addr(),
        state: url.map(|url| State { url, keys: &kept_in }),
    }));
    if let Some(store) = store {
        store.prune_regularly();
    }
    Ok(bound.run(shutdown.requested())?)
}
