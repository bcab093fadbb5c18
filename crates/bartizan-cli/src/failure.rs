//! Why a command could not do its work.

use std::{fmt::Write as _, io, path::PathBuf};

use thiserror::Error;

use crate::terminal;

/// Why a command could not do its work. Faults that were found in a policy are no failure: the command has done
/// its work then, and has printed them.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Standard output is gone.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// Standard input cannot be read.
    #[error("cannot read the answer: {0}")]
    Input(#[source] io::Error),
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    /// There is no policy to work on.
    #[error("there is no bartizan.toml in this folder")]
    NoPolicy,
    /// The file to be written is there already.
    #[error("{} exists already, and was left as it is", .0.display())]
    Exists(PathBuf),
    /// A URL could not be fetched.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::FetchError),
    /// A document is not what it should be.
    #[error(transparent)]
    OpenApi(#[from] crate::openapi::OpenApiError),
    /// The request of `explain` cannot be.
    #[error(transparent)]
    Request(#[from] crate::request::RequestError),
    /// The gateway cannot start.
    #[error(transparent)]
    Start(#[from] crate::serve::StartError),
    /// There is nothing to administer.
    #[error(transparent)]
    Deployment(#[from] crate::deployment::DeploymentError),
    /// Sessions cannot be listed or ended.
    #[error(transparent)]
    Session(#[from] crate::session::SessionError),
    /// The key ring cannot be seen or changed.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    /// API keys cannot be listed or changed.
    #[error(transparent)]
    ApiKey(#[from] crate::api_key::ApiKeyFailure),
    /// A token cannot be made or judged.
    #[error(transparent)]
    Token(#[from] crate::token::TokenFailure),
    /// The demo cannot run.
    #[cfg(feature = "demo")]
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    /// An override is not text.
    #[error("the environment variable {0} is not valid UTF-8")]
    Variable(String),
}

impl Failure {
    /// Says it on standard error, with what to do about it.
    pub(crate) fn print(&self) {
        let mut text = format!("{}: {self}\n", terminal::paint(terminal::BAD, "error"));
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "  {}: {hint}", terminal::paint(terminal::NAME, "help"));
        }
        terminal::print_error(&text);
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoPolicy => {
                Some("name one, or let `bartizan init --upstream http://127.0.0.1:8000` write one".into())
            }
            Self::Exists(_) => Some("--force replaces it, --output FILE writes another".into()),
            Self::Fetch(error) => Some(error.hint()),
            Self::Start(error) => error.hint(),
            Self::OpenApi(error) => Some(error.hint()),
            Self::Deployment(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::ApiKey(error) => error.hint(),
            Self::Token(error) => error.hint(),
            #[cfg(feature = "demo")]
            Self::Demo(error) => error.hint(),
            _ => None,
        }
    }
}
