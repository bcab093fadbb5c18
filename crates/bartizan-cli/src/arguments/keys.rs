//! What a person types of keys: `bartizan keys`.

use std::{path::PathBuf, time::Duration};

use bartizan_core::{Timestamp, policy};
use clap::{Args, Subcommand};

use super::PolicyArguments;
use crate::when;

/// See and turn the key ring: the keys that tokens are signed with
///
/// The ring is kept in the store that the policy names, and turns by itself while `bartizan serve` runs: each key is
/// published before it signs, signs for as long as [jwt] says, and verifies until its last token has ended. These commands
/// do by hand what the schedule does, and what it does not: every node follows without a restart.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys list
  bartizan keys rotate                            the standby takes over, and nobody notices
  bartizan keys revoke mC6DqdUvW_c5Py1I           nothing that it signed counts any more
  bartizan keys import private.pem                sign with a key that verifiers know already
  bartizan keys export-jwks > jwks.json")]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    List(KeysListArguments),
    Rotate(KeysRotateArguments),
    Revoke(KeysRevokeArguments),
    Import(KeysImportArguments),
    ExportJwks(KeysExportArguments),
}

/// List the keys of the ring: which signs, which stands ready, which still verifies, and when that changes
///
/// On a terminal as a table with the timeline below it; elsewhere, and with --json, as one JSON object a line. It needs
/// no master key, and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys list
  bartizan keys list --json | jq -r 'select(.state == \"active\") | .kid'

States:
  pending      published, so that verifiers know it, and not signing yet
  active       signs
  verify-only  signs no more; tokens that it signed are good still
  retired      nothing that it signed is good any more; the ring forgets it
  revoked      nothing that it signed counts")]
pub(crate) struct KeysListArguments {
    /// Print JSON lines, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Let the standby take over now, without anybody noticing
///
/// The standby has been published, so verifiers know it; the key before signs until every node has read the change, and
/// verifies until its last token has ended. No token is refused for it. Where a standby was published only just now, it
/// takes over as soon as verifiers know it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys rotate
  bartizan keys rotate && bartizan keys list

By schedule: write `rotate_every = \"30d\"` into [jwt], and every node sees to it.
After a leak: `bartizan keys revoke` instead, for a key that was rotated verifies still.")]
pub(crate) struct KeysRotateArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Revoke a key: nothing that it signed counts any more, and the standby signs at once
///
/// For a key that may be in somebody's hands. All that hold a token of it must have a new one. On a terminal it asks
/// first. It cannot be taken back.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys revoke mC6DqdUvW_c5Py1I
  bartizan keys revoke mC6DqdUvW_c5Py1I --yes

Where nothing has leaked, `bartizan keys rotate` does it without anybody noticing.
The exit code is 1 where the ring has no such key, and where the answer was no.")]
pub(crate) struct KeysRevokeArguments {
    /// The key's kid, or how it begins: at least 8 characters, as `bartizan keys list` shows them
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    pub(crate) kid: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Take over a key that others know: an application moves here without a token refused
///
/// With --for or --verify-only-until it verifies tokens that are out, and never signs: for those that an application
/// signed before it moved here. Without, it signs too: at once where there is no ring yet, else after the keys that are
/// there.
///
/// PEM (a private key of PKCS #8, PKCS #1 or SEC 1, or a public one) and JWK are told apart by themselves. A public key
/// verifies only. A secret as it stands in an application's settings needs --secret; HS256 secrets are never published.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys import --secret env://SECRET_KEY --legacy --for 30d    for the tokens that are out
  bartizan keys import private.pem                                     to sign with it
  bartizan keys import public.pem --kid 2024-01 --for 12h
  vault kv get -field=jwk secret/jwt | bartizan keys import -")]
pub(crate) struct KeysImportArguments {
    #[arg(
        value_name = "FILE",
        help = "A file with one key, as PEM or JWK; - is standard input. With --secret also env://NAME"
    )]
    pub(crate) file: PathBuf,
    /// The file is the secret itself, for HS256: its bytes, without a last line feed
    #[arg(long)]
    pub(crate) secret: bool,
    /// What its tokens name it by; else the JWK's kid, or its thumbprint, or for a secret something random
    #[arg(long, value_name = "KID")]
    pub(crate) kid: Option<String>,
    /// Its tokens may lack kid, iss and aud, and have the type JWT: those of an app made by a tutorial
    #[arg(long)]
    pub(crate) legacy: bool,
    /// It only verifies, for this long: until the last token made with it ends
    #[arg(long = "for", value_name = "SPAN", value_parser = span, conflicts_with = "until")]
    pub(crate) span: Option<Duration>,
    /// It only verifies, until then: 2026-12-31, or 2026-12-31T18:00:00Z
    #[arg(long = "verify-only-until", id = "until", value_name = "TIME", value_parser = when::instant)]
    pub(crate) until: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Print the public keys, as /.well-known/jwks.json has them
///
/// A JWK set (RFC 7517): the keys that sign, are going to, or verify still. HS256 secrets are not in it. It needs no
/// master key, and changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan keys export-jwks > jwks.json
  bartizan keys export-jwks | jq -r '.keys[].kid'
  bartizan token inspect - --jwks jwks.json < token.txt")]
pub(crate) struct KeysExportArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// `30d`, as in the policy.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let span = policy::Duration::parse(text).map_err(|fault| fault.to_string())?.0;
    if span.is_zero() { Err("no time at all; write a time span, such as 30d".into()) } else { Ok(span) }
}
