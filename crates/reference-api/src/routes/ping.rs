//! `GET /ping?host=`: the system's `ping`, started without a shell, with an address that was looked up once.

use std::time::Duration;

use axum::{Json, extract::State};
use bartizan::Authenticated;
use bartizan_sinks::command::{
    Command, CommandError, Hostname, PrivateAddresses, ResolveError, SystemResolver,
};
use http::StatusCode;
use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ReferenceApi,
    body::Query,
    fields::{Fields, FromFields, Text},
    problem::{Document, Problem},
};

/// How long a host's name may take to be found.
const LOOKUP: Duration = Duration::from_secs(3);

/// How much it may write, in bytes.
const OUTPUT: usize = 4096;

/// How many hosts are asked at once: each takes a process and a thread, and a caller's rate limit is a limit of each of
/// their API keys.
pub(crate) const AT_ONCE: usize = 8;

/// The profiles in which this machine itself may be asked for.
const ON_THIS_MACHINE: [&str; 2] = ["demo", "development"];

/// Which host.
pub(crate) struct Host {
    host: String,
}

impl FromFields for Host {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { host: fields.text("host", Text::Any, 0..=1_000)? })
    }
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pinged {
    /// The host, as it was asked for.
    host: String,
    /// The address that was asked.
    address: String,
    /// Whether it answered.
    reachable: bool,
    /// What `ping` wrote.
    output: String,
}

/// Asks the host whether it is there.
#[utoipa::path(
    get,
    path = "/ping",
    tag = "network",
    security(("session" = []), ("token" = []), ("api_key" = [])),
    params(("host" = String, Query, max_length = 1_000, description = "A name or an address.")),
    responses(
        (status = 200, description = "Whether it answered.", body = Pinged),
        (status = 400, description = "It is no host, or none that is asked from here.", body = Document),
        (status = 401, description = "No credential.", body = Document),
        (status = 404, description = "There is no such host.", body = Document),
        (status = 422, description = "There is no host.", body = Document),
        (status = 429, description = "Too many.", body = Document),
        (status = 503, description = "This machine has no `ping`, or asks as many hosts as it may.", body = Document),
        (status = 504, description = "It took too long.", body = Document),
    )
)]
pub(crate) async fn ping(
    State(api): State<ReferenceApi>,
    _caller: Authenticated,
    Query(Host { host }): Query<Host>,
) -> Result<Json<Pinged>, Problem> {
    let hostname = Hostname::parse(&host).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "ping.host", format!("This is no host: {error}."))
    })?;
    let _turn = api.pings().try_acquire().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ping.busy",
            "Too many hosts are being asked now; try again in a second.",
        )
    })?;
    let resolver = SystemResolver::new().within(LOOKUP);
    let pinned = hostname.resolve(&resolver, &allowed(api.profile())).await.map_err(not_resolved)?;
    let command = Command::new(api.ping_program())
        .map_err(|error| Problem::internal(&error))?
        .argument("-n")
        .argument("-c")
        .argument("1")
        .argument("-W")
        .argument("2")
        .operand(pinned.address())
        .timeout(api.ping_timeout())
        .output_limit(OUTPUT);
    let (reachable, output) = match command.run().await {
        Ok(output) => (true, output),
        Err(CommandError::Failed { output, .. }) => (false, output),
        Err(error) => return Err(not_run(error)),
    };
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Json(Pinged { host, address: pinned.address().to_string(), reachable, output }))
}

/// Nothing that is not public, so that nobody maps the network from here; and this machine where that is all there is.
fn allowed(profile: &str) -> PrivateAddresses {
    if !ON_THIS_MACHINE.contains(&profile) {
        return PrivateAddresses::refuse();
    }
    let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse::<IpNet>().ok());
    PrivateAddresses::dangerously_allow(loopback)
}

fn not_resolved(error: ResolveError) -> Problem {
    match error {
        ResolveError::Unknown { .. } => Problem::not_found("There is no such host."),
        // Not at which address it is.
        ResolveError::NotPublic { .. } => {
            Problem::new(StatusCode::BAD_REQUEST, "ping.not-public", "This host is not asked from here.")
        }
        ResolveError::TimedOut { .. } => too_long(),
        error => {
            tracing::warn!(target: "reference_api", %error, "a host cannot be looked up");
            Problem::unavailable("No host can be looked up now; try again.")
        }
    }
}

fn not_run(error: CommandError) -> Problem {
    match error {
        CommandError::NotFound { .. } => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ping.absent",
            "The machine that this runs on has no `ping`; its operator can install one.",
        ),
        CommandError::TimedOut { .. } => too_long(),
        error => Problem::internal(&error),
    }
}

fn too_long() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "ping.timeout", "It took too long, and was ended.")
}
