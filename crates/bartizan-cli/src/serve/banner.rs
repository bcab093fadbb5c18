//! What `serve` says at start: what it protects, where, how, and what to do next.

use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
};

use bartizan_core::{
    Engine, JWKS_PATH,
    jwt::Issuers,
    policy::{Document, Mode, StoreKind, StoreUrl},
};

use crate::{
    policy::Source,
    serve::keys::KeptIn,
    terminal::{self, BAD, BOLD, DIM, GOOD, NAME, NOTICE, paint},
};

/// What is known when it starts.
pub(super) struct Facts<'f> {
    pub(super) source: &'f Source,
    pub(super) profile: Option<&'f str>,
    pub(super) document: &'f Document,
    pub(super) engine: &'f Engine,
    /// What is listened on.
    pub(super) address: SocketAddr,
    /// Where state is kept, where there is any.
    pub(super) state: Option<State<'f>>,
}

/// Where state is kept, and the key that protects what clients hold of it.
pub(super) struct State<'f> {
    pub(super) url: &'f StoreUrl,
    pub(super) keys: &'f KeptIn,
}

/// The whole text.
pub(super) fn text(facts: &Facts<'_>) -> String {
    let mut text = String::new();
    let _ = write(facts, &mut text);
    text
}

fn write(facts: &Facts<'_>, text: &mut String) -> fmt::Result {
    let policy = &facts.document.policy;
    let upstream = policy.server.upstream.as_deref().unwrap_or("the application");
    writeln!(
        text,
        "{} protects {}",
        paint(BOLD, concat!("Bartizan ", env!("CARGO_PKG_VERSION"))),
        paint(NAME, upstream)
    )?;
    row(text, "listening", &reached(facts.address))?;
    let public: Vec<&str> = policy.origin.public.iter().map(String::as_str).collect();
    row(
        text,
        "reached at",
        &if public.is_empty() {
            "this machine only (origin.public is empty)".into()
        } else {
            public.join(", ")
        },
    )?;
    let policy_name = if facts.source.built_in { "the built-in defaults" } else { &facts.source.name };
    let profile = match facts.profile {
        Some(profile) => format!("profile {profile}"),
        None => "production".into(),
    };
    row(text, "policy", &format!("{policy_name}, {profile}"))?;
    if let Some(state) = &facts.state {
        row(text, "state", &kept(state))?;
    }
    if let Some(issuers) = facts.engine.issuers() {
        row(text, "tokens", &tokens(issuers))?;
    }
    modes(facts, text)?;
    for warning in warnings(facts) {
        writeln!(text, "{}: {warning}", paint(NOTICE, "warning"))?;
    }
    next(facts, upstream, text)
}

/// The address as a browser takes it.
fn reached(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("port {} of every address of this machine ({address})", address.port())
    } else {
        format!("http://{address}")
    }
}

fn kept(State { url, keys }: &State<'_>) -> String {
    let place = match (url.kind(), url.path().map(std::path::absolute)) {
        (StoreKind::Memory, _) => "in memory: it ends with this process".into(),
        (_, Some(Ok(path))) => path.display().to_string(),
        _ => url.to_string(),
    };
    match keys {
        KeptIn::File(path) => format!("{place}, key in {}", path.display()),
        KeptIn::Policy => format!("{place}, key from store.master_key"),
        // Whatever it protects ends with the process too.
        KeptIn::Process => place,
    }
}

/// Whose tokens are accepted, and where the keys are that verify ours.
fn tokens(issuers: &Issuers) -> String {
    let mut text = format!(
        "of {} ({}, keys at {JWKS_PATH})",
        terminal::printable(&issuers.ours().issuer),
        issuers.ring().algorithm()
    );
    for issuer in issuers.trusted() {
        let _ = write!(text, ", of {}", terminal::printable(&issuer.rules().issuer));
    }
    text
}

fn modes(facts: &Facts<'_>, text: &mut String) -> fmt::Result {
    let policy = &facts.document.policy;
    // Not decisions about requests, so the engine does not count them among its modes.
    let own = |mode: Option<Mode>| mode.or(policy.mode.filter(|mode| *mode == Mode::Off)).unwrap_or_default();
    let headers =
        [("headers", own(policy.headers.mode)), ("csp", policy.csp.mode.or(policy.mode).unwrap_or_default())];
    // What changes responses without refusing anything is either done or not.
    let all = facts.engine.modes().chain(headers).map(|(control, mode)| match (control, mode) {
        ("cookies", Mode::Report) => (control, Mode::Enforce),
        pair => pair,
    });
    let all: Vec<(&str, Mode)> = all.collect();
    for (mode, name, style) in
        [(Mode::Enforce, "on", GOOD), (Mode::Report, "report only", NOTICE), (Mode::Off, "off", BAD)]
    {
        let controls: Vec<&str> =
            all.iter().filter(|(_, of)| *of == mode).map(|(control, _)| *control).collect();
        if !controls.is_empty() {
            row(text, name, &paint(style, controls.join(", ")))?;
        }
    }
    Ok(())
}

fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let mut warnings: Vec<String> = facts
        .engine
        .warnings()
        .iter()
        .map(|warning| terminal::printable(&format!("{}: {}", warning.path, warning.message)))
        .collect();
    if facts.engine.authorisation_is_upstreams() {
        warnings.push(
            "the policy configures no credential, so who may do what is the application's own decision"
                .into(),
        );
    }
    warnings
}

fn next(facts: &Facts<'_>, upstream: &str, text: &mut String) -> fmt::Result {
    writeln!(text, "\n{}", paint(BOLD, "Next:"))?;
    let (address, built_in) = (facts.address, facts.source.built_in);
    let named = if built_in || facts.source.name == "bartizan.toml" {
        String::new()
    } else {
        format!(" --policy {}", facts.source.name)
    };
    let mut rows =
        vec![(format!("curl -i http://{}/", terminal_address(address)), "the application, through Bartizan")];
    if built_in {
        rows.push((
            format!("bartizan init --upstream {upstream}"),
            "write a policy (--fastapi for a FastAPI app)",
        ));
    } else {
        rows.push((format!("bartizan check{}", named.replace(" --policy", "")), "is the policy right?"));
    }
    rows.push((
        format!("bartizan explain POST / -H 'Origin: https://evil.example'{named}"),
        "what happens to a request, and why",
    ));
    let width = rows.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    for (command, why) in rows {
        writeln!(text, "  {command:width$}  {}", paint(DIM, why))?;
    }
    writeln!(text)
}

/// An address to try from this machine.
fn terminal_address(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() }
}

fn row(text: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(text, "  {} {value}", paint(DIM, format_args!("{name:12}")))
}
