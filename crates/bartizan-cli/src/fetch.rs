//! A small HTTP client: it reads a document of a running application, over plain http.

use std::time::Duration;

use thiserror::Error;
use ureq::Agent;

/// No OpenAPI document is longer than this; what is, is not read into memory.
const LONGEST: u64 = 32 << 20;

/// How long a running application may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a URL could not be fetched.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// Not an `http://` URL.
    #[error("cannot fetch {url}: this build speaks plain http only")]
    Scheme { url: String },
    /// Nobody answers.
    #[error("cannot fetch {url}: {}", reason(.error))]
    Unreachable { url: String, error: ureq::Error },
    /// An answer other than 200.
    #[error("{url} answers with status {status}")]
    Status { url: String, status: u16 },
}

impl FetchError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Scheme { url } => {
                format!("save the document first (curl -o openapi.json {url}) and name the file")
            }
            Self::Unreachable { .. } => "is the application running, and is this its address?".into(),
            Self::Status { .. } => {
                "is this the application's address, and does it publish this document?".into()
            }
        }
    }
}

/// What the operating system said, without who passed it on.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The body of `url`, as text.
pub(crate) fn text(url: &str) -> Result<String, FetchError> {
    if !url.starts_with("http://") {
        return Err(FetchError::Scheme { url: url.to_owned() });
    }
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // A redirect is shown as the status it is: what is read is what was named.
        .max_redirects(0)
        .http_status_as_error(false)
        // A document of an application on this machine is not fetched by way of somebody else's.
        .proxy(None)
        .user_agent(concat!("bartizan/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let unreachable = |error| FetchError::Unreachable { url: url.to_owned(), error };
    let mut response = agent.get(url).call().map_err(unreachable)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status { url: url.to_owned(), status });
    }
    response.body_mut().with_config().limit(LONGEST).read_to_string().map_err(unreachable)
}
