//! What a person types: the subcommands, their options, and the help that teaches them.

mod api_key;
#[cfg(feature = "demo")]
mod demo;
mod keys;
mod token;

use std::{net::IpAddr, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "demo")]
pub(crate) use self::demo::DemoArguments;
pub(crate) use self::{
    api_key::{
        ApiKeyArguments, ApiKeyCommand, ApiKeyCreateArguments, ApiKeyListArguments, ApiKeyRevokeArguments,
        ApiKeyRotateArguments,
    },
    keys::{
        KeysArguments, KeysCommand, KeysExportArguments, KeysImportArguments, KeysListArguments,
        KeysRevokeArguments, KeysRotateArguments,
    },
    token::{TokenArguments, TokenCommand, TokenInspectArguments, TokenIssueArguments, TokenRevokeArguments},
};
use crate::session::KeyDigits;

/// Secures a web API with one policy file.
///
/// Bartizan stands in front of an HTTP API and refuses what should not reach it: foreign pages that change
/// state or read data, unknown hosts, paths that two programs would read differently, cookies and responses
/// without protection. What it does is written in one file, bartizan.toml; without one, its defaults are the
/// secure ones that a working application survives.
#[derive(Debug, Parser)]
#[command(
    name = "bartizan",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "\
Begin here:
  bartizan demo --open                               see attacks being stopped, in the browser
  bartizan serve --upstream http://127.0.0.1:8000    protect an app that runs on port 8000
  bartizan init --fastapi http://127.0.0.1:8000      write a policy for a running FastAPI app
  bartizan check                                     what is wrong with bartizan.toml, all at once
  bartizan explain POST /transfer                    what would happen to a request, and why

Environment:
  BARTIZAN_PROFILE       the profile, where --profile names none
  BARTIZAN__TABLE__KEY   overrides a value of the policy: BARTIZAN__SERVER__LISTEN=0.0.0.0:8080
  NO_COLOR               no colours, also on a terminal

Exit codes:
  0  all is well
  1  errors were found, or the command could not do its work
  2  the arguments are wrong
  130  a second Ctrl-C ended the gateway before its last requests did"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
    Init(InitArguments),
    Check(CheckArguments),
    Explain(ExplainArguments),
    Serve(ServeArguments),
    Report(ReportArguments),
    Session(SessionArguments),
    Keys(KeysArguments),
    ApiKey(ApiKeyArguments),
    Token(TokenArguments),
    /// Print the JSON Schema of the policy file, with which editors complete and check it
    ///
    /// For editors with a TOML language server (Taplo, Even Better TOML), put this in the first line of
    /// bartizan.toml, with the path of the file that you wrote the schema to:
    ///
    ///   #:schema ./bartizan.schema.json
    #[command(after_help = "Example:\n  bartizan schema > bartizan.schema.json", verbatim_doc_comment)]
    Schema,
}

/// Which policy, and with which profile.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PolicyArguments {
    /// The policy file; ./bartizan.toml where none is named
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) profile: ProfileArgument,
}

/// Which profile.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ProfileArgument {
    /// The profile of the policy to lay over it, [profile.NAME]; none means production
    #[arg(long, value_name = "NAME", env = "BARTIZAN_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
}

/// Write a starter policy, with a comment for every line
///
/// With --fastapi, reads /openapi.json, /docs and /redoc of the running app and writes the routes that it
/// needs: a Content-Security-Policy under which FastAPI's documentation pages still work, larger bodies where
/// files are uploaded, the cookies that carry a login.
///
/// An existing file is left alone unless --force is given.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan init --upstream http://127.0.0.1:8000
  bartizan init --fastapi http://127.0.0.1:8000
  bartizan init --fastapi http://127.0.0.1:8000 --output - | less

Next:
  bartizan check      is the policy right?
  bartizan serve      protect the app")]
pub(crate) struct InitArguments {
    /// The application behind the gateway; the --fastapi address, or port 8000 of this machine, where none is named
    #[arg(long, value_name = "URL", value_parser = http_origin)]
    pub(crate) upstream: Option<String>,
    /// A running FastAPI app to read
    #[arg(long, value_name = "URL", value_parser = http_origin)]
    pub(crate) fastapi: Option<String>,
    /// Where to write the policy; - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "bartizan.toml")]
    pub(crate) output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Check a policy: every error at once, with line and column, and what is probably not meant
///
/// With --openapi, judges every operation of the API as a client without credentials would meet it, and lists
/// those that the policy leaves public.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan check
  bartizan check deploy/bartizan.toml --profile staging
  bartizan check --openapi http://127.0.0.1:8000/openapi.json
  bartizan check --strict        in CI: warnings fail too

The exit code is 1 where there is an error; with --strict, where there is a warning too.
On a terminal an error is shown with the lines around it; elsewhere as one line:
  file:line:column: path: message")]
pub(crate) struct CheckArguments {
    /// The policy file [default: bartizan.toml]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// An OpenAPI document (JSON) of the API behind the policy
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) openapi: Option<String>,
    #[command(flatten)]
    pub(crate) profile: ProfileArgument,
    /// Warnings are errors
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Explain what would happen to a request, why, and what would allow it
///
/// Nothing is sent anywhere: the request is judged by the same engine that serves. What a real request would
/// bring by itself (Host, scheme, the client's address) is supplied unless given, and the answer says so.
/// Without a policy file the built-in defaults are explained.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan explain GET /
  bartizan explain POST /transfer -H 'Origin: https://evil.example'
  bartizan explain POST /transfer -H 'Sec-Fetch-Site: cross-site' -H 'Cookie: session=1'
  bartizan explain GET https://api.example.com/admin/users --json
  bartizan explain GET / --peer 10.0.0.7 -H 'X-Forwarded-For: 198.51.100.4'

The exit code is 0 whether the request is allowed or refused, and 1 where the policy has errors.")]
pub(crate) struct ExplainArguments {
    /// The method: GET, POST, …
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// A path with its query, or a whole URL
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// A header of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// The address of the connection's other end
    #[arg(long, value_name = "IP")]
    pub(crate) peer: Option<IpAddr>,
    /// How the request reaches the listener
    #[arg(long, value_name = "SCHEME")]
    pub(crate) scheme: Option<SchemeArgument>,
    /// Print JSON, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemeArgument {
    Http,
    Https,
}

/// Stand in front of an application and protect it
///
/// With --upstream alone it listens on 127.0.0.1:8080 with secure defaults. At start it says on standard error
/// what it protects and how; then it writes its log to standard output, readable on a terminal and as JSON
/// lines elsewhere, one line for each request that it refuses.
///
/// SIGTERM or Ctrl-C stop it gently: it takes no new connections and lets the requests under way finish. A
/// second Ctrl-C ends it at once.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan serve --upstream http://127.0.0.1:8000
  bartizan serve --policy deploy/bartizan.toml --profile staging
  bartizan serve --log /var/log/bartizan.jsonl

Try it:
  curl -i http://127.0.0.1:8080/
  curl -i -X POST http://127.0.0.1:8080/ -H 'Origin: https://evil.example'")]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// The application to protect; instead of `server.upstream`
    #[arg(long, value_name = "URL", value_parser = http_origin)]
    pub(crate) upstream: Option<String>,
    /// The address to listen on; instead of `server.listen`
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// How the log is written
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) log_format: LogFormat,
    /// Append the log to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Log every request, not only those that are refused
    #[arg(long)]
    pub(crate) access_log: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Human on a terminal, JSON elsewhere
    Auto,
    /// A line to read
    Human,
    /// A JSON object a line
    Json,
}

/// Sum up what mode "report" would have refused, from the log of serve
///
/// Set `mode = "report"` (for everything, or in one table such as [csrf]), let the application run for a
/// while, and read here what would break, with the policy line that would allow each. Lines that are not
/// Bartizan's are skipped.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan report /var/log/bartizan.jsonl
  kubectl logs deploy/api | bartizan report
  bartizan report --json bartizan.jsonl | jq '.findings[0]'")]
pub(crate) struct ReportArguments {
    /// The log, as JSON lines; - is standard input
    #[arg(value_name = "LOGFILE", default_value = "-")]
    pub(crate) log: PathBuf,
    /// Print JSON, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
}

/// List and end sessions, in the store that the policy names
///
/// The gateway may run meanwhile: a session that is ended here is refused with its next request, on every node.
/// What is kept of a session is a hash of its cookie, so that nothing that is shown here lets anybody in.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan session list --subject alice@example.com
  bartizan session revoke 8f434346648f6b96
  bartizan session revoke --subject alice@example.com      sign out everywhere")]
pub(crate) struct SessionArguments {
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

/// What is done with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    List(SessionListArguments),
    Revoke(SessionRevokeArguments),
}

/// List the sessions that are alive: whose, since when, and until when
///
/// On a terminal as a table; elsewhere, and with --json, as one JSON object a line. A session ends after the time
/// that [session] idle says without a request, and at the latest at what absolute says. LAST SEEN is written at most
/// once a minute.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan session list
  bartizan session list --subject alice@example.com
  bartizan session list --json | jq -r 'select(.scopes | index(\"admin\")) | .subject'")]
pub(crate) struct SessionListArguments {
    /// Only those of this subject, as the application named it at login
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// Print JSON lines, with keys that stay the same from version to version
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// End a session, or all of a subject: their next request is refused
///
/// On a terminal it asks first. Whoever has signed out everywhere can sign in again: to keep somebody out, first take
/// their login away in the application.
#[derive(Args, Debug)]
#[command(
    override_usage = "\
bartizan session revoke [OPTIONS] <KEY>
       bartizan session revoke [OPTIONS] --subject <SUBJECT> [--except <KEY>]",
    after_help = "\
Examples:
  bartizan session revoke 8f434346648f6b96
  bartizan session revoke --subject alice@example.com --yes
  bartizan session revoke --subject alice@example.com --except 8f434346648f6b96

The exit code is 1 where no session that is alive has the key, and where the answer was no."
)]
pub(crate) struct SessionRevokeArguments {
    /// The session's key: the 16 digits that `bartizan session list` shows, or more
    #[arg(value_name = "KEY", required_unless_present = "subject", conflicts_with = "subject")]
    pub(crate) key: Option<KeyDigits>,
    /// All sessions of this subject
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// But for this one of theirs
    #[arg(long, value_name = "KEY", requires = "subject", conflicts_with = "key")]
    pub(crate) except: Option<KeyDigits>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
}

/// `Name: value`, as curl takes it.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("`{name}` is not a header name (RFC 9110 §5.1)"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err("a header value has no control characters (RFC 9110 §5.5)".into());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// An origin that we can connect to: `http://host[:port]`, with or without a final slash.
fn http_origin(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(if text.starts_with("https://") {
            "this build speaks plain http to the application; https upstreams cannot be used yet".into()
        } else {
            "write it as http://host:port".into()
        });
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() {
        return Err("it names no host; write it as http://host:port".into());
    }
    if authority.contains(['/', '?', '#']) {
        return Err(
            "only the origin, http://host:port: the path of each request is passed on as it is".into()
        );
    }
    if authority.contains(['@', ' ', '\\']) {
        return Err("write it as http://host:port, without a user name or spaces".into());
    }
    Ok(format!("http://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn headers_are_read_as_curl_reads_them() {
        for (text, expected) in [
            ("Origin: https://a.example", Some(("Origin", "https://a.example"))),
            ("origin:x", Some(("origin", "x"))),
            ("X-Empty:", Some(("X-Empty", ""))),
            ("no colon", None),
            (": value", None),
            ("Bad Name: x", None),
            ("X: a\r\nY: b", None),
        ] {
            let read = header(text).ok();
            assert_eq!(read.as_ref().map(|(name, value)| (&**name, &**value)), expected, "{text}");
        }
    }

    #[test]
    fn an_upstream_is_an_http_origin() {
        assert_eq!(http_origin("http://127.0.0.1:8000/").as_deref(), Ok("http://127.0.0.1:8000"));
        for text in ["127.0.0.1:8000", "https://a.example", "http://", "http://a/b", "http://u@a", "ftp://a"]
        {
            assert!(http_origin(text).is_err(), "{text}");
        }
    }
}
