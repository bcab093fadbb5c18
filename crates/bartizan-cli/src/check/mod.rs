//! `bartizan check`: is the policy right, what in it is probably not meant, and what does it leave public?

mod coverage;

use std::{fmt::Write as _, fs, path::Path};

use bartizan_core::{Warning, policy::Document};
use bartizan_store::StoreOptions;

use crate::{
    Outcome,
    arguments::CheckArguments,
    check::coverage::Coverage,
    diagnostics,
    failure::Failure,
    fetch,
    openapi::Api,
    policy::{self, Source},
    terminal::{self, BAD, GOOD, NOTICE, count, paint},
};

/// Checks, and says what was found.
pub(crate) fn run(arguments: &CheckArguments) -> Result<Outcome, Failure> {
    let source = Source::find(arguments.file.as_deref())?.ok_or(Failure::NoPolicy)?;
    let profile = arguments.profile.profile.as_deref();
    let policy = match policy::load(&source, profile, None, policy::stand_in_keys())? {
        Ok(policy) => policy,
        Err(faults) => {
            diagnostics::print(&source, &faults);
            return Ok(Outcome::Faults);
        }
    };
    let warnings = warnings(&policy);
    terminal::print_error(&rendered(&source, &policy.document, &warnings));

    let mut text = String::new();
    if let Some(name) = &arguments.openapi {
        let api = Api::parse(name, &document(name)?)?;
        text.push_str(&Coverage::of(&api, &policy)?.text(name));
    }
    let failed = arguments.strict && !warnings.is_empty();
    text.push_str(&summary(&source, profile, &policy, warnings.len(), failed));
    terminal::print(&text)?;
    Ok(if failed { Outcome::Faults } else { Outcome::Fine })
}

/// What is right, and probably not meant; and what `serve` of this build will not do.
fn warnings(policy: &policy::Loaded) -> Vec<Warning> {
    let mut warnings = policy.engine.warnings().to_vec();
    let written = &policy.document.policy;
    if written.server.tls.is_some() {
        warnings.push(Warning {
            path: "server.tls".into(),
            message:
                "`serve` of this build does not start with it: TLS is to be terminated in front, by a proxy \
                      that `proxy.trusted` names"
                    .into(),
        });
    }
    let store = StoreOptions::of(written);
    if let Some(Err(error)) = store.as_ref().map(bartizan_store::can_open) {
        let message = format!("`serve` of this build does not start with it: {error}");
        warnings.push(Warning { path: "store.url".into(), message });
    }
    warnings
}

/// A document of this name: a URL, or a file.
fn document(name: &str) -> Result<String, Failure> {
    if name.starts_with("http://") || name.starts_with("https://") {
        return Ok(fetch::text(name)?);
    }
    let path = Path::new(name);
    fs::read_to_string(path).map_err(|error| Failure::Read { path: path.to_owned(), error })
}

/// The warnings, one a line: `file:line:column: warning: path: message`.
fn rendered(source: &Source, document: &Document, warnings: &[Warning]) -> String {
    let mut text = String::new();
    for Warning { path, message } in warnings {
        text.push_str(&source.name);
        if let Some(location) = document.location_of(path) {
            let _ = write!(text, ":{}:{}", location.line, location.column);
        }
        let _ = writeln!(text, ": {}: {path}: {}", paint(NOTICE, "warning"), terminal::printable(message));
    }
    text
}

fn summary(
    source: &Source,
    profile: Option<&str>,
    policy: &policy::Loaded,
    warnings: usize,
    failed: bool,
) -> String {
    let verdict = match (failed, warnings) {
        (true, _) => paint(BAD, format_args!("{}, and --strict", count(warnings, "warning"))),
        (false, 0) => paint(GOOD, "no errors, no warnings"),
        (false, _) => format!("{}, {}", paint(GOOD, "no errors"), paint(NOTICE, count(warnings, "warning"))),
    };
    let written = &policy.document.policy;
    format!(
        "{}: {verdict} (checked for {}: {}, {}, {})\n",
        source.name,
        match policy::profile_name(profile) {
            Some(name) => format!("profile {name}"),
            None => "production".into(),
        },
        count(policy.document.provenance().count(), "value"),
        count(written.route.len(), "route"),
        count(written.origin.public.len() + written.origin.trusted.len(), "origin"),
    )
}
