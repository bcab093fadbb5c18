//! What a person types of tokens: `bartizan token`.

use std::{path::PathBuf, time::Duration};

use bartizan_core::Timestamp;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;

use super::{PolicyArguments, keys::span};
use crate::when;

/// Make a token, see what is in one and whether it is good, or revoke some
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan token issue --subject alice --scope 'orders:read'
  bartizan token inspect - < token.txt
  bartizan token revoke --subject alice")]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Issue(TokenIssueArguments),
    Inspect(TokenInspectArguments),
    Revoke(TokenRevokeArguments),
}

/// Make an access token, signed by the key ring
///
/// The token alone goes to standard output; who has it is let in, so mind where it goes. Its issuer and audience are
/// those of [jwt] in the policy.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan token issue --subject alice --scope 'orders:read orders:write'
  bartizan token issue --subject ci --lifetime 1m --claim tenant=acme --claim 'roles=[\"build\"]'
  curl -H \"Authorization: Bearer $(bartizan token issue --subject alice)\" http://127.0.0.1:8080/")]
pub(crate) struct TokenIssueArguments {
    /// Whom it speaks for
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    pub(crate) subject: String,
    /// What it may be used for, with spaces between; may be repeated
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    pub(crate) scope: Vec<Scopes>,
    /// How long it lives; at most as long as the policy lets tokens live
    #[arg(long, value_name = "SPAN", value_parser = lifetime, default_value = "5m")]
    pub(crate) lifetime: Duration,
    /// What else is to be in it: the value is JSON, or else a text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    pub(crate) claims: Vec<(String, Value)>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Show what is in a token, and whether it is good; if not, why
///
/// It is judged as `bartizan serve` judges it: by the key ring in the policy's store, the issuer and the audience of
/// [jwt], the time, and what was revoked. With --jwks by the public keys of a JWK set instead, for whoever has no access
/// to the store; then it cannot be said whether the token was revoked.
///
/// A token lets in whoever has it. With - it is read from standard input, and is neither in the shell's history nor in
/// the list of processes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan token inspect - < token.txt
  pbpaste | bartizan token inspect - --json | jq .claims
  curl -s https://api.example.com/.well-known/jwks.json > jwks.json
  bartizan token inspect - --jwks jwks.json --issuer https://api.example.com --audience api < t.txt

Exit codes:
  0  it is valid
  1  it is refused
  2  the arguments are wrong, or it could not be judged: no policy, no store, no keys")]
pub(crate) struct TokenInspectArguments {
    /// The token; - is standard input
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    /// Judge by the keys of this JWK set instead of the ring's
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    /// With --jwks: the iss that it must have, to the letter; else the policy's
    #[arg(long, value_name = "ISSUER", requires = "jwks")]
    pub(crate) issuer: Option<String>,
    /// With --jwks: what must be in its aud; else the policy's
    #[arg(long, value_name = "AUDIENCE", requires = "jwks")]
    pub(crate) audience: Option<String>,
    /// With --jwks: what its typ must be; else at+jwt, an access token
    #[arg(long = "type", value_name = "TYPE", requires = "jwks")]
    pub(crate) typ: Option<String>,
    /// Print JSON, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Revoke a token, or all that somebody was given until now
///
/// Every node asks the store about each token, so it is refused from the next request on. Those who verify with our JWK
/// set do not ask: for them it is good until it ends, which is why tokens live for minutes.
///
/// The token itself is best, from standard input: it is verified first, and its revocation is kept for as long as it
/// would have been good. With --jti nobody can know whether there is such a token, and it is kept for as long as a key is
/// good that may have signed it. With --subject all of somebody's tokens are revoked that were issued before a time; the
/// next one that they are given is good.
///
/// On a terminal it asks first. It cannot be taken back.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("meant").required(true).args(["token", "jti", "subject"]), after_help = "\
Examples:
  bartizan token revoke - --yes < token.txt
  bartizan token revoke --jti lyBs4x6KLtBTodNDxuKp2g
  bartizan token revoke --subject alice
  bartizan token revoke --subject alice --before 2026-11-26T08:00:00Z

A node whose clock is ahead dates its tokens ahead: a --before of a minute from now takes these too.
After a leak of a key: `bartizan keys revoke`. Sessions: `bartizan session revoke`.
The exit code is 1 where the token is refused already, and where the answer was no.")]
pub(crate) struct TokenRevokeArguments {
    /// The token; - is standard input
    #[arg(value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The token's jti, as `bartizan token issue` and the claims show it
    #[arg(long, value_name = "ID", value_parser = jti, allow_hyphen_values = true)]
    pub(crate) jti: Option<String>,
    /// Whose tokens
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    pub(crate) subject: Option<String>,
    /// With --subject: what was issued before then, 2026-12-31 or 2026-12-31T18:00:00Z; else before now
    #[arg(long, value_name = "TIME", value_parser = when::instant, conflicts_with_all = ["token", "jti"])]
    pub(crate) before: Option<Timestamp>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// Scopes, as they stand in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scopes(pub(crate) Vec<Box<str>>);

/// RFC 6749 §3.3.
pub(super) fn scopes(text: &str) -> Result<Scopes, String> {
    let character = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let scopes: Vec<Box<str>> = text.split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect();
    match scopes.iter().find(|scope| !scope.bytes().all(character)) {
        Some(scope) => {
            Err(format!("`{scope}` is no scope: printable ASCII without `\"` and `\\` (RFC 6749 §3.3)"))
        }
        None if scopes.is_empty() => Err("there is no scope in it; leave the option out".into()),
        None => Ok(Scopes(scopes)),
    }
}

/// What a verifier takes for a subject.
fn subject(text: &str) -> Result<String, String> {
    if (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("a subject is a text of 1 to 256 bytes without control characters".into())
    }
}

/// What a verifier takes for a token's name.
fn jti(text: &str) -> Result<String, String> {
    subject(text).map_err(|_| "a jti is a text of 1 to 256 bytes without control characters".into())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    if span.subsec_nanos() == 0 { Ok(span) } else { Err("tokens live for whole seconds".into()) }
}

/// `name=value`.
fn claim(text: &str) -> Result<(String, Value), String> {
    const OURS: [&str; 8] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "scope"];
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() {
        return Err("it has no name; write it as NAME=VALUE".into());
    }
    if OURS.contains(&name) {
        return Err(format!(
            "`{name}` is not to be chosen: it comes from --subject, --scope, --lifetime and the policy"
        ));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_json_or_text() {
        for (text, expected) in [
            ("tenant=acme", Some(("tenant", json!("acme")))),
            ("level=3", Some(("level", json!(3)))),
            ("level=\"3\"", Some(("level", json!("3")))),
            ("roles=[\"a\"]", Some(("roles", json!(["a"])))),
            ("formula=a=b", Some(("formula", json!("a=b")))),
            ("empty=", Some(("empty", json!("")))),
            ("tenant", None),
            ("=acme", None),
            ("sub=root", None),
            ("exp=9999999999", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(claim(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn scopes_are_read_as_tokens_have_them() {
        let read = |text| scopes(text).map(|scopes| scopes.0.join("|"));
        assert_eq!(read(" orders:read  admin ").as_deref(), Ok("orders:read|admin"));
        for text in ["", " ", "a\"b", "a\\b", "caf\u{e9}", "a\tb"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
