//! What a person types of API keys: `bartizan api-key`.

use std::time::Duration;

use bartizan_core::api_key::KeyId;
use clap::{Args, Subcommand};

use super::{
    PolicyArguments,
    keys::span,
    token::{Scopes, scopes},
};

/// Make, list, replace and revoke API keys, in the store that the policy names
///
/// The store keeps a hash of each key, so none can be shown again. Every node follows without a restart.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan api-key create --owner ci --scope 'orders:read' --expires 90d
  bartizan api-key list
  bartizan api-key rotate 3kTmNRWzWxI8HM7DyMRK2q     both keys are good until the grace ends
  bartizan api-key revoke 3kTmNRWzWxI8HM7DyMRK2q     refused from the next request on")]
pub(crate) struct ApiKeyArguments {
    #[command(subcommand)]
    pub(crate) command: ApiKeyCommand,
}

/// What is done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    Create(ApiKeyCreateArguments),
    List(ApiKeyListArguments),
    Rotate(ApiKeyRotateArguments),
    Revoke(ApiKeyRevokeArguments),
}

/// Make an API key, and show it once
///
/// The key alone goes to standard output, so that it can be piped to where it is kept; what is to be known of it goes to
/// standard error.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan api-key create --owner ci --name 'nightly backup' --scope 'orders:read' --expires 90d
  bartizan api-key create --owner ci | gh secret set API_KEY")]
pub(crate) struct ApiKeyCreateArguments {
    /// Whose it is: the subject that requests with it have
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: String,
    /// What its owner calls it
    #[arg(long, value_name = "NAME", default_value = "unnamed")]
    pub(crate) name: String,
    /// What may be done with it, with spaces between; may be repeated
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    pub(crate) scope: Vec<Scopes>,
    /// When it ends, from now on; never, where nothing is said
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) expires: Option<Duration>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// List API keys: whose, what for, when they were used, and until when they are good
///
/// On a terminal as a table; elsewhere, and with --json, as one JSON object a line. LAST USED is written at most once an
/// hour.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan api-key list
  bartizan api-key list --owner ci --all
  bartizan api-key list --json | jq -r 'select(.last_used == null) | .id'")]
pub(crate) struct ApiKeyListArguments {
    /// Only those of this owner
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: Option<String>,
    /// Also those that have ended or were revoked
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON lines, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Replace an API key: the new one is shown once, and the old one is good until its grace ends
///
/// The new key has the old one's owner and name, and at most its scopes. The old one never lives longer than it would
/// have. Without an ID the one key that is active is meant; where there are several, nothing is done.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan api-key rotate 3kTmNRWzWxI8HM7DyMRK2q
  bartizan api-key rotate --owner ci --grace 1h | gh secret set API_KEY")]
pub(crate) struct ApiKeyRotateArguments {
    /// The key's id, as `bartizan api-key list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: Option<KeyId>,
    /// Without an ID: the one key of this owner that is active
    #[arg(long, value_name = "OWNER", conflicts_with = "id")]
    pub(crate) owner: Option<String>,
    /// What may be done with the new key: some of what could be done with the old one; all of it where nothing is said
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    pub(crate) scope: Vec<Scopes>,
    /// When the new key ends, from now on; where nothing is said, it lives as long as the old one was to
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) expires: Option<Duration>,
    /// How long the old key is good, instead of what the policy says
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) grace: Option<Duration>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Revoke an API key: the next request with it is refused
///
/// On a terminal it asks first. It cannot be taken back.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan api-key revoke 3kTmNRWzWxI8HM7DyMRK2q
  bartizan api-key revoke 3kTmNRWzWxI8HM7DyMRK2q --yes

The exit code is 1 where there is no such key, and where the answer was no.")]
pub(crate) struct ApiKeyRevokeArguments {
    /// The key's id, as `bartizan api-key list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: KeyId,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}
